/* Checks of a prepared folder that go beyond what opening its shards checks. LOCAL; errors name file, frame, record or
 * user. */
#ifndef WR_DATA_SHARD_FOLDER_VERIFY_H
#define WR_DATA_SHARD_FOLDER_VERIFY_H

#include "base/json.h"
#include "data/shard/shard.h"

/* Every frame: checksum, decompression, every record decoded; label and user counts of the records against the
 * footer's. */
wr_status shard_verify(shard_reader *r, const char *path);
/* Every file that meta.json lists is there with the hash it lists. meta may be NULL or lack the list. *checked: files
 * compared. */
wr_status folder_verify_files(const char *dir, const json_value *meta, size_t *checked);
/* No user of a train shard is one of a test shard. *users: users of both sides together. */
wr_status folder_verify_split(const char *dir, size_t *users);

#endif
