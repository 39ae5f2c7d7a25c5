/* All records of one kind in a prepared folder, in the order of the shards, train before test. LOCAL. */
#ifndef WR_DATA_SHARD_RECORD_WALK_H
#define WR_DATA_SHARD_RECORD_WALK_H

#include "data/shard/shard.h"

/* One record: its msgpack bytes (checked against the shard's sums, not decoded) and where it is. Valid during the call.
 */
typedef struct walked_record {
    const void *bytes;
    size_t n;
    const shard_meta *meta;
    const char *split; /* "train" or "test" */
    uint64_t number;   /* 0, 1, … over all that are walked */
} walked_record;
typedef wr_status (*record_fn)(void *context, const walked_record *r);

/* split: "train", "test" or "all". WR_E_IO when the folder has no shard of this kind and split. */
wr_status record_walk(const char *dir, shard_kind kind, const char *split, record_fn fn, void *context);
/* Reads the folder's shard headers: meta of the first shard. WR_E_IO when there is none. */
wr_status record_walk_meta(const char *dir, shard_kind kind, const char *split, shard_meta *out);
/* The template beside the shards (template.txt), which must be the one they were made with: WR_E_MISMATCH. */
struct reward_template;
wr_status folder_template(const char *dir, const shard_meta *meta, struct reward_template **out);

#endif
