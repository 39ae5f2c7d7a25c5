/* Expressions, by precedence: a if b else c · or · and · not · comparisons · + - · ~ · * / // % · ** · what
 * jinja_expression.c reads. */
#include "text/chat/jinja_ast.h"

enum { CHAIN_MAX = 2000 };

typedef struct level_operator {
    int level;
    const char *sign;
    operation op;
} level_operator;

enum { LEVEL_OR, LEVEL_AND, LEVEL_COMPARE, LEVEL_SUM, LEVEL_CONCAT, LEVEL_PRODUCT, LEVEL_POWER, LEVELS };

static const level_operator operators[] = {
    {LEVEL_OR, "or", OP_OR},      {LEVEL_AND, "and", OP_AND},   {LEVEL_COMPARE, "==", OP_EQ},
    {LEVEL_COMPARE, "!=", OP_NE}, {LEVEL_COMPARE, "<", OP_LT},  {LEVEL_COMPARE, ">", OP_GT},
    {LEVEL_COMPARE, "<=", OP_LE}, {LEVEL_COMPARE, ">=", OP_GE}, {LEVEL_COMPARE, "in", OP_IN},
    {LEVEL_SUM, "+", OP_ADD},     {LEVEL_SUM, "-", OP_SUB},     {LEVEL_CONCAT, "~", OP_ADD},
    {LEVEL_PRODUCT, "*", OP_MUL}, {LEVEL_PRODUCT, "/", OP_DIV}, {LEVEL_PRODUCT, "//", OP_FLOOR},
    {LEVEL_PRODUCT, "%", OP_MOD}, {LEVEL_POWER, "**", OP_POW},
};

static wr_status parse_level(lexer *x, int depth, int level, expression **out);

static wr_status parse_operand(lexer *x, int depth, int level, expression **out) {
    wr_status status = WR_OK;
    if (level == LEVEL_AND && lex_is(x, "not")) { /* binds less than comparisons */
        expression *e;
        if (depth > EXPRESSION_DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
        TRY(expression_new(x, EXPR_UNARY, &e));
        e->op = OP_NOT;
        TRY(lex_next(x));
        TRY(parse_operand(x, depth + 1, level, &e->a));
        *out = e;
        return WR_OK;
    }
    return level + 1 == LEVELS ? parse_unary(x, depth, true, out) : parse_level(x, depth, level + 1, out);
cleanup:
    return status;
}

/* The operator of this level at the token last read; "not in" is read as far as "in". */
static wr_status find_operator(lexer *x, int level, operation *op, bool *found) {
    wr_status status = WR_OK;
    *found = false;
    if (level == LEVEL_COMPARE && lex_is(x, "not")) {
        TRY(lex_next_is(x, "in", found));
        if (*found) TRY(lex_next(x));
        *op = OP_NOT_IN;
        return WR_OK;
    }
    for (size_t i = 0; i < sizeof operators / sizeof *operators && !*found; i++) {
        if (operators[i].level != level || !lex_is(x, operators[i].sign)) continue;
        *op = operators[i].op;
        *found = true;
    }
cleanup:
    return status;
}

static wr_status parse_level(lexer *x, int depth, int level, expression **out) {
    wr_status status = WR_OK;
    const bool compare = level == LEVEL_COMPARE, concat = level == LEVEL_CONCAT;
    operation op = OP_OR;
    size_t capacity = 0;
    expression *e = NULL;
    bool found;
    TRY(parse_operand(x, depth, level, out));
    for (int count = 0;; count++) {
        argument next = {0};
        TRY(find_operator(x, level, &op, &found));
        if (!found) return WR_OK;
        if (count > CHAIN_MAX / (compare || concat ? 1 : 10)) TRY(lex_fail(x, "an expression is too long"));
        if (!e || (!compare && !concat)) {
            TRY(expression_new(x, compare ? EXPR_COMPARE : concat ? EXPR_CONCAT : EXPR_BINARY, &e));
            e->op = op;
            e->a = *out;
            if (concat) TRY(push_argument(x, &e->args, &e->n_args, &capacity, (argument){.value = e->a}));
            if (concat) e->a = NULL;
        }
        TRY(lex_next(x));
        TRY(parse_operand(x, depth, level, &next.value));
        next.op = op;
        if (compare || concat)
            TRY(push_argument(x, &e->args, &e->n_args, &capacity, next));
        else
            e->b = next.value;
        *out = e;
    }
cleanup:
    return status;
}

/* depth < 0: without "a if b else c". */
wr_status parse_expression(lexer *x, int depth, expression **out) {
    wr_status status = WR_OK;
    const bool condition = depth >= 0;
    if (!condition) depth = -depth;
    if (depth > EXPRESSION_DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
    TRY(parse_level(x, depth + 1, LEVEL_OR, out));
    while (condition && lex_is(x, "if")) {
        expression *e;
        TRY(expression_new(x, EXPR_CONDITION, &e));
        e->a = *out;
        TRY(lex_next(x));
        TRY(parse_level(x, depth + 1, LEVEL_OR, &e->b));
        if (lex_is(x, "else")) {
            TRY(lex_next(x));
            TRY(parse_expression(x, depth + 1, &e->c));
        }
        *out = e;
    }
cleanup:
    return status;
}
