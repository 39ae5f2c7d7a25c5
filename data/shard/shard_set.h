/* A row of shard files PREFIX-00000.wrs, PREFIX-00001.wrs, …, opened when needed. LOCAL. */
#ifndef WR_DATA_SHARD_SHARD_SET_H
#define WR_DATA_SHARD_SHARD_SET_H

#include "data/shard/frame_builder.h"

typedef struct shard_set {
    const char *dir, *prefix;
    shard_meta meta;
    size_t limit; /* records of a file */
    shard_writer *writer;
    unsigned number;
    uint64_t records, in_file, tokens;
} shard_set;

/* One record, or one whole frame, at the end. A file is closed before it would hold more than the limit. */
wr_status shard_set_add(shard_set *s, const instance *x);
wr_status shard_set_add_frame(shard_set *s, const built_frame *f);
wr_status shard_set_finish(shard_set *s); /* writes an empty shard when there was nothing */
void shard_set_discard(shard_set *s);

#endif
