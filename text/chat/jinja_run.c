/* Statements at work. */
#include "base/utf8.h"
#include "text/chat/jinja_run.h"

#include <string.h>

wr_status bind_target(run *r, scope *s, const expression *target, value v) {
    wr_status status = WR_OK;
    value_list *items;
    if (target->kind == EXPR_NAME) return scope_set(r, s, target->name, v);
    if (target->kind == EXPR_MEMBER_TARGET) {
        const value *space = scope_get(s, target->name);
        if (!space || space->kind != VALUE_NAMESPACE)
            return wr_fail(WR_E_FORMAT, "'%.40s' is no namespace", target->name);
        if (*target->member == '_')
            return wr_fail(WR_E_FORMAT, "a namespace cannot hold '%.40s': the name begins with an underscore",
                           target->member);
        return dict_set_name(r->a, space->dict, target->member, v);
    }
    if (v.kind == VALUE_UNDEFINED && target->n_args)
        return wr_fail(WR_E_FORMAT, "%zu names for an undefined value", target->n_args);
    TRY(iterate_all(r, v, &items));
    if (items->n != target->n_args) TRY(wr_fail(WR_E_FORMAT, "%zu names for %zu values", target->n_args, items->n));
    for (size_t i = 0; i < items->n; i++) TRY(bind_target(r, s, target->args[i].value, items->items[i]));
cleanup:
    return status;
}

wr_status enter_block(run *r, const block *b, scope *s) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < b->n_hidden; i++) TRY(scope_set(r, s, b->hidden[i], (value){0}));
cleanup:
    return status;
}

/* The text of a block that has a scope of its own, s. */
static wr_status run_capture(run *r, const block *b, scope *s, value *out) {
    text_builder text = {.a = r->a, .limit = JINJA_OUTPUT_MAX}, *outer = r->out;
    wr_status status = enter_block(r, b, s);
    r->out = &text;
    if (status >= 0) status = run_body(r, b->first, s);
    r->out = outer;
    *out = text_done(&text);
    return status;
}

/* filter blocks, and what set blocks set. false in *done: break or continue left it. */
static wr_status run_filtered(run *r, const statement *s, scope *here, value *out, bool *done) {
    wr_status status = WR_OK;
    scope *inner = scope_new(r, here);
    if (!inner) return WR_E_FORMAT;
    TRY(run_capture(r, &s->body, inner, out));
    *done = r->flow == FLOW_ON;
    if (s->e && *done) {
        TRY(scope_set(r, inner, FILTERED_TEXT, *out));
        TRY(evaluate(r, s->e, inner, out));
    }
cleanup:
    return status;
}

/* Jinja joins the texts of filter and call blocks without making them strings. */
static wr_status append_text(run *r, value v, const char *which) {
    if (v.kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "a %s block gives %s, not a str", which, value_type(v));
    return text_append_value(r->out, v);
}

static wr_status macro_value(run *r, const statement *s, scope *here, value *out) {
    wr_status status = WR_OK;
    value_macro *m = NULL;
    TRY(arena_grow(r->a, (void **)&m, 0, 1, sizeof *m));
    *m = (value_macro){s, here};
    scope_keep(here);
    *out = (value){.kind = VALUE_MACRO, .macro = m};
cleanup:
    return status;
}

static wr_status run_call_block(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    value caller, callee, text;
    call_arguments args;
    TRY(macro_value(r, s, here, &caller));
    TRY(evaluate(r, s->e->a, here, &callee));
    TRY(evaluate_arguments(r, s->e, here, &caller, &args));
    TRY(value_call(r, callee, &args, &text));
    TRY(append_text(r, text, "call"));
cleanup:
    return status;
}

/* transformers makes it a call block, that is, a macro, and counts from where the template's own text ends at that
 * moment. */
static wr_status run_generation(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    const value_macro macro = {s, here};
    const call_arguments none = {0};
    value text;
    const size_t from = r->top->n;
    scope_keep(here);
    TRY(run_macro(r, &macro, &none, &text));
    if (2 * r->n_blocks == r->block_capacity) {
        const size_t wanted = 2 * r->block_capacity + 16;
        TRY(arena_grow(r->a, (void **)&r->blocks, 2 * r->n_blocks, wanted, sizeof *r->blocks));
        r->block_capacity = wanted;
    }
    r->blocks[2 * r->n_blocks] = from;
    r->blocks[2 * r->n_blocks++ + 1] = from + text.n;
    TRY(text_append_value(r->out, text));
cleanup:
    return status;
}

static wr_status run_with(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    value v;
    scope *inner = scope_new(r, here);
    if (!inner) return WR_E_FORMAT;
    TRY(enter_block(r, &s->body, inner));
    for (size_t i = 0; i < s->n_parameters; i++) {
        TRY(evaluate(r, s->parameters[i].value, here, &v));
        TRY(bind_target(r, inner, s->targets[i], v));
    }
    TRY(run_body(r, s->body.first, inner));
cleanup:
    return status;
}

