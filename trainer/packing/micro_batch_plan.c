/* Two greedy passes over the lengths of one step.
 *
 *   ranks          longest first, each to the rank with the fewest tokens so far (Graham's LPT rule: the fullest rank
 *                  has at most 4/3 - 1/(3 ranks) of what the best division would give it)
 *   micro-batches  a rank's records in the step's order, cut where the next would go beyond the budget
 *
 *     lengths 7 3 9 4 4 2, two ranks, budget 10     rank 0: | 9 | 4 2 |      rank 1: | 7 3 | 4 |
 *
 * Sums of gradients are taken in this order, so the plan is part of what makes the same run give the same bits. */
#include "trainer/packing/micro_batch_plan.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct sized_item {
    uint32_t length, index;
} sized_item;

static int longest_first(const void *a, const void *b) {
    const sized_item *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* owner[i]: the rank of item i; load[r]: tokens of rank r, zeros at first. */
static wr_status deal_out(const uint32_t *lengths, size_t n, int world_size, int *owner, uint64_t *load) {
    wr_status status = WR_OK;
    sized_item *order = mem_calloc(n ? n : 1, sizeof *order);
    TRY_ALLOC(order);
    for (size_t i = 0; i < n; i++) order[i] = (sized_item){lengths[i], (uint32_t)i};
    qsort(order, n, sizeof *order, longest_first);
    for (size_t i = 0; i < n; i++) {
        int least = 0;
        for (int r = 1; r < world_size; r++)
            if (load[r] < load[least]) least = r;
        load[least] += order[i].length ? order[i].length : 1;
        owner[order[i].index] = least;
    }
cleanup:
    free(order);
    return status;
}

wr_status plan_rank(const uint32_t *lengths, size_t n, int world_size, int rank, size_t max_tokens, rank_plan *out) {
    wr_status status = WR_OK;
    *out = (rank_plan){0};
    uint64_t *load = mem_calloc((size_t)world_size, sizeof *load);
    int *owner = mem_calloc(n ? n : 1, sizeof *owner);
    TRY_ALLOC(load);
    TRY_ALLOC(owner);
    TRY(deal_out(lengths, n, world_size, owner, load));
    size_t mine = 0;
    for (size_t i = 0; i < n; i++) mine += owner[i] == rank;
    out->items = mem_calloc(mine ? mine : 1, sizeof *out->items);
    out->micro = mem_calloc(mine ? mine : 1, sizeof *out->micro);
    TRY_ALLOC(out->items);
    TRY_ALLOC(out->micro);
    size_t tokens = 0;
    for (size_t i = 0; i < n; i++) {
        if (owner[i] != rank) continue;
        if (!out->n_micro || tokens + lengths[i] > max_tokens) {
            out->micro[out->n_micro++] = (micro_batch){.first = out->n_items, .share = (size_t)rank};
            tokens = 0;
        }
        out->items[out->n_items++] = (uint32_t)i;
        out->micro[out->n_micro - 1].count++;
        tokens += lengths[i];
    }
cleanup:
    free(load);
    free(owner);
    if (status < 0) rank_plan_free(out);
    return status;
}

wr_status plan_fullest(const uint32_t *lengths, size_t n, int world_size, uint64_t *tokens) {
    wr_status status = WR_OK;
    uint64_t *load = mem_calloc((size_t)world_size, sizeof *load);
    int *owner = mem_calloc(n ? n : 1, sizeof *owner);
    TRY_ALLOC(load);
    TRY_ALLOC(owner);
    TRY(deal_out(lengths, n, world_size, owner, load));
    *tokens = 0;
    for (int r = 0; r < world_size; r++)
        if (load[r] > *tokens) *tokens = load[r];
cleanup:
    free(load);
    free(owner);
    return status;
}

void rank_plan_free(rank_plan *p) {
    free(p->items);
    free(p->micro);
    free(p->unit);
    *p = (rank_plan){0};
}

share_range rank_shares(size_t shares, size_t ranks, size_t rank) {
    share_range r = {rank, 1};
    if (shares == ranks) return r;
    r = (share_range){0, shares};
    for (size_t lo = 0, hi = ranks; hi - lo > 1;) { /* as mpi/reducer.c halves the ranks */
        const size_t mid = lo + (hi - lo) / 2;
        r.count /= 2;
        if (rank < mid) {
            hi = mid;
        } else {
            lo = mid;
            r.first += r.count;
        }
    }
    return r;
}

static wr_status append(rank_plan *to, const rank_plan *from) {
    wr_status status = WR_OK;
    uint32_t *items = mem_realloc(to->items, to->n_items + from->n_items + 1, sizeof *items);
    TRY_ALLOC(items);
    to->items = items;
    micro_batch *micro = mem_realloc(to->micro, to->n_micro + from->n_micro + 1, sizeof *micro);
    TRY_ALLOC(micro);
    to->micro = micro;
    memcpy(to->items + to->n_items, from->items, from->n_items * sizeof *items);
    for (size_t i = 0; i < from->n_micro; i++) {
        to->micro[to->n_micro] = from->micro[i];
        to->micro[to->n_micro++].first += to->n_items;
    }
    to->n_items += from->n_items;
cleanup:
    return status;
}

wr_status plan_shares(const uint32_t *lengths, size_t n, size_t shares, share_range r, size_t max_tokens,
                      rank_plan *out) {
    wr_status status = WR_OK;
    rank_plan one = {0};
    *out = (rank_plan){0};
    for (size_t i = 0; i < r.count; i++) {
        TRY(plan_rank(lengths, n, (int)shares, (int)(r.first + i), max_tokens, &one));
        TRY(append(out, &one));
        rank_plan_free(&one);
    }
cleanup:
    rank_plan_free(&one);
    if (status < 0) rank_plan_free(out);
    return status;
}
