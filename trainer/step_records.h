/* The records of a training step: which rank trains which, in what micro-batches, and this rank's, decoded. */
#ifndef WR_TRAINER_STEP_RECORDS_H
#define WR_TRAINER_STEP_RECORDS_H

#include "data/shard/record_source.h"
#include "trainer/packing/micro_batch_plan.h"
#include "trainer/packing/sequence.h"
#include "trainer/step_order.h"

typedef struct step_records {
    world *w;
    record_source *source; /* borrowed, like order */
    step_order *order;
    sequence_rule rule;
    size_t batch;  /* records of a step, over all ranks */
    size_t shares; /* that a step is cut into, and which are this rank's (trainer/packing/micro_batch_plan.h) */
    share_range mine;
    size_t max_tokens;    /* of a micro-batch */
    prefix_rule prefixes; /* what records of a micro-batch may share; min_shared SIZE_MAX: nothing */
    bool all_prefixes;    /* also what those have in common that do not belong together: the template's first lines */
    /* private */
    uint32_t *records, *lengths, *wanted, *places; /* (batch) of the step; (batch) to fetch: records, positions */
    record_bytes *bytes;                           /* (batch) */
    strbuf *told;                                  /* (ranks) what each tells of its records */
    arena *memory;                                 /* of the latest step */
} step_records;

/* The members above `private` are set; makes room for the rest. LOCAL. */
wr_status step_records_create(step_records *s);
void step_records_free(step_records *s);

/* COLLECTIVE. Step 1, 2, …: sequences[i] is plan->items[i]; they live until the next call. *plan is to be freed, also
 * after an error. */
wr_status step_records_take(step_records *s, int64_t step, rank_plan *plan, sequence **sequences);

#endif
