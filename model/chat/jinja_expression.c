/* Expressions, by precedence: a if b else c · or · and · not · comparisons · + - · ~ · * / // % · ** · unary · members,
 * calls, filters, tests. */
#include "model/chat/jinja_ast.h"

#include <string.h>

enum { DEPTH_MAX = 60 };

static wr_status parse_unary(lexer *x, int depth, bool with_filters, expression **out);

wr_status expression_new(lexer *x, expression_kind kind, expression **out) {
    wr_status status = WR_OK;
    expression *e = arena_alloc(x->a, sizeof *e);
    TRY_ALLOC(e);
    *e = (expression){.kind = kind, .line = x->line};
    *out = e;
cleanup:
    return status;
}

static wr_status expect(lexer *x, const char *sign) {
    if (!lex_is(x, sign))
        return lex_fail(x, "'%s' is missing%s%.30s", sign, x->text ? " before " : "", x->text ? x->text : "");
    return lex_next(x);
}

static wr_status push_argument(lexer *x, argument **args, size_t *n, size_t *capacity, argument a) {
    wr_status status = WR_OK;
    if (*n == *capacity) {
        const size_t wanted = *capacity ? 2 * *capacity : 4;
        argument *larger = arena_alloc(x->a, wanted * sizeof *larger);
        TRY_ALLOC(larger);
        if (*n) memcpy(larger, *args, *n * sizeof *larger);
        *args = larger;
        *capacity = wanted;
    }
    (*args)[(*n)++] = a;
cleanup:
    return status;
}

/* Expressions up to `close`, which is read; a comma at the end is allowed. *comma (may be NULL): there was one. */
static wr_status parse_list(lexer *x, int depth, const char *close, argument **args, size_t *n, bool names,
                            bool *comma) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    while (!lex_is(x, close)) {
        argument a = {0};
        TRY(parse_expression(x, depth, &a.value));
        if (names && lex_is(x, "=") && a.value->kind == EXPR_NAME) {
            a.name = a.value->name;
            TRY(lex_next(x));
            TRY(parse_expression(x, depth, &a.value));
        }
        TRY(push_argument(x, args, n, &capacity, a));
        if (!lex_is(x, ",")) break;
        if (comma) *comma = true;
        TRY(lex_next(x));
    }
    TRY(expect(x, close));
cleanup:
    return status;
}

wr_status parse_arguments(lexer *x, int depth, argument **args, size_t *n) {
    return parse_list(x, depth, ")", args, n, true, NULL);
}

static wr_status parse_dict(lexer *x, int depth, expression *e) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    while (!lex_is(x, "}")) {
        argument key = {0}, v = {0};
        TRY(parse_expression(x, depth, &key.value));
        TRY(expect(x, ":"));
        TRY(parse_expression(x, depth, &v.value));
        TRY(push_argument(x, &e->args, &e->n_args, &capacity, key));
        TRY(push_argument(x, &e->args, &e->n_args, &capacity, v));
        if (!lex_is(x, ",")) break;
        TRY(lex_next(x));
    }
    TRY(expect(x, "}"));
cleanup:
    return status;
}

static wr_status parse_string(lexer *x, expression **out) {
    wr_status status = WR_OK;
    text_builder b = {.a = x->a};
    TRY(expression_new(x, EXPR_LITERAL, out));
    while (x->kind == TOKEN_STRING) { /* neighbours are one string */
        TRY(text_append(&b, x->text, x->length, NULL));
        TRY(lex_next(x));
    }
    (*out)->literal = text_done(&b);
cleanup:
    return status;
}

