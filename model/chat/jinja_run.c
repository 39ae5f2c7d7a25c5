/* Statements at work. */
#include "model/chat/jinja_ast.h"

#include <string.h>

/* Marks the words of raise_exception until they leave jinja_render: they are the template's, and get no line. */
#define RAISED '\x01'

static wr_status run_body(run *r, const statement *first, scope *s);

static wr_status set_name(run *r, scope *s, const char *name, value v) {
    return dict_set(r->a, &s->variables, value_text(name, strlen(name)), v);
}

/* Names from a value: one takes it whole, several take its items. */
static wr_status bind(run *r, scope *s, const char *const *names, size_t n, value v) {
    wr_status status = WR_OK;
    value_list *items;
    if (n == 1) return set_name(r, s, names[0], v);
    TRY(value_items(r, v, &items));
    if (items->n != n) TRY(wr_fail(WR_E_FORMAT, "%zu names for %zu values", n, items->n));
    for (size_t i = 0; i < n; i++) TRY(set_name(r, s, names[i], items->items[i]));
cleanup:
    return status;
}

/* Runs a body into a string. */
static wr_status capture(run *r, const statement *body, scope *s, value *out) {
    text_builder text = {.a = r->a, .limit = JINJA_OUTPUT_MAX}, *outer = r->out;
    r->out = &text;
    wr_status status = run_body(r, body, s);
    r->out = outer;
    *out = text_done(&text);
    return status;
}

static wr_status run_set(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    value v;
    TRY(evaluate(r, s->e, here, &v));
    if (!s->member) return bind(r, here, s->names, s->n_names, v);
    for (scope *at = here; at; at = at->parent) {
        const value *space = dict_get_name(&at->variables, s->names[0]);
        if (!space) continue;
        if (space->kind != VALUE_NAMESPACE) break;
        return dict_set(r->a, space->dict, value_text(s->member, strlen(s->member)), v);
    }
    TRY(wr_fail(WR_E_FORMAT, "'%.40s' is no namespace", s->names[0]));
cleanup:
    return status;
}

static wr_status run_filtered(run *r, const statement *s, scope *here, value *out) {
    wr_status status = WR_OK;
    scope inner = {.parent = here};
    TRY(capture(r, s->body, &inner, out));
    if (s->e) {
        TRY(set_name(r, &inner, FILTERED_TEXT, *out));
        TRY(evaluate(r, s->e, &inner, out));
    }
cleanup:
    return status;
}

static wr_status put_loop(run *r, scope *s, const value_list *items, size_t i) {
    wr_status status = WR_OK;
    value loop;
    const int64_t at = (int64_t)i, n = (int64_t)items->n;
    const struct {
        const char *name;
        value v;
    } members[] = {{"index", value_int(at + 1)},
                   {"index0", value_int(at)},
                   {"revindex", value_int(n - at)},
                   {"revindex0", value_int(n - at - 1)},
                   {"first", value_bool(i == 0)},
                   {"last", value_bool(at + 1 == n)},
                   {"length", value_int(n)},
                   {"previtem", i ? items->items[i - 1] : (value){0}},
                   {"nextitem", at + 1 < n ? items->items[i + 1] : (value){0}}};
    TRY(dict_new(r->a, VALUE_NAMESPACE, &loop));
    for (size_t k = 0; k < sizeof members / sizeof *members; k++)
        TRY(dict_set(r->a, loop.dict, value_text(members[k].name, strlen(members[k].name)), members[k].v));
    TRY(set_name(r, s, "loop", loop));
cleanup:
    return status;
}

static wr_status run_for(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    value over, kept, holds;
    value_list *items;
    TRY(evaluate(r, s->e, here, &over));
    TRY(value_items(r, over, &items));
    if (s->condition) {
        TRY(list_new(r->a, &kept));
        for (size_t i = 0; i < items->n; i++) {
            scope inner = {.parent = here};
            TRY(bind(r, &inner, s->names, s->n_names, items->items[i]));
            TRY(evaluate(r, s->condition, &inner, &holds));
            if (value_truth(holds)) TRY(list_push(r->a, kept.list, items->items[i]));
        }
        items = kept.list;
    }
    if (!items->n) return run_body(r, s->otherwise, here);
    for (size_t i = 0; i < items->n; i++) {
        r->steps += 20; /* an iteration costs memory, too */
        scope inner = {.parent = here}; /* what an iteration sets, the next one does not see */
        TRY(bind(r, &inner, s->names, s->n_names, items->items[i]));
        TRY(put_loop(r, &inner, items, i));
        TRY(run_body(r, s->body, &inner));
        const bool ended = r->flow == FLOW_BREAK;
        r->flow = FLOW_ON;
        if (ended) break;
    }
cleanup:
    return status;
}

