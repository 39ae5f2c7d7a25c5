#include "data/shard/folder_verify.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/string_map.h"
#include "data/shard/tally.h"

#include <stdlib.h>
#include <string.h>

typedef struct recount {
    uint64_t *labels; /* (classes + 1) */
    tally *users;
} recount;

static wr_status recount_frame(shard_reader *r, size_t frame, arena *a, recount *c) {
    wr_status status = WR_OK;
    size_t n = 0;
    arena_reset(a);
    if (shard_reader_meta(r)->kind == SHARD_REWARD) {
        instance *items;
        TRY(shard_read_instances(r, frame, a, &items, &n)); /* labels are within 1 … classes */
        for (size_t i = 0; i < n; i++) {
            c->labels[items[i].label]++;
            TRY(tally_add(c->users, items[i].user, 0, 1));
        }
    } else {
        chat_record *items;
        TRY(shard_read_chats(r, frame, a, &items, &n));
        for (size_t i = 0; i < n; i++) TRY(tally_add(c->users, items[i].user, 0, 1));
    }
cleanup:
    return status;
}

/* Both lists are sorted by name. */
static bool same_users(shard_reader *r, tally *users) {
    const tally_row *rows = tally_by_name(users);
    if (tally_count(users) != shard_reader_users(r)) return false;
    for (size_t i = 0; i < tally_count(users); i++) {
        uint64_t records;
        if (strcmp(shard_reader_user(r, i, &records), rows[i].name) != 0 || records != rows[i].counts[0]) return false;
    }
    return true;
}

wr_status shard_verify(shard_reader *r, const char *path) {
    wr_status status = WR_OK;
    recount c = {0};
    int classes = shard_reader_meta(r)->classes;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY_ALLOC(c.labels = mem_calloc((size_t)classes + 1, sizeof *c.labels));
    TRY(tally_create(&c.users));
    for (size_t f = 0; f < shard_reader_frames(r); f++) TRY(recount_frame(r, f, a, &c));
    for (int k = 1; k <= classes; k++) {
        if (c.labels[k] != shard_reader_label_counts(r)[k - 1])
            TRY(wr_fail(WR_E_FORMAT, "%s: holds %llu records of label %d, its footer says %llu; prepare it again", path,
                        (unsigned long long)c.labels[k], k, (unsigned long long)shard_reader_label_counts(r)[k - 1]));
    }
    if (!same_users(r, c.users))
        TRY(wr_fail(WR_E_FORMAT, "%s: its records' users are not those of its footer; prepare it again", path));
cleanup:
    free(c.labels);
    tally_free(c.users);
    arena_free(a);
    return status;
}

wr_status folder_verify_files(const char *dir, const json_value *meta, size_t *checked) {
    wr_status status = WR_OK;
    char path[PATH_CAP], hash[HASH_HEX];
    const json_value *files = json_get(meta, "files");
    *checked = 0;
    for (const json_value *f = json_is(files, JSON_OBJECT) ? files->first : NULL; f; f = f->next) {
        if (!json_is(f, JSON_STRING)) continue;
        TRY(path_join(path, dir, f->key));
        if (!file_exists(path)) TRY(wr_fail(WR_E_MISMATCH, "%s: missing, though meta.json lists it", path));
        TRY(hash_file_hex(path, hash));
        if (strcmp(hash, f->text) != 0)
            TRY(wr_fail(WR_E_MISMATCH, "%s: changed since prepare wrote it (hash %.8s, meta.json says %.8s)", path,
                        hash, f->text));
        ++*checked;
    }
cleanup:
    return status;
}

static wr_status shard_users(const char *dir, const char *prefix, arena *names, string_map *users, int32_t side) {
    wr_status status = WR_OK;
    char **files = NULL, path[PATH_CAP];
    size_t n = 0;
    shard_reader *r = NULL;
    TRY(dir_list(dir, prefix, ".wrs", &files, &n));
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(path, dir, files[i]));
        TRY(shard_reader_open(path, &r));
        for (size_t u = 0; u < shard_reader_users(r); u++) {
            const char *name = shard_reader_user(r, u, NULL);
            string_entry *slot;
            int fresh;
            char *copy = arena_strndup(names, name, strlen(name));
            TRY_ALLOC(copy);
            TRY(string_map_put(users, copy, strlen(copy), side, &slot, &fresh));
            if (slot->value != side)
                TRY(wr_fail(WR_E_MISMATCH, "%s: user %s is in the train shards too; prepare it again", path, name));
        }
        shard_reader_close(r);
        r = NULL;
    }
cleanup:
    shard_reader_close(r);
    names_free(files, n);
    return status;
}

wr_status folder_verify_split(const char *dir, size_t *users) {
    wr_status status = WR_OK;
    string_map map = {0};
    arena *names = arena_create();
    TRY_ALLOC(names);
    TRY(shard_users(dir, "reward-train-", names, &map, 0));
    TRY(shard_users(dir, "chats-train-", names, &map, 0));
    TRY(shard_users(dir, "reward-test-", names, &map, 1));
    TRY(shard_users(dir, "chats-test-", names, &map, 1));
    *users = map.count;
cleanup:
    string_map_free(&map);
    arena_free(names);
    return status;
}
