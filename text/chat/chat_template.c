#include "text/chat/chat_template.h"

#include "base/json.h"
#include "text/chat/chat_read.h"
#include "text/chat/chat_template_parts.h"
#include "text/tokenizer/text_bytes.h"

#include <stdlib.h>
#include <string.h>

const chat_names *chat_template_names(const chat_template *c) { return &c->names; }
int32_t chat_end_id(const chat_template *c) { return c->end_id; }
const char *chat_template_source(const chat_template *c) { return strbuf_str(&c->source.text); }

/* --- rendering ---------------------------------------------------------------------------------------------------- */

/* Contents cleaned of invalid UTF-8; what fields hold is from JSON and valid. */
static wr_status clean_messages(const chat_message *messages, size_t n, arena *a, const chat_message **out) {
    wr_status status = WR_OK;
    strbuf clean = {0};
    chat_message *own = NULL;
    for (size_t i = 0; i < n; i++) {
        if (utf8_is_valid(messages[i].content, messages[i].length)) continue;
        if (!own) {
            TRY_ALLOC(own = arena_alloc(a, n * sizeof *own));
            memcpy(own, messages, n * sizeof *own);
        }
        strbuf_clear(&clean);
        utf8_clean(&clean, messages[i].content, messages[i].length);
        TRY(strbuf_status(&clean));
        TRY_ALLOC(own[i].content = arena_strndup(a, strbuf_str(&clean), clean.len));
        own[i].length = clean.len;
    }
    *out = own ? own : messages;
cleanup:
    strbuf_free(&clean);
    return status;
}

/* Lists of parts go to the template as they are, as transformers gives them. A template that knows texts alone fails on
 * them, or prints them as Python does: then their text stands for them, if they are all text. */
static wr_status render_lists(const jinja *compiled, jinja_chat *chat, arena *a, jinja_text *out) {
    static const char printed[] = "[{'type':";
    wr_status status = jinja_render(compiled, chat, a, out);
    if (status != WR_E_FORMAT && (status < 0 || !memmem(out->bytes, out->n, printed, sizeof printed - 1)))
        return status;
    status = WR_OK;
    for (size_t i = 0; i < chat->n; i++) {
        const char *text;
        size_t length;
        const json_value *content = json_get(chat->messages[i].fields, "content");
        TRY(wr_context(chat_read_content(a, content, &text, &length),
                       "the chat template takes texts alone: messages[%zu]", i));
    }
    chat->texts = true;
    TRY(jinja_render(compiled, chat, a, out));
cleanup:
    return status;
}

/* As transformers: tools, even none in a list, take the template that is for them. */
static const jinja *chosen(const chat_template *c, const chat_request *r) {
    return c->for_tools && json_get(r->row, "tools") ? c->for_tools : c->compiled;
}

static wr_status render_clean(const chat_template *c, const chat_request *r, arena *a, jinja_text *out) {
    wr_status status = WR_OK;
    jinja_chat chat = {r->messages, r->n, r->add_generation_prompt, c->source.variables, c->source.n_variables,
                       r->row,      false};
    bool lists = false;
    TRY(clean_messages(r->messages, r->n, a, &chat.messages));
    for (size_t i = 0; i < r->n && !lists; i++)
        lists = r->messages[i].fields && json_is(json_get(r->messages[i].fields, "content"), JSON_ARRAY);
    TRY(lists ? render_lists(chosen(c, r), &chat, a, out) : jinja_render(chosen(c, r), &chat, a, out));
cleanup:
    return status;
}

wr_status chat_render(const chat_template *c, const tokenizer *t, const chat_request *r, strbuf *text, token_ids *ids) {
    wr_status status = WR_OK;
    jinja_text x;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(render_clean(c, r, a, &x));
    if (text) strbuf_append(text, x.bytes, x.n);
    if (text) TRY(strbuf_status(text));
    if (ids) TRY(tokenizer_encode_marked(t, x.bytes, x.n, x.origin, NULL, 0, NULL, ids));
cleanup:
    arena_free(a);
    return status;
}

