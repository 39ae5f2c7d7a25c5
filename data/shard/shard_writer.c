/* Writes one shard: header, frames as they come (data/shard/frame_builder.c), and the footer, which is collected on the
 * way. */
#include "base/stream.h"
#include "data/shard/frame_builder.h"
#include "data/shard/shard_layout.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct user_count {
    char *name;
    uint64_t records;
} user_count;

struct shard_writer {
    shard_meta meta;
    outstream *out;
    char *path;
    uint64_t offset; /* bytes written */
    frame_builder *builder;
    shard_frame *frames;
    size_t n_frames, frame_capacity;
    uint32_t *lengths;
    size_t n_records, length_capacity;
    user_count *users;
    size_t n_users, user_capacity; /* one entry a run of records of one user; merged at the end */
    uint64_t *labels;              /* (classes) */
};

void shard_writer_discard(shard_writer *w) {
    if (!w) return;
    outstream_discard(w->out);
    frame_builder_free(w->builder);
    free(w->frames);
    free(w->lengths);
    for (size_t i = 0; i < w->n_users; i++) free(w->users[i].name);
    free(w->users);
    free(w->labels);
    free(w->path);
    free(w);
}

static wr_status put(shard_writer *w, const void *bytes, size_t n) {
    w->offset += n;
    return outstream_write(w->out, bytes, n);
}

static wr_status write_header(shard_writer *w) {
    wr_status status = WR_OK;
    strbuf meta = {0}, header = {0};
    msgpack_packer pk;
    unsigned char fixed[8];
    wire_packer(&pk, &meta);
    msgpack_pack_map(&pk, 4);
    wire_pack_str(&pk, "kind");
    wire_pack_str(&pk, w->meta.kind == SHARD_REWARD ? "reward" : "chat");
    wire_pack_str(&pk, "tokenizer_hash");
    wire_pack_str(&pk, w->meta.tokenizer_hash);
    wire_pack_str(&pk, "template_hash");
    wire_pack_str(&pk, w->meta.template_hash);
    wire_pack_str(&pk, "classes");
    msgpack_pack_int(&pk, w->meta.classes);
    strbuf_append(&header, SHARD_MAGIC, SHARD_MAGIC_BYTES);
    put_le(fixed, SHARD_VERSION, 4);
    put_le(fixed + 4, meta.len, 4);
    strbuf_append(&header, fixed, 8);
    strbuf_append(&header, meta.data, meta.len);
    TRY(strbuf_status(&header));
    TRY(strbuf_status(&meta));
    put_le(fixed, XXH64(header.data, header.len, 0), 8);
    strbuf_append(&header, fixed, 8);
    TRY(strbuf_status(&header));
    TRY(put(w, header.data, header.len));
cleanup:
    strbuf_free(&meta);
    strbuf_free(&header);
    return status;
}

static wr_status count_users(shard_writer *w, const char *user, uint64_t records) {
    wr_status status = WR_OK;
    if (w->n_users && strcmp(w->users[w->n_users - 1].name, user) == 0) {
        w->users[w->n_users - 1].records += records;
        return WR_OK;
    }
    TRY(mem_reserve((void **)&w->users, &w->user_capacity, w->n_users + 1, sizeof *w->users));
    char *name = mem_strdup(user);
    TRY_ALLOC(name);
    w->users[w->n_users++] = (user_count){name, records};
cleanup:
    return status;
}

wr_status shard_writer_add_frame(shard_writer *w, const built_frame *f) {
    wr_status status = WR_OK;
    shard_frame entry = {w->offset, f->n, f->raw_bytes, f->records, f->tokens, f->checksum};
    VEC_PUSH(w->frames, w->n_frames, w->frame_capacity, entry);
    TRY(mem_reserve((void **)&w->lengths, &w->length_capacity, w->n_records + f->records, sizeof *w->lengths));
    memcpy(w->lengths + w->n_records, f->lengths, f->records * sizeof *w->lengths);
    w->n_records += f->records;
    for (int k = 0; k < w->meta.classes; k++) w->labels[k] += f->labels[k];
    for (size_t i = 0; i < f->n_users; i++) TRY(count_users(w, f->users[i].name, f->users[i].records));
    TRY(put(w, f->bytes, f->n));
cleanup:
    return status;
}

static wr_status take_frame(void *context, const built_frame *f) { return shard_writer_add_frame(context, f); }

