/* Loading a template, and finding out about it by rendering small chats: whether it writes any kind of chat, which
 * token ends a reply, what stands around a turn, which members of a message it shows. */
#include "text/chat/chat_template_parts.h"

#include "base/json.h"
#include "text/chat/chat_read.h"

#include <stdlib.h>
#include <string.h>

static wr_status render(const chat_template *c, const chat_message *messages, size_t n, bool generation, arena *a,
                        jinja_text *out) {
    const jinja_chat chat = {messages, n, generation, c->source.variables, c->source.n_variables, NULL, false};
    return jinja_render(c->compiled, &chat, a, out);
}

/* Kinds of chats that a template may be for: what it cannot write of them is an error of such chats, not of the
 * template. */
static const chat_message kinds[][3] = {
    {{"user", "Hello", 5, NULL}, {"assistant", "Good day", 8, NULL}},
    {{"system", "Be kind", 7, NULL}, {"user", "Hello", 5, NULL}, {"assistant", "Good day", 8, NULL}}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* The token behind a reply, where a text has a reply at all; of several, eos_token (-1: unknown) if it is among
 * them. */
static int32_t end_token(const tokenizer *t, const jinja_text *x, size_t n, int32_t eos) {
    size_t length;
    text_span spans[3];
    find_contents(x, n, spans);
    const size_t end = spans[n - 1].end;
    const int32_t first = end ? tokenizer_added_at(t, x->bytes, x->n, x->origin, end, &length) : -1;
    int32_t id = first;
    for (size_t at = end; id >= 0 && id != eos && (at += length) < x->n;)
        id = tokenizer_added_at(t, x->bytes, x->n, x->origin, at, &length);
    return id >= 0 && id == eos ? eos : first;
}

static wr_status find_end_token(chat_template *c, const tokenizer *t) {
    wr_status status = WR_OK;
    jinja_text x;
    arena *a = arena_create();
    TRY_ALLOC(a);
    int32_t eos = -1;
    c->end_id = -1;
    for (size_t i = 0; i < c->source.n_variables && eos < 0; i++)
        if (strcmp(c->source.variables[i].name, "eos_token") == 0) eos = tokenizer_id(t, c->source.variables[i].value);
    for (size_t i = 0; i < KINDS && c->end_id < 0; i++)
        if (render(c, kinds[i], 2 + i, false, a, &x) >= 0) c->end_id = end_token(t, &x, 2 + i, eos);
    if (c->end_id < 0) c->end_id = eos;
    if (c->end_id < 0) TRY(wr_fail(WR_E_FORMAT, "it writes no token behind a reply, and there is no eos_token"));
cleanup:
    arena_free(a);
    return status;
}

/* A chat with tools: templates named tool_use may be for these alone. */
static const char tool_chat[] =
    "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\",\"description\":\"Looks\",\"parameters\":{"
    "\"type\":\"object\","
    "\"properties\":{\"at\":{\"type\":\"string\",\"description\":\"What\"}},\"required\":[\"at\"]}}}],\"messages\":[{"
    "\"role\":\"system\","
    "\"content\":\"Be kind\"},{\"role\":\"user\",\"content\":\"Hello\"},{\"role\":\"assistant\",\"content\":\"Good "
    "day\",\"tool_calls\":[{\"id\":"
    "\"abcdefghi\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":{\"at\":\"x\"}}}]},{\"role\":"
    "\"tool\",\"name\":\"look\","
    "\"tool_call_id\":\"abcdefghi\",\"content\":\"seen\"}]}";

static wr_status try_tools(const chat_template *c, const jinja *compiled, arena *a, jinja_text *out) {
    wr_status status = WR_OK;
    const json_value *chat_row, *row;
    chat_message *messages;
    size_t n;
    TRY(json_parse(a, tool_chat, sizeof tool_chat - 1, &chat_row));
    TRY(chat_read_messages(a, json_get(chat_row, "messages"), "messages", &messages, &n));
    TRY(chat_read_variables(a, chat_row, &row));
    jinja_chat chat = {messages, 2, true, c->source.variables, c->source.n_variables, row, false};
    static const size_t lengths[] = {2, 1, 3}; /* with a system message, without, with a call and what it gave */
    for (size_t i = 0; i < 3; i++) {
        chat.messages = messages + (lengths[i] == 2 ? 0 : 1);
        chat.n = lengths[i];
        status = jinja_render(compiled, &chat, a, out);
        if (status != WR_E_FORMAT && (status < 0 || memmem(out->bytes, out->n, "Hello", 5))) return status;
    }
    if (status >= 0) status = wr_fail(WR_E_FORMAT, "it leaves out what the user says");
cleanup:
    return status;
}

/* Is there a kind of chat that it writes, with what the user says? If not, the first error says why. */
static wr_status try_chats(const chat_template *c) {
    wr_status status = WR_OK;
    static const char parts[] = "{\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}]}";
    char first[600] = "";
    const json_value *fields;
    jinja_text x;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(json_parse(a, parts, sizeof parts - 1, &fields));
    const chat_message listed = {"user", "Hello", 5, fields};
    for (size_t i = 0; i <= 2 * KINDS; i++) { /* ending with a question, with an answer, and one made of parts */
        const size_t kind = i / 2;
        status = i == 2 * KINDS ? render(c, &listed, 1, true, a, &x)
                                : render(c, kinds[kind], 1 + kind + i % 2, i % 2 == 0, a, &x);
        if (status != WR_E_FORMAT && status < 0) goto cleanup;
        if (status >= 0 && memmem(x.bytes, x.n, "Hello", 5)) goto cleanup;
        if (!*first) strncpy(first, status < 0 ? wr_error() : "it leaves out what the user says", sizeof first - 1);
    }
    status = try_tools(c, c->compiled, a, &x);
    if (status == WR_E_FORMAT) status = wr_fail(WR_E_FORMAT, "%s", first);
cleanup:
    arena_free(a);
    return status;
}

static wr_status compile(const chat_template *c, const strbuf *text, jinja **out) {
    return wr_context(jinja_compile(strbuf_str(text), text->len, out),
                      text == &c->source.tools ? "tool_use" : "chat template");
}

static wr_status keep(chat_template *c, const char *text, size_t n, const char **out, size_t *length) {
    *out = arena_strndup(c->memory, text, n);
    *length = n;
    return *out ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for a chat template");
}

/* How much of x begins y as well; no token is cut. */
static size_t common_text(const tokenizer *t, const jinja_text *x, const jinja_text *y) {
    size_t same = 0, length;
    while (same < x->n && same < y->n && x->bytes[same] == y->bytes[same]) same++;
    for (size_t at = 0; same < x->n && same < y->n && at < same; at++)
        if (tokenizer_added_at(t, x->bytes, x->n, x->origin, at, &length) >= 0 && at + length > same) return at;
    return same;
}

/* Of a generation prompt that begins with a token: as much as says whose turn it is, to the end of the line or the next
 * token or tag. Else 0. */
static size_t header(const tokenizer *t, const jinja_text *x, size_t from) {
    size_t length, at = from;
    if (from == x->n || tokenizer_added_at(t, x->bytes, x->n, x->origin, from, &length) < 0) return 0;
    for (at += length; at < x->n; at++) {
        if (x->bytes[at] == '\n') return at + 1 - from;
        if (x->bytes[at] == '<' || tokenizer_added_at(t, x->bytes, x->n, x->origin, at, &length) >= 0) break;
    }
    return at - from;
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
    c->marks = (turn_marks){.after_user = "", .generation = "", .end = ""};
    TRY(tokenizer_decode(t, &c->end_id, 1, false, &end));
    TRY(keep(c, strbuf_str(&end), end.len, &c->marks.end, &c->marks.n_end));
    if (render(c, question, 1, true, a, &with) < 0) goto cleanup;
    find_contents(&with, 1, &said);
    if (said.end) TRY(keep(c, with.bytes + said.end, with.n - said.end, &c->marks.after_user, &c->marks.n_after_user));
    if (render(c, question, 1, false, a, &without) < 0) goto cleanup;
    const size_t at = common_text(t, &with, &without);
    if (at < with.n && at >= said.end)
        TRY(keep(c, with.bytes + at, with.n - at, &c->marks.generation, &c->marks.n_generation));
    c->marks.n_header = header(t, &with, with.n - c->marks.n_generation);
cleanup:
    strbuf_free(&end);
    arena_free(a);
    return status;
}

/* Which members it names; all of them, where one shows that cannot be among them. */
static wr_status find_names(chat_template *c) {
    static const char mark[] = "unheardof";
    json_value member = {
        .kind = JSON_STRING, .text = mark, .length = sizeof mark - 1, .key = mark, .key_length = sizeof mark - 1};
    const json_value fields = {.kind = JSON_OBJECT, .length = 1, .first = &member};
    const chat_message chat[] = {{"user", "Hello", 5, &fields}, {"assistant", "Good day", 8, &fields}};
    wr_status status = WR_OK;
    jinja_text x;
    strbuf both = {0};
    arena *a = arena_create();
    TRY_ALLOC(a);
    strbuf_append(&both, strbuf_str(&c->source.text), c->source.text.len);
    strbuf_putc(&both, '\n');
    if (c->source.has_tools) strbuf_append(&both, strbuf_str(&c->source.tools), c->source.tools.len);
    TRY(strbuf_status(&both));
    TRY(chat_names_find(c->memory, strbuf_str(&both), both.len, &c->names));
    c->names.all = render(c, chat, 2, false, a, &x) >= 0 && memmem(x.bytes, x.n, mark, sizeof mark - 1);
cleanup:
    strbuf_free(&both);
    arena_free(a);
    return status;
}

wr_status chat_template_load(const char *dir, const char *file, const tokenizer *t, chat_template **out) {
    wr_status status = WR_OK;
    chat_template *c = mem_calloc(1, sizeof *c);
    TRY_ALLOC(c);
    TRY_ALLOC(c->memory = arena_create());
    TRY(chat_source_load(c->memory, dir, file, &c->source));
    status = compile(c, &c->source.text, &c->compiled);
    if (status >= 0 && c->source.has_tools) status = compile(c, &c->source.tools, &c->for_tools);
    if (status >= 0) status = wr_context(try_chats(c), "chat template");
    if (status >= 0) status = wr_context(find_end_token(c, t), "chat template");
    if (status >= 0) status = find_marks(c, t);
    if (status >= 0) status = find_names(c);
    if (status == WR_E_FORMAT)
        status = wr_fail(status, "%s: %s; give another one with --chat-template FILE", c->source.from, wr_error());
    TRY(status);
    *out = c;
    c = NULL;
cleanup:
    chat_template_free(c);
    return status;
}

void chat_template_free(chat_template *c) {
    if (!c) return;
    jinja_free(c->compiled);
    jinja_free(c->for_tools);
    chat_source_free(&c->source);
    arena_free(c->memory);
    free(c);
}
