/* Macros, and the blocks that are macros: call and generation. */
#include "text/chat/jinja_run.h"

#include <string.h>

enum { MACRO_DEPTH = 200 };

typedef struct macro_call {
    const statement *s;
    const call_arguments *args;
    size_t positional;
} macro_call;

static const value *named(const call_arguments *args, const char *name) {
    for (size_t i = 0; i < args->n; i++)
        if (args->names[i] && strcmp(args->names[i], name) == 0) return &args->items[i];
    return NULL;
}

static bool is_parameter(const macro_call *c, const char *name, size_t from) {
    for (size_t i = from; i < c->s->n_parameters; i++)
        if (strcmp(c->s->parameters[i].name, name) == 0) return true;
    return false;
}

/* Everything that is given must be for something: parameters, caller, kwargs, varargs. */
static wr_status check_arguments(const macro_call *c) {
    const char *macro = c->s->name ? c->s->name : "caller";
    for (size_t i = 0; i < c->args->n; i++) {
        const char *name = c->args->names[i];
        if (!name || is_parameter(c, name, c->positional) || c->s->catch_names) continue;
        if (strcmp(name, "caller") == 0 && c->s->takes_caller) continue;
        return wr_fail(WR_E_FORMAT, "macro '%.40s' takes no argument '%.40s' here", macro, name);
    }
    if (c->positional > c->s->n_parameters && !c->s->catch_rest)
        return wr_fail(WR_E_FORMAT, "macro '%.40s' takes no more than %zu arguments", macro, c->s->n_parameters);
    return WR_OK;
}

/* caller, kwargs and varargs, where the body uses them. */
static wr_status bind_special(run *r, const macro_call *c, scope *inner) {
    wr_status status = WR_OK;
    const statement *s = c->s;
    value v;
    if (s->takes_caller) {
        const value *caller = named(c->args, "caller");
        TRY(scope_set(r, inner, "caller", caller && caller->kind != VALUE_NONE ? *caller : (value){0}));
    }
    if (s->catch_names) {
        TRY(dict_new(r->a, VALUE_DICT, &v));
        for (size_t i = 0; i < c->args->n; i++) {
            const char *name = c->args->names[i];
            if (!name || is_parameter(c, name, c->positional)) continue;
            if (s->takes_caller && strcmp(name, "caller") == 0) continue;
            TRY(dict_set_name(r->a, v.dict, name, c->args->items[i]));
        }
        TRY(scope_set(r, inner, "kwargs", v));
    }
    if (s->catch_rest) {
        TRY(list_new_kind(r->a, VALUE_TUPLE, &v));
        for (size_t i = s->n_parameters; i < c->positional; i++) TRY(list_push(r->a, v.list, c->args->items[i]));
        TRY(scope_set(r, inner, "varargs", v));
    }
cleanup:
    return status;
}

wr_status run_macro(run *r, const value_macro *macro, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    const statement *s = macro->s;
    macro_call c = {s, args, 0};
    text_builder text = {.a = r->a, .limit = JINJA_OUTPUT_MAX}, *outer = r->out;
    value v;
    *out = (value){0};
    if (r->depth > MACRO_DEPTH)
        return wr_fail(WR_E_FORMAT, "macro '%.40s' calls itself too deeply", s->name ? s->name : "caller");
    while (c.positional < args->n && !args->names[c.positional]) c.positional++;
    TRY(check_arguments(&c));
    TRY(run_spend(r, 20));
    scope *inner = scope_new(r, macro->closure);
    if (!inner) return WR_E_FORMAT;
    for (size_t i = 0; i < s->n_parameters; i++) TRY(scope_set(r, inner, s->parameters[i].name, (value){0}));
    TRY(bind_special(r, &c, inner));
    for (size_t i = 0; i < s->n_parameters; i++) {
        const value *given = i < c.positional ? &args->items[i] : named(args, s->parameters[i].name);
        v = given ? *given : (value){0};
        if (!given && s->parameters[i].value) TRY(evaluate(r, s->parameters[i].value, inner, &v));
        TRY(scope_set(r, inner, s->parameters[i].name, v));
    }
    TRY(enter_block(r, &s->body, inner));
    r->out = &text;
    r->depth += 5;
    status = run_body(r, s->body.first, inner);
    r->depth -= 5;
    r->out = outer;
    *out = text_done(&text);
cleanup:
    return status;
}
