#include "data/shard/frame_builder.h"

#include "data/shard/bytes.h"
#include "data/shard/shard_layout.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

/* A frame is filled record by record and closed when it is full; what a footer needs of it is counted on the way:
 *
 *   raw      record | record | … | record        one behind another (shard_layout.h)
 *   bytes    zstd(raw), with its checksum          what lies in the shard
 *   beside   lengths (a record's tokens), labels (how many of each), users (runs of records of one), checksum of raw
 *
 * Nothing in it depends on where it will lie, so frames made anywhere can be joined in any order. */
/* Level 3 would make shards a tenth smaller and take half as long again, in a program whose time is mostly this. */
enum { LEVEL = 1 };

struct frame_builder {
    char *name;
    shard_kind kind;
    int classes;
    size_t max_records;
    wr_status (*emit)(void *context, const built_frame *f);
    void *context;
    strbuf raw; /* records of the frame being filled */
    uint32_t records;
    uint64_t tokens;
    uint32_t *lengths;
    size_t length_capacity;
    frame_user *users;
    size_t n_users, user_capacity; /* one entry a run of records of one user */
    arena *names;
    uint64_t *labels; /* (classes) */
    void *packed;
    size_t packed_capacity;
    ZSTD_CCtx *zstd;
};

wr_status frame_builder_create(const char *name, shard_kind kind, int classes, size_t max_records,
                               wr_status (*emit)(void *context, const built_frame *f), void *context,
                               frame_builder **out) {
    wr_status status = WR_OK;
    *out = NULL;
    frame_builder *b = mem_calloc(1, sizeof *b);
    TRY_ALLOC(b);
    b->kind = kind, b->classes = classes, b->emit = emit, b->context = context;
    b->max_records = max_records && max_records < SHARD_FRAME_RECORDS ? max_records : SHARD_FRAME_RECORDS;
    TRY_ALLOC(b->name = mem_strdup(name));
    TRY_ALLOC(b->names = arena_create());
    TRY_ALLOC(b->zstd = ZSTD_createCCtx());
    ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_contentSizeFlag, 1);
    if (classes < 0 || classes > SHARD_CLASSES_LIMIT) TRY(wr_fail(WR_E_USAGE, "%s: %d classes", name, classes));
    TRY_ALLOC(b->labels = mem_calloc((size_t)classes + 1, sizeof *b->labels));
    *out = b;
    b = NULL;
cleanup:
    frame_builder_free(b);
    return status;
}

void frame_builder_free(frame_builder *b) {
    if (!b) return;
    strbuf_free(&b->raw);
    free(b->lengths);
    free(b->users);
    arena_free(b->names);
    free(b->labels);
    free(b->packed);
    ZSTD_freeCCtx(b->zstd);
    free(b->name);
    free(b);
}

wr_status frame_builder_flush(frame_builder *b) {
    wr_status status = WR_OK;
    if (!b->records) return WR_OK;
    size_t bound = ZSTD_compressBound(b->raw.len);
    if (bound > b->packed_capacity) {
        void *bigger = mem_realloc(b->packed, bound, 1);
        TRY_ALLOC(bigger);
        b->packed = bigger;
        b->packed_capacity = bound;
    }
    size_t n = ZSTD_compress2(b->zstd, b->packed, b->packed_capacity, b->raw.data, b->raw.len);
    if (ZSTD_isError(n)) TRY(wr_fail(WR_E_IO, "%s: zstd: %s", b->name, ZSTD_getErrorName(n)));
    built_frame f = {.bytes = b->packed,
                     .n = n,
                     .raw_bytes = b->raw.len,
                     .tokens = b->tokens,
                     .checksum = XXH64(b->packed, n, 0),
                     .records = b->records,
                     .lengths = b->lengths,
                     .labels = b->labels,
                     .users = b->users,
                     .n_users = b->n_users};
    TRY(b->emit(b->context, &f));
    strbuf_clear(&b->raw);
    b->records = 0;
    b->tokens = 0;
    b->n_users = 0;
    arena_reset(b->names);
    memset(b->labels, 0, (size_t)b->classes * sizeof *b->labels);
cleanup:
    return status;
}

static wr_status count_user(frame_builder *b, const char *user) {
    wr_status status = WR_OK;
    if (!user) user = "";
    if (b->n_users && strcmp(b->users[b->n_users - 1].name, user) == 0) {
        b->users[b->n_users - 1].records++;
        return WR_OK;
    }
    char *name = arena_strndup(b->names, user, strlen(user));
    TRY_ALLOC(name);
    VEC_PUSH(b->users, b->n_users, b->user_capacity, ((frame_user){name, 1}));
cleanup:
    return status;
}

