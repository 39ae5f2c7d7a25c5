/* Statements. */
#include "text/chat/jinja_ast.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 60 };

static wr_status parse_body(lexer *x, int depth, const char *const *ends, statement **out, const char **end);

static wr_status statement_new(lexer *x, statement_kind kind, statement **out) {
    wr_status status = WR_OK;
    statement *s = arena_alloc(x->a, sizeof *s);
    TRY_ALLOC(s);
    *s = (statement){.kind = kind, .line = x->line};
    *out = s;
cleanup:
    return status;
}

static wr_status expect_end(lexer *x) {
    if (x->kind == TOKEN_END) return WR_OK;
    return lex_fail(x, "'%.30s' is not expected here", x->text ? x->text : "a number");
}

/* The rest of a tag, the statements behind it up to one of `ends`, and, where `last`, that one's tag. */
static wr_status parse_inside(lexer *x, int depth, const char *const *ends, bool last, block *out, const char **end) {
    wr_status status = WR_OK;
    bool colon;
    TRY(lex_skip_if(x, ":", &colon));
    TRY(expect_end(x));
    TRY(parse_body(x, depth, ends, &out->first, end));
    TRY(lex_next(x));
    if (last) TRY(expect_end(x));
cleanup:
    return status;
}

static wr_status parse_if(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
    const char *end = "elif";
    TRY(lex_next(x));
    for (statement **at = out; strcmp(end, "elif") == 0; at = &(*at)->otherwise.first) {
        TRY(statement_new(x, DO_IF, at));
        TRY(parse_tuple(x, 0, (tuple_rules){.no_condition = true}, &(*at)->e));
        TRY(parse_inside(x, depth, ends, false, &(*at)->body, &end));
        if (strcmp(end, "else") == 0) TRY(parse_inside(x, depth, last, false, &(*at)->otherwise, &end));
    }
    TRY(expect_end(x));
cleanup:
    return status;
}

static bool names_loop(const expression *target) {
    if (target->kind == EXPR_NAME) return strcmp(target->name, "loop") == 0;
    for (size_t i = 0; i < target->n_args; i++)
        if (names_loop(target->args[i].value)) return true;
    return false;
}

static wr_status parse_for(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    const char *end = NULL;
    bool filtered;
    TRY(statement_new(x, DO_FOR, out));
    statement *s = *out;
    TRY(lex_next(x));
    TRY(parse_target(x, false, "in", &s->target));
    if (names_loop(s->target)) TRY(lex_fail(x, "the variable 'loop' cannot be what a loop sets"));
    TRY(lex_expect(x, "in"));
    TRY(parse_tuple(x, 0, (tuple_rules){.no_condition = true, .end = "recursive"}, &s->e));
    TRY(lex_skip_if(x, "if", &filtered));
    if (filtered) TRY(parse_expression(x, 0, &s->condition));
    TRY(lex_skip_if(x, "recursive", &s->recursive));
    x->loops++;
    status = parse_inside(x, depth, ends, false, &s->body, &end);
    x->loops--;
    TRY(status);
    if (strcmp(end, "else") == 0) TRY(parse_inside(x, depth, last, false, &s->otherwise, &end));
    TRY(expect_end(x));
cleanup:
    return status;
}

static wr_status parse_set(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"endset", NULL};
    const char *end = NULL;
    bool filtered;
    TRY(statement_new(x, DO_SET, out));
    statement *s = *out;
    TRY(lex_next(x));
    TRY(parse_target(x, true, NULL, &s->target));
    if (lex_is(x, "=")) {
        TRY(lex_next(x));
        TRY(parse_tuple(x, 0, (tuple_rules){0}, &s->e));
        return expect_end(x);
    }
    s->kind = DO_SET_BLOCK;
    TRY(lex_skip_if(x, "|", &filtered));
    if (filtered) {
        expression *text;
        TRY(expression_new(x, EXPR_NAME, &text));
        text->name = FILTERED_TEXT;
        TRY(parse_filters(x, 0, text, &s->e));
    }
    TRY(parse_inside(x, depth, ends, true, &s->body, &end));
cleanup:
    return status;
}

