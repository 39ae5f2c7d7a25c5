#include "data/export/export.h"

#include "base/stream.h"
#include "data/shard/record_walk.h"
#include "reward/reward_model.h"
#include "text/chat/chat_template.h"

#include <stdlib.h>
#include <string.h>

typedef struct exporting {
    const export_options *o;
    reward_template *template; /* hf; or these two */
    tokenizer *tok;
    chat_template *chat;
    arena *memory;
    strbuf line, text;
    outstream *out;
    uint64_t records;
} exporting;

int export_positive_from(int given, int classes) { return given > 0 ? given : classes / 2 + 1; }

static void put_message(json_writer *w, const char *role, const char *content, size_t n) {
    json_begin_object(w);
    json_member_string(w, "role", role);
    json_member_string_n(w, "content", content, n);
    json_end_object(w);
}

void export_prompt(json_writer *w, const instance *x) {
    json_begin_array(w);
    for (size_t i = 0; i < x->n_history; i++)
        put_message(w, x->history[i].role, x->history[i].content, x->history[i].length);
    if (x->query_length) put_message(w, "user", x->query, x->query_length);
    json_end_array(w);
}

void export_reply(json_writer *w, const char *text, size_t n) {
    json_begin_array(w);
    put_message(w, "assistant", text, n);
    json_end_array(w);
}

/* --- any record as JSON --- */

static wr_status put_value(json_writer *w, const msgpack_object *o);

static bool is_text(const msgpack_object *o, const char *s) {
    return o->type == MSGPACK_OBJECT_STR && o->via.str.size == strlen(s) &&
           memcmp(o->via.str.ptr, s, o->via.str.size) == 0;
}

/* [[role, content], …] as [{"role","content"}, …] */
static wr_status put_messages(json_writer *w, const msgpack_object *o) {
    if (o->type != MSGPACK_OBJECT_ARRAY) return wr_fail(WR_E_FORMAT, "messages are not a list");
    json_begin_array(w);
    for (uint32_t i = 0; i < o->via.array.size; i++) {
        const msgpack_object *m = &o->via.array.ptr[i];
        if (m->type != MSGPACK_OBJECT_ARRAY || m->via.array.size < 2 ||
            m->via.array.ptr[0].type != MSGPACK_OBJECT_STR || m->via.array.ptr[1].type != MSGPACK_OBJECT_STR)
            return wr_fail(WR_E_FORMAT, "a message is not [role, content]");
        json_begin_object(w);
        json_member_string_n(w, "role", m->via.array.ptr[0].via.str.ptr, m->via.array.ptr[0].via.str.size);
        json_member_string_n(w, "content", m->via.array.ptr[1].via.str.ptr, m->via.array.ptr[1].via.str.size);
        json_end_object(w);
    }
    json_end_array(w);
    return WR_OK;
}

static wr_status put_map(json_writer *w, const msgpack_object *o, bool record, bool tokens) {
    wr_status status = WR_OK;
    json_begin_object(w);
    for (uint32_t i = 0; i < o->via.map.size; i++) {
        const msgpack_object *key = &o->via.map.ptr[i].key, *value = &o->via.map.ptr[i].val;
        if (key->type != MSGPACK_OBJECT_STR) TRY(wr_fail(WR_E_FORMAT, "a key that is no text"));
        if (record && !tokens && (is_text(key, "ids") || is_text(key, "spans"))) continue;
        json_key_n(w, key->via.str.ptr, key->via.str.size);
        TRY(record && (is_text(key, "history") || is_text(key, "messages")) ? put_messages(w, value)
                                                                            : put_value(w, value));
    }
    json_end_object(w);
cleanup:
    return status;
}

