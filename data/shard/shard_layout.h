/* Numbers of the shard layout that writer and reader share (the layout itself: data/shard/shard.h). */
#ifndef WR_DATA_SHARD_SHARD_LAYOUT_H
#define WR_DATA_SHARD_SHARD_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define SHARD_MAGIC "WRSHARD1"
#define SHARD_FOOT_MAGIC "WRSFOOT1"
enum {
    SHARD_MAGIC_BYTES = 8,
    SHARD_VERSION = 1,
    SHARD_HEADER_FIXED = 16, /* magic, version, meta bytes */
    SHARD_TRAILER_BYTES = 32,
    SHARD_META_LIMIT = 1 << 16,
    SHARD_CLASSES_LIMIT = 1000000
};
#define SHARD_FRAME_RAW_TARGET                                                                                         \
    ((size_t)4 << 20) /* a frame is closed when it holds this much or SHARD_FRAME_RECORDS records */
#define SHARD_FRAME_RAW_LIMIT ((uint64_t)1 << 30)

static inline void put_le(unsigned char *p, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static inline uint64_t get_le(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

#endif
