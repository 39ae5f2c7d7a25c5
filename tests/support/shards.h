/* Shards of records that a test has in memory. LOCAL. */
#ifndef WR_TESTS_SUPPORT_SHARDS_H
#define WR_TESTS_SUPPORT_SHARDS_H

#include "data/shard/shard.h"
#include "tests/support/asserts.h"

/* A record of a reward shard whose texts end with NUL; without history and ids. */
instance reward_record(const char *id, const char *user, const char *query, const char *response, int label);
void put_reward_shard(const char *path, const shard_meta *meta, const instance *x, size_t n);
void put_chat_shard(const char *path, const chat_record *x, size_t n);

#endif
