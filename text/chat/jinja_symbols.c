/* What Jinja's compiler finds out about names before a template runs: a scope that sets a variable first and reads it
 * later does not see the variable of that name outside; a macro takes varargs, kwargs and caller where it uses them;
 * filters and tests that do not exist are errors, except inside of a condition. */
#include "text/chat/jinja_ast.h"

#include <string.h>

typedef struct symbols {
    arena *a;
    const struct symbols *parent;
    const char **names; /* read or set in this scope */
    size_t n, capacity;
    block *own; /* whose hidden names are found; NULL: not wanted */
    size_t hidden_room;
    bool soft; /* inside of a condition */
} symbols;

static wr_status visit_statements(symbols *s, const statement *first, bool conditional);

static bool has(const symbols *s, const char *name) {
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->names[i], name) == 0) return true;
    return false;
}

static bool known(const symbols *s, const char *name) {
    for (; s; s = s->parent)
        if (has(s, name)) return true;
    return false;
}

static wr_status push_name(arena *a, const char ***names, size_t *n, size_t *capacity, const char *name) {
    wr_status status = WR_OK;
    if (*n == *capacity) {
        const size_t wanted = *capacity ? 2 * *capacity : 8;
        const char **larger = arena_alloc(a, wanted * sizeof *larger);
        TRY_ALLOC(larger);
        if (*n) memcpy(larger, *names, *n * sizeof *larger);
        *names = larger;
        *capacity = wanted;
    }
    (*names)[(*n)++] = name;
cleanup:
    return status;
}

static wr_status add(symbols *s, const char *name) {
    return has(s, name) ? WR_OK : push_name(s->a, &s->names, &s->n, &s->capacity, name);
}

static wr_status load(symbols *s, const char *name) { return known(s, name) ? WR_OK : add(s, name); }

static wr_status store(symbols *s, const char *name, bool conditional) {
    wr_status status = WR_OK;
    const bool outside = known(s, name);
    TRY(add(s, name));
    if (!outside && !conditional && s->own)
        TRY(push_name(s->a, &s->own->hidden, &s->own->n_hidden, &s->hidden_room, name));
cleanup:
    return status;
}

static wr_status check_name(const symbols *s, const expression *e) {
    if (s->soft || (e->kind == EXPR_FILTER ? is_filter(e->name) : is_test(e->name))) return WR_OK;
    return wr_fail(WR_E_FORMAT, "line %d: there is no %s named '%.40s'", e->line,
                   e->kind == EXPR_FILTER ? "filter" : "test", e->name);
}

static wr_status visit(symbols *s, const expression *e) {
    wr_status status = WR_OK;
    if (!e) return WR_OK;
    const bool soft = s->soft;
    if (e->kind == EXPR_NAME && strcmp(e->name, FILTERED_TEXT) != 0) return load(s, e->name);
    if (e->kind == EXPR_FILTER || e->kind == EXPR_TEST) TRY(check_name(s, e));
    if (e->kind == EXPR_CONDITION) s->soft = true;
    TRY(visit(s, e->kind == EXPR_CONDITION ? e->b : e->a));
    TRY(visit(s, e->kind == EXPR_CONDITION ? e->a : e->b));
    TRY(visit(s, e->c));
    TRY(visit(s, e->d));
    for (size_t i = 0; i < e->n_args; i++) TRY(visit(s, e->args[i].value));
cleanup:
    s->soft = soft;
    return status;
}

static wr_status visit_target(symbols *s, const expression *target, bool parameter, bool conditional) {
    wr_status status = WR_OK;
    if (target->kind == EXPR_MEMBER_TARGET) return load(s, target->name);
    if (target->kind == EXPR_NAME) return parameter ? add(s, target->name) : store(s, target->name, conditional);
    for (size_t i = 0; i < target->n_args; i++) TRY(visit_target(s, target->args[i].value, parameter, conditional));
cleanup:
    return status;
}

/* --- what a macro's body uses ------------------------------------------------------------------------------------- */

enum { USES_CALLER = 1, USES_NAMES = 2, USES_REST = 4, USES_ALL = 7 };

/* gone: names that the body has set before, which then mean nothing special. */
typedef struct usage {
    int found, gone;
} usage;

static int special(const char *name) {
    return strcmp(name, "caller") == 0    ? USES_CALLER
           : strcmp(name, "kwargs") == 0  ? USES_NAMES
           : strcmp(name, "varargs") == 0 ? USES_REST
                                          : 0;
}

static void use_target(usage *u, const expression *target) {
    if (target->kind == EXPR_NAME) u->gone |= special(target->name) & ~u->found;
    for (size_t i = 0; i < target->n_args; i++) use_target(u, target->args[i].value);
}

static void use(usage *u, const expression *e) {
    if (!e) return;
    if (e->kind == EXPR_NAME) u->found |= special(e->name) & ~u->gone;
    use(u, e->a);
    use(u, e->b);
    use(u, e->c);
    use(u, e->d);
    for (size_t i = 0; i < e->n_args; i++) use(u, e->args[i].value);
}

static void use_statements(usage *u, const statement *s) {
    for (; s; s = s->next) {
        if (s->kind == DO_CALL) use(u, s->e);
        if (s->target) use_target(u, s->target);
        for (size_t i = 0; i < s->n_parameters; i++) {
            if (s->kind == DO_WITH)
                use_target(u, s->targets[i]);
            else
                u->gone |= special(s->parameters[i].name) & ~u->found;
        }
        for (size_t i = 0; i < s->n_parameters; i++) use(u, s->parameters[i].value);
        if (s->kind != DO_CALL && s->kind != DO_FILTER) use(u, s->e);
        use_statements(u, s->body.first);
        if (s->kind == DO_FILTER) use(u, s->e);
        use_statements(u, s->otherwise.first);
        use(u, s->condition);
    }
}

