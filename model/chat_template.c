#include "model/chat_template.h"

#include "base/file.h"
#include "base/json.h"
#include "model/chat_recognize.h"

#include <stdlib.h>
#include <string.h>

struct chat_template {
    int32_t start_id, end_id; /* <|im_start|>, <|im_end|> */
    bool has_default;
    strbuf default_system;
};

/* --- loading --------------------------------------------------------------------------------------------------------------- */

static wr_status recognize_in(chat_template *c, const char *path, const char *text, size_t n)
{
    wr_status status = chat_recognize(text, n, &c->has_default, &c->default_system);
    return wr_context(status, "%s", path);
}

/* The chat_template member: a string, or a list of {name, template} of which "default" counts. Absent: *found = false. */
static wr_status load_from_config(chat_template *c, const char *path, bool *found)
{
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n = 0;
    const json_value *root;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(file_read(path, 0, &bytes, &n));
    status = json_parse(a, bytes, n, &root);
    TRY(wr_context(status, "%s", path));
    const json_value *v = json_get(root, "chat_template");
    if (json_is(v, JSON_ARRAY)) {
        const json_value *chosen = NULL;
        for (const json_value *e = v->first; e; e = e->next) {
            const char *name;
            size_t length;
            if (json_get_string(e, "name", &name, &length) && strcmp(name, "default") == 0) chosen = json_get(e, "template");
        }
        v = chosen;
    }
    *found = json_is(v, JSON_STRING);
    if (*found) TRY(recognize_in(c, path, v->text, v->length));
cleanup:
    arena_free(a);
    free(bytes);
    return status;
}

wr_status chat_template_load(const char *dir, const tokenizer *t, chat_template **out)
{
    wr_status status = WR_OK;
    char path[PATH_CAP], *bytes = NULL;
    size_t n = 0;
    bool found = false;
    chat_template *c = mem_calloc(1, sizeof *c);
    TRY_ALLOC(c);
    TRY(path_join(path, dir, "chat_template.jinja"));
    if (file_exists(path)) {
        TRY(file_read(path, 0, &bytes, &n));
        TRY(recognize_in(c, path, bytes, n));
        found = true;
    }
    TRY(path_join(path, dir, "tokenizer_config.json"));
    if (!found && file_exists(path)) TRY(load_from_config(c, path, &found));
    c->start_id = tokenizer_id(t, "<|im_start|>");
    c->end_id = tokenizer_id(t, "<|im_end|>");
    if (c->start_id < 0 || c->end_id < 0)
        TRY(wr_fail(WR_E_FORMAT, "%s: %s, and the tokenizer has no <|im_start|> and <|im_end|> to write ChatML with", dir,
                    found ? "the chat template is ChatML" : "there is no chat template"));
    *out = c;
    c = NULL;
cleanup:
    free(bytes);
    chat_template_free(c);
    return status;
}

void chat_template_free(chat_template *c)
{
    if (!c) return;
    strbuf_free(&c->default_system);
    free(c);
}

int32_t chat_end_id(const chat_template *c)
{
    return c->end_id;
}

/* --- rendering -------------------------------------------------------------------------------------------------------------- */

static wr_status check_messages(const chat_message *messages, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *r = messages[i].role;
        if (strcmp(r, "system") != 0 && strcmp(r, "user") != 0 && strcmp(r, "assistant") != 0)
            return wr_fail(WR_E_FORMAT, "message %zu has the role \"%.40s\"; system, user and assistant are known", i + 1, r);
    }
    return WR_OK;
}

static bool wants_default(const chat_template *c, const chat_message *messages, size_t n)
{
    return c->has_default && n > 0 && strcmp(messages[0].role, "system") != 0;
}

static chat_message default_message(const chat_template *c)
{
    return (chat_message){"system", strbuf_str(&c->default_system), c->default_system.len};
}

