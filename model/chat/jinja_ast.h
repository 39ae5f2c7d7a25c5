/* What a template is compiled to. Inside of model/chat/jinja_*.c. LOCAL. */
#ifndef WR_MODEL_JINJA_AST_H
#define WR_MODEL_JINJA_AST_H

#include "model/chat/jinja.h"
#include "model/chat/jinja_value.h"

typedef enum operation {
    OP_OR,
    OP_AND,
    OP_NOT,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_GT,
    OP_LE,
    OP_GE,
    OP_IN,
    OP_NOT_IN,
    OP_ADD,
    OP_SUB,
    OP_CONCAT,
    OP_MUL,
    OP_DIV,
    OP_FLOOR,
    OP_MOD,
    OP_POW,
    OP_NEG,
    OP_PLUS
} operation;

typedef enum expression_kind {
    EXPR_LITERAL,  /* value */
    EXPR_NAME,     /* name */
    EXPR_LIST,     /* args */
    EXPR_DICT,     /* args: key, value, key, value … */
    EXPR_MEMBER,   /* a.name */
    EXPR_ITEM,     /* a[b] */
    EXPR_SLICE,    /* a[b:c:d], each NULL when left out */
    EXPR_CALL,     /* a(args) */
    EXPR_FILTER,   /* a | name(args) */
    EXPR_TEST,     /* a is name args */
    EXPR_UNARY,    /* op a */
    EXPR_BINARY,   /* a op b */
    EXPR_CONDITION /* a if b else c (NULL: undefined) */
} expression_kind;

typedef struct expression expression;
typedef struct argument {
    const char *name; /* NULL: by position */
    expression *value;
} argument;

struct expression {
    expression_kind kind;
    operation op;
    int line;
    const char *name;
    value literal;
    expression *a, *b, *c, *d;
    argument *args;
    size_t n_args;
};

typedef enum statement_kind {
    DO_TEXT,      /* literal */
    DO_PRINT,     /* e */
    DO_IF,        /* e, body, otherwise */
    DO_FOR,       /* names in e if condition: body, otherwise */
    DO_SET,       /* names = e; or target.member = e */
    DO_SET_BLOCK, /* names[0] = rendered body */
    DO_MACRO,     /* name, parameters, body */
    DO_FILTER,    /* e: a filter whose innermost operand is DO_FILTER_TEXT */
    DO_GROUP,     /* body */
    DO_GENERATION, /* body: a scope of its own, marked in the result */
    DO_BREAK,
    DO_CONTINUE
} statement_kind;

typedef struct statement statement;
struct statement {
    statement_kind kind;
    int line;
    value literal;
    expression *e, *condition;
    const char **names;    /* loop variables, targets; DO_MACRO: parameters */
    expression **defaults; /* (n_names) of parameters, NULL: none */
    size_t n_names;
    const char *name, *member;
    statement *body, *otherwise; /* lists */
    statement *next;
};

/* The name under which a filter block's text stands in its expression. */
#define FILTERED_TEXT " text"

struct jinja {
    arena *memory;
    statement *first;
    bool generation; /* has such blocks */
};

/* --- tokens of an expression (jinja_lex.c) --- */

typedef enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_INT, TOKEN_FLOAT, TOKEN_SIGN } token_kind;

/* Reads the template from left to right. Between blocks lex_text gives the text; inside of one, lex_next its tokens. */
typedef struct lexer {
    arena *a;
    const char *s;
    size_t n, at;
    int line;
    size_t open;              /* brackets that wait for their end: inside of them, }} ends no block */
    bool after_block_newline; /* at the start of a line, as far as lstrip_blocks is concerned */
    /* the token last read */
    token_kind kind;
    const char *text; /* TOKEN_NAME, TOKEN_SIGN: NUL-terminated; TOKEN_STRING: unescaped */
    size_t length;
    int64_t integer;
    double real;
    bool generation; /* a generation block has been read */
} lexer;

typedef enum block_kind { BLOCK_EOF, BLOCK_PRINT, BLOCK_STATEMENT } block_kind;
/* The text up to the next block (comments are left out), and what kind of block begins; its first token is read. */
wr_status lex_text(lexer *x, text_builder *text, block_kind *next);
/* Next token; TOKEN_END at the end of the block, which is then left. */
wr_status lex_next(lexer *x);
bool lex_is(const lexer *x, const char *sign_or_name); /* the token last read */
wr_status lex_fail(const lexer *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Parses an expression from the token last read (jinja_expression.c); stops at the token that is not part of it. */
wr_status parse_expression(lexer *x, int depth, expression **out);
wr_status parse_no_condition(lexer *x, int depth, expression **out);                 /* without "a if b else c" */
wr_status parse_arguments(lexer *x, int depth, argument **args, size_t *n);          /* behind "("; reads ")" */
wr_status parse_filters(lexer *x, int depth, expression *operand, expression **out); /* name[(args)] [| …] */
wr_status expression_new(lexer *x, expression_kind kind, expression **out);

/* --- running (jinja_run.c, jinja_evaluate.c, jinja_functions.c) --- */

typedef struct scope {
    value_dict variables;
    struct scope *parent;
} scope;

typedef struct run {
    arena *a;
    text_builder *out;
    scope *globals;
    enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
    size_t steps;
    int depth;
    const text_builder *top; /* what the whole template writes */
    size_t *blocks, n_blocks, block_capacity; /* of DO_GENERATION: (2 n_blocks) */
} run;

typedef struct call_arguments {
    const value *items;
    const char *const *names; /* NULL: by position */
    size_t n;
} call_arguments;

/* What others wrote, as the template sees it (jinja_message.c). from: the origin of its texts. */
wr_status jinja_value_of(arena *a, const json_value *v, uint16_t from, value *out);
wr_status jinja_message_value(arena *a, const chat_message *m, size_t i, bool texts, value *out);

wr_status evaluate(run *r, const expression *e, scope *s, value *out);
wr_status run_macro(run *r, const statement *macro, const call_arguments *args, value *out);
wr_status run_filter(run *r, const char *name, value operand, const call_arguments *args, value *out);
wr_status run_test(run *r, const char *name, value operand, const call_arguments *args, bool *out);
wr_status run_method(run *r, value object, const char *name, const call_arguments *args, value *out);
wr_status run_function(run *r, const char *name, const call_arguments *args, value *out);
bool is_function(const char *name);
bool has_method(value object, const char *name);
/* What a for loop goes over: a list as it is, a dict's keys, a string's characters, nothing for undefined. */
wr_status value_items(run *r, value v, value_list **out);
/* a[key]; undefined when there is none. */
wr_status value_item(run *r, value a, value key, value *out);
/* Argument i by position, or by name; NULL when it is not given. */
const value *call_argument(const call_arguments *args, size_t i, const char *name);
bool call_flag(const call_arguments *args, size_t i, const char *name, bool otherwise);

#endif