wr_status run_macro(run *r, const statement *macro, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    scope inner = {.parent = r->globals};
    value v;
    size_t positional = 0;
    if (r->depth > 60) return wr_fail(WR_E_FORMAT, "macro '%.40s' calls itself too deeply", macro->name);
    for (size_t i = 0; i < args->n; i++) positional += !args->names[i];
    if (positional > macro->n_names)
        return wr_fail(WR_E_FORMAT, "macro '%.40s' takes %zu arguments", macro->name, macro->n_names);
    for (size_t i = 0; i < macro->n_names; i++) {
        const value *given = call_argument(args, i, macro->names[i]);
        v = (value){0};
        if (given)
            v = *given;
        else if (macro->defaults[i])
            TRY(evaluate(r, macro->defaults[i], &inner, &v));
        TRY(set_name(r, &inner, macro->names[i], v));
    }
    r->depth += 5;
    status = capture(r, macro->body, &inner, out);
    r->depth -= 5;
    r->flow = FLOW_ON;
cleanup:
    return status;
}

/* transformers makes it a call block, that is, a macro, and counts from where the template's own text ends at that moment. */
static wr_status run_generation(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    scope inner = {.parent = here};
    value text;
    const size_t from = r->top->n;
    TRY(capture(r, s->body, &inner, &text));
    if (2 * r->n_blocks == r->block_capacity) {
        size_t *grown = arena_alloc(r->a, (2 * r->block_capacity + 16) * sizeof *grown);
        TRY_ALLOC(grown);
        if (r->n_blocks) memcpy(grown, r->blocks, 2 * r->n_blocks * sizeof *grown);
        r->blocks = grown;
        r->block_capacity = 2 * r->block_capacity + 16;
    }
    r->blocks[2 * r->n_blocks] = from;
    r->blocks[2 * r->n_blocks++ + 1] = from + text.n;
    TRY(text_append_value(r->out, text));
cleanup:
    return status;
}

static wr_status run_statement(run *r, const statement *s, scope *here) {
    wr_status status = WR_OK;
    value v;
    switch (s->kind) {
    case DO_TEXT:
        return text_append_value(r->out, s->literal);
    case DO_PRINT:
        TRY(evaluate(r, s->e, here, &v));
        return text_append_str(r->out, v);
    case DO_IF:
        TRY(evaluate(r, s->e, here, &v));
        return run_body(r, value_truth(v) ? s->body : s->otherwise, here);
    case DO_FOR:
        return run_for(r, s, here);
    case DO_SET:
        return run_set(r, s, here);
    case DO_SET_BLOCK:
        TRY(run_filtered(r, s, here, &v));
        return set_name(r, here, s->names[0], v);
    case DO_MACRO:
        return set_name(r, here, s->name, (value){.kind = VALUE_MACRO, .macro = s});
    case DO_FILTER:
        TRY(run_filtered(r, s, here, &v));
        return text_append_str(r->out, v);
    case DO_GROUP:
        return run_body(r, s->body, here);
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

static wr_status run_body(run *r, const statement *first, scope *s) {
    wr_status status = WR_OK;
    for (const statement *at = first; at && r->flow == FLOW_ON; at = at->next) {
        status = run_statement(r, at, s);
        if (status == WR_E_FORMAT && strncmp(wr_error(), "line ", 5) != 0 && wr_error()[0] != RAISED)
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
        TRY(dict_set(r->a, &globals->variables, value_text(m->key, m->key_length), v));
    }
cleanup:
    return status;
}

wr_status jinja_render(const jinja *t, const jinja_chat *chat, arena *a, jinja_text *out) {
    wr_status status = WR_OK;
    text_builder text = {.a = a, .limit = JINJA_OUTPUT_MAX};
    scope globals = {0};
    run r = {.a = a, .out = &text, .globals = &globals, .top = &text};
    value messages, message;
    if (chat->n > JINJA_MESSAGES_MAX)
        return wr_fail(WR_E_FORMAT, "a chat has more than %d messages", JINJA_MESSAGES_MAX);
    TRY(list_new(a, &messages));
    for (size_t i = 0; i < chat->n; i++) {
        TRY(wr_context(jinja_message_value(a, &chat->messages[i], i, chat->texts, &message), "message %zu", i + 1));
        TRY(list_push(a, messages.list, message));
    }
    TRY(set_name(&r, &globals, "messages", messages));
    TRY(set_name(&r, &globals, "tools", value_none()));
    TRY(set_name(&r, &globals, "documents", value_none()));
    TRY(set_name(&r, &globals, "add_generation_prompt", value_bool(chat->add_generation_prompt)));
    for (size_t i = 0; i < chat->n_variables; i++)
        TRY(set_name(&r, &globals, chat->variables[i].name,
                     value_text(chat->variables[i].value, strlen(chat->variables[i].value))));
    TRY(put_row(&r, chat->row, &globals));
    scope top = {.parent = &globals};
    r.globals = &top; /* macros see what the template itself sets */
    status = run_body(&r, t->first, &top);
    if (status < 0 && wr_error()[0] == RAISED) {
        char words[512];
        strncpy(words, wr_error() + 1, sizeof words - 1);
        words[sizeof words - 1] = 0;
        status = wr_fail(status, "the chat template refuses this chat: %s", words);
    }
    TRY(status);
    const value done = text_done(&text);
    uint16_t *none = NULL;
    if (!done.origin) {
        TRY_ALLOC(none = arena_alloc(a, (done.n + 1) * sizeof *none));
        memset(none, 0, (done.n + 1) * sizeof *none);
    }
    *out = (jinja_text){done.text, done.origin ? done.origin : none, done.n, r.blocks, r.n_blocks};
cleanup:
    return status;
}
