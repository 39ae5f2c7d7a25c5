/* The prompt set: rank 0 reads, everyone gets the same bytes. Wire form: {"prompts": [{"messages": [[role, content]
 * …]}, {"chat": JSON of the messages with all their members and the row's variables} or {"text"}, + "task" where there
 * is one]} */
#include "rollout/rollout.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/stream.h"
#include "data/source/csv_json.h"
#include "mpi/unpack.h"
#include "text/chat/chat_read.h"

#include <string.h>

/* Nothing but a role and a text. */
static bool is_plain(const chat_message *m) {
    return !m->fields || (m->fields->length == 2 && json_get(m->fields, "role") &&
                          json_is(json_get(m->fields, "content"), JSON_STRING));
}

static wr_status pack_chat(msgpack_packer *pk, const prompt *p) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    json_member_array(&w, "messages");
    for (size_t i = 0; i < p->n_messages; i++) json_copy(&w, p->messages[i].fields);
    json_end_array(&w);
    if (p->row) json_member_copy(&w, "row", p->row);
    json_end_object(&w);
    TRY(strbuf_status(&text));
    wire_pack_str(pk, "chat");
    wire_pack_strn(pk, text.data, text.len);
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status pack_prompt(msgpack_packer *pk, const prompt *p) {
    wr_status status = WR_OK;
    bool plain = !p->row;
    for (size_t i = 0; i < p->n_messages; i++) plain = plain && is_plain(&p->messages[i]);
    msgpack_pack_map(pk, p->task_json ? 2 : 1);
    if (p->messages && !plain) {
        TRY(pack_chat(pk, p));
    } else if (p->messages) {
        wire_pack_str(pk, "messages");
        msgpack_pack_array(pk, p->n_messages);
        for (size_t i = 0; i < p->n_messages; i++) {
            msgpack_pack_array(pk, 2);
            wire_pack_str(pk, p->messages[i].role);
            wire_pack_strn(pk, p->messages[i].content, p->messages[i].length);
        }
    } else {
        wire_pack_str(pk, "text");
        wire_pack_strn(pk, p->text, p->text_length);
    }
    if (p->task_json) {
        wire_pack_str(pk, "task");
        wire_pack_str(pk, p->task_json);
    }
cleanup:
    return status;
}

/* Prompts packed one after another, and their number. */
typedef struct collector {
    strbuf packed;
    msgpack_packer pk;
    size_t n;
} collector;

static wr_status collect(void *context, const prompt *p) {
    collector *c = context;
    const wr_status status = pack_prompt(&c->pk, p);
    if (status < 0) return status;
    c->n++;
    return strbuf_status(&c->packed);
}

static wr_status read_prompt(arena *a, const json_value *row, prompt *p) {
    wr_status status = WR_OK;
    row_prompt asked;
    const char *text;
    size_t n;
    TRY(chat_read_row(a, row, &asked));
    *p = (prompt){asked.messages, asked.n_messages, asked.variables, asked.text, asked.length, NULL};
    for (size_t i = 0; i < p->n_messages; i++) /* the reward model reads texts alone */
        TRY(wr_context(chat_read_content(a, json_get(p->messages[i].fields, "content"), &text, &n), "%s[%zu]",
                       asked.field, i));
cleanup:
    return status;
}

static wr_status prompt_of_line(arena *a, const char *line, size_t n, prompt *p) {
    wr_status status = WR_OK;
    const json_value *v, *task;
    strbuf text = {0};
    TRY(json_parse(a, line, n, &v));
    TRY(read_prompt(a, v, p));
    task = json_get(v, "task");
    if (json_is(task, JSON_OBJECT)) {
        practice_task *checked = NULL;
        TRY(practice_task_from_json(task, &checked));
        practice_task_free(checked);
        json_writer w = json_writer_make(&text);
        json_copy(&w, task);
        TRY(strbuf_status(&text));
        p->task_json = arena_strndup(a, text.data, text.len);
        TRY_ALLOC(p->task_json);
    }
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status read_file(const char *path, size_t limit, collector *c) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    arena *a = arena_create();
    TRY_ALLOC(a);
    if (csv_name(path) || tsv_name(path))
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: prompts are not read from CSV: write a JSON line for each, {\"prompt\": TEXT} or "
                    "{\"messages\": [{\"role\", \"content\"} …]}",
                    path));
    TRY(instream_open(path, &in));
    while (limit == 0 || c->n < limit) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        if (n == 0) continue;
        prompt p = {0};
        arena_reset(a);
        TRY(wr_context(prompt_of_line(a, line, n, &p), "%s line %zu", path, instream_line_number(in)));
        TRY(collect(c, &p));
    }