wr_status shard_writer_create(const char *path, const shard_meta *meta, shard_writer **out) {
    wr_status status = WR_OK;
    shard_writer *w = mem_calloc(1, sizeof *w);
    TRY_ALLOC(w);
    w->meta = *meta;
    TRY_ALLOC(w->path = mem_strdup(path));
    if (meta->classes < 0 || meta->classes > SHARD_CLASSES_LIMIT)
        TRY(wr_fail(WR_E_USAGE, "%s: %d classes", path, meta->classes));
    TRY_ALLOC(w->labels = mem_calloc((size_t)meta->classes + 1, sizeof *w->labels));
    TRY(frame_builder_create(path, meta->kind, meta->classes, 0, take_frame, w, &w->builder));
    TRY(outstream_create(path, &w->out));
    TRY(write_header(w));
    *out = w;
    w = NULL;
cleanup:
    shard_writer_discard(w);
    return status;
}

wr_status shard_writer_add_instance(shard_writer *w, const instance *x) {
    return frame_builder_add_instance(w->builder, x);
}

wr_status shard_writer_add_chat(shard_writer *w, const chat_record *x) { return frame_builder_add_chat(w->builder, x); }

static int by_name(const void *a, const void *b) {
    return strcmp(((const user_count *)a)->name, ((const user_count *)b)->name);
}

static void merge_users(shard_writer *w) {
    if (!w->n_users) return;
    qsort(w->users, w->n_users, sizeof *w->users, by_name);
    size_t kept = 0;
    for (size_t i = 1; i < w->n_users; i++) {
        if (strcmp(w->users[kept].name, w->users[i].name) == 0) {
            w->users[kept].records += w->users[i].records;
            free(w->users[i].name);
        } else {
            w->users[++kept] = w->users[i];
        }
    }
    w->n_users = kept + 1;
}

static wr_status write_footer(shard_writer *w) {
    wr_status status = WR_OK;
    strbuf footer = {0};
    msgpack_packer pk;
    unsigned char trailer[SHARD_TRAILER_BYTES];
    merge_users(w);
    wire_packer(&pk, &footer);
    msgpack_pack_map(&pk, 4);
    wire_pack_str(&pk, "frames");
    msgpack_pack_array(&pk, w->n_frames);
    for (size_t i = 0; i < w->n_frames; i++) {
        const shard_frame *f = &w->frames[i];
        msgpack_pack_array(&pk, 6);
        msgpack_pack_uint64(&pk, f->offset);
        msgpack_pack_uint64(&pk, f->bytes);
        msgpack_pack_uint64(&pk, f->raw_bytes);
        msgpack_pack_uint64(&pk, f->records);
        msgpack_pack_uint64(&pk, f->tokens);
        msgpack_pack_uint64(&pk, f->checksum);
    }
    wire_pack_str(&pk, "users");
    msgpack_pack_array(&pk, w->n_users);
    for (size_t i = 0; i < w->n_users; i++) {
        msgpack_pack_array(&pk, 2);
        wire_pack_str(&pk, w->users[i].name);
        msgpack_pack_uint64(&pk, w->users[i].records);
    }
    wire_pack_str(&pk, "labels");
    msgpack_pack_array(&pk, (size_t)w->meta.classes);
    for (int k = 0; k < w->meta.classes; k++) msgpack_pack_uint64(&pk, w->labels[k]);
    wire_pack_str(&pk, "lengths");
    msgpack_pack_array(&pk, w->n_records);
    for (size_t i = 0; i < w->n_records; i++) msgpack_pack_uint32(&pk, w->lengths[i]);
    TRY(strbuf_status(&footer));
    put_le(trailer, w->offset, 8);
    put_le(trailer + 8, footer.len, 8);
    put_le(trailer + 16, XXH64(footer.data, footer.len, 0), 8);
    memcpy(trailer + 24, SHARD_FOOT_MAGIC, SHARD_MAGIC_BYTES);
    TRY(put(w, footer.data, footer.len));
    TRY(put(w, trailer, sizeof trailer));
cleanup:
    strbuf_free(&footer);
    return status;
}

wr_status shard_writer_commit(shard_writer **writer) {
    wr_status status = WR_OK;
    shard_writer *w = *writer;
    *writer = NULL;
    TRY(frame_builder_flush(w->builder));
    TRY(write_footer(w));
    TRY(outstream_commit(&w->out));
cleanup:
    shard_writer_discard(w);
    return status;
}
