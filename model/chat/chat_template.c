#include "model/chat/chat_template.h"

#include "base/file.h"
#include "base/json.h"
#include "model/chat/chat_read.h"
#include "model/chat/chat_slots.h"
#include "model/chat/chat_turns.h"
#include "model/chat/jinja.h"
#include "model/tokenizer/text_bytes.h"

#include <stdlib.h>
#include <string.h>

enum { VARIABLES = 7 };
static const char *const variable_names[VARIABLES] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                      "pad_token", "cls_token", "mask_token"};

struct chat_template {
    arena *memory;
    strbuf source;
    jinja *compiled;
    jinja_variable variables[VARIABLES];
    size_t n_variables;
    int32_t end_id;
    turn_marks marks;
};

static const char plain_chatml[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/* --- loading
 * ---------------------------------------------------------------------------------------------------------------- */

/* Special tokens: a string, or {"content": …}. Those already known stay. */
static wr_status take_variables(chat_template *c, const json_value *root) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < VARIABLES; i++) {
        const json_value *v = json_get(root, variable_names[i]);
        bool known = false;
        if (json_is(v, JSON_OBJECT)) v = json_get(v, "content");
        for (size_t k = 0; k < c->n_variables; k++) known = known || c->variables[k].name == variable_names[i];
        if (!json_is(v, JSON_STRING) || known) continue;
        const char *copy = arena_strndup(c->memory, v->text, v->length);
        TRY_ALLOC(copy);
        c->variables[c->n_variables++] = (jinja_variable){variable_names[i], copy};
    }
cleanup:
    return status;
}

/* The chat_template member: a string, or a list of {name, template} of which "default" counts. */
static void take_template(chat_template *c, const json_value *root) {
    const json_value *v = json_get(root, "chat_template");
    if (json_is(v, JSON_ARRAY)) {
        const json_value *chosen = NULL;
        for (const json_value *e = v->first; e; e = e->next) {
            const char *name;
            size_t length;
            if (json_get_string(e, "name", &name, &length) && strcmp(name, "default") == 0)
                chosen = json_get(e, "template");
        }
        v = chosen;
    }
    if (json_is(v, JSON_STRING)) strbuf_append(&c->source, v->text, v->length);
}

/* tokenizer_config.json and special_tokens_map.json, where they are there. */
static wr_status read_config(chat_template *c, const char *dir, const char *name, bool with_template,
                             char path[PATH_CAP]) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n = 0;
    const json_value *root;
    arena *a = NULL;
    TRY(path_join(path, dir, name));
    if (!file_exists(path)) return WR_OK;
    TRY_ALLOC(a = arena_create());
    TRY(file_read(path, 0, &bytes, &n));
    status = json_parse(a, bytes, n, &root);
    TRY(wr_context(status, "%s", path));
    TRY(take_variables(c, root));
    if (with_template) take_template(c, root);
cleanup:
    arena_free(a);
    free(bytes);
    return status;
}

static wr_status read_source(chat_template *c, const char *path) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n = 0, length = strlen(path);
    TRY(file_read(path, 0, &bytes, &n));
    if (length > 6 && strcmp(path + length - 6, ".jinja") == 0)
        strbuf_append(&c->source, bytes, n);
    else
        TRY(wr_context(chat_slots_to_jinja(bytes, n, &c->source), "%s", path));
cleanup:
    free(bytes);
    return status;
}

/* Sets c->source; *from: where it was found. */
static wr_status find_template(chat_template *c, const char *dir, const char *file, const tokenizer *t,
                               char from[PATH_CAP]) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(path_join(path, dir, "chat_template.jinja"));
    if (!file && file_exists(path)) file = path;
    TRY(read_config(c, dir, "tokenizer_config.json", !file, from));
    TRY(read_config(c, dir, "special_tokens_map.json", false, from));
    TRY(path_join(from, dir, "tokenizer_config.json"));
    if (file) {
        if (strlen(file) >= PATH_CAP) TRY(wr_fail(WR_E_IO, "the path of the chat template is too long"));
        memmove(from, file, strlen(file) + 1);
        TRY(read_source(c, file));
    } else if (!c->source.len) {
        if (tokenizer_id(t, "<|im_start|>") < 0 || tokenizer_id(t, "<|im_end|>") < 0)
            TRY(wr_fail(WR_E_FORMAT,
                        "%s: there is no chat template (chat_template.jinja, or chat_template in "
                        "tokenizer_config.json); give --chat-template FILE",
                        dir));
        strbuf_puts(&c->source, plain_chatml);
    }
    TRY(strbuf_status(&c->source));
cleanup:
    return status;
}

static wr_status render(const chat_template *c, const chat_message *messages, size_t n, bool generation, arena *a,
                        jinja_text *out) {
    const jinja_chat chat = {messages, n, generation, c->variables, c->n_variables, NULL, false};
    return jinja_render(c->compiled, &chat, a, out);
}

static wr_status find_end_token(chat_template *c, const tokenizer *t) {
    wr_status status = WR_OK;
    static const chat_message chat[] = {{"user", "Hello", 5, NULL}, {"assistant", "Good day", 8, NULL}};
    jinja_text x;
    size_t length;
    text_span spans[2];
    arena *a = arena_create();
    TRY_ALLOC(a);
    c->end_id = -1;
    if (render(c, chat, 2, false, a, &x) >= 0) {
        find_contents(&x, 2, spans);
        const size_t end = spans[1].end;
        if (end) c->end_id = tokenizer_added_at(t, x.bytes, x.n, x.origin, end, &length);
    }
    for (size_t i = 0; i < c->n_variables && c->end_id < 0; i++)
        if (strcmp(c->variables[i].name, "eos_token") == 0) c->end_id = tokenizer_id(t, c->variables[i].value);
    if (c->end_id < 0) TRY(wr_fail(WR_E_FORMAT, "it writes no token behind a reply, and there is no eos_token"));
cleanup:
    arena_free(a);
    return status;
}

