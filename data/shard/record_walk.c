#include "data/shard/record_walk.h"

#include "base/file.h"
#include "reward/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct walk {
    const char *dir, *split;
    uint64_t number;
    record_fn fn;
    void *context;
} walk;

static wr_status walk_shard(walk *w, const char *path) {
    wr_status status = WR_OK;
    shard_reader *r = NULL;
    strbuf raw = {0};
    size_t *offsets = NULL, n = 0;
    TRY(shard_reader_open(path, &r));
    for (size_t f = 0; f < shard_reader_frames(r); f++) {
        TRY(shard_read_raw(r, f, &raw, &offsets, &n));
        for (size_t i = 0; i < n; i++) {
            walked_record x = {raw.data + offsets[i], offsets[i + 1] - offsets[i], shard_reader_meta(r), w->split,
                               w->number++};
            wr_status done = w->fn(w->context, &x);
            TRY(done == WR_E_FORMAT ? wr_context(done, "%s: frame %zu, record %zu", path, f, i) : done);
        }
        free(offsets);
        offsets = NULL;
    }
cleanup:
    free(offsets);
    strbuf_free(&raw);
    shard_reader_close(r);
    return status;
}

static wr_status list_shards(const char *dir, shard_kind kind, const char *split, char ***names, size_t *n) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s-%s-", kind == SHARD_REWARD ? "reward" : "chats", split);
    return dir_list(dir, prefix, ".wrs", names, n);
}

static bool chosen(const char *split, const char *wanted) {
    return strcmp(wanted, "all") == 0 || strcmp(wanted, split) == 0;
}

static wr_status no_shards(const char *dir, shard_kind kind, const char *split) {
    return wr_fail(WR_E_IO, "%s: no shard %s-%s-*.wrs here; make it with: wildreward prepare SRC… --out %s", dir,
                   kind == SHARD_REWARD ? "reward" : "chats", strcmp(split, "all") == 0 ? "train" : split, dir);
}

static const char *const splits[] = {"train", "test"};

wr_status record_walk(const char *dir, shard_kind kind, const char *split, record_fn fn, void *context) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t n = 0, shards = 0;
    walk w = {.dir = dir, .fn = fn, .context = context};
    for (size_t s = 0; s < 2; s++) {
        if (!chosen(splits[s], split)) continue;
        w.split = splits[s];
        TRY(list_shards(dir, kind, splits[s], &names, &n));
        for (size_t i = 0; i < n; i++) {
            TRY(path_join(path, dir, names[i]));
            TRY(walk_shard(&w, path));
        }
        shards += n;
        names_free(names, n);
        names = NULL;
    }
    if (!shards) TRY(no_shards(dir, kind, split));
cleanup:
    names_free(names, names ? n : 0);
    return status;
}

wr_status record_walk_meta(const char *dir, shard_kind kind, const char *split, shard_meta *out) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t n = 0;
    shard_reader *r = NULL;
    for (size_t s = 0; s < 2 && !r; s++) {
        if (!chosen(splits[s], split)) continue;
        TRY(list_shards(dir, kind, splits[s], &names, &n));
        if (n) {
            TRY(path_join(path, dir, names[0]));
            TRY(shard_reader_open(path, &r));
            *out = *shard_reader_meta(r);
        }
        names_free(names, n);
        names = NULL;
    }
    if (!r) TRY(no_shards(dir, kind, split));
cleanup:
    names_free(names, names ? n : 0);
    shard_reader_close(r);
    return status;
}

wr_status folder_template(const char *dir, const shard_meta *meta, struct reward_template **out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    reward_template *t = NULL;
    TRY(path_join(path, dir, "template.txt"));
    TRY(reward_template_load(path, &t));
    if (strcmp(reward_template_hash(t), meta->template_hash) != 0)
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: not the template that the shards beside it were made with (hash %.8s, theirs %.8s)", path,
                    reward_template_hash(t), meta->template_hash));
    *out = t;
    t = NULL;
cleanup:
    reward_template_free(t);
    return status;
}
