/* Records on the ranks that want them. Each rank opens the shards that it can read; the dataset is the union over the
 * ranks. A rank reads its own records where it holds their shard; otherwise a rank that holds it reads for it and sends
 * them (msgpack + zstd, mpi/wire.h). Which rank reads never changes which records a rank gets. */
#ifndef WR_DATA_SHARD_RECORD_SOURCE_H
#define WR_DATA_SHARD_RECORD_SOURCE_H

#include "data/shard/dataset.h"
#include "mpi/world.h"

typedef struct record_source record_source;
/* COLLECTIVE. WR_E_IO when no rank can read DIR/<prefix>*.wrs; WR_E_MISMATCH when two ranks hold different shards under
 * one name. */
wr_status record_source_open(world *w, const char *dir, const char *prefix, record_source **out);
void record_source_close(record_source *s); /* NULL is fine */
/* The whole dataset's index, the same on every rank; index->hash is the same however the shards are spread. */
const dataset_index *record_source_index(const record_source *s);
/* Records that another rank read for this one so far. */
uint64_t record_source_received(const record_source *s);

typedef struct record_bytes {
    const void *bytes;
    size_t n;
} record_bytes;
/* COLLECTIVE. out[i] = msgpack bytes of record wanted[i]; valid until the next call. Ranks may want different numbers
 * of records, or none. */
wr_status record_source_fetch(record_source *s, const uint32_t *wanted, size_t n, record_bytes *out);

#endif
