/* Values of expressions. */
#include "text/chat/jinja_run.h"

#include <string.h>

enum { DEPTH_MAX = 250, ARGUMENTS_MAX = 2000 };

wr_status run_spend(run *r, size_t steps) {
    r->steps += steps;
    return r->steps > JINJA_STEPS_MAX ? wr_fail(WR_E_FORMAT, "the template does not come to an end") : WR_OK;
}

wr_status run_enter(run *r) {
    if (r->depth > DEPTH_MAX) return wr_fail(WR_E_FORMAT, "nested too deeply");
    r->depth++;
    return WR_OK;
}

/* --- scopes ------------------------------------------------------------------------------------------------------- */

scope *scope_new(run *r, scope *parent) {
    scope *s = NULL;
    if (arena_grow(r->a, (void **)&s, 0, 1, sizeof *s) < 0) return NULL;
    *s = (scope){.parent = parent};
    return s;
}

void scope_keep(scope *s) {
    for (; s && !s->kept; s = s->parent) s->kept = true;
}

wr_status scope_set(run *r, scope *s, const char *name, value v) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->bindings[i].name, name) != 0) continue;
        s->bindings[i].v = v;
        return WR_OK;
    }
    if (s->n == s->capacity) {
        const size_t wanted = s->capacity ? 2 * s->capacity : 4;
        TRY(arena_grow(r->a, (void **)&s->bindings, s->n, wanted, sizeof *s->bindings));
        s->capacity = wanted;
    }
    s->bindings[s->n++] = (binding){name, v};
cleanup:
    return status;
}

