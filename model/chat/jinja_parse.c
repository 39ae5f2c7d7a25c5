/* Statements. */
#include "model/chat/jinja_ast.h"

#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 60, NAMES_MAX = 32 };

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

/* a, b, (c, d): names. Brackets around all of them are allowed. */
static wr_status parse_names(lexer *x, const char ***names, size_t *n) {
    wr_status status = WR_OK;
    const bool brackets = lex_is(x, "(");
    TRY_ALLOC(*names = arena_alloc(x->a, NAMES_MAX * sizeof **names));
    if (brackets) TRY(lex_next(x));
    for (*n = 0; *n < NAMES_MAX;) {
        if (x->kind != TOKEN_NAME) TRY(lex_fail(x, "a name is expected"));
        (*names)[(*n)++] = x->text;
        TRY(lex_next(x));
        if (!lex_is(x, ",")) break;
        TRY(lex_next(x));
    }
    if (brackets) {
        if (!lex_is(x, ")")) TRY(lex_fail(x, "')' is missing"));
        TRY(lex_next(x));
    }
cleanup:
    return status;
}

static wr_status parse_if(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
    const char *end = "elif";
    for (statement **at = out; strcmp(end, "elif") == 0; at = &(*at)->otherwise) {
        TRY(statement_new(x, DO_IF, at));
        TRY(lex_next(x));
        TRY(parse_expression(x, 0, &(*at)->e));
        TRY(expect_end(x));
        TRY(parse_body(x, depth, ends, &(*at)->body, &end));
        if (strcmp(end, "else") != 0) continue;
        TRY(lex_next(x));
        TRY(expect_end(x));
        TRY(parse_body(x, depth, last, &(*at)->otherwise, &end));
    }
    TRY(lex_next(x));
    TRY(expect_end(x));
cleanup:
    return status;
}

static wr_status parse_for(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    const char *end = NULL;
    TRY(statement_new(x, DO_FOR, out));
    statement *s = *out;
    TRY(lex_next(x));
    TRY(parse_names(x, &s->names, &s->n_names));
    if (!lex_is(x, "in")) TRY(lex_fail(x, "'in' is missing in for"));
    TRY(lex_next(x));
    TRY(parse_no_condition(x, 0, &s->e));
    if (lex_is(x, "if")) {
        TRY(lex_next(x));
        TRY(parse_expression(x, 0, &s->condition));
    }
    if (lex_is(x, "recursive")) TRY(lex_fail(x, "recursive loops are not supported"));
    TRY(expect_end(x));
    TRY(parse_body(x, depth, ends, &s->body, &end));
    TRY(lex_next(x));
    TRY(expect_end(x));
    if (strcmp(end, "else") == 0) {
        TRY(parse_body(x, depth, last, &s->otherwise, &end));
        TRY(lex_next(x));
        TRY(expect_end(x));
    }
cleanup:
    return status;
}

static wr_status parse_set(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"endset", NULL};
    const char *end = NULL;
    TRY(statement_new(x, DO_SET, out));
    statement *s = *out;
    TRY(lex_next(x));
    TRY(parse_names(x, &s->names, &s->n_names));
    if (lex_is(x, ".")) {
        TRY(lex_next(x));
        if (x->kind != TOKEN_NAME || s->n_names != 1) TRY(lex_fail(x, "set: a member's name is expected"));
        s->member = x->text;
        TRY(lex_next(x));
    }
    if (lex_is(x, "=")) {
        TRY(lex_next(x));
        TRY(parse_expression(x, 0, &s->e));
        if (lex_is(x, ",")) TRY(lex_fail(x, "set: a tuple without brackets is not supported"));
        return expect_end(x);
    }
    if (s->n_names != 1 || s->member) TRY(lex_fail(x, "set: '=' is missing"));
    s->kind = DO_SET_BLOCK;
    if (lex_is(x, "|")) {
        expression *text;
        TRY(expression_new(x, EXPR_NAME, &text));
        text->name = FILTERED_TEXT;
        TRY(lex_next(x));
        TRY(parse_filters(x, 0, text, &s->e));
    }
    TRY(expect_end(x));
    TRY(parse_body(x, depth, ends, &s->body, &end));
    TRY(lex_next(x));
    TRY(expect_end(x));
