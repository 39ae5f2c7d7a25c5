/* Reads the frames of an open shard. */
#include "data/shard/shard_open.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

static wr_status bad_frame(const shard_reader *r, size_t frame, const char *what) {
    return wr_fail(WR_E_FORMAT, "%s: frame %zu is damaged (%s); prepare it again", r->path, frame, what);
}

wr_status shard_read_raw(shard_reader *r, size_t frame, strbuf *raw, size_t **record_offsets, size_t *n) {
    wr_status status = WR_OK;
    char *packed = NULL, *plain = NULL;
    size_t *offsets = NULL;
    strbuf_clear(raw);
    if (frame >= r->n_frames) return wr_fail(WR_E_USAGE, "%s: no frame %zu, it has %zu", r->path, frame, r->n_frames);
    const shard_frame *f = &r->frames[frame];
    TRY_ALLOC(packed = mem_calloc(f->bytes, 1));
    TRY(shard_read_at(r, packed, f->bytes, f->offset));
    if (XXH64(packed, f->bytes, 0) != f->checksum) TRY(bad_frame(r, frame, "checksum"));
    if (ZSTD_getFrameContentSize(packed, f->bytes) != f->raw_bytes ||
        ZSTD_findFrameCompressedSize(packed, f->bytes) != f->bytes) {
        TRY(bad_frame(r, frame, "sizes"));
    }
    TRY_ALLOC(plain = mem_calloc(f->raw_bytes, 1));
    size_t got = ZSTD_decompress(plain, f->raw_bytes, packed, f->bytes);
    if (ZSTD_isError(got) || got != f->raw_bytes) TRY(bad_frame(r, frame, "zstd"));
    TRY_ALLOC(offsets = mem_calloc((size_t)f->records + 1, sizeof *offsets));
    size_t at = 0;
    for (size_t i = 0; i < f->records; i++) {
        size_t used = 0;
        if (wire_measure(plain + at, f->raw_bytes - at, &used) < 0) TRY(bad_frame(r, frame, "records"));
        at += used;
        offsets[i + 1] = at;
    }
    if (at != f->raw_bytes) TRY(bad_frame(r, frame, "more records than its index says"));
    strbuf_append(raw, plain, f->raw_bytes);
    TRY(strbuf_status(raw));
    *record_offsets = offsets;
    *n = f->records;
    offsets = NULL;
cleanup:
    free(packed);
    free(plain);
    free(offsets);
    return status;
}

/* One checked msgpack value -> object in u. */
static wr_status unpack(const void *bytes, size_t n, msgpack_unpacked *u) {
    wr_status status = wire_check(bytes, n);
    if (status < 0) return status;
    return msgpack_unpack_next(u, bytes, n, NULL) == MSGPACK_UNPACK_SUCCESS
               ? WR_OK
               : wr_fail(WR_E_NOMEM, "out of memory for a record");
}

wr_status instance_decode(const void *bytes, size_t n, arena *a, instance *out) {
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    wr_status status = unpack(bytes, n, &u);
    if (status >= 0) status = instance_unpack(&u.data, a, out);
    msgpack_unpacked_destroy(&u);
    return status;
}

wr_status chat_decode(const void *bytes, size_t n, arena *a, chat_record *out) {
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    wr_status status = unpack(bytes, n, &u);
    if (status >= 0) status = chat_unpack(&u.data, a, out);
    msgpack_unpacked_destroy(&u);
    return status;
}

wr_status shard_read_instances(shard_reader *r, size_t frame, arena *a, instance **out, size_t *n) {
    wr_status status = WR_OK;
    strbuf raw = {0};
    size_t *offsets = NULL, count = 0;
    if (r->meta.kind != SHARD_REWARD) return wr_fail(WR_E_MISMATCH, "%s holds chats, not rated replies", r->path);
    TRY(shard_read_raw(r, frame, &raw, &offsets, &count));
    instance *items = arena_alloc(a, (count ? count : 1) * sizeof *items);
    TRY_ALLOC(items);
    for (size_t i = 0; i < count; i++) {
        TRY(wr_context(instance_decode(raw.data + offsets[i], offsets[i + 1] - offsets[i], a, &items[i]),
                       "%s: frame %zu, record %zu", r->path, frame, i));
        if (items[i].n_ids != r->lengths[r->first[frame] + i] || items[i].label > r->meta.classes) {
            TRY(bad_frame(r, frame, "a record differs from the footer"));
        }
    }
    *out = items;
    *n = count;
cleanup:
    strbuf_free(&raw);
    free(offsets);
    return status;
}

wr_status shard_read_chats(shard_reader *r, size_t frame, arena *a, chat_record **out, size_t *n) {
    wr_status status = WR_OK;
    strbuf raw = {0};
    size_t *offsets = NULL, count = 0;
    if (r->meta.kind != SHARD_CHAT) return wr_fail(WR_E_MISMATCH, "%s holds rated replies, not chats", r->path);
    TRY(shard_read_raw(r, frame, &raw, &offsets, &count));
    chat_record *items = arena_alloc(a, (count ? count : 1) * sizeof *items);
    TRY_ALLOC(items);
    for (size_t i = 0; i < count; i++) {
        TRY(wr_context(chat_decode(raw.data + offsets[i], offsets[i + 1] - offsets[i], a, &items[i]),
                       "%s: frame %zu, record %zu", r->path, frame, i));
        if (items[i].n_ids != r->lengths[r->first[frame] + i])
            TRY(bad_frame(r, frame, "a record differs from the footer"));
    }
    *out = items;
    *n = count;
cleanup:
    strbuf_free(&raw);
    free(offsets);
    return status;
}