cleanup:
    instream_close(in);
    arena_free(a);
    return status;
}

static wr_status unpack_prompt(const msgpack_object *o, arena *a, prompt *p) {
    wr_status status = WR_OK;
    const msgpack_object *items;
    const char *s;
    size_t n;
    *p = (prompt){0};
    if (wire_get_str(o, "text", &s, &n)) {
        p->text = arena_strndup(a, s, n);
        p->text_length = n;
        TRY_ALLOC(p->text);
    } else if (wire_get_str(o, "chat", &s, &n)) {
        const json_value *v;
        TRY(json_parse(a, s, n, &v));
        TRY(chat_read_messages(a, json_get(v, "messages"), "messages", &p->messages, &p->n_messages));
        p->row = json_get(v, "row");
    } else {
        TRY(unpack_array(o, "messages", &items, &p->n_messages));
        p->messages = arena_alloc(a, (p->n_messages + 1) * sizeof *p->messages);
        TRY_ALLOC(p->messages);
        memset(p->messages, 0, (p->n_messages + 1) * sizeof *p->messages);
        for (size_t i = 0; i < p->n_messages; i++) {
            const msgpack_object *pair = items[i].via.array.ptr;
            if (items[i].type != MSGPACK_OBJECT_ARRAY || items[i].via.array.size != 2 ||
                pair[0].type != MSGPACK_OBJECT_STR || pair[1].type != MSGPACK_OBJECT_STR) {
                TRY(wr_fail(WR_E_FORMAT, "a message that is not [role, content]"));
            }
            p->messages[i].role = arena_strndup(a, pair[0].via.str.ptr, pair[0].via.str.size);
            p->messages[i].content = arena_strndup(a, pair[1].via.str.ptr, pair[1].via.str.size);
            p->messages[i].length = pair[1].via.str.size;
            TRY_ALLOC(p->messages[i].role);
            TRY_ALLOC(p->messages[i].content);
        }
    }
    if (wire_get_str(o, "task", &s, &n)) {
        p->task_json = arena_strndup(a, s, n);
        TRY_ALLOC(p->task_json);
    }
cleanup:
    return status;
}

static wr_status unpack_set(const strbuf *framed, const char *path, prompt_set *out) {
    wr_status status = WR_OK;
    strbuf body = {0};
    msgpack_unpacked u;
    const msgpack_object *items;
    msgpack_unpacked_init(&u);
    TRY(wire_decode(framed->data, framed->len, &body, &u));
    hash_hex(body.data, body.len, out->hash);
    TRY(unpack_array(&u.data, "prompts", &items, &out->n));
    if (out->n == 0) TRY(wr_fail(WR_E_FORMAT, "%s: no prompts in it", path));
    out->memory = arena_create();
    TRY_ALLOC(out->memory);
    out->items = arena_alloc(out->memory, out->n * sizeof *out->items);
    TRY_ALLOC(out->items);
    for (size_t i = 0; i < out->n; i++)
        TRY(wr_context(unpack_prompt(&items[i], out->memory, &out->items[i]), "prompt %zu", i));
cleanup:
    msgpack_unpacked_destroy(&u);
    strbuf_free(&body);
    return status;
}

static wr_status read_on_root(const char *path, size_t limit, strbuf *framed) {
    wr_status status = WR_OK;
    strbuf whole = {0};
    collector c = {0};
    wire_packer(&c.pk, &c.packed);
    if (dir_exists(path))
        TRY(prompts_read_dir(path, limit, collect, &c));
    else
        TRY(read_file(path, limit, &c));
    msgpack_packer pk;
    wire_packer(&pk, &whole);
    msgpack_pack_map(&pk, 1);
    wire_pack_str(&pk, "prompts");
    msgpack_pack_array(&pk, c.n);
    strbuf_append(&whole, strbuf_str(&c.packed), c.packed.len);
    TRY(strbuf_status(&whole));
    TRY(wr_context(wire_encode(whole.data, whole.len, framed), "%s", path));
cleanup:
    strbuf_free(&whole);
    strbuf_free(&c.packed);
    return status;
}

wr_status prompts_load(world *w, const char *path, size_t limit, prompt_set *out) {
    wr_status status = WR_OK;
    strbuf framed = {0};
    *out = (prompt_set){0};
    if (world_rank(w) == 0) status = read_on_root(path, limit, &framed);
    TRY(world_agree(w, status));
    TRY(world_bcast(w, 0, &framed));
    TRY(world_agree(w, unpack_set(&framed, path, out)));
cleanup:
    strbuf_free(&framed);
    if (status < 0) prompts_free(out);
    return status;
}

void prompts_free(prompt_set *p) {
    arena_free(p->memory);
    *p = (prompt_set){0};
}
