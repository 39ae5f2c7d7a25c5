/* The training loop that train lm and train reward share. */
#ifndef WR_TRAINER_TRAIN_LOOP_H
#define WR_TRAINER_TRAIN_LOOP_H

#include "base/json.h"
#include "data/shard/record_source.h"
#include "trainer/packing/sequence.h"
#include "trainer/train.h"

/* Sums of this rank's share of a step. */
typedef struct step_sums {
    double loss, correct;
} step_sums;

typedef struct train_kind {
    const char *train_prefix, *test_prefix; /* "chats-train-" */
    shard_kind kind;
    model_head head;
    size_t min_length; /* shorter records carry nothing to learn */
    /* Forward, loss and backward of one micro-batch: adds to sums (unscaled) and to grads (scaled by `scale` = 1 /
     * global count). LOCAL. */
    wr_status (*micro)(void *scratch, const model *m, model_workspace *work, const packed *p, const sequence *sequences,
                       size_t n, float scale, float *grads, step_sums *sums);
    /* Number of loss terms of a sequence: the global count is their sum over the step's global batch. */
    size_t (*terms)(const sequence *s);
    /* COLLECTIVE. Writes the members eval_… of an evaluation line. *nothing: no record has anything to measure; the
     * line is to be dropped. */
    wr_status (*evaluate)(world *w, const train_options *o, const model *m, model_workspace *work, record_source *test,
                          json_writer *line, bool *nothing);
    /* Members of a step's line beyond the common ones. */
    void (*describe)(const step_sums *sums, double count, json_writer *line);
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
