/* Two rounds: which shards each rank holds (a byte a shard), then what the first holder of each has counted. Counts are
 * whole numbers below 2^53, so their sums in doubles are exact. */
#include "trainer/side_counts.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* NULL: this rank does not hold it. */
static shard_reader *open_shard(const char *dir, const dataset_index *d, size_t s) {
    char path[PATH_CAP];
    shard_reader *r = NULL;
    if (path_join(path, dir, d->names[s]) < 0 || !file_exists(path) || shard_reader_open(path, &r) < 0) return NULL;
    if (shard_reader_hash(r) == d->hashes[s]) return r;
    shard_reader_close(r);
    return NULL;
}

static wr_status count_shard(const shard_reader *r, int classes, double *labels, strbuf *users) {
    const uint64_t *counts = shard_reader_label_counts(r);
    for (int k = 0; k < classes; k++) labels[k] += (double)counts[k];
    for (size_t i = 0; users && i < shard_reader_users(r); i++) {
        uint64_t records = 0;
        const char *name = shard_reader_user(r, i, &records);
        strbuf_append(users, name, strlen(name) + 1);
        strbuf_append(users, &records, sizeof records);
    }
    return users ? strbuf_status(users) : WR_OK;
}

/* What count_shard wrote. */
static wr_status add_users(tally *t, const strbuf *b) {
    wr_status status = WR_OK;
    for (size_t at = 0; at < b->len;) {
        uint64_t records;
        const char *name = b->data + at;
        at += strlen(name) + 1;
        memcpy(&records, b->data + at, sizeof records);
        at += sizeof records;
        TRY(tally_add(t, name, 0, records));
    }
cleanup:
    return status;
}

/* COLLECTIVE. Of all ranks' bytes a byte a shard: *mine[s]: this rank is the first that holds it. */
static wr_status first_holders(world *w, const char *dir, const dataset_index *d, strbuf *mine) {
    wr_status status = WR_OK;
    const int ranks = world_size(w);
    strbuf *all = mem_calloc((size_t)ranks, sizeof *all);
    for (size_t s = 0; s < d->n_shards; s++) {
        shard_reader *r = open_shard(dir, d, s);
        const char holds = r != NULL;
        shard_reader_close(r);
        strbuf_append(mine, &holds, 1);
    }
    TRY(world_agree(w, all ? strbuf_status(mine) : WR_E_NOMEM));
    TRY(world_allgather(w, mine, all));
    for (int r = 0; r < world_rank(w); r++)
        for (size_t s = 0; s < d->n_shards && s < all[r].len; s++)
            if (all[r].data[s]) mine->data[s] = 0;
cleanup:
    for (int r = 0; all && r < ranks; r++) strbuf_free(&all[r]);
    free(all);
    return status;
}

wr_status side_counts_read(world *w, const char *dir, const dataset_index *d, bool users, side_counts *out) {
    wr_status status = WR_OK;
    const int classes = d->meta.classes, ranks = world_size(w);
    strbuf mine = {0}, names = {0}, *all = mem_calloc((size_t)ranks, sizeof *all);
    double *labels = mem_calloc((size_t)classes + 1, sizeof *labels);
    *out = (side_counts){.labels = mem_calloc((size_t)classes + 1, sizeof *out->labels)};
    if (!all || !labels || !out->labels) status = WR_E_NOMEM;
    if (status >= 0 && users) status = tally_create(&out->users);
    TRY(world_agree(w, status));
    TRY(first_holders(w, dir, d, &mine));
    for (size_t s = 0; s < d->n_shards && status >= 0; s++) {
        shard_reader *r = mine.data[s] ? open_shard(dir, d, s) : NULL;
        if (r) status = count_shard(r, classes, labels, users ? &names : NULL);
        shard_reader_close(r);
    }
    TRY(world_agree(w, status));
    world_sum(w, labels, (size_t)classes);
    for (int k = 0; k < classes; k++) out->labels[k] = (size_t)labels[k];
    if (!users) goto cleanup;
    TRY(world_allgather(w, &names, all));
    for (int r = 0; r < ranks && status >= 0; r++) status = add_users(out->users, &all[r]);
    TRY(world_agree(w, status));
cleanup:
    for (int r = 0; all && r < ranks; r++) strbuf_free(&all[r]);
    free(all);
    free(labels);
    strbuf_free(&mine);
    strbuf_free(&names);
    if (status < 0) side_counts_free(out);
    return status;
}

void side_counts_free(side_counts *c) {
    free(c->labels);
    tally_free(c->users);
    *c = (side_counts){0};
}
