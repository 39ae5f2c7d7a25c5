#include "evaluate/own_users.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/string_map.h"
#include "data/shard/dataset.h"

#include <stdlib.h>
#include <string.h>

enum { CONFIG_BYTES_MAX = 64 << 20 };

/* data_hash of MODEL/config.json, or of an adapter's wildreward.json; "": none, whatever the reason. */
static wr_status trained_on(const char *dir, bool adapter, char out[33]) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *bytes = NULL;
    const char *hash;
    size_t n, length;
    const json_value *v;
    arena *a = arena_create();
    out[0] = '\0';
    TRY_ALLOC(a);
    if (path_join(path, dir, adapter ? "wildreward.json" : "config.json") < 0 ||
        file_read(path, CONFIG_BYTES_MAX, &bytes, &n) < 0 || json_parse(a, bytes, n, &v) < 0)
        goto cleanup;
    if (!adapter) v = json_get(v, "wildreward");
    if (json_get_string(v, "data_hash", &hash, &length) && length == 32) memcpy(out, hash, 33);
cleanup:
    free(bytes);
    arena_free(a);
    return status;
}

/* Marks users (by name) that a shard's footer names. */
static wr_status mark(const char *path, const string_map *users, uint8_t *own) {
    shard_reader *s;
    wr_status status = shard_reader_open(path, &s);
    if (status < 0) return status;
    for (size_t i = 0; i < shard_reader_users(s); i++) {
        uint64_t records;
        const char *name = shard_reader_user(s, i, &records);
        const string_entry *known = string_map_find(users, name, strlen(name));
        if (known) own[known->value] = 1;
    }
    shard_reader_close(s);
    return WR_OK;
}

wr_status own_users_find(const char *model_dir, const char *adapter_dir, const char *data_dir, reward_records *r) {
    wr_status status = WR_OK;
    char hash[33], below[33], path[PATH_CAP];
    dataset_index d = {0};
    string_map users = {0};
    string_entry *slot;
    int fresh;
    TRY(trained_on(model_dir, false, below));
    memcpy(hash, below, sizeof hash);
    if (adapter_dir) TRY(trained_on(adapter_dir, true, hash));
    const bool told = hash[0] || below[0], readable = told && dataset_index_load(data_dir, "reward-train-", &d) >= 0;
    if (!readable || (strcmp(d.hash, hash) != 0 && strcmp(d.hash, below) != 0)) {
        r->own_why = !hash[0]    ? adapter_dir ? "the adapter does not record what it was trained on"
                                               : "the model does not record what it was trained on"
                     : !readable ? "the training side of the data cannot be read here"
                                 : "the model was trained on other data";
        goto cleanup;
    }
    uint8_t *own = arena_alloc(r->memory, r->p.n_users + 1);
    TRY_ALLOC(own);
    memset(own, 0, r->p.n_users + 1);
    for (size_t u = 0; u < r->p.n_users; u++)
        if (r->users[u][0]) TRY(string_map_put(&users, r->users[u], strlen(r->users[u]), (int32_t)u, &slot, &fresh));
    for (size_t s = 0; s < d.n_shards; s++) {
        TRY(path_join(path, data_dir, d.names[s]));
        TRY(mark(path, &users, own));
    }
    r->own = own;
cleanup:
    string_map_free(&users);
    dataset_index_free(&d);
    return status;
}
