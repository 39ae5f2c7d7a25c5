/* Records of shards as msgpack maps. Field names are the format: docs/shard-format.md lists them. */
#include "reward/instance.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static size_t length_of(const char *s) { return s ? strlen(s) : 0; }

static void pack_text(msgpack_packer *pk, const char *key, const char *s, size_t n) {
    wire_pack_str(pk, key);
    wire_pack_strn(pk, s ? s : "", n);
}

/* [[role, content], …] */
static void pack_messages(msgpack_packer *pk, const char *key, const chat_message *m, size_t n) {
    wire_pack_str(pk, key);
    msgpack_pack_array(pk, n);
    for (size_t i = 0; i < n; i++) {
        msgpack_pack_array(pk, 2);
        wire_pack_str(pk, m[i].role);
        wire_pack_strn(pk, m[i].content, m[i].length);
    }
}

wr_status instance_pack(const instance *x, msgpack_packer *pk) {
    bool weighted = x->weight > 0 && x->weight != 1, dated = length_of(x->timestamp) > 0;
    msgpack_pack_map(pk, 11 + (size_t)weighted + (size_t)dated + (x->text ? 1 : 0) + (x->n_chosen ? 2 : 0));
    pack_text(pk, "id", x->id, length_of(x->id));
    pack_text(pk, "user", x->user, length_of(x->user));
    pack_text(pk, "language", x->language, length_of(x->language));
    pack_text(pk, "model", x->model, length_of(x->model));
    if (dated) pack_text(pk, "timestamp", x->timestamp, length_of(x->timestamp));
    pack_text(pk, "how", x->how, length_of(x->how));
    if (weighted) {
        wire_pack_str(pk, "weight");
        msgpack_pack_double(pk, x->weight);
    }
    wire_pack_str(pk, "turn");
    msgpack_pack_int64(pk, x->turn);
    wire_pack_str(pk, "label");
    msgpack_pack_int(pk, x->label);
    pack_messages(pk, "history", x->history, x->n_history);
    pack_text(pk, "query", x->query, x->query_length);
    pack_text(pk, "response", x->response, x->response_length);
    if (x->text) pack_text(pk, "text", x->text, x->text_length);
    if (x->n_chosen) {
        wire_pack_str(pk, "chosen");
        msgpack_pack_uint64(pk, x->n_chosen);
        wire_pack_str(pk, "margin");
        msgpack_pack_double(pk, x->margin);
    }
    wire_pack_str(pk, "ids");
    wire_pack_ids(pk, x->ids, x->n_ids);
    return WR_OK;
}

wr_status chat_pack(const chat_record *x, msgpack_packer *pk) {
    msgpack_pack_map(pk, 5);
    pack_text(pk, "id", x->id, length_of(x->id));
    pack_text(pk, "user", x->user, length_of(x->user));
    pack_messages(pk, "messages", x->messages, x->n_messages);
    wire_pack_str(pk, "ids");
    wire_pack_ids(pk, x->ids, x->n_ids);
    wire_pack_str(pk, "spans");
    msgpack_pack_array(pk, 2 * x->n_spans);
    for (size_t i = 0; i < 2 * x->n_spans; i++) msgpack_pack_uint64(pk, x->spans[i]);
    return WR_OK;
}

/* --- decoding ----------------------------------------------------------------------------------------------------- */

static wr_status bad_field(const char *key, const char *what) {
    return wr_fail(WR_E_FORMAT, "record: field \"%s\" is missing or not %s", key, what);
}

static wr_status take_text(const msgpack_object *map, const char *key, arena *a, const char **s, size_t *n) {
    const char *bytes;
    size_t length;
    if (!wire_get_str(map, key, &bytes, &length)) return bad_field(key, "a string");
    *s = arena_strndup(a, bytes, length);
    if (n) *n = length;
    return *s ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for a record");
}

/* Elements of an array field, or an error. */
static wr_status take_array(const msgpack_object *map, const char *key, const msgpack_object **items, size_t *n) {
    const msgpack_object *v = wire_get(map, key);
    if (!v || v->type != MSGPACK_OBJECT_ARRAY) return bad_field(key, "an array");
    *items = v->via.array.ptr;
    *n = v->via.array.size;
    return WR_OK;
}