static wr_status run_statement(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    value v;
    bool done;
    switch (s->kind) {
    case DO_TEXT:
        return text_append_value(r->out, s->literal);
    case DO_PRINT:
        TRY(evaluate(r, s->e, here, &v));
        return text_append_str(r->out, v);
    case DO_IF:
        TRY(evaluate(r, s->e, here, &v));
        return run_body(r, value_truth(v) ? s->body.first : s->otherwise.first, here);
    case DO_FOR:
        TRY(evaluate(r, s->e, here, &v));
        return run_loop(r, s, here, v, 0);
    case DO_SET:
        TRY(evaluate(r, s->e, here, &v));
        return bind_target(r, here, s->target, v);
    case DO_SET_BLOCK:
        TRY(run_filtered(r, s, here, &v, &done));
        return done ? bind_target(r, here, s->target, v) : WR_OK;
    case DO_MACRO:
        TRY(macro_value(r, s, here, &v));
        return scope_set(r, here, s->name, v);
    case DO_CALL:
        return run_call_block(r, s, here);
    case DO_FILTER:
        TRY(run_filtered(r, s, here, &v, &done));
        return done ? append_text(r, v, "filter") : WR_OK;
    case DO_WITH:
        return run_with(r, s, here);
    case DO_GENERATION:
        return run_generation(r, s, here);
    case DO_BREAK:
        r->flow = FLOW_BREAK;
        break;
    case DO_CONTINUE:
        r->flow = FLOW_CONTINUE;
        break;
    }
cleanup:
    return status;
}

wr_status run_body(run *r, const statement *first, scope *s) {
    wr_status status = WR_OK;
    for (const statement *at = first; at && r->flow == FLOW_ON; at = at->next) {
        status = run_spend(r, 1);
        if (status >= 0) status = run_statement(r, at, s);
        if (status == WR_E_FORMAT && strncmp(wr_error(), "line ", 5) != 0 && !r->raised)
            status = wr_context(status, "line %d", at->line);
        TRY(status);
    }
cleanup:
    return status;
}

/* tools, documents and whatever else the row gives: as keyword arguments of apply_chat_template. */
static wr_status put_row(run *r, const json_value *row, scope *globals) {
    wr_status status = WR_OK;
    value v;
    for (const json_value *m = json_is(row, JSON_OBJECT) ? row->first : NULL; m; m = m->next) {
        TRY(jinja_value_of(r->a, m, JINJA_DATA, &v));
        TRY(scope_set(r, globals, m->key, v));
    }
cleanup:
    return status;
}

static wr_status put_globals(run *r, const jinja_chat *chat, scope *globals) {
    wr_status status = WR_OK;
    value messages, message;
    TRY(list_new(r->a, &messages));
    for (size_t i = 0; i < chat->n; i++) {
        TRY(wr_context(jinja_message_value(r->a, &chat->messages[i], i, chat->texts, &message), "message %zu", i + 1));
        TRY(list_push(r->a, messages.list, message));
    }
    TRY(scope_set(r, globals, "messages", messages));
    TRY(scope_set(r, globals, "tools", value_none()));
    TRY(scope_set(r, globals, "documents", value_none()));
    TRY(scope_set(r, globals, "add_generation_prompt", value_bool(chat->add_generation_prompt)));
    for (size_t i = 0; i < chat->n_variables; i++)
        TRY(scope_set(r, globals, chat->variables[i].name,
                      value_text(chat->variables[i].value, strlen(chat->variables[i].value))));
    TRY(put_row(r, chat->row, globals));
cleanup:
    return status;
}

/* What leaves is UTF-8, whatever came in, and has an origin for each byte. */
static wr_status finish(const run *r, value text, jinja_text *out) {
    wr_status status = WR_OK;
    uint16_t *none = NULL;
    const size_t valid = utf8_valid_prefix(text.text, text.n);
    if (valid < text.n) return wr_fail(WR_E_FORMAT, "the chat template writes what is not UTF-8 (byte %zu)", valid);
    if (!text.origin) {
        TRY(arena_grow(r->a, (void **)&none, 0, text.n + 1, sizeof *none));
        memset(none, 0, (text.n + 1) * sizeof *none);
    }
    *out = (jinja_text){text.text, text.origin ? text.origin : none, text.n, r->blocks, r->n_blocks};
cleanup:
    return status;
}

wr_status jinja_render(const jinja *t, const jinja_chat *chat, arena *a, jinja_text *out) {
    wr_status status = WR_OK;
    text_builder text = {.a = a, .limit = JINJA_OUTPUT_MAX};
    scope globals = {0}, top = {.parent = &globals};
    run r = {.a = a, .out = &text, .top = &text};
    if (chat->n > JINJA_MESSAGES_MAX)
        return wr_fail(WR_E_FORMAT, "a chat has more than %d messages", JINJA_MESSAGES_MAX);
    TRY(put_globals(&r, chat, &globals));
    TRY(enter_block(&r, &t->root, &top));
    status = run_body(&r, t->root.first, &top);
    if (status < 0 && r.raised) status = wr_context(status, "the chat template refuses this chat");
    TRY(status);
    TRY(finish(&r, text_done(&text), out));
cleanup:
    return status;
}
