/* An open shard, shared by the two files that read it (data/shard/shard_reader.c: header and footer;
 * data/shard/frame_reader.c: records). */
#ifndef WR_DATA_SHARD_SHARD_OPEN_H
#define WR_DATA_SHARD_SHARD_OPEN_H

#include "data/shard/shard.h"
#include "data/shard/shard_layout.h"

typedef struct shard_user {
    char *name;
    uint64_t records;
} shard_user;

struct shard_reader {
    int fd;
    char *path;
    uint64_t size, data_start, footer_offset, footer_hash, header_hash;
    shard_meta meta;
    shard_frame *frames;
    size_t n_frames;
    uint64_t *first; /* (n_frames) first record of each frame */
    uint32_t *lengths;
    size_t n_records;
    uint64_t *labels;
    shard_user *users;
    size_t n_users;
};

/* Exactly n bytes at offset. */
wr_status shard_read_at(const shard_reader *r, void *to, size_t n, uint64_t offset);

#endif
