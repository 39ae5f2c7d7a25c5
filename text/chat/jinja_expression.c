/* Operands: literals, names, members, calls, filters, tests, signs. What joins them: jinja_precedence.c. */
#include "text/chat/jinja_ast.h"

#include <string.h>

enum { CHAIN_MAX = 100 };

wr_status expression_new(lexer *x, expression_kind kind, expression **out) {
    wr_status status = WR_OK;
    expression *e = arena_alloc(x->a, sizeof *e);
    TRY_ALLOC(e);
    *e = (expression){.kind = kind, .line = x->line};
    *out = e;
cleanup:
    return status;
}

wr_status push_argument(lexer *x, argument **args, size_t *n, size_t *capacity, argument a) {
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

/* Is the token behind the one last read this sign or name? */
wr_status lex_next_is(const lexer *x, const char *sign_or_name, bool *out) {
    lexer ahead = *x;
    wr_status status = lex_next(&ahead);
    *out = status >= 0 && lex_is(&ahead, sign_or_name);
    return status;
}

/* [a, b] and {a: b}, behind the bracket. */
static wr_status parse_collection(lexer *x, int depth, const char *close, bool pairs, expression *e) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    while (!lex_is(x, close)) {
        argument a = {0};
        if (e->n_args) {
            TRY(lex_expect(x, ","));
            if (lex_is(x, close)) break;
        }
        for (int i = 0; i <= pairs; i++) {
            if (i) TRY(lex_expect(x, ":"));
            TRY(parse_expression(x, depth, &a.value));
            TRY(push_argument(x, &e->args, &e->n_args, &capacity, a));
        }
    }
    TRY(lex_expect(x, close));
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

/* A constant, a variable, or (members) name.member. */
static wr_status parse_name(lexer *x, bool members, expression **out) {
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
    TRY(expression_new(x, EXPR_NAME, out));
    (*out)->name = x->text;
    TRY(lex_next(x));
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (strcmp((*out)->name, constants[i].name) != 0) continue;
        (*out)->kind = EXPR_LITERAL;
        (*out)->literal = constants[i].v;
        return WR_OK;
    }
    if (members && lex_is(x, ".")) {
        TRY(lex_next(x));
        if (x->kind != TOKEN_NAME) TRY(lex_fail(x, "a member's name is expected"));
        (*out)->kind = EXPR_MEMBER_TARGET;
        (*out)->member = x->text;
        TRY(lex_next(x));
    }
cleanup:
    return status;
}

static wr_status parse_primary(lexer *x, int depth, bool members, expression **out) {
    wr_status status = WR_OK;
    if (depth > EXPRESSION_DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
    if (x->kind == TOKEN_STRING) return parse_string(x, out);
    if (x->kind == TOKEN_NAME) return parse_name(x, members, out);
    if (x->kind == TOKEN_INT || x->kind == TOKEN_FLOAT) {
        TRY(expression_new(x, EXPR_LITERAL, out));
        (*out)->literal = x->kind == TOKEN_INT ? value_int(x->integer) : value_real(x->real);
        return lex_next(x);
    }
    if (lex_is(x, "(")) {
        TRY(lex_next(x));
        TRY(parse_tuple(x, depth + 1, (tuple_rules){.brackets = true}, out));
        return lex_expect(x, ")");
    }
    if (lex_is(x, "[") || lex_is(x, "{")) {
        const bool dict = lex_is(x, "{");
        TRY(expression_new(x, dict ? EXPR_DICT : EXPR_LIST, out));
        TRY(lex_next(x));
        return parse_collection(x, depth + 1, dict ? "}" : "]", dict, *out);
    }
    return lex_fail(x, "an expression is expected%s%.30s", x->text ? " before " : "", x->text ? x->text : "");
cleanup:
    return status;
}

wr_status parse_tuple(lexer *x, int depth, tuple_rules rules, expression **out) {
    wr_status status = WR_OK;
    expression *tuple, *e = NULL;
    size_t capacity = 0;
    bool comma = false;
    TRY(expression_new(x, EXPR_TUPLE, &tuple));
    while (x->kind != TOKEN_END && !lex_is(x, ")") && !(rules.end && lex_is(x, rules.end))) {
        if (rules.simple)
            TRY(parse_primary(x, depth + 1, rules.members, &e));
        else
            TRY(parse_expression(x, rules.no_condition ? -depth - 1 : depth + 1, &e));
        TRY(push_argument(x, &tuple->args, &tuple->n_args, &capacity, (argument){.value = e}));
        if (!lex_is(x, ",")) break;
        comma = true;
        TRY(lex_next(x));
    }
    if (!tuple->n_args && !rules.brackets) TRY(lex_fail(x, "an expression is expected"));
    *out = comma || !tuple->n_args ? tuple : e;
cleanup:
    return status;
}

/* Names and tuples of names only. */
static wr_status check_target(const lexer *x, const expression *e) {
    wr_status status = WR_OK;
    if (e->kind == EXPR_NAME || e->kind == EXPR_MEMBER_TARGET) return WR_OK;
    if (e->kind != EXPR_TUPLE) return lex_fail(x, "this cannot be assigned to");
    for (size_t i = 0; i < e->n_args; i++) TRY(check_target(x, e->args[i].value));
cleanup:
    return status;
}

wr_status parse_target(lexer *x, bool members, const char *end, expression **out) {
    wr_status status = WR_OK;
    TRY(parse_tuple(x, 0, (tuple_rules){.simple = true, .members = members, .end = end}, out));
    TRY(check_target(x, *out));
cleanup:
    return status;
}

/* Between brackets: b, b:c, b:c:d, or several of them. */
static wr_status parse_subscript(lexer *x, int depth, expression *object, expression **out) {
    wr_status status = WR_OK;
    expression *e;
    TRY(lex_next(x));
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
    } else if (lex_is(x, ",")) { /* a tuple as key */
        expression *tuple;
        size_t capacity = 0;
        TRY(expression_new(x, EXPR_TUPLE, &tuple));
        TRY(push_argument(x, &tuple->args, &tuple->n_args, &capacity, (argument){.value = e->b}));
        while (lex_is(x, ",")) {
            argument a = {0};
            TRY(lex_next(x));
            if (lex_is(x, "]")) break;
            TRY(parse_expression(x, depth + 1, &a.value));
            TRY(push_argument(x, &tuple->args, &tuple->n_args, &capacity, a));
        }
        e->b = tuple;
    }
    TRY(lex_expect(x, "]"));
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

/* (a, b=c, *d, **e), in an order that Jinja takes: from "(" to behind ")". */
static wr_status parse_call_arguments(lexer *x, int depth, argument **args, size_t *n) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    bool named = false, list = false, dict = false, is_name;
    TRY(lex_expect(x, "("));
    while (!lex_is(x, ")")) {
        argument a = {0};
        if (*n) {
            TRY(lex_expect(x, ","));
            if (lex_is(x, ")")) break;
        }
        is_name = false;
        if (x->kind == TOKEN_NAME) TRY(lex_next_is(x, "=", &is_name));
        a.stars = lex_is(x, "*") ? 1 : lex_is(x, "**") ? 2 : 0;
        if (dict || (a.stars == 1 && list) || (!a.stars && !is_name && (named || list)))
            TRY(lex_fail(x, "arguments of a call stand in the wrong order"));
        if (a.stars) TRY(lex_next(x));
        if (is_name) {
            a.name = x->text;
            TRY(lex_next(x));
            TRY(lex_next(x));
        }
        named |= is_name;
        list |= a.stars == 1;
        dict |= a.stars == 2;
        TRY(parse_expression(x, depth + 1, &a.value));
        TRY(push_argument(x, args, n, &capacity, a));
    }
    TRY(lex_expect(x, ")"));
cleanup:
    return status;
}

