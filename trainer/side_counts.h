/* How many records of a side of the data have each label and each user, from the shards' footers. */
#ifndef WR_TRAINER_SIDE_COUNTS_H
#define WR_TRAINER_SIDE_COUNTS_H

#include "data/shard/dataset.h"
#include "data/shard/tally.h"
#include "mpi/world.h"

typedef struct side_counts {
    size_t *labels; /* (d->meta.classes), by label - 1 */
    tally *users;   /* records in column 0; NULL where they were not asked for */
} side_counts;

/* COLLECTIVE: each shard of d is counted once, by the lowest rank that holds it. The same on every rank. *out is to be
 * freed. */
wr_status side_counts_read(world *w, const char *dir, const dataset_index *d, bool users, side_counts *out);
void side_counts_free(side_counts *c);

#endif
