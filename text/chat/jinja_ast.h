/* What a template is compiled to, and how. Inside of text/chat/jinja_*.c. LOCAL. */
#ifndef WR_TEXT_CHAT_JINJA_AST_H
#define WR_TEXT_CHAT_JINJA_AST_H

#include "text/chat/jinja.h"
#include "text/chat/jinja_value.h"

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
    OP_MUL,
    OP_DIV,
    OP_FLOOR,
    OP_MOD,
    OP_POW,
    OP_NEG,
    OP_PLUS
} operation;

typedef enum expression_kind {
    EXPR_LITERAL,      /* literal */
    EXPR_NAME,         /* name */
    EXPR_LIST,         /* args */
    EXPR_TUPLE,        /* args */
    EXPR_DICT,         /* args: key, value, key, value … */
    EXPR_MEMBER,       /* a.name */
    EXPR_ITEM,         /* a[b] */
    EXPR_SLICE,        /* a[b:c:d], each NULL when left out */
    EXPR_CALL,         /* a(args) */
    EXPR_FILTER,       /* a | name(args) */
    EXPR_TEST,         /* a is name args */
    EXPR_UNARY,        /* op a */
    EXPR_BINARY,       /* a op b: or, and, arithmetic */
    EXPR_COMPARE,      /* a, and args with their op: a < b < c */
    EXPR_CONCAT,       /* args, joined by ~ */
    EXPR_CONDITION,    /* a if b else c (NULL: undefined) */
    EXPR_MEMBER_TARGET /* name.member, as a target of set */
} expression_kind;

typedef struct expression expression;
typedef struct argument {
    const char *name; /* NULL: by position */
    expression *value;
    operation op; /* EXPR_COMPARE */
    int stars;    /* 1: *value, 2: **value */
} argument;

struct expression {
    expression_kind kind;
    operation op;
    int line;
    const char *name, *member;
    value literal;
    expression *a, *b, *c, *d;
    argument *args;
    size_t n_args;
};

typedef enum statement_kind {
    DO_TEXT,       /* literal */
    DO_PRINT,      /* e */
    DO_IF,         /* e, body, otherwise */
    DO_FOR,        /* target in e if condition: body, otherwise */
    DO_SET,        /* target = e */
    DO_SET_BLOCK,  /* target = body, through e */
    DO_MACRO,      /* name, parameters, body */
    DO_CALL,       /* e: a call, with a macro of body and parameters as its caller */
    DO_FILTER,     /* e: a filter whose innermost operand is FILTERED_TEXT */
    DO_WITH,       /* args by name target: body */
    DO_GENERATION, /* body */
    DO_BREAK,
    DO_CONTINUE
} statement_kind;

typedef struct statement statement;

/* Statements with a scope of their own (those of if have none). hidden: names that are undefined there until they are
 * set, whatever they are outside (jinja_symbols.c). */
typedef struct block {
    statement *first;
    const char **hidden;
    size_t n_hidden;
} block;

struct statement {
    statement_kind kind;
    int line;
    value literal;
    expression *e, *condition;
    expression *target;
    argument *parameters; /* DO_MACRO, DO_CALL: name, default or NULL; DO_WITH: target in place of name */
    expression **targets; /* DO_WITH (n_parameters) */
    size_t n_parameters;
    const char *name;
    bool recursive, catch_names, catch_rest, takes_caller; /* a macro uses kwargs, varargs, caller */
    block body, otherwise;
    statement *next;
};

/* The name under which a filter block's text stands in its expression. */
#define FILTERED_TEXT " text"

struct jinja {
    arena *memory;
    block root;
    bool generation; /* has generation blocks */
};

/* --- tokens (jinja_lex.c) --- */

typedef enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_INT, TOKEN_FLOAT, TOKEN_SIGN } token_kind;

enum { BRACKETS_MAX = 250 };

/* Reads the template from left to right. Between blocks lex_text gives the text; inside of one, lex_next its tokens. A
 * copy goes its own way. */
typedef struct lexer {
    arena *a;
    const char *s;
    size_t n, at;
    int line;
    bool in_statement;  /* the block ends with %}, not with }} */
    bool line_starting; /* as far as lstrip_blocks is concerned */
    size_t open;        /* brackets that wait for their end: inside of them, }} ends no block */
    char brackets[BRACKETS_MAX];
    /* the token last read */
    token_kind kind;
    const char *text; /* TOKEN_NAME, TOKEN_SIGN: NUL-terminated; TOKEN_STRING: unescaped */
    size_t length;
    int64_t integer;
    double real;
    bool generation; /* a generation block has been read */
    int loops;       /* loops around what is parsed, as far as break may leave them */
} lexer;

typedef enum block_kind { BLOCK_EOF, BLOCK_PRINT, BLOCK_STATEMENT } block_kind;
/* The text up to the next block (comments are left out, raw blocks are text), and what kind of block begins; its first
 * token is read. */
wr_status lex_text(lexer *x, text_builder *text, block_kind *next);
/* Next token; TOKEN_END at the end of the block, which is then left. */
wr_status lex_next(lexer *x);
bool lex_is(const lexer *x, const char *sign_or_name);                      /* the token last read */
wr_status lex_next_is(const lexer *x, const char *sign_or_name, bool *out); /* the token behind it */
wr_status lex_skip_if(lexer *x, const char *sign_or_name, bool *skipped);
wr_status lex_expect(lexer *x, const char *sign_or_name);
wr_status lex_fail(const lexer *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- parsing (jinja_expression.c, jinja_precedence.c) --- */

enum { EXPRESSION_DEPTH_MAX = 60 };

/* Parses an expression from the token last read; stops at the token that is not part of it. */
wr_status parse_expression(lexer *x, int depth, expression **out);
wr_status parse_unary(lexer *x, int depth, bool with_filters, expression **out); /* an operand with its signs */
/* As Jinja's parse_tuple: "a" or "a, b". end (may be NULL): a name that ends it. */
typedef struct tuple_rules {
    bool simple;       /* names and literals only: a target */
    bool members;      /* … or name.member */
    bool no_condition; /* "a if b" is not taken */
    bool brackets;     /* "()" is a tuple */
    const char *end;
} tuple_rules;
wr_status parse_tuple(lexer *x, int depth, tuple_rules rules, expression **out);
/* What is assigned to: names, tuples of them, and name.member where `members`. */
wr_status parse_target(lexer *x, bool members, const char *end, expression **out);
wr_status parse_filters(lexer *x, int depth, expression *operand, expression **out); /* name[(args)] [| …] */
wr_status push_argument(lexer *x, argument **args, size_t *n, size_t *capacity, argument a);
wr_status expression_new(lexer *x, expression_kind kind, expression **out);

/* What others wrote, as the template sees it (jinja_message.c). from: the origin of its texts. */
wr_status jinja_value_of(arena *a, const json_value *v, uint16_t from, value *out);
wr_status jinja_message_value(arena *a, const chat_message *m, size_t i, bool texts, value *out);

/* Scopes of a parsed template: fills `hidden` and what macros use; names of filters and tests are checked as Jinja does
 * (jinja_symbols.c). WR_E_FORMAT: "line 12: …". */
wr_status find_symbols(arena *a, block *root);

bool is_filter(const char *name);
bool is_test(const char *name);

#endif