static wr_status keep(chat_template *c, const char *text, size_t n, const char **out, size_t *length) {
    *out = arena_strndup(c->memory, text, n);
    *length = n;
    return *out ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for a chat template");
}

/* What stands around a reply, from chats that are one question. A template that refuses them has no such marks. */
static wr_status find_marks(chat_template *c, const tokenizer *t) {
    static const chat_message question[] = {{"user", "Hello", 5, NULL}};
    wr_status status = WR_OK;
    jinja_text with, without;
    text_span said;
    strbuf end = {0};
    arena *a = arena_create();
    TRY_ALLOC(a);
    c->marks = (turn_marks){"", 0, "", 0, "", 0};
    TRY(tokenizer_decode(t, &c->end_id, 1, false, &end));
    TRY(keep(c, strbuf_str(&end), end.len, &c->marks.end, &c->marks.n_end));
    if (render(c, question, 1, true, a, &with) < 0) goto cleanup;
    find_contents(&with, 1, &said);
    if (said.end) TRY(keep(c, with.bytes + said.end, with.n - said.end, &c->marks.after_user, &c->marks.n_after_user));
    if (render(c, question, 1, false, a, &without) < 0) goto cleanup;
    if (without.n < with.n && memcmp(with.bytes, without.bytes, without.n) == 0)
        TRY(keep(c, with.bytes + without.n, with.n - without.n, &c->marks.generation, &c->marks.n_generation));
cleanup:
    strbuf_free(&end);
    arena_free(a);
    return status;
}

wr_status chat_template_load(const char *dir, const char *file, const tokenizer *t, chat_template **out) {
    wr_status status = WR_OK;
    static const chat_message question[] = {{"user", "Hello", 5, NULL}};
    char from[PATH_CAP];
    jinja_text x;
    arena *a = NULL;
    chat_template *c = mem_calloc(1, sizeof *c);
    TRY_ALLOC(c);
    TRY_ALLOC(c->memory = arena_create());
    TRY_ALLOC(a = arena_create());
    TRY(find_template(c, dir, file, t, from));
    status = jinja_compile(strbuf_str(&c->source), c->source.len, &c->compiled);
    if (status >= 0) status = render(c, question, 1, true, a, &x); /* what it does that is not known shows here */
    if (status >= 0 && !memmem(x.bytes, x.n, question->content, question->length))
        status = wr_fail(WR_E_FORMAT, "it leaves out what the user says");
    if (status >= 0) status = find_end_token(c, t);
    if (status >= 0) status = find_marks(c, t);
    if (status == WR_E_FORMAT)
        status = wr_fail(status, "%s: chat template: %s; give another one with --chat-template FILE", from, wr_error());
    TRY(status);
    *out = c;
    c = NULL;
cleanup:
    arena_free(a);
    chat_template_free(c);
    return status;
}

void chat_template_free(chat_template *c) {
    if (!c) return;
    jinja_free(c->compiled);
    strbuf_free(&c->source);
    arena_free(c->memory);
    free(c);
}

int32_t chat_end_id(const chat_template *c) { return c->end_id; }
const char *chat_template_source(const chat_template *c) { return strbuf_str(&c->source); }

/* --- rendering
 * --------------------------------------------------------------------------------------------------------------- */

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

/* Lists of parts go to the template as they are, as transformers gives them. A template that knows texts alone fails on them, or prints them as Python does:
 * then their text stands for them, if they are all text. */
static wr_status render_lists(const chat_template *c, jinja_chat *chat, arena *a, jinja_text *out) {
    static const char printed[] = "[{'type':";
    wr_status status = jinja_render(c->compiled, chat, a, out);
    if (status != WR_E_FORMAT && (status < 0 || !memmem(out->bytes, out->n, printed, sizeof printed - 1))) return status;
    status = WR_OK;
    for (size_t i = 0; i < chat->n; i++) {
        const char *text;
        size_t length;
        const json_value *content = json_get(chat->messages[i].fields, "content");
        TRY(wr_context(chat_read_content(a, content, &text, &length), "the chat template takes texts alone: messages[%zu]", i));
    }
    chat->texts = true;
    TRY(jinja_render(c->compiled, chat, a, out));
cleanup:
    return status;
}

static wr_status render_clean(const chat_template *c, const chat_request *r, arena *a, jinja_text *out) {
    wr_status status = WR_OK;
    jinja_chat chat = {r->messages, r->n, r->add_generation_prompt, c->variables, c->n_variables, r->row, false};
    bool lists = false;
    TRY(clean_messages(r->messages, r->n, a, &chat.messages));
    for (size_t i = 0; i < r->n && !lists; i++) lists = r->messages[i].fields && json_is(json_get(r->messages[i].fields, "content"), JSON_ARRAY);
    TRY(lists ? render_lists(c, &chat, a, out) : jinja_render(c->compiled, &chat, a, out));
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

/* --- training
 * ---------------------------------------------------------------------------------------------------------------- */

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

wr_status chat_render_training(const chat_template *c, const tokenizer *t, const chat_request *r, token_ids *ids,
                               token_spans *assistant) {
    wr_status status = WR_OK;
    jinja_text x;
    size_t *bounds = NULL, *at = NULL, n = 0;
    const bool own = jinja_has_generation(c->compiled);
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
        TRY_ALLOC(contents);
        find_contents(&x, r->n, contents);
        find_turns(&c->marks, t, &x, r->messages, r->n, contents, turns);
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