/* (a, b=c) of macros and of call blocks. */
static wr_status parse_signature(lexer *x, statement *s) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    bool defaults = false, given;
    TRY(lex_expect(x, "("));
    while (!lex_is(x, ")")) {
        argument p = {0};
        if (s->n_parameters) TRY(lex_expect(x, ","));
        if (x->kind != TOKEN_NAME) TRY(lex_fail(x, "the name of a parameter is expected"));
        p.name = x->text;
        for (size_t i = 0; i < s->n_parameters; i++)
            if (strcmp(s->parameters[i].name, p.name) == 0)
                TRY(lex_fail(x, "two parameters are named '%.40s'", p.name));
        TRY(lex_next(x));
        TRY(lex_skip_if(x, "=", &given));
        if (given)
            TRY(parse_expression(x, 0, &p.value));
        else if (defaults)
            TRY(lex_fail(x, "a parameter without a default stands behind one that has one"));
        defaults |= given;
        TRY(push_argument(x, &s->parameters, &s->n_parameters, &capacity, p));
    }
    TRY(lex_next(x));
cleanup:
    return status;
}

/* Statements that break and continue cannot leave. */
static wr_status parse_closed(lexer *x, int depth, const char *name, statement *s) {
    const char *const ends[] = {name, NULL};
    const char *end = NULL;
    const int loops = x->loops;
    x->loops = 0;
    wr_status status = parse_inside(x, depth, ends, true, &s->body, &end);
    x->loops = loops;
    return status;
}

static wr_status parse_macro(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    TRY(statement_new(x, DO_MACRO, out));
    statement *s = *out;
    TRY(lex_next(x));
    if (x->kind != TOKEN_NAME) TRY(lex_fail(x, "macro: a name is expected"));
    s->name = x->text;
    TRY(lex_next(x));
    TRY(parse_signature(x, s));
    TRY(parse_closed(x, depth, "endmacro", s));
cleanup:
    return status;
}

static wr_status parse_call_block(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    TRY(statement_new(x, DO_CALL, out));
    statement *s = *out;
    TRY(lex_next(x));
    if (lex_is(x, "(")) TRY(parse_signature(x, s));
    TRY(parse_expression(x, 0, &s->e));
    if (s->e->kind != EXPR_CALL) TRY(lex_fail(x, "call: a call is expected"));
    TRY(parse_closed(x, depth, "endcall", s));
cleanup:
    return status;
}

static wr_status parse_generation(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    TRY(statement_new(x, DO_GENERATION, out));
    x->generation = true;
    TRY(lex_next(x));
    TRY(parse_closed(x, depth, "endgeneration", *out));
cleanup:
    return status;
}

static wr_status parse_filter_block(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"endfilter", NULL};
    const char *end = NULL;
    expression *text;
    TRY(statement_new(x, DO_FILTER, out));
    TRY(lex_next(x));
    TRY(expression_new(x, EXPR_NAME, &text));
    text->name = FILTERED_TEXT;
    TRY(parse_filters(x, 0, text, &(*out)->e));
    TRY(parse_inside(x, depth, ends, true, &(*out)->body, &end));
cleanup:
    return status;
}

static wr_status parse_with(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"endwith", NULL};
    const char *end = NULL;
    size_t capacity = 0;
    TRY(statement_new(x, DO_WITH, out));
    statement *s = *out;
    TRY(lex_next(x));
    while (x->kind != TOKEN_END && !lex_is(x, ":")) {
        argument a = {0};
        expression *target;
        if (s->n_parameters) TRY(lex_expect(x, ","));
        /* a tuple without brackets would take the next name, too, as it does in Jinja */
        TRY(parse_target(x, false, NULL, &target));
        TRY(lex_expect(x, "="));
        TRY(parse_expression(x, 0, &a.value));
        TRY(push_argument(x, &s->parameters, &s->n_parameters, &capacity, a));
        expression **targets = arena_alloc(x->a, s->n_parameters * sizeof *targets);
        TRY_ALLOC(targets);
        if (s->n_parameters > 1) memcpy(targets, s->targets, (s->n_parameters - 1) * sizeof *targets);
        targets[s->n_parameters - 1] = target;
        s->targets = targets;
    }
    TRY(parse_inside(x, depth, ends, true, &s->body, &end));
cleanup:
    return status;
}

/* {% print a, b %} */
static wr_status parse_print(lexer *x, statement **out) {
    wr_status status = WR_OK;
    TRY(lex_next(x));
    for (bool first = true; x->kind != TOKEN_END; first = false) {
        if (!first) TRY(lex_expect(x, ","));
        TRY(statement_new(x, DO_PRINT, out));
        TRY(parse_expression(x, 0, &(*out)->e));
        out = &(*out)->next;
    }
cleanup:
    return status;
}

