/* Which rank trains which record, and in which micro-batch: a pure function of (record lengths of the step, world size,
 * token budget), so timing never changes a bit. LOCAL. */
#ifndef WR_TRAINER_PACKING_MICRO_BATCH_PLAN_H
#define WR_TRAINER_PACKING_MICRO_BATCH_PLAN_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct micro_batch {
    size_t first, count; /* positions inside rank_plan.items */
    size_t share;        /* of plan_shares: whose it is */
} micro_batch;
typedef struct rank_plan {
    uint32_t *items;
    size_t n_items; /* indices into lengths, in training order */
    micro_batch *micro;
    size_t n_micro;
    size_t *unit; /* NULL, or (n_items): equal for neighbours that may share what they begin with (unit_plan.h) */
} rank_plan;
/* Balances tokens over ranks (longest first to the least loaded, ties to the lowest rank), then cuts each rank's share
 * into micro-batches of at most max_tokens tokens (a longer item is alone). */
wr_status plan_rank(const uint32_t *lengths, size_t n, int world_size, int rank, size_t max_tokens, rank_plan *out);
void rank_plan_free(rank_plan *p);
/* Tokens of the rank that has most of them in such a plan. */
wr_status plan_fullest(const uint32_t *lengths, size_t n, int world_size, uint64_t *tokens);

/* A step is cut into shares, and a rank has some that lie side by side: one where there are as many as ranks. Otherwise
 * `shares` is a power of two, at least `ranks`, and the division that of the ranks' summation tree, so that each rank
 * has a whole subtree of the shares' tree, whatever the number of ranks. */
typedef struct share_range {
    size_t first, count;
} share_range;
share_range rank_shares(size_t shares, size_t ranks, size_t rank);
/* The plans that plan_rank makes for each of the shares r as a rank of `shares`, one after another. */
wr_status plan_shares(const uint32_t *lengths, size_t n, size_t shares, share_range r, size_t max_tokens,
                      rank_plan *out);

#endif