static wr_status put_value(json_writer *w, const msgpack_object *o) {
    wr_status status = WR_OK;
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        json_null(w);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        json_bool(w, o->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (o->via.u64 > INT64_MAX) return wr_fail(WR_E_FORMAT, "a number above 2^63 - 1");
        json_int(w, (int64_t)o->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        json_int(w, o->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        json_double(w, o->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        json_string_n(w, o->via.str.ptr, o->via.str.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        json_begin_array(w);
        for (uint32_t i = 0; i < o->via.array.size; i++) TRY(put_value(w, &o->via.array.ptr[i]));
        json_end_array(w);
        break;
    case MSGPACK_OBJECT_MAP:
        TRY(put_map(w, o, false, true));
        break;
    default:
        return wr_fail(WR_E_FORMAT, "a value of a type that JSON does not have");
    }
cleanup:
    return status;
}

static wr_status put_record(exporting *e, const walked_record *r, json_writer *w) {
    wr_status status = WR_OK;
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    TRY(wire_check(r->bytes, r->n));
    if (msgpack_unpack_next(&u, r->bytes, r->n, NULL) != MSGPACK_UNPACK_SUCCESS)
        TRY(wr_fail(WR_E_NOMEM, "out of memory for a record"));
    if (u.data.type != MSGPACK_OBJECT_MAP) TRY(wr_fail(WR_E_FORMAT, "record is not a map"));
    TRY(put_map(w, &u.data, true, e->o->tokens));
cleanup:
    msgpack_unpacked_destroy(&u);
    return status;
}

/* --- rated replies and chats for trl and hf --- */

static wr_status render_chat(exporting *e, const instance *x) {
    wr_status status = WR_OK;
    const chat_message query = {"user", x->query, x->query_length, NULL},
                       reply = {"assistant", x->response, x->response_length, NULL};
    chat_message *messages = NULL;
    size_t n = 0;
    TRY(reward_chat(e->memory, x->history, x->n_history, x->query_length ? &query : NULL, &reply, &messages, &n));
    TRY(chat_render_text(e->chat, messages, n, false, &e->text));
cleanup:
    return status;
}

/* By the folder's template, which is read when the first record needs it: ready-made texts have none. */
static wr_status render(exporting *e, const shard_meta *meta, const instance *x) {
    if (e->chat) return wr_context(render_chat(e, x), "%s, record %s", e->o->dir, x->id);
    wr_status status = e->template ? WR_OK : folder_template(e->o->dir, meta, &e->template);
    return status < 0 ? status
                      : reward_template_render(e->template, x->history, x->n_history, x->query, x->query_length,
                                               x->response, x->response_length, &e->text);
}

static wr_status put_instance(exporting *e, const walked_record *r, json_writer *w) {
    wr_status status = WR_OK;
    instance x;
    TRY(instance_decode(r->bytes, r->n, e->memory, &x));
    if (e->o->format == EXPORT_TRL && x.text && !x.response_length)
        TRY(wr_fail(WR_E_FORMAT, "a ready-made text without messages, which --format trl needs; --format hf has it"));
    json_begin_object(w);
    if (e->o->format == EXPORT_TRL) {
        json_key(w, "prompt"), export_prompt(w, &x);
        json_key(w, "completion"), export_reply(w, x.response, x.response_length);
        json_member_bool(w, "label", x.label >= export_positive_from(e->o->positive_from, r->meta->classes));
    } else {
        strbuf_clear(&e->text);
        if (x.text)
            strbuf_append(&e->text, x.text, x.text_length);
        else
            TRY(render(e, r->meta, &x));
        json_member_string_n(w, "text", strbuf_str(&e->text), e->text.len);
        json_member_int(w, "label", x.label - 1);
        json_member_string(w, "id", x.id);
        json_member_string(w, "user", x.user);
    }
    json_end_object(w);
cleanup:
    return status;
}

static wr_status put_chat(exporting *e, const walked_record *r, json_writer *w) {
    wr_status status = WR_OK;
    chat_record x;
    TRY(chat_decode(r->bytes, r->n, e->memory, &x));
    json_begin_object(w);
    json_member_array(w, "messages");
    for (size_t i = 0; i < x.n_messages; i++)
        put_message(w, x.messages[i].role, x.messages[i].content, x.messages[i].length);
    json_end_array(w);
    json_end_object(w);
cleanup:
    return status;
}

static wr_status export_record(void *context, const walked_record *r) {
    wr_status status = WR_OK;
    exporting *e = context;
    arena_reset(e->memory);
    strbuf_clear(&e->line);
    json_writer w = json_writer_make(&e->line);
    if (e->o->format == EXPORT_JSONL)
        TRY(put_record(e, r, &w));
    else
        TRY(e->o->kind == SHARD_REWARD ? put_instance(e, r, &w) : put_chat(e, r, &w));
    TRY(strbuf_status(&e->line));
    TRY(outstream_line(e->out, &e->line));
    e->records++;
cleanup:
    return status;
}

wr_status export_run(const export_options *o, uint64_t *records) {
    wr_status status = WR_OK;
    exporting e = {.o = o};
    shard_meta meta;
    TRY_ALLOC(e.memory = arena_create());
    TRY(record_walk_meta(o->dir, o->kind, o->split, &meta));
    if (o->kind == SHARD_REWARD && o->positive_from > meta.classes)
        TRY(wr_fail(WR_E_USAGE, "--positive-from %d: %s has labels 1 to %d", o->positive_from, o->dir, meta.classes));
    if (o->chat_model) {
        TRY(tokenizer_load(o->chat_model, &e.tok));
        TRY(chat_template_load(o->chat_model, NULL, e.tok, &e.chat));
    } else if (o->kind == SHARD_REWARD && o->format == EXPORT_HF && *meta.template_hash)
        TRY(folder_template(o->dir, &meta, &e.template));
    TRY(outstream_create(o->out_path, &e.out));
    TRY(record_walk(o->dir, o->kind, o->split, export_record, &e));
    TRY(outstream_commit(&e.out));
    if (records) *records = e.records;
cleanup:
    outstream_discard(e.out);
    reward_template_free(e.template);
    chat_template_free(e.chat);
    tokenizer_free(e.tok);
    strbuf_free(&e.line);
    strbuf_free(&e.text);
    arena_free(e.memory);
    return status;
}