/* Bookkeeping behind a record that was just packed onto b->raw, which held `before` bytes. */
static wr_status added(frame_builder *b, size_t before, size_t tokens, const char *user) {
    wr_status status = WR_OK;
    TRY(strbuf_status(&b->raw));
    if (b->raw.len - before > SHARD_FRAME_RAW_LIMIT / 2) {
        size_t bytes = b->raw.len - before;
        b->raw.len = before;
        TRY(wr_fail(WR_E_FORMAT, "%s: a record of %zu bytes is too large", b->name, bytes));
    }
    TRY(mem_reserve((void **)&b->lengths, &b->length_capacity, (size_t)b->records + 1, sizeof *b->lengths));
    b->lengths[b->records] = (uint32_t)tokens;
    TRY(count_user(b, user));
    b->records++;
    b->tokens += tokens;
    if (b->records >= b->max_records || b->raw.len >= SHARD_FRAME_RAW_TARGET) TRY(frame_builder_flush(b));
cleanup:
    return status;
}

wr_status frame_builder_add_instance(frame_builder *b, const instance *x) {
    if (b->kind != SHARD_REWARD) return wr_fail(WR_E_USAGE, "%s holds chats, not rated replies", b->name);
    if (x->label < 1 || x->label > b->classes)
        return wr_fail(WR_E_FORMAT, "%s: record %s has label %d outside 1…%d", b->name, x->id, x->label, b->classes);
    size_t before = b->raw.len;
    msgpack_packer pk;
    wire_packer(&pk, &b->raw);
    wr_status status = instance_pack(x, &pk);
    if (status < 0) return status;
    b->labels[x->label - 1]++;
    return added(b, before, x->n_ids, x->user);
}

wr_status frame_builder_add_chat(frame_builder *b, const chat_record *x) {
    if (b->kind != SHARD_CHAT) return wr_fail(WR_E_USAGE, "%s holds rated replies, not chats", b->name);
    size_t before = b->raw.len;
    msgpack_packer pk;
    wire_packer(&pk, &b->raw);
    wr_status status = chat_pack(x, &pk);
    return status < 0 ? status : added(b, before, x->n_ids, x->user);
}

void built_frame_pack(const built_frame *f, int classes, strbuf *out) {
    bytes_put_u64(out, f->n);
    bytes_put_u64(out, f->raw_bytes);
    bytes_put_u64(out, f->tokens);
    bytes_put_u64(out, f->checksum);
    bytes_put_u64(out, f->records);
    for (size_t i = 0; i < f->records; i++) bytes_put_u32(out, f->lengths[i]);
    for (int k = 0; k < classes; k++) bytes_put_u32(out, (uint32_t)f->labels[k]);
    bytes_put_u64(out, f->n_users);
    for (size_t i = 0; i < f->n_users; i++) {
        bytes_put_string(out, f->users[i].name, strlen(f->users[i].name));
        bytes_put_u32(out, (uint32_t)f->users[i].records);
    }
}

wr_status built_frame_unpack(bytes_reader *r, int classes, arena *a, built_frame *f) {
    wr_status status = WR_OK;
    *f = (built_frame){0};
    f->n = bytes_get_u64(r);
    f->raw_bytes = bytes_get_u64(r);
    f->tokens = bytes_get_u64(r);
    f->checksum = bytes_get_u64(r);
    f->records = (uint32_t)bytes_get_count(r, 4);
    uint32_t *lengths = arena_alloc(a, (f->records + 1) * sizeof *lengths);
    uint64_t *labels = arena_alloc(a, ((size_t)classes + 1) * sizeof *labels);
    TRY_ALLOC(lengths);
    TRY_ALLOC(labels);
    for (size_t i = 0; i < f->records; i++) lengths[i] = bytes_get_u32(r);
    for (int k = 0; k < classes; k++) labels[k] = bytes_get_u32(r);
    f->n_users = bytes_get_count(r, 9);
    frame_user *users = arena_alloc(a, (f->n_users + 1) * sizeof *users);
    TRY_ALLOC(users);
    for (size_t i = 0; i < f->n_users; i++) {
        users[i].name = bytes_get_string(r, NULL);
        users[i].records = bytes_get_u32(r);
    }
    f->lengths = lengths, f->labels = labels, f->users = users;
    if (r->bad) TRY(wr_fail(WR_E_FORMAT, "a working file of prepare is damaged"));
cleanup:
    return status;
}
