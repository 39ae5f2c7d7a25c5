/* What a rank holds during a run of training on records: set up by trainer/trainer.c, worked with by
 * trainer/train_loop.c. Internal to trainer/. */
#ifndef WR_TRAINER_TRAINER_H
#define WR_TRAINER_TRAINER_H

#include "trainer/loss_watch.h"
#include "trainer/run_loop.h"
#include "trainer/step_records.h"
#include "trainer/train_loop.h"
#include "trainer/train_setup.h"

/* Everything one rank holds during a run. */
typedef struct trainer {
    world *w;
    train_options options;  /* max_length bounded by the model's positions */
    const train_options *o; /* = &options */
    const train_kind *kind;
    sequence_rule rule;
    record_source *data;
    test_side test;    /* its records: the test side's, or with --valid-users the training side's */
    train_start start; /* model, tokenizer directory, template */
    model_workspace *work;
    updater u;
    step_order order;
    run_loop loop;
    uint8_t *continues; /* --order conversations; NULL: not asked for */
    uint8_t *aside;     /* --valid-users: records that are not trained on; NULL: not asked for */
    size_t n_aside;
    uint8_t *left_out;  /* o->only: records that are in no step, those aside among them; NULL: not asked for */
    size_t n_left_out;  /* of both */
    char data_hash[33]; /* of the side, and of what is learned from where that is not all */
    size_t longer;      /* training records with more tokens than the rule's limit */
    int64_t steps;
    step_records records;
    packed pack;
    loss_watch watch;
} trainer;

/* COLLECTIVE. Data, model, plan and memory (but for o->dry), with all checks that they belong together; t: zero but for
 * w, options, o and kind. The run's folder is not touched. To be closed, also after an error. */
wr_status trainer_open(trainer *t);
void trainer_close(trainer *t);
/* LOCAL. Lays out micro-batch i of the plan in t->pack. */
wr_status trainer_pack(trainer *t, const rank_plan *plan, size_t i, const sequence *s);
/* LOCAL. The run goes on without evaluation; rank 0 says why. */
void trainer_drop_test(trainer *t, const char *why);
/* LOCAL. Rank 0 says how many records of the training side are learned from. */
void trainer_tell_records(const trainer *t, const char *when);

#endif
