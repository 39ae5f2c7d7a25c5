/* The training loop that train lm and train reward share. */
#ifndef WR_TRAINER_TRAIN_LOOP_H
#define WR_TRAINER_TRAIN_LOOP_H

#include "base/json.h"
#include "data/shard/record_source.h"
#include "trainer/packing/sequence.h"
#include "trainer/train.h"

/* Sums of this rank's share of a step. judged: predictions that could be right, of which `correct` are; they need not
 * be as many as the loss has terms. */
typedef struct step_sums {
    double loss, correct, judged;
} step_sums;

/* What the loss of a micro-batch is made of. */
typedef struct train_micro {
    const train_options *o; /* as the run uses them: max_length bounded, the objective's classes and outputs known */
    const model *m;
    model_workspace *work;
    const packed *p;
    const sequence *sequences; /* (n) */
    size_t n;
    float scale; /* 1 / terms of the global step */
    float *grads;
    const backward_hook *hook; /* for the micro-batch's one backward pass, or its last; NULL: none */
} train_micro;

/* What evaluations are of. */
typedef struct test_side {
    record_source *records; /* NULL: there is none */
    const uint8_t *only;    /* of these records those that are marked; NULL: all */
    bool last;              /* the run's last evaluation: figures get their intervals */
} test_side;

typedef struct train_kind {
    const char *train_prefix, *test_prefix; /* "chats-train-" */
    shard_kind kind;
    model_head head;
    size_t min_length; /* shorter records carry nothing to learn */
    /* Forward, loss and backward: adds to sums (unscaled) and to x->grads (scaled). LOCAL. */
    wr_status (*micro)(void *scratch, const train_micro *x, step_sums *sums);
    /* Loss terms of a sequence, by its weight: those of the step are their sum over its global batch. */
    double (*terms)(void *scratch, const train_options *o, const sequence *s);
    /* COLLECTIVE. What the kind has to know of all records of the training side; NULL: nothing. */
    wr_status (*open)(void *scratch, world *w, const train_options *o, const dataset_index *d);
    /* COLLECTIVE. Writes the members eval_… of an evaluation line. *nothing: no record has anything to measure; the
     * line is to be dropped. */
    wr_status (*evaluate)(world *w, const train_options *o, const model *m, model_workspace *work,
                          const test_side *test, json_writer *line, bool *nothing);
    /* Members of a step's line beyond the common ones, of the sums and terms of all ranks. */
    void (*describe)(const train_options *o, const step_sums *sums, double terms, json_writer *line);
    void *scratch;
} train_kind;

/* COLLECTIVE. */
wr_status train_run(world *w, const train_options *o, const train_kind *kind);

/* Gradient buffers of a head: (T, C) hidden gradient and (N) or (N, K-1) loss gradient, grown as needed. */
typedef struct head_scratch {
    float *dhidden, *out, *dout;
    size_t dhidden_capacity, out_capacity, dout_capacity;
} head_scratch;
wr_status head_scratch_fit(head_scratch *s, size_t hidden_floats, size_t out_floats); /* dhidden zeroed */
void head_scratch_free(head_scratch *s);

#endif