cleanup:
    return status;
}

static wr_status parse_macro(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    static const char *const ends[] = {"endmacro", NULL};
    const char *end = NULL;
    TRY(statement_new(x, DO_MACRO, out));
    statement *s = *out;
    TRY(lex_next(x));
    if (x->kind != TOKEN_NAME) TRY(lex_fail(x, "macro: a name is expected"));
    s->name = x->text;
    TRY(lex_next(x));
    if (!lex_is(x, "(")) TRY(lex_fail(x, "macro: '(' is missing"));
    TRY(lex_next(x));
    TRY_ALLOC(s->names = arena_alloc(x->a, NAMES_MAX * sizeof *s->names));
    TRY_ALLOC(s->defaults = arena_alloc(x->a, NAMES_MAX * sizeof *s->defaults));
    while (!lex_is(x, ")")) {
        if (x->kind != TOKEN_NAME || s->n_names == NAMES_MAX) TRY(lex_fail(x, "macro: a parameter's name is expected"));
        s->names[s->n_names] = x->text;
        s->defaults[s->n_names] = NULL;
        TRY(lex_next(x));
        if (lex_is(x, "=")) {
            TRY(lex_next(x));
            TRY(parse_expression(x, 0, &s->defaults[s->n_names]));
        }
        s->n_names++;
        if (lex_is(x, ",")) TRY(lex_next(x));
    }
    TRY(lex_next(x));
    TRY(expect_end(x));
    TRY(parse_body(x, depth, ends, &s->body, &end));
    TRY(lex_next(x));
    if (x->kind == TOKEN_NAME) TRY(lex_next(x)); /* the macro's name again */
    TRY(expect_end(x));
cleanup:
    return status;
}

/* {% filter f %}, and {% generation %}, whose text training learns. */
static wr_status parse_group(lexer *x, int depth, bool filter, statement **out) {
    wr_status status = WR_OK;
    const char *const ends[] = {filter ? "endfilter" : "endgeneration", NULL};
    const char *end = NULL;
    TRY(statement_new(x, filter ? DO_FILTER : DO_GENERATION, out));
    x->generation |= !filter;
    TRY(lex_next(x));
    if (filter) {
        expression *text;
        TRY(expression_new(x, EXPR_NAME, &text));
        text->name = FILTERED_TEXT;
        TRY(parse_filters(x, 0, text, &(*out)->e));
    }
    TRY(expect_end(x));
    TRY(parse_body(x, depth, ends, &(*out)->body, &end));
    TRY(lex_next(x));
    TRY(expect_end(x));
cleanup:
    return status;
}

static wr_status parse_statement(lexer *x, int depth, statement **out) {
    wr_status status = WR_OK;
    if (lex_is(x, "if")) return parse_if(x, depth, out);
    if (lex_is(x, "for")) return parse_for(x, depth, out);
    if (lex_is(x, "set")) return parse_set(x, depth, out);
    if (lex_is(x, "macro")) return parse_macro(x, depth, out);
    if (lex_is(x, "generation")) return parse_group(x, depth, false, out);
    if (lex_is(x, "filter")) return parse_group(x, depth, true, out);
    if (!lex_is(x, "break") && !lex_is(x, "continue"))
        return lex_fail(x, "the statement '%.30s' is not supported", x->text ? x->text : "");
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
            TRY(parse_expression(x, 0, &(*last)->e));
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
        last = &(*last)->next;
    }
cleanup:
    return status;
}

/* Line breaks become \n, and one at the end goes, as Jinja does with its sources. */
static wr_status take_source(arena *a, const char *text, size_t n, const char **out, size_t *length) {
    wr_status status = WR_OK;
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
    lexer x = {.a = t->memory, .line = 1, .after_block_newline = true};
    TRY(take_source(t->memory, text, n, &x.s, &x.n));
    const char *end = NULL;
    TRY(parse_body(&x, 0, NULL, &t->first, &end));
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
