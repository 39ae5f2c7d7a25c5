/* A run that is only thought through: data, model and options are read and checked as a run would, each step's records
 * are taken as it would take them, and what it would need is told. No weights are read, no folder is made. */
#ifndef WR_TRAINER_DRY_RUN_H
#define WR_TRAINER_DRY_RUN_H

#include "trainer/train_fit.h"

/* Seconds of a step, of the rank that takes longest. */
typedef struct step_seconds {
    double compute, update, reduce, hidden; /* hidden: of the sum over ranks, beside the backward pass */
    double step, tokens;                    /* tokens: of all ranks, computed once where they are shared */
} step_seconds;

/* What is found out. Figures of ranks: of each the largest. */
typedef struct dry_run {
    /* in */
    bool probe;         /* take two seconds for those of a step; else they are NaN */
    uint64_t available; /* of this rank's host, beside what is in use; 0: not known */
    /* out */
    train_memory memory;
    train_load load;
    size_t parameters, trained, records;
    int64_t steps, looked_at; /* of the run; whose records were taken */
    int ranks, host_ranks;
    uint64_t need, room; /* of the host's ranks, to come; what there is. Of the host where it is tightest */
    bool fits;
    strbuf changes; /* what would make it fit; rank 0, to be freed */
    step_seconds seconds;
} dry_run;
void dry_run_free(dry_run *d); /* of one that is all zero, too */

struct trainer;
/* COLLECTIVE. t: opened for this (train_options.dry). */
wr_status dry_run_go(struct trainer *t, dry_run *d);
/* LOCAL. The seconds of a step of `tokens` a rank, without those of sums over ranks: reduce and hidden are 0. */
wr_status dry_run_seconds(const train_case *c, double tokens, step_seconds *out);

#endif
