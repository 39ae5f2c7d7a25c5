/* Which records a training step takes: positions of the endless sequence epoch 0's order, epoch 1's order, … A pure
 * function of (seed, index, length bounds), the same on every rank. LOCAL. */
#ifndef WR_TRAINER_STEP_ORDER_H
#define WR_TRAINER_STEP_ORDER_H

#include "data/shard/dataset.h"

typedef struct step_order {
    const dataset_index *index; /* borrowed */
    uint64_t seed;
    size_t min_length, max_length; /* records outside are left out */
    size_t usable;                 /* records inside */
    const uint8_t *aside;          /* borrowed: records that are left out, too; NULL: none */
    const uint8_t *continues;      /* borrowed: as dataset_order_runs takes it; NULL until the owner sets it */
    uint32_t *order;               /* (usable) of `epoch` */
    uint64_t epoch;
    bool filled;
} step_order;

wr_status step_order_create(const dataset_index *d, uint64_t seed, size_t min_length, size_t max_length,
                            step_order *out);
/* Records that `aside` marks (borrowed; NULL: none) are in no step. To be called before the first. */
void step_order_leave_out(step_order *o, const uint8_t *aside);
void step_order_free(step_order *o);
/* records[i] = the record at position first + i. */
wr_status step_order_take(step_order *o, uint64_t first, size_t n, uint32_t *records);

#endif
