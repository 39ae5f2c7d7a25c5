#include "tests/support/shards.h"

#include <string.h>

instance reward_record(const char *id, const char *user, const char *query, const char *response, int label) {
    return (instance){.id = id,
                      .user = user,
                      .language = "English",
                      .model = "m",
                      .how = "given",
                      .turn = -1,
                      .label = label,
                      .query = query,
                      .query_length = strlen(query),
                      .response = response,
                      .response_length = strlen(response)};
}

void put_reward_shard(const char *path, const shard_meta *meta, const instance *x, size_t n) {
    shard_writer *w = NULL;
    assert_ok(shard_writer_create(path, meta, &w));
    for (size_t i = 0; i < n; i++) assert_ok(shard_writer_add_instance(w, &x[i]));
    assert_ok(shard_writer_commit(&w));
}

void put_chat_shard(const char *path, const chat_record *x, size_t n) {
    shard_writer *w = NULL;
    assert_ok(shard_writer_create(path, &(shard_meta){.kind = SHARD_CHAT}, &w));
    for (size_t i = 0; i < n; i++) assert_ok(shard_writer_add_chat(w, &x[i]));
    assert_ok(shard_writer_commit(&w));
}
