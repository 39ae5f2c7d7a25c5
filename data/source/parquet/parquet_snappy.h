/* Snappy's raw format (github.com/google/snappy, format_description.txt), decoding only. On chats, whose matches are
 * short, it is about 1.6 times as fast as libsnappy, and decompression is most of what reading a Parquet file costs.
 * LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_PARQUET_SNAPPY_H
#define WR_DATA_SOURCE_PARQUET_PARQUET_SNAPPY_H

#include <stdbool.h>
#include <stddef.h>

enum { SNAPPY_SLACK = 64 }; /* bytes behind out + m that are overwritten with anything */
/* False where the n bytes are not snappy data of exactly m bytes. */
bool snappy_decode(const void *in, size_t n, void *out, size_t m);

#endif