static wr_status parse_primary(lexer *x, int depth, expression **out) {
    wr_status status = WR_OK;
    static const struct constant {
        const char *name;
        value v;
    } constants[] = {{"true", {.kind = VALUE_BOOL, .boolean = true}},
                     {"True", {.kind = VALUE_BOOL, .boolean = true}},
                     {"false", {.kind = VALUE_BOOL}},
                     {"False", {.kind = VALUE_BOOL}},
                     {"none", {.kind = VALUE_NONE}},
                     {"None", {.kind = VALUE_NONE}}};
    if (depth > DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
    if (x->kind == TOKEN_STRING) return parse_string(x, out);
    if (x->kind == TOKEN_INT || x->kind == TOKEN_FLOAT) {
        TRY(expression_new(x, EXPR_LITERAL, out));
        (*out)->literal = x->kind == TOKEN_INT ? value_int(x->integer) : (value){.kind = VALUE_FLOAT, .real = x->real};
        return lex_next(x);
    }
    if (x->kind == TOKEN_NAME) {
        TRY(expression_new(x, EXPR_NAME, out));
        (*out)->name = x->text;
        for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
            if (strcmp(x->text, constants[i].name) == 0) (*out)->kind = EXPR_LITERAL, (*out)->literal = constants[i].v;
        return lex_next(x);
    }
    if (lex_is(x, "(")) {
        argument *items = NULL;
        size_t n = 0;
        bool comma = false;
        TRY(lex_next(x));
        TRY(parse_list(x, depth + 1, ")", &items, &n, false, &comma));
        if (n == 1 && !comma) {
            *out = items[0].value;
            return WR_OK;
        }
        TRY(expression_new(x, EXPR_LIST, out)); /* a tuple */
        (*out)->args = items, (*out)->n_args = n;
        return WR_OK;
    }
    if (lex_is(x, "[")) {
        TRY(expression_new(x, EXPR_LIST, out));
        TRY(lex_next(x));
        return parse_list(x, depth + 1, "]", &(*out)->args, &(*out)->n_args, false, NULL);
    }
    if (lex_is(x, "{")) {
        TRY(expression_new(x, EXPR_DICT, out));
        TRY(lex_next(x));
        return parse_dict(x, depth + 1, *out);
    }
    return lex_fail(x, "an expression is expected%s%.30s", x->text ? " before " : "", x->text ? x->text : "");
cleanup:
    return status;
}

/* [b], [b:c], [b:c:d] behind "[". */
static wr_status parse_subscript(lexer *x, int depth, expression *object, expression **out) {
    wr_status status = WR_OK;
    expression *e;
    TRY(expression_new(x, EXPR_ITEM, &e));
    e->a = object;
    if (!lex_is(x, ":")) TRY(parse_expression(x, depth + 1, &e->b));
    if (lex_is(x, ":")) {
        e->kind = EXPR_SLICE;
        TRY(lex_next(x));
        if (!lex_is(x, ":") && !lex_is(x, "]")) TRY(parse_expression(x, depth + 1, &e->c));
        if (lex_is(x, ":")) {
            TRY(lex_next(x));
            if (!lex_is(x, "]")) TRY(parse_expression(x, depth + 1, &e->d));
        }
    }
    TRY(expect(x, "]"));
    *out = e;
cleanup:
    return status;
}

static wr_status parse_member(lexer *x, expression *object, expression **out) {
    wr_status status = WR_OK;
    expression *e;
    TRY(lex_next(x));
    TRY(expression_new(x, EXPR_MEMBER, &e));
    e->a = object;
    if (x->kind == TOKEN_INT) {
        e->kind = EXPR_ITEM;
        TRY(expression_new(x, EXPR_LITERAL, &e->b));
        e->b->literal = value_int(x->integer);
    } else if (x->kind == TOKEN_NAME) {
        e->name = x->text;
    } else {
        TRY(lex_fail(x, "a name is expected behind '.'"));
    }
    TRY(lex_next(x));
    *out = e;
cleanup:
    return status;
}

static wr_status parse_call(lexer *x, int depth, expression *callee, expression **out) {
    wr_status status = WR_OK;
    expression *e;
    TRY(lex_next(x));
    TRY(expression_new(x, EXPR_CALL, &e));
    e->a = callee;
    TRY(parse_arguments(x, depth + 1, &e->args, &e->n_args));
    *out = e;
cleanup:
    return status;
}

static wr_status parse_postfix(lexer *x, int depth, expression **e) {
    wr_status status = WR_OK;
    for (;;) {
        if (lex_is(x, ".")) {
            TRY(parse_member(x, *e, e));
        } else if (lex_is(x, "[")) {
            TRY(lex_next(x));
            TRY(parse_subscript(x, depth, *e, e));
        } else if (lex_is(x, "(")) {
            TRY(parse_call(x, depth, *e, e));
        } else {
            return WR_OK;
        }
    }
cleanup:
    return status;
}

/* name[.name …][(args)] of a filter or test. */
static wr_status parse_named(lexer *x, int depth, expression *e) {
    wr_status status = WR_OK;
    if (x->kind != TOKEN_NAME)
        return lex_fail(x, "the name of a %s is expected", e->kind == EXPR_FILTER ? "filter" : "test");
    e->name = x->text;
    TRY(lex_next(x));
    if (lex_is(x, "(")) {
        TRY(lex_next(x));
        TRY(parse_arguments(x, depth + 1, &e->args, &e->n_args));
    }
cleanup:
    return status;
}

wr_status parse_filters(lexer *x, int depth, expression *operand, expression **out) {
    wr_status status = WR_OK;
    for (;;) {
        expression *e;
        TRY(expression_new(x, EXPR_FILTER, &e));
        e->a = operand;
        TRY(parse_named(x, depth, e));
        *out = operand = e;
        if (!lex_is(x, "|")) return WR_OK;
        TRY(lex_next(x));
    }
cleanup:
    return status;
}

/* "is divisibleby 3": an operand without brackets. */
static bool begins_operand(const lexer *x) {
    if (x->kind == TOKEN_NAME)
        return !lex_is(x, "else") && !lex_is(x, "or") && !lex_is(x, "and") && !lex_is(x, "is") && !lex_is(x, "if") &&
               !lex_is(x, "in") && !lex_is(x, "not");
    return x->kind == TOKEN_STRING || x->kind == TOKEN_INT || x->kind == TOKEN_FLOAT || lex_is(x, "[") ||
           lex_is(x, "{");
}

static wr_status parse_test(lexer *x, int depth, expression *operand, expression **out) {
    wr_status status = WR_OK;
    expression *e;
    TRY(lex_next(x));
    const bool negated = lex_is(x, "not");
    if (negated) TRY(lex_next(x));
    TRY(expression_new(x, EXPR_TEST, &e));
    e->a = operand;
    TRY(parse_named(x, depth, e));
    if (!e->n_args && begins_operand(x)) {
        argument a = {0};
        size_t capacity = 0;
        TRY(parse_primary(x, depth + 1, &a.value));
        TRY(parse_postfix(x, depth + 1, &a.value));
        TRY(push_argument(x, &e->args, &e->n_args, &capacity, a));
    }
    *out = e;
    if (negated) {
        TRY(expression_new(x, EXPR_UNARY, out));
        (*out)->op = OP_NOT;
        (*out)->a = e;
    }
cleanup:
    return status;
}

static wr_status parse_unary(lexer *x, int depth, bool with_filters, expression **out) {
    wr_status status = WR_OK;
    if (depth > DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
    if (lex_is(x, "-") || lex_is(x, "+")) {
        expression *e;
        TRY(expression_new(x, EXPR_UNARY, &e));
        e->op = lex_is(x, "-") ? OP_NEG : OP_PLUS;
        TRY(lex_next(x));
        TRY(parse_unary(x, depth + 1, false, &e->a));
        *out = e;
    } else {
        TRY(parse_primary(x, depth, out));
    }
    TRY(parse_postfix(x, depth, out));
    while (with_filters) {
        if (lex_is(x, "|")) {
            TRY(lex_next(x));
            TRY(parse_filters(x, depth, *out, out));
        } else if (lex_is(x, "is")) {
            TRY(parse_test(x, depth, *out, out));
        } else if (lex_is(x, "(")) {
            TRY(parse_call(x, depth, *out, out));
        } else {
            break;
        }
    }
cleanup:
    return status;
}

/* --- binary operators
 * ------------------------------------------------------------------------------------------------------ */

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
    {LEVEL_SUM, "+", OP_ADD},     {LEVEL_SUM, "-", OP_SUB},     {LEVEL_CONCAT, "~", OP_CONCAT},
    {LEVEL_PRODUCT, "*", OP_MUL}, {LEVEL_PRODUCT, "/", OP_DIV}, {LEVEL_PRODUCT, "//", OP_FLOOR},
    {LEVEL_PRODUCT, "%", OP_MOD}, {LEVEL_POWER, "**", OP_POW},
};

static wr_status parse_level(lexer *x, int depth, int level, expression **out);

static wr_status parse_operand(lexer *x, int depth, int level, expression **out) {
    wr_status status = WR_OK;
    if (level == LEVEL_AND && lex_is(x, "not")) { /* binds less than comparisons */
        expression *e;
        if (depth > DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
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

/* The operator of this level at the token last read; "not in" needs a look at the next one, and is read as far as
 * "not". */
static wr_status find_operator(lexer *x, int level, operation *op, bool *found) {
    wr_status status = WR_OK;
    *found = false;
    if (level == LEVEL_COMPARE && lex_is(x, "not")) {
        TRY(lex_next(x));
        if (!lex_is(x, "in")) return lex_fail(x, "'in' is expected behind 'not'");
        *op = OP_NOT_IN;
        *found = true;
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
    operation op = OP_OR;
    bool found;
    TRY(parse_operand(x, depth, level, out));
    for (int count = 0;; count++) {
        TRY(find_operator(x, level, &op, &found));
        if (!found) return WR_OK;
        if (count && level == LEVEL_COMPARE) TRY(lex_fail(x, "chained comparisons are not supported"));
        if (count > 2000) TRY(lex_fail(x, "an expression is too long"));
        expression *e;
        TRY(expression_new(x, EXPR_BINARY, &e));
        e->op = op;
        e->a = *out;
        TRY(lex_next(x));
        TRY(parse_operand(x, depth, level, &e->b));
        *out = e;
    }
cleanup:
    return status;
}

wr_status parse_no_condition(lexer *x, int depth, expression **out) { return parse_level(x, depth, LEVEL_OR, out); }

wr_status parse_expression(lexer *x, int depth, expression **out) {
    wr_status status = WR_OK;
    if (depth > DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
    TRY(parse_no_condition(x, depth + 1, out));
    while (lex_is(x, "if")) {
        expression *e;
        TRY(expression_new(x, EXPR_CONDITION, &e));
        e->a = *out;
        TRY(lex_next(x));
        TRY(parse_no_condition(x, depth + 1, &e->b));
        if (lex_is(x, "else")) {
            TRY(lex_next(x));
            TRY(parse_expression(x, depth + 1, &e->c));
        }
        *out = e;
    }
cleanup:
    return status;
}
