/* Opens a shard: header, trailer and footer are read and every number in them is checked against the file and against
 * each other before anything is believed. */
#include "data/shard/shard_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

void shard_reader_close(shard_reader *r) {
    if (!r) return;
    if (r->fd >= 0) close(r->fd);
    free(r->path);
    free(r->frames);
    free(r->first);
    free(r->lengths);
    free(r->labels);
    for (size_t i = 0; i < r->n_users; i++) free(r->users[i].name);
    free(r->users);
    free(r);
}

wr_status shard_read_at(const shard_reader *r, void *to, size_t n, uint64_t offset) {
    char *p = to;
    while (n) {
        ssize_t got = pread(r->fd, p, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return wr_fail(WR_E_IO, "%s: %s", r->path, strerror(errno));
        if (got == 0) return wr_fail(WR_E_FORMAT, "%s: file became shorter while it was read", r->path);
        p += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return WR_OK;
}

static wr_status damaged(const shard_reader *r, const char *what) {
    return wr_fail(WR_E_FORMAT, "%s: damaged shard (%s); prepare it again", r->path, what);
}

static bool copy_hash(const msgpack_object *map, const char *key, char out[33]) {
    const char *s;
    size_t n;
    if (!wire_get_str(map, key, &s, &n) || n > 32) return false;
    memcpy(out, s, n);
    out[n] = '\0';
    return true;
}

static wr_status read_header(shard_reader *r) {
    wr_status status = WR_OK;
    unsigned char fixed[SHARD_HEADER_FIXED];
    unsigned char *header = NULL;
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    TRY(shard_read_at(r, fixed, sizeof fixed, 0));
    if (memcmp(fixed, SHARD_MAGIC, SHARD_MAGIC_BYTES) != 0)
        TRY(wr_fail(WR_E_FORMAT, "%s: not a shard (no %s at its start)", r->path, SHARD_MAGIC));
    uint64_t version = get_le(fixed + 8, 4), meta = get_le(fixed + 12, 4);
    if (version != SHARD_VERSION) {
        TRY(wr_fail(WR_E_FORMAT, "%s: shard version %u, this program reads %d", r->path, (unsigned)version,
                    SHARD_VERSION));
    }
    if (meta > SHARD_META_LIMIT || SHARD_HEADER_FIXED + meta + 8 + SHARD_TRAILER_BYTES > r->size)
        TRY(damaged(r, "header length"));
    size_t covered = SHARD_HEADER_FIXED + (size_t)meta;
    TRY_ALLOC(header = mem_calloc(covered + 8, 1));
    TRY(shard_read_at(r, header, covered + 8, 0));
    r->header_hash = XXH64(header, covered, 0);
    if (r->header_hash != get_le(header + covered, 8)) TRY(damaged(r, "header checksum"));
    if (wire_check(header + SHARD_HEADER_FIXED, meta) < 0) TRY(damaged(r, "header"));
    if (msgpack_unpack_next(&u, (const char *)header + SHARD_HEADER_FIXED, meta, NULL) != MSGPACK_UNPACK_SUCCESS)
        TRY(damaged(r, "header"));
    const char *kind;
    size_t n;
    int64_t classes;
    if (!wire_get_str(&u.data, "kind", &kind, &n) || !copy_hash(&u.data, "tokenizer_hash", r->meta.tokenizer_hash) ||
        !copy_hash(&u.data, "template_hash", r->meta.template_hash) || !wire_get_int(&u.data, "classes", &classes) ||
        classes < 0 || classes > SHARD_CLASSES_LIMIT) {
        TRY(damaged(r, "header fields"));
    }
    if (n == 6 && memcmp(kind, "reward", 6) == 0)
        r->meta.kind = SHARD_REWARD;
    else if (n == 4 && memcmp(kind, "chat", 4) == 0)
        r->meta.kind = SHARD_CHAT;
    else
        TRY(damaged(r, "unknown kind"));
    r->meta.classes = (int)classes;
    r->data_start = covered + 8;
cleanup:
    msgpack_unpacked_destroy(&u);
    free(header);
    return status;
}

static bool object_u64(const msgpack_object *o, uint64_t *out) {
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER) return false;
    *out = o->via.u64;
    return true;
}

static const msgpack_object_array *array_of(const msgpack_object *map, const char *key) {
    const msgpack_object *v = wire_get(map, key);
    return v && v->type == MSGPACK_OBJECT_ARRAY ? &v->via.array : NULL;
}

/* Frames lie one behind the other from the header to the footer; records and tokens agree with the list of record
 * lengths. */
static wr_status take_frames(shard_reader *r, const msgpack_object *footer) {
    wr_status status = WR_OK;
    const msgpack_object_array *frames = array_of(footer, "frames"), *lengths = array_of(footer, "lengths");
    if (!frames || !lengths) return damaged(r, "footer fields");
    r->n_records = lengths->size;
    TRY_ALLOC(r->lengths = mem_calloc(r->n_records + 1, sizeof *r->lengths));
    TRY_ALLOC(r->frames = mem_calloc((size_t)frames->size + 1, sizeof *r->frames));
    TRY_ALLOC(r->first = mem_calloc((size_t)frames->size + 1, sizeof *r->first));
    for (size_t i = 0; i < r->n_records; i++) {
        uint64_t length = 0;
        if (!object_u64(&lengths->ptr[i], &length) || length > UINT32_MAX) TRY(damaged(r, "record lengths"));
        r->lengths[i] = (uint32_t)length;
    }
    uint64_t at = r->data_start, record = 0;
    for (size_t i = 0; i < frames->size; i++) {
        const msgpack_object *o = &frames->ptr[i];
        uint64_t v[6] = {0};
        if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 6) TRY(damaged(r, "frame index"));
        for (int k = 0; k < 6; k++) {
            if (!object_u64(&o->via.array.ptr[k], &v[k])) TRY(damaged(r, "frame index"));
        }
        if (v[0] != at || v[1] == 0 || v[1] > r->footer_offset - at || v[2] == 0 || v[2] > SHARD_FRAME_RAW_LIMIT ||
            v[3] == 0 || v[3] > r->n_records - record) {
            TRY(damaged(r, "frame index"));
        }
        uint64_t tokens = 0;
        r->first[i] = record;
        for (uint64_t k = 0; k < v[3]; k++) tokens += r->lengths[record++];
        if (tokens != v[4]) TRY(damaged(r, "token counts"));
        r->frames[i] = (shard_frame){v[0], v[1], v[2], (uint32_t)v[3], v[4], v[5]};
        at += v[1];
        r->n_frames++;
    }
    if (at != r->footer_offset || record != r->n_records) TRY(damaged(r, "frames do not fill the file"));
cleanup:
    return status;
}