static wr_status parse_statement(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    if (lex_is(x, "if")) return parse_if(x, depth, out);
    if (lex_is(x, "for")) return parse_for(x, depth, out);
    if (lex_is(x, "set")) return parse_set(x, depth, out);
    if (lex_is(x, "macro")) return parse_macro(x, depth, out);
    if (lex_is(x, "call")) return parse_call_block(x, depth, out);
    if (lex_is(x, "generation")) return parse_generation(x, depth, out);
    if (lex_is(x, "filter")) return parse_filter_block(x, depth, out);
    if (lex_is(x, "with")) return parse_with(x, depth, out);
    if (lex_is(x, "print")) return parse_print(x, out);
    if (!lex_is(x, "break") && !lex_is(x, "continue"))
        return lex_fail(x, "the statement '%.30s' is not supported", x->text ? x->text : "");
    if (!x->loops) TRY(lex_fail(x, "'%s' is outside of a loop", x->text));
    TRY(statement_new(x, lex_is(x, "break") ? DO_BREAK : DO_CONTINUE, out));
    TRY(lex_next(x));
    TRY(expect_end(x));
cleanup:
    return status;
}

/* Up to a statement whose name is in `ends` (its first token is read then), or the end of the template when ends is
 * NULL. */
static wr_status parse_body(lexer *x, int depth, const char *const *ends, statement **out, const char **end) {
    wr_status status = WR_OK;
    statement **last = out;
    if (depth > NESTING_MAX) return lex_fail(x, "blocks are nested too deeply");
    for (;;) {
        text_builder text = {.a = x->a};
        block_kind next;
        TRY(lex_text(x, &text, &next));
        if (text.n) {
            TRY(statement_new(x, DO_TEXT, last));
            (*last)->literal = text_done(&text);
            last = &(*last)->next;
        }
        if (next == BLOCK_EOF) return ends ? lex_fail(x, "the template ends before '%s'", ends[0]) : WR_OK;
        if (next == BLOCK_PRINT) {
            TRY(statement_new(x, DO_PRINT, last));
            TRY(parse_tuple(x, 0, (tuple_rules){0}, &(*last)->e));
            TRY(expect_end(x));
            last = &(*last)->next;
            continue;
        }
        for (size_t i = 0; ends && ends[i]; i++) {
            if (!lex_is(x, ends[i])) continue;
            *end = ends[i];
            return WR_OK;
        }
        TRY(parse_statement(x, depth + 1, last));
        while (*last) last = &(*last)->next;
    }
cleanup:
    return status;
}

/* Line breaks become \n, and one at the end goes, as Jinja does with its sources. */
static wr_status take_source(arena *a, const char *text, size_t n, const char **out, size_t *length) {
    wr_status status = WR_OK;
    const size_t valid = utf8_valid_prefix(text, n);
    if (valid < n) return wr_fail(WR_E_FORMAT, "byte %zu is not UTF-8", valid);
    char *copy = arena_alloc(a, n + 1);
    size_t kept = 0;
    TRY_ALLOC(copy);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n') continue;
        copy[kept++] = text[i];
        if (text[i] == '\r') copy[kept - 1] = '\n';
    }
    if (kept && copy[kept - 1] == '\n') kept--;
    copy[kept] = 0;
    *out = copy;
    *length = kept;
cleanup:
    return status;
}

wr_status jinja_compile(const char *text, size_t n, jinja **out) {
    wr_status status = WR_OK;
    jinja *t = mem_calloc(1, sizeof *t);
    *out = NULL;
    TRY_ALLOC(t);
    TRY_ALLOC(t->memory = arena_create());
    lexer x = {.a = t->memory, .line = 1, .line_starting = true};
    TRY(take_source(t->memory, text, n, &x.s, &x.n));
    const char *end = NULL;
    TRY(parse_body(&x, 0, NULL, &t->root.first, &end));
    TRY(find_symbols(t->memory, &t->root));
    t->generation = x.generation;
    *out = t;
    t = NULL;
cleanup:
    jinja_free(t);
    return status;
}

bool jinja_has_generation(const jinja *t) { return t->generation; }

void jinja_free(jinja *t) {
    if (!t) return;
    arena_free(t->memory);
    free(t);
}