/* <|im_start|>role\ncontent<|im_end|>\n. The text between the two tokens is one stretch for the tokenizer, as it is in the rendered text. */
static wr_status render_message(const chat_template *c, const tokenizer *t, const chat_message *m, strbuf *scratch, token_ids *out)
{
    wr_status status = WR_OK;
    strbuf_clear(scratch);
    strbuf_puts(scratch, m->role);
    strbuf_putc(scratch, '\n');
    strbuf_append(scratch, m->content, m->length);
    TRY(strbuf_status(scratch));
    TRY(token_ids_push(out, c->start_id));
    TRY(tokenizer_encode(t, strbuf_str(scratch), scratch->len, 0, out));
    TRY(token_ids_push(out, c->end_id));
    TRY(tokenizer_encode(t, "\n", 1, 0, out));
cleanup:
    return status;
}

static wr_status render_opening(const chat_template *c, const tokenizer *t, token_ids *out)
{
    wr_status status = WR_OK;
    TRY(token_ids_push(out, c->start_id));
    TRY(tokenizer_encode(t, "assistant\n", 10, 0, out));
cleanup:
    return status;
}

wr_status chat_render_prompt(const chat_template *c, const tokenizer *t, const chat_message *messages, size_t n,
                             bool add_generation_prompt, token_ids *out)
{
    wr_status status = WR_OK;
    strbuf scratch = {0};
    TRY(check_messages(messages, n));
    if (wants_default(c, messages, n)) {
        chat_message m = default_message(c);
        TRY(render_message(c, t, &m, &scratch, out));
    }
    for (size_t i = 0; i < n; i++) TRY(render_message(c, t, &messages[i], &scratch, out));
    if (add_generation_prompt) TRY(render_opening(c, t, out));
cleanup:
    strbuf_free(&scratch);
    return status;
}

void token_spans_free(token_spans *s)
{
    free(s->bounds);
    *s = (token_spans){0};
}

static wr_status push_span(token_spans *s, size_t from, size_t to)
{
    wr_status status = WR_OK;
    TRY(mem_reserve((void **)&s->bounds, &s->capacity, 2 * s->n + 2, sizeof *s->bounds));
    s->bounds[2 * s->n] = from;
    s->bounds[2 * s->n + 1] = to;
    s->n++;
cleanup:
    return status;
}

wr_status chat_render_training(const chat_template *c, const tokenizer *t, const chat_message *messages, size_t n,
                               token_ids *ids, token_spans *assistant)
{
    wr_status status = WR_OK;
    strbuf scratch = {0};
    TRY(check_messages(messages, n));
    if (wants_default(c, messages, n)) {
        chat_message m = default_message(c);
        TRY(render_message(c, t, &m, &scratch, ids));
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(messages[i].role, "assistant") != 0) {
            TRY(render_message(c, t, &messages[i], &scratch, ids));
            continue;
        }
        TRY(render_opening(c, t, ids));
        size_t from = ids->n;
        TRY(tokenizer_encode(t, messages[i].content, messages[i].length, 0, ids));
        TRY(token_ids_push(ids, c->end_id));
        TRY(push_span(assistant, from, ids->n));
        TRY(tokenizer_encode(t, "\n", 1, 0, ids));
    }
cleanup:
    strbuf_free(&scratch);
    return status;
}

static void write_message(strbuf *out, const chat_message *m)
{
    strbuf_printf(out, "<|im_start|>%s\n", m->role);
    strbuf_append(out, m->content, m->length);
    strbuf_puts(out, "<|im_end|>\n");
}

wr_status chat_render_text(const chat_template *c, const chat_message *messages, size_t n, bool add_generation_prompt, strbuf *out)
{
    wr_status status = WR_OK;
    TRY(check_messages(messages, n));
    if (wants_default(c, messages, n)) {
        chat_message m = default_message(c);
        write_message(out, &m);
    }
    for (size_t i = 0; i < n; i++) write_message(out, &messages[i]);
    if (add_generation_prompt) strbuf_puts(out, "<|im_start|>assistant\n");
    TRY(strbuf_status(out));
cleanup:
    return status;
}