static wr_status find_usage(statement *s) {
    usage u = {0};
    bool explicit_caller = false;
    use_statements(&u, s->body.first);
    for (size_t i = 0; i < s->n_parameters; i++) {
        const int which = special(s->parameters[i].name);
        if (which == USES_CALLER && (u.found & USES_CALLER) && !s->parameters[i].value)
            return wr_fail(WR_E_FORMAT, "line %d: the parameter 'caller' needs a default", s->line);
        explicit_caller |= which == USES_CALLER;
        u.found &= which == USES_CALLER ? ~0 : ~which;
    }
    s->catch_names = u.found & USES_NAMES;
    s->catch_rest = u.found & USES_REST;
    s->takes_caller = (u.found & USES_CALLER) && !explicit_caller;
    return WR_OK;
}

/* --- scopes ------------------------------------------------------------------------------------------------------- */

/* Visits a block as a scope of its own, with what is in it from the start. */
static wr_status visit_block(const symbols *parent, block *b, const expression *parameter) {
    wr_status status = WR_OK;
    symbols inner = {.a = parent->a, .parent = parent, .own = b};
    if (parameter) TRY(visit_target(&inner, parameter, true, false));
    TRY(visit_statements(&inner, b->first, false));
cleanup:
    return status;
}

static wr_status visit_macro(const symbols *parent, statement *s) {
    wr_status status = WR_OK;
    symbols inner = {.a = parent->a, .parent = parent, .own = &s->body};
    TRY(find_usage(s));
    for (size_t i = 0; i < s->n_parameters; i++) TRY(add(&inner, s->parameters[i].name));
    for (size_t i = 0; i < s->n_parameters; i++) TRY(visit(&inner, s->parameters[i].value));
    if (s->takes_caller) TRY(add(&inner, "caller"));
    if (s->catch_names) TRY(add(&inner, "kwargs"));
    if (s->catch_rest) TRY(add(&inner, "varargs"));
    TRY(visit_statements(&inner, s->body.first, false));
cleanup:
    return status;
}

static wr_status visit_for(symbols *scope, statement *s) {
    wr_status status = WR_OK;
    symbols inner = {.a = scope->a, .parent = scope, .own = &s->body};
    TRY(visit_target(&inner, s->target, true, false));
    TRY(add(&inner, "loop"));
    TRY(visit_statements(&inner, s->body.first, false));
    if (s->condition) {
        symbols test = {.a = scope->a, .parent = scope};
        TRY(visit_target(&test, s->target, true, false));
        TRY(visit(&test, s->condition));
    }
    TRY(visit_block(scope, &s->otherwise, NULL));
cleanup:
    return status;
}

static wr_status visit_with(symbols *scope, statement *s) {
    wr_status status = WR_OK;
    symbols inner = {.a = scope->a, .parent = scope, .own = &s->body};
    for (size_t i = 0; i < s->n_parameters; i++) TRY(visit_target(&inner, s->targets[i], true, false));
    TRY(visit_statements(&inner, s->body.first, false));
cleanup:
    return status;
}

/* The names of this scope. Scopes inside of it are visited when all of its names are known. */
static wr_status visit_statement(symbols *scope, const statement *s, bool conditional) {
    wr_status status = WR_OK;
    const bool soft = scope->soft;
    switch (s->kind) {
    case DO_IF:
        scope->soft = true;
        TRY(visit(scope, s->e));
        for (const statement *at = s->body.first; at; at = at->next) TRY(visit_statement(scope, at, true));
        for (const statement *at = s->otherwise.first; at; at = at->next) TRY(visit_statement(scope, at, true));
        break;
    case DO_SET:
        TRY(visit(scope, s->e));
        TRY(visit_target(scope, s->target, false, conditional));
        break;
    case DO_SET_BLOCK:
        TRY(visit_target(scope, s->target, false, conditional));
        break;
    case DO_MACRO:
        TRY(store(scope, s->name, conditional));
        break;
    case DO_WITH:
        for (size_t i = 0; i < s->n_parameters; i++) TRY(visit(scope, s->parameters[i].value));
        break;
    default: /* print, for, call, filter: what stands in the tag */
        TRY(visit(scope, s->e));
    }
cleanup:
    scope->soft = soft;
    return status;
}

static wr_status visit_inner(symbols *scope, statement *s) {
    wr_status status = WR_OK;
    switch (s->kind) {
    case DO_IF:
        for (statement *at = s->body.first; at; at = at->next) TRY(visit_inner(scope, at));
        for (statement *at = s->otherwise.first; at; at = at->next) TRY(visit_inner(scope, at));
        break;
    case DO_FOR:
        return visit_for(scope, s);
    case DO_MACRO:
    case DO_CALL:
    case DO_GENERATION:
        return visit_macro(scope, s);
    case DO_WITH:
        return visit_with(scope, s);
    case DO_FILTER:
    case DO_SET_BLOCK: {
        symbols inner = {.a = scope->a, .parent = scope, .own = &s->body};
        TRY(visit_statements(&inner, s->body.first, false));
        return visit(&inner, s->e);
    }
    default:
        break;
    }
cleanup:
    return status;
}

static wr_status visit_statements(symbols *s, const statement *first, bool conditional) {
    wr_status status = WR_OK;
    for (const statement *at = first; at; at = at->next) TRY(visit_statement(s, at, conditional));
    for (const statement *at = first; at; at = at->next) TRY(visit_inner(s, (statement *)at));
cleanup:
    return status;
}

wr_status find_symbols(arena *a, block *root) {
    symbols top = {.a = a, .own = root};
    return visit_statements(&top, root->first, false);
}
