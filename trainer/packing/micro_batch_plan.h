/* Which rank trains which record, and in which micro-batch: a pure function of (record lengths of the step, world size,
 * token budget), so timing never changes a bit. LOCAL. */
#ifndef WR_TRAINER_PACKING_MICRO_BATCH_PLAN_H
#define WR_TRAINER_PACKING_MICRO_BATCH_PLAN_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct micro_batch {
    size_t first, count;
} micro_batch; /* positions inside rank_plan.items */
typedef struct rank_plan {
    uint32_t *items;
    size_t n_items; /* indices into lengths, in training order */
    micro_batch *micro;
    size_t n_micro;
} rank_plan;
/* Balances tokens over ranks (longest first to the least loaded, ties to the lowest rank), then cuts each rank's share
 * into micro-batches of at most max_tokens tokens (a longer item is alone). */
wr_status plan_rank(const uint32_t *lengths, size_t n, int world_size, int rank, size_t max_tokens, rank_plan *out);
void rank_plan_free(rank_plan *p);

#endif
