/* train lm, train reward: data-parallel training of a whole run. One loop (train_loop.c) with what differs in a table
 * of functions (train_lm.c, train_reward.c). Same seed, ranks, threads → same bits; another number of ranks → the same
 * losses to rounding. */
#ifndef WR_TRAINER_TRAIN_H
#define WR_TRAINER_TRAIN_H

#include "mpi/world.h"
#include "reward/objective.h"
#include "trainer/checkpoint.h"
#include "trainer/record_weights.h"
#include "trainer/run_options.h"
#include "trainer/update.h"

/* What records of a step are computed together: nothing; what some share beyond what all begin with; that, too. */
typedef enum share_prefixes { SHARE_OFF, SHARE_ON, SHARE_ALL } share_prefixes;
#define SHARE_PREFIXES_NAMES "off|on|all"
/* What is drawn for a step: records, or conversations, whose records then follow one another. */
typedef enum record_order { ORDER_RECORDS, ORDER_CONVERSATIONS } record_order;
#define RECORD_ORDER_NAMES "records|conversations"

typedef struct train_options {
    const char *data, *model, *spec; /* model: a directory; spec: --new; exactly one of the two */
    const char *template_file;       /* reward: its hash must be the shards' */
    objective_use objective;         /* reward: kind and settings; kind NULL: the default */
    const char *pairs;               /* reward: file of preference pairs, NULL: none. data may be NULL then */
    double grade_margin;             /* of pairs without a margin: for each step of their grade */
    weight_options weights;          /* reward: what a record's part of the loss is multiplied with */
    double label_smoothing;          /* reward: of the targets of training, not of evaluations */
    const run_terms *terms;          /* what the run is begun with */
    run_options run;                 /* run.steps 0: one epoch */
    bool loss_on_all;
    size_t global_batch;   /* records */
    update_options update; /* update.adam.lr: peak */
    size_t max_length, micro_tokens;
    share_prefixes share; /* reward */
    record_order order;   /* reward */
    int64_t eval_every;   /* 0: at the end only */
    size_t eval_records;
    /* (records of the training side) those that are learned from, the same on every rank; a run that goes on has the
     * same. NULL: all. weights count the whole side */
    const uint8_t *only;
    double valid_users;  /* share of the training side's users that evaluations are of; 0: they are of the test side */
    precision precision; /* of the arithmetic; the same on every rank */
    bool check_weights;  /* of --model */
    struct dry_run *dry; /* not a run: what one would need is told there (trainer/dry_run.h). NULL: a run */
} train_options;

/* COLLECTIVE. WR_E_INTERRUPTED after a stop signal, with everything saved. WR_E_NUMERIC when a loss or gradient is not
 * finite: the message names step, rank and tensor, checkpoints stay as they are. */
wr_status train_lm(world *w, const train_options *o);
wr_status train_reward(world *w, const train_options *o);

#endif