static wr_status take_counts(shard_reader *r, const msgpack_object *footer) {
    wr_status status = WR_OK;
    const msgpack_object_array *users = array_of(footer, "users"), *labels = array_of(footer, "labels");
    uint64_t total = 0;
    if (!users || !labels || labels->size != (uint32_t)r->meta.classes) return damaged(r, "footer fields");
    TRY_ALLOC(r->labels = mem_calloc((size_t)labels->size + 1, sizeof *r->labels));
    for (size_t i = 0; i < labels->size; i++) {
        if (!object_u64(&labels->ptr[i], &r->labels[i]) || r->labels[i] > r->n_records) TRY(damaged(r, "label counts"));
        total += r->labels[i];
    }
    if (r->meta.kind == SHARD_REWARD && total != r->n_records) TRY(damaged(r, "label counts"));
    TRY_ALLOC(r->users = mem_calloc((size_t)users->size + 1, sizeof *r->users));
    total = 0;
    for (size_t i = 0; i < users->size; i++) {
        const msgpack_object *o = &users->ptr[i];
        uint64_t records = 0;
        if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 2 ||
            o->via.array.ptr[0].type != MSGPACK_OBJECT_STR || !object_u64(&o->via.array.ptr[1], &records) ||
            records > r->n_records) {
            TRY(damaged(r, "user counts"));
        }
        const msgpack_object_str *name = &o->via.array.ptr[0].via.str;
        TRY_ALLOC(r->users[i].name = mem_strndup(name->ptr, name->size));
        r->users[i].records = records;
        r->n_users++;
        total += records;
    }
    if (total != r->n_records) TRY(damaged(r, "user counts"));