static wr_status take_ids(const msgpack_object *map, arena *a, const int32_t **out, size_t *n) {
    const msgpack_object *items = NULL;
    wr_status status = take_array(map, "ids", &items, n);
    if (status < 0) return status;
    int32_t *ids = arena_alloc(a, (*n ? *n : 1) * sizeof *ids);
    if (!ids) return wr_fail(WR_E_NOMEM, "out of memory for a record");
    for (size_t i = 0; i < *n; i++) {
        if (items[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER || items[i].via.u64 > INT32_MAX) {
            return bad_field("ids", "an array of token ids");
        }
        ids[i] = (int32_t)items[i].via.u64;
    }
    *out = ids;
    return WR_OK;
}

static wr_status take_messages(const msgpack_object *map, const char *key, arena *a, const chat_message **out,
                               size_t *n) {
    const msgpack_object *items = NULL;
    wr_status status = take_array(map, key, &items, n);
    if (status < 0) return status;
    chat_message *m = arena_alloc(a, (*n ? *n : 1) * sizeof *m);
    if (!m) return wr_fail(WR_E_NOMEM, "out of memory for a record");
    for (size_t i = 0; i < *n; i++) {
        const msgpack_object *pair =
            items[i].type == MSGPACK_OBJECT_ARRAY && items[i].via.array.size == 2 ? items[i].via.array.ptr : NULL;
        if (!pair || pair[0].type != MSGPACK_OBJECT_STR || pair[1].type != MSGPACK_OBJECT_STR) {
            return bad_field(key, "an array of [role, content]");
        }
        m[i].role = arena_strndup(a, pair[0].via.str.ptr, pair[0].via.str.size);
        m[i].content = arena_strndup(a, pair[1].via.str.ptr, pair[1].via.str.size);
        m[i].length = pair[1].via.str.size;
        m[i].fields = NULL;
        if (!m[i].role || !m[i].content) return wr_fail(WR_E_NOMEM, "out of memory for a record");
    }
    *out = m;
    return WR_OK;
}

static wr_status take_pair(const msgpack_object *o, instance *out) {
    int64_t chosen;
    if (!wire_get_int(o, "chosen", &chosen) || chosen < 1 || (uint64_t)chosen >= out->n_ids)
        return bad_field("chosen", "a number of tokens below the record's");
    if (!wire_get_double(o, "margin", &out->margin) || !isfinite(out->margin)) return bad_field("margin", "a number");
    out->n_chosen = (size_t)chosen;
    return WR_OK;
}

wr_status instance_unpack(const msgpack_object *o, arena *a, instance *out) {
    wr_status status = WR_OK;
    int64_t label;
    *out = (instance){0};
    if (o->type != MSGPACK_OBJECT_MAP) return wr_fail(WR_E_FORMAT, "record is not a map");
    TRY(take_text(o, "id", a, &out->id, NULL));
    TRY(take_text(o, "user", a, &out->user, NULL));
    TRY(take_text(o, "language", a, &out->language, NULL));
    TRY(take_text(o, "model", a, &out->model, NULL));
    TRY(take_text(o, "how", a, &out->how, NULL));
    out->timestamp = "";
    out->weight = 1;
    if (wire_get(o, "timestamp")) TRY(take_text(o, "timestamp", a, &out->timestamp, NULL));
    if (wire_get(o, "weight") && (!wire_get_double(o, "weight", &out->weight) || !(out->weight > 0) || out->weight > 1))
        TRY(bad_field("weight", "a number in (0, 1]"));
    if (!wire_get_int(o, "turn", &out->turn)) TRY(bad_field("turn", "an integer"));
    if (!wire_get_int(o, "label", &label) || label < 1 || label > 1000000) TRY(bad_field("label", "a class number"));
    out->label = (int)label;
    TRY(take_messages(o, "history", a, &out->history, &out->n_history));
    TRY(take_text(o, "query", a, &out->query, &out->query_length));
    TRY(take_text(o, "response", a, &out->response, &out->response_length));
    if (wire_get(o, "text")) TRY(take_text(o, "text", a, &out->text, &out->text_length));
    TRY(take_ids(o, a, &out->ids, &out->n_ids));
    if (wire_get(o, "chosen")) TRY(take_pair(o, out));
cleanup:
    return status;
}

wr_status chat_unpack(const msgpack_object *o, arena *a, chat_record *out) {
    wr_status status = WR_OK;
    const msgpack_object *items = NULL;
    size_t n = 0;
    *out = (chat_record){0};
    if (o->type != MSGPACK_OBJECT_MAP) return wr_fail(WR_E_FORMAT, "record is not a map");
    TRY(take_text(o, "id", a, &out->id, NULL));
    TRY(take_text(o, "user", a, &out->user, NULL));
    TRY(take_messages(o, "messages", a, &out->messages, &out->n_messages));
    TRY(take_ids(o, a, &out->ids, &out->n_ids));
    TRY(take_array(o, "spans", &items, &n));
    size_t *spans = arena_alloc(a, (n ? n : 1) * sizeof *spans);
    TRY_ALLOC(spans);
    size_t before = 0;
    if (n % 2) TRY(bad_field("spans", "an array of pairs"));
    for (size_t i = 0; i < n; i++) {
        /* Ascending and inside the chat, or the trainer would read past its end. */
        if (items[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER || items[i].via.u64 < before ||
            items[i].via.u64 > out->n_ids) {
            TRY(bad_field("spans", "an ascending array of token positions"));
        }
        spans[i] = before = (size_t)items[i].via.u64;
    }
    out->spans = spans;
    out->n_spans = n / 2;
cleanup:
    return status;
}