static wr_status parse_call(lexer *x, int depth, expression *callee, expression **out) {
    wr_status status = WR_OK;
    expression *e;
    TRY(expression_new(x, EXPR_CALL, &e));
    e->a = callee;
    TRY(parse_call_arguments(x, depth, &e->args, &e->n_args));
    *out = e;
cleanup:
    return status;
}

static wr_status parse_postfix(lexer *x, int depth, expression **e) {
    wr_status status = WR_OK;
    for (int count = 0;; count++) {
        if (count > CHAIN_MAX) return lex_fail(x, "an expression is too long");
        if (lex_is(x, "."))
            TRY(parse_member(x, *e, e));
        else if (lex_is(x, "["))
            TRY(parse_subscript(x, depth, *e, e));
        else if (lex_is(x, "("))
            TRY(parse_call(x, depth, *e, e));
        else
            return WR_OK;
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
    if (lex_is(x, "."))
        TRY(lex_fail(x, "there is no %s with dots in its name", e->kind == EXPR_FILTER ? "filter" : "test"));
    if (lex_is(x, "(")) TRY(parse_call_arguments(x, depth, &e->args, &e->n_args));
cleanup:
    return status;
}

wr_status parse_filters(lexer *x, int depth, expression *operand, expression **out) {
    wr_status status = WR_OK;
    for (int count = 0;; count++) {
        expression *e;
        if (count > CHAIN_MAX) return lex_fail(x, "an expression is too long");
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
    if (x->kind == TOKEN_NAME) return !lex_is(x, "else") && !lex_is(x, "or") && !lex_is(x, "and");
    return x->kind == TOKEN_STRING || x->kind == TOKEN_INT || x->kind == TOKEN_FLOAT || lex_is(x, "[") ||
           lex_is(x, "{");
}

static wr_status parse_test(lexer *x, int depth, expression *operand, expression **out) {
    wr_status status = WR_OK;
    expression *e;
    bool negated;
    TRY(lex_next(x));
    TRY(lex_skip_if(x, "not", &negated));
    TRY(expression_new(x, EXPR_TEST, &e));
    e->a = operand;
    if (x->kind == TOKEN_NAME) {
        lexer ahead = *x;
        TRY(lex_next(&ahead));
        const bool brackets = lex_is(&ahead, "(");
        TRY(parse_named(x, depth, e));
        if (!brackets && begins_operand(x)) {
            argument a = {0};
            size_t capacity = 0;
            if (lex_is(x, "is")) TRY(lex_fail(x, "tests cannot be chained with 'is'"));
            TRY(parse_primary(x, depth + 1, false, &a.value));
            TRY(parse_postfix(x, depth + 1, &a.value));
            TRY(push_argument(x, &e->args, &e->n_args, &capacity, a));
        }
    } else {
        TRY(lex_fail(x, "the name of a test is expected"));
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

wr_status parse_unary(lexer *x, int depth, bool with_filters, expression **out) {
    wr_status status = WR_OK;
    if (depth > EXPRESSION_DEPTH_MAX) return lex_fail(x, "an expression is nested too deeply");
    if (lex_is(x, "-") || lex_is(x, "+")) {
        expression *e;
        TRY(expression_new(x, EXPR_UNARY, &e));
        e->op = lex_is(x, "-") ? OP_NEG : OP_PLUS;
        TRY(lex_next(x));
        TRY(parse_unary(x, depth + 1, false, &e->a));
        *out = e;
    } else {
        TRY(parse_primary(x, depth, false, out));
    }
    TRY(parse_postfix(x, depth, out));
    for (int count = 0; with_filters; count++) {
        if (count > CHAIN_MAX) TRY(lex_fail(x, "an expression is too long"));
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