cleanup:
    return status;
}

static wr_status read_footer(shard_reader *r) {
    wr_status status = WR_OK;
    unsigned char trailer[SHARD_TRAILER_BYTES];
    char *footer = NULL;
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    TRY(shard_read_at(r, trailer, sizeof trailer, r->size - sizeof trailer));
    if (memcmp(trailer + 24, SHARD_FOOT_MAGIC, SHARD_MAGIC_BYTES) != 0)
        TRY(damaged(r, "no footer at its end: cut short?"));
    uint64_t offset = get_le(trailer, 8), bytes = get_le(trailer + 8, 8), room = r->size - sizeof trailer;
    if (offset < r->data_start || offset > room || bytes != room - offset || bytes == 0)
        TRY(damaged(r, "footer position"));
    r->footer_offset = offset;
    TRY_ALLOC(footer = mem_calloc((size_t)bytes, 1));
    TRY(shard_read_at(r, footer, (size_t)bytes, offset));
    r->footer_hash = XXH64(footer, (size_t)bytes, 0);
    if (r->footer_hash != get_le(trailer + 16, 8)) TRY(damaged(r, "footer checksum"));
    if (wire_check(footer, (size_t)bytes) < 0) TRY(damaged(r, "footer"));
    if (msgpack_unpack_next(&u, footer, (size_t)bytes, NULL) != MSGPACK_UNPACK_SUCCESS) TRY(damaged(r, "footer"));
    TRY(take_frames(r, &u.data));
    TRY(take_counts(r, &u.data));
cleanup:
    msgpack_unpacked_destroy(&u);
    free(footer);
    return status;
}

wr_status shard_reader_open(const char *path, shard_reader **out) {
    wr_status status = WR_OK;
    struct stat st;
    shard_reader *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(r);
    r->fd = -1;
    TRY_ALLOC(r->path = mem_strdup(path));
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) != 0) TRY(wr_fail(WR_E_IO, "%s: %s", path, strerror(errno)));
    if (!S_ISREG(st.st_mode)) TRY(wr_fail(WR_E_IO, "%s: not a regular file", path));
    r->size = (uint64_t)st.st_size;
    if (r->size < SHARD_HEADER_FIXED + 8 + SHARD_TRAILER_BYTES) TRY(damaged(r, "cut short"));
    TRY(read_header(r));
    TRY(read_footer(r));
    *out = r;
    r = NULL;
cleanup:
    shard_reader_close(r);
    return status;
}

const shard_meta *shard_reader_meta(const shard_reader *r) { return &r->meta; }
size_t shard_reader_frames(const shard_reader *r) { return r->n_frames; }
const shard_frame *shard_reader_frame(const shard_reader *r, size_t i) { return &r->frames[i]; }
size_t shard_reader_records(const shard_reader *r) { return r->n_records; }
const uint32_t *shard_reader_lengths(const shard_reader *r) { return r->lengths; }
const uint64_t *shard_reader_label_counts(const shard_reader *r) { return r->labels; }
size_t shard_reader_users(const shard_reader *r) { return r->n_users; }
uint64_t shard_reader_hash(const shard_reader *r) { return r->footer_hash ^ (r->header_hash * 0x9E3779B97F4A7C15u); }

const char *shard_reader_user(const shard_reader *r, size_t i, uint64_t *records) {
    if (records) *records = r->users[i].records;
    return r->users[i].name;
}