wr_status chat_render_prompt(const chat_template *c, const tokenizer *t, const chat_message *messages, size_t n,
                             bool add_generation_prompt, token_ids *out) {
    return chat_render(c, t, &(chat_request){messages, n, NULL, add_generation_prompt}, NULL, out);
}

wr_status chat_render_text(const chat_template *c, const chat_message *messages, size_t n, bool add_generation_prompt,
                           strbuf *out) {
    return chat_render(c, NULL, &(chat_request){messages, n, NULL, add_generation_prompt}, out, NULL);
}

/* --- training ----------------------------------------------------------------------------------------------------- */

void token_spans_free(token_spans *s) {
    free(s->bounds);
    *s = (token_spans){0};
}

static wr_status push_span(token_spans *s, size_t from, size_t to) {
    wr_status status = WR_OK;
    TRY(mem_reserve((void **)&s->bounds, &s->capacity, 2 * s->n + 2, sizeof *s->bounds));
    s->bounds[2 * s->n] = from;
    s->bounds[2 * s->n + 1] = to;
    s->n++;
cleanup:
    return status;
}

/* The template's own generation blocks, in their order and apart from each other. */
static void take_blocks(const jinja_text *x, size_t *bounds, size_t *n) {
    size_t end = 0;
    for (size_t i = 0; i < x->n_blocks; i++) {
        size_t from = x->blocks[2 * i], to = x->blocks[2 * i + 1];
        if (to > x->n) to = x->n;
        if (from < end) from = end;
        if (from >= to) continue;
        bounds[2 * (*n)++] = from;
        bounds[2 * *n - 1] = end = to;
    }
}

/* alone (n): how much of the text there is when the chat ends with message i, where that begins the whole text; of
 * those whose calls a template may name again (0: of others). */
static wr_status find_ends(const chat_template *c, const chat_request *r, const jinja_text *x, size_t *alone) {
    wr_status status = WR_OK;
    arena *a = arena_create();
    TRY_ALLOC(a);
    for (size_t i = 0; i < r->n; i++) {
        jinja_text part;
        alone[i] = 0;
        if (strcmp(r->messages[i].role, "assistant") != 0 || !json_get(r->messages[i].fields, "tool_calls")) continue;
        const chat_request until = {r->messages, i + 1, r->row, false};
        arena_reset(a);
        status = render_clean(c, &until, a, &part);
        if (status >= 0 && part.n <= x->n && memcmp(part.bytes, x->bytes, part.n) == 0) alone[i] = part.n;
        if (status != WR_E_FORMAT) TRY(status);
        status = WR_OK;
    }
cleanup:
    arena_free(a);
    return status;
}

wr_status chat_render_training(const chat_template *c, const tokenizer *t, const chat_request *r, token_ids *ids,
                               token_spans *assistant) {
    wr_status status = WR_OK;
    jinja_text x;
    size_t *bounds = NULL, *at = NULL, n = 0;
    const bool own = jinja_has_generation(chosen(c, r));
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(render_clean(c, r, a, &x));
    const size_t most = (own ? x.n_blocks : r->n) + 1;
    TRY_ALLOC(bounds = arena_alloc(a, 2 * most * sizeof *bounds));
    TRY_ALLOC(at = arena_alloc(a, 2 * most * sizeof *at));
    if (own) {
        take_blocks(&x, bounds, &n);
    } else {
        text_span *contents = arena_alloc(a, 2 * most * sizeof *contents), *turns = contents + most;
        size_t *alone = arena_alloc(a, most * sizeof *alone);
        TRY_ALLOC(contents && alone);
        find_contents(&x, r->n, contents);
        TRY(find_ends(c, r, &x, alone));
        find_turns(&c->marks, t, &x, r->messages, r->n, contents, alone, turns);
        for (size_t i = 0; i < r->n; i++) {
            if (!turns[i].end) continue;
            bounds[2 * n] = turns[i].first;
            bounds[2 * n++ + 1] = turns[i].end;
        }
    }
    TRY(encode_spans(t, &x, bounds, n, !own, at, ids));
    for (size_t i = 0; i < n; i++) TRY(push_span(assistant, at[2 * i], at[2 * i + 1]));
cleanup:
    arena_free(a);
    return status;
}