const value *scope_get(const scope *s, const char *name) {
    for (; s; s = s->parent)
        for (size_t i = 0; i < s->n; i++)
            if (s->bindings[i].name == name || strcmp(s->bindings[i].name, name) == 0) return &s->bindings[i].v;
    return NULL;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

typedef struct argument_list {
    value *items;
    const char **names;
    size_t n, capacity;
} argument_list;

static wr_status push(run *r, argument_list *l, const char *name, value v) {
    wr_status status = WR_OK;
    if (l->n >= ARGUMENTS_MAX) return wr_fail(WR_E_FORMAT, "a call has too many arguments");
    for (size_t i = 0; name && i < l->n; i++)
        if (l->names[i] && strcmp(l->names[i], name) == 0)
            return wr_fail(WR_E_FORMAT, "the argument '%.40s' is given twice", name);
    if (l->n == l->capacity) {
        const size_t wanted = l->capacity ? 2 * l->capacity : 4;
        TRY(arena_grow(r->a, (void **)&l->items, l->n, wanted, sizeof *l->items));
        TRY(arena_grow(r->a, (void **)&l->names, l->n, wanted, sizeof *l->names));
        l->capacity = wanted;
    }
    l->items[l->n] = v;
    l->names[l->n++] = name;
cleanup:
    return status;
}

/* **v */
static wr_status push_names(run *r, argument_list *l, value v) {
    wr_status status = WR_OK;
    if (v.kind != VALUE_DICT) return wr_fail(WR_E_FORMAT, "'**' of %s in a call", value_type(v));
    for (size_t i = 0; i < v.dict->n; i++) {
        const value key = v.dict->keys[i];
        if (key.kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "'**': a name is expected, not %s", value_type(key));
        const char *name = arena_strndup(r->a, key.text, key.n);
        TRY_ALLOC(name);
        TRY(push(r, l, name, v.dict->values[i]));
    }
cleanup:
    return status;
}

wr_status evaluate_arguments(run *r, const expression *e, scope *s, const value *caller, call_arguments *out) {
    wr_status status = WR_OK;
    argument_list l = {0};
    value v;
    for (size_t k = 0; k < 2 * e->n_args; k++) { /* by position first, then by name */
        const argument *a = &e->args[k % e->n_args];
        if ((k >= e->n_args) != (a->name || a->stars == 2)) continue;
        TRY(evaluate(r, a->value, s, &v));
        if (a->stars == 1) {
            value_list *items;
            TRY(iterate_all(r, v, &items));
            for (size_t i = 0; i < items->n; i++) TRY(push(r, &l, NULL, items->items[i]));
        } else if (a->stars == 2) {
            TRY(push_names(r, &l, v));
        } else {
            TRY(push(r, &l, a->name, v));
        }
    }
    if (caller) TRY(push(r, &l, "caller", *caller));
    *out = (call_arguments){l.items, (const char *const *)l.names, l.n};
cleanup:
    return status;
}

wr_status value_call(run *r, value callee, const call_arguments *args, value *out) {
    switch (callee.kind) {
    case VALUE_MACRO:
        return run_macro(r, callee.macro, args, out);
    case VALUE_FUNCTION:
        return run_function(r, callee.text, args, out);
    case VALUE_METHOD:
        return run_method(r, callee.method->object, callee.method->name, args, out);
    case VALUE_LOOP:
        return loop_method(r, callee.loop, "", args, out);
    case VALUE_JOINER:
        return run_method(r, callee, "", args, out);
    default:
        return wr_fail(WR_E_FORMAT, "%s is called", value_type(callee));
    }
}

/* What is called, filtered or tested comes first, then its arguments. */
static wr_status with_arguments(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    call_arguments args;
    value operand;
    bool holds;
    TRY(evaluate(r, e->a, s, &operand));
    TRY(evaluate_arguments(r, e, s, NULL, &args));
    if (e->kind == EXPR_CALL) {
        status = value_call(r, operand, &args, out);
        const char *name = e->a->kind == EXPR_NAME || e->a->kind == EXPR_MEMBER ? e->a->name : NULL;
        if (status == WR_E_FORMAT && name && operand.kind == VALUE_UNDEFINED)
            status = wr_fail(status, "'%.40s' is called, which is %s", name,
                             operand.refused ? "not allowed in a sandbox" : "undefined");
        return status;
    }
    if (e->kind == EXPR_FILTER) return run_filter(r, e->name, operand, &args, out);
    TRY(run_test(r, e->name, operand, &args, &holds));
    *out = value_bool(holds);
cleanup:
    return status;
}

/* --- expressions -------------------------------------------------------------------------------------------------- */

static wr_status collection(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value made, key, v;
    if (e->kind == EXPR_DICT) {
        TRY(dict_new(r->a, VALUE_DICT, &made));
        for (size_t i = 0; i + 1 < e->n_args; i += 2) {
            TRY(evaluate(r, e->args[i].value, s, &key));
            TRY(evaluate(r, e->args[i + 1].value, s, &v));
            TRY(dict_set(r->a, made.dict, key, v));
        }
    } else {
        TRY(list_new_kind(r->a, e->kind == EXPR_TUPLE ? VALUE_TUPLE : VALUE_LIST, &made));
        for (size_t i = 0; i < e->n_args; i++) {
            TRY(evaluate(r, e->args[i].value, s, &v));
            TRY(list_push(r->a, made.list, v));
        }
    }
    *out = made;
cleanup:
    return status;
}

static wr_status concatenate(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    text_builder t = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    value v;
    for (size_t i = 0; i < e->n_args; i++) {
        TRY(evaluate(r, e->args[i].value, s, &v));
        TRY(text_append_str(&t, v));
    }
    *out = text_done(&t);
cleanup:
    return status;
}

/* a < b < c: each is evaluated once, and as far as it matters. */
static wr_status comparison(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value left, right;
    bool holds = true;
    TRY(evaluate(r, e->a, s, &left));
    for (size_t i = 0; i < e->n_args && holds; i++) {
        TRY(evaluate(r, e->args[i].value, s, &right));
        TRY(value_compare(r, e->args[i].op, left, right, &holds));
        left = right;
    }
    *out = value_bool(holds);
cleanup:
    return status;
}

static wr_status binary(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value a, b;
    TRY(evaluate(r, e->a, s, &a));
    if ((e->op == OP_OR && value_truth(a)) || (e->op == OP_AND && !value_truth(a))) {
        *out = a;
        return WR_OK;
    }
    TRY(evaluate(r, e->b, s, &b));
    if (e->op == OP_OR || e->op == OP_AND)
        *out = b;
    else
        TRY(value_arithmetic(r, e->op, a, b, out));
cleanup:
    return status;
}

static wr_status unary(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value a;
    TRY(evaluate(r, e->a, s, &a));
    if (e->op == OP_NOT)
        *out = value_bool(!value_truth(a));
    else if (!value_is_number(a))
        TRY(wr_fail(WR_E_FORMAT, "a sign before %s", value_type(a)));
    else if (a.kind == VALUE_FLOAT)
        *out = value_real(e->op == OP_NEG ? -a.real : a.real);
    else if (e->op == OP_PLUS)
        *out = value_int(value_integer(a));
    else
        TRY(value_arithmetic(r, OP_SUB, value_int(0), value_int(value_integer(a)), out));
cleanup:
    return status;
}

static wr_status slice(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    const value absent = {.refused = true};
    value a, bounds[3] = {absent, absent, absent};
    const expression *const parts[] = {e->b, e->c, e->d};
    TRY(evaluate(r, e->a, s, &a));
    for (int i = 0; i < 3; i++)
        if (parts[i]) TRY(evaluate(r, parts[i], s, &bounds[i]));
    TRY(value_slice_of(r, a, bounds, out));
cleanup:
    return status;
}

static wr_status evaluate_here(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value a, b;
    const value *found;
    *out = (value){0};
    switch (e->kind) {
    case EXPR_LITERAL:
        *out = e->literal;
        break;
    case EXPR_NAME:
        found = scope_get(s, e->name);
        if (found)
            *out = *found;
        else if (is_function(e->name))
            *out = (value){.kind = VALUE_FUNCTION, .text = e->name};
        break;
    case EXPR_LIST:
    case EXPR_TUPLE:
    case EXPR_DICT:
        return collection(r, e, s, out);
    case EXPR_MEMBER:
        TRY(evaluate(r, e->a, s, &a));
        return value_member(r, a, e->name, out);
    case EXPR_ITEM:
        TRY(evaluate(r, e->a, s, &a));
        TRY(evaluate(r, e->b, s, &b));
        return value_item(r, a, b, out);
    case EXPR_SLICE:
        return slice(r, e, s, out);
    case EXPR_CALL:
    case EXPR_FILTER:
    case EXPR_TEST:
        return with_arguments(r, e, s, out);
    case EXPR_UNARY:
        return unary(r, e, s, out);
    case EXPR_BINARY:
        return binary(r, e, s, out);
    case EXPR_COMPARE:
        return comparison(r, e, s, out);
    case EXPR_CONCAT:
        return concatenate(r, e, s, out);
    case EXPR_CONDITION:
        TRY(evaluate(r, e->b, s, &b));
        if (value_truth(b)) return evaluate(r, e->a, s, out);
        if (e->c) return evaluate(r, e->c, s, out);
        break;
    case EXPR_MEMBER_TARGET: /* set only */
        break;
    }
cleanup:
    return status;
}

wr_status evaluate(run *r, const expression *e, scope *s, value *out) {
    wr_status status = run_spend(r, 1);
    if (status >= 0) status = run_enter(r);
    if (status >= 0) {
        status = evaluate_here(r, e, s, out);
        r->depth--;
    }
    /* The innermost expression says where. */
    if (status == WR_E_FORMAT && strncmp(wr_error(), "line ", 5) != 0 && !r->raised)
        status = wr_context(status, "line %d", e->line);
    return status;
}
