/* Which rank holds which shard, and the index of all shards together. A rank may see the whole data folder, a part of
 * it, or nothing. */
#ifndef WR_DATA_SHARD_SHARD_UNION_H
#define WR_DATA_SHARD_SHARD_UNION_H

#include "data/shard/dataset.h"
#include "mpi/world.h"

typedef struct shard_union {
    char **names;      /* (n) sorted */
    uint64_t *footers; /* (n) dataset_index.hashes: stands for the content */
    uint8_t *holds;    /* (n, ranks) 1 where the rank can read the shard */
    size_t n;
    int ranks;
} shard_union;

/* COLLECTIVE. own: the shards this rank sees (n_shards = 0: none). mine: this rank's status so far, agreed first.
 * WR_E_MISMATCH when two ranks hold different files under one name. n may be 0. */
wr_status shard_union_agree(world *w, wr_status mine, const char *dir, const dataset_index *own, shard_union *out);
/* COLLECTIVE. The index of the union, the same on every rank; its hash does not depend on how the shards are spread. */
wr_status shard_union_index(world *w, const shard_union *u, const dataset_index *own, dataset_index *out);
void shard_union_free(shard_union *u);

/* LOCAL. First record of each shard of d: a fresh array of n_shards + 1. */
wr_status shard_bounds(const dataset_index *d, uint32_t **out);
/* LOCAL. Number of the shard of that name, SIZE_MAX when there is none. */
size_t shard_find(const dataset_index *d, const char *name);

#endif
