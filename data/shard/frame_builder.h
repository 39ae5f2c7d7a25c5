/* Frames of shards: records packed one behind another and compressed, with what a footer says of them. A frame can be
 * made apart from the file it will be in: parts of a data set are made anywhere, in any order, and then put together
 * (data/shard/shard_writer.c). LOCAL. */
#ifndef WR_DATA_SHARD_FRAME_BUILDER_H
#define WR_DATA_SHARD_FRAME_BUILDER_H

#include "base/strbuf.h"
#include "data/shard/shard.h"

typedef struct frame_user {
    const char *name;
    uint64_t records;
} frame_user;

/* A finished frame. Borrowed from the builder during emit(). */
typedef struct built_frame {
    const void *bytes; /* (n) compressed */
    size_t n;
    uint64_t raw_bytes, tokens, checksum;
    uint32_t records;
    const uint32_t *lengths; /* (records) tokens of each */
    const uint64_t *labels;  /* (classes) */
    const frame_user *users; /* (n_users) in order; one user may come several times */
    size_t n_users;
} built_frame;

typedef struct frame_builder frame_builder;
/* max_records: a frame is closed at this many, at SHARD_FRAME_RECORDS, or at 4 MiB. name: for messages. */
wr_status frame_builder_create(const char *name, shard_kind kind, int classes, size_t max_records,
                               wr_status (*emit)(void *context, const built_frame *f), void *context,
                               frame_builder **out);
void frame_builder_free(frame_builder *b); /* NULL is fine */
wr_status frame_builder_add_instance(frame_builder *b, const instance *x);
wr_status frame_builder_add_chat(frame_builder *b, const chat_record *x);
wr_status frame_builder_flush(frame_builder *b); /* closes the frame at hand, if any */

/* A frame's side data as bytes (without its compressed bytes), for a part that lies in a file in the meantime. */
void built_frame_pack(const built_frame *f, int classes, strbuf *out);
typedef struct bytes_reader bytes_reader;
/* Strings point into the reader's bytes, arrays into a. f->bytes is left NULL. */
wr_status built_frame_unpack(bytes_reader *r, int classes, arena *a, built_frame *f);

#endif
