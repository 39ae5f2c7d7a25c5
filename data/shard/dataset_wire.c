/* A dataset index as a message, for ranks that cannot read the files themselves. */
#include "data/shard/dataset.h"

#include <stdlib.h>
#include <string.h>

wr_status dataset_index_pack(const dataset_index *d, strbuf *out) {
    msgpack_packer pk;
    wire_packer(&pk, out);
    msgpack_pack_map(&pk, 9);
    wire_pack_str(&pk, "kind");
    msgpack_pack_int(&pk, d->meta.kind);
    wire_pack_str(&pk, "classes");
    msgpack_pack_int(&pk, d->meta.classes);
    wire_pack_str(&pk, "tokenizer_hash");
    wire_pack_str(&pk, d->meta.tokenizer_hash);
    wire_pack_str(&pk, "template_hash");
    wire_pack_str(&pk, d->meta.template_hash);
    wire_pack_str(&pk, "hash");
    wire_pack_str(&pk, d->hash);
    wire_pack_str(&pk, "names");
    msgpack_pack_array(&pk, d->n_shards);
    for (size_t i = 0; i < d->n_shards; i++) wire_pack_str(&pk, d->names[i]);
    wire_pack_str(&pk, "hashes");
    msgpack_pack_array(&pk, d->n_shards);
    for (size_t i = 0; i < d->n_shards; i++) msgpack_pack_uint64(&pk, d->hashes[i]);
    wire_pack_str(&pk, "frames"); /* shard, frame, records of each; first_record follows */
    msgpack_pack_array(&pk, 3 * d->n_frames);
    for (size_t i = 0; i < d->n_frames; i++) {
        msgpack_pack_uint32(&pk, d->frames[i].shard);
        msgpack_pack_uint32(&pk, d->frames[i].frame);
        msgpack_pack_uint32(&pk, d->frames[i].records);
    }
    wire_pack_str(&pk, "lengths");
    msgpack_pack_array(&pk, d->n_records);
    for (size_t i = 0; i < d->n_records; i++) msgpack_pack_uint32(&pk, d->lengths[i]);
    return strbuf_status(out);
}

static const msgpack_object_array *array_of(const msgpack_object *map, const char *key) {
    const msgpack_object *v = wire_get(map, key);
    return v && v->type == MSGPACK_OBJECT_ARRAY ? &v->via.array : NULL;
}

static bool u32_at(const msgpack_object_array *a, size_t i, uint32_t *out) {
    const msgpack_object *o = &a->ptr[i];
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > UINT32_MAX) return false;
    *out = (uint32_t)o->via.u64;
    return true;
}

static bool take_hash(const msgpack_object *map, const char *key, char out[33]) {
    const char *s;
    size_t n;
    if (!wire_get_str(map, key, &s, &n) || n > 32) return false;
    memcpy(out, s, n);
    out[n] = '\0';
    return true;
}

wr_status dataset_index_unpack(const void *bytes, size_t n, dataset_index *out) {
    wr_status status = WR_OK;
    dataset_index d = {0};
    msgpack_unpacked u;
    int64_t kind, classes;
    msgpack_unpacked_init(&u);
    *out = (dataset_index){0};
    TRY(wire_check(bytes, n));
    if (msgpack_unpack_next(&u, bytes, n, NULL) != MSGPACK_UNPACK_SUCCESS)
        TRY(wr_fail(WR_E_NOMEM, "out of memory for a dataset index"));
    const msgpack_object_array *names = array_of(&u.data, "names"), *hashes = array_of(&u.data, "hashes"),
                               *frames = array_of(&u.data, "frames"), *lengths = array_of(&u.data, "lengths");
    bool good = names && hashes && frames && lengths && names->size == hashes->size && frames->size % 3 == 0 &&
                wire_get_int(&u.data, "kind", &kind) && wire_get_int(&u.data, "classes", &classes) && kind >= 0 &&
                kind <= SHARD_CHAT && classes >= 0 && classes <= 1000000 &&
                take_hash(&u.data, "tokenizer_hash", d.meta.tokenizer_hash) &&
                take_hash(&u.data, "template_hash", d.meta.template_hash) && take_hash(&u.data, "hash", d.hash);
    if (!good) TRY(wr_fail(WR_E_FORMAT, "dataset index message lacks fields"));
    d.meta.kind = (shard_kind)kind;
    d.meta.classes = (int)classes;
    TRY_ALLOC(d.names = mem_calloc((size_t)names->size + 1, sizeof *d.names));
    TRY_ALLOC(d.hashes = mem_calloc((size_t)names->size + 1, sizeof *d.hashes));
    TRY_ALLOC(d.frames = mem_calloc((size_t)frames->size / 3 + 1, sizeof *d.frames));
    TRY_ALLOC(d.lengths = mem_calloc((size_t)lengths->size + 1, sizeof *d.lengths));
    for (size_t i = 0; i < names->size && good; i++) {
        good = names->ptr[i].type == MSGPACK_OBJECT_STR && hashes->ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER;
        if (!good) break;
        TRY_ALLOC(d.names[i] = mem_strndup(names->ptr[i].via.str.ptr, names->ptr[i].via.str.size));
        d.hashes[i] = hashes->ptr[i].via.u64;
        d.n_shards++;
    }
    uint64_t first = 0;
    for (size_t i = 0; good && i < frames->size / 3; i++) {
        good = u32_at(frames, 3 * i, &d.frames[i].shard) && u32_at(frames, 3 * i + 1, &d.frames[i].frame) &&
               u32_at(frames, 3 * i + 2, &d.frames[i].records) && d.frames[i].shard < d.n_shards;
        d.frames[i].first_record = first;
        first += d.frames[i].records;
        d.n_frames++;
    }
    for (size_t i = 0; good && i < lengths->size; i++) good = u32_at(lengths, i, &d.lengths[i]);
    d.n_records = lengths->size;
    if (!good || first != d.n_records) TRY(wr_fail(WR_E_FORMAT, "dataset index message has wrong values"));
    *out = d;
    d = (dataset_index){0};
cleanup:
    msgpack_unpacked_destroy(&u);
    dataset_index_free(&d);
    return status;
}
