/* train lm, train reward: data-parallel training of a whole run. One loop (train_loop.c) with what differs in a table
 * of functions (train_lm.c, train_reward.c). Same seed, ranks, threads → same bits; another number of ranks → the same
 * losses to rounding. */
#ifndef WR_TRAINER_TRAIN_H
#define WR_TRAINER_TRAIN_H

#include "model/weights/lora.h"
#include "mpi/world.h"
#include "trainer/checkpoint.h"
#include "trainer/update.h"

typedef struct train_options {
    const char *data, *model, *spec, *out; /* model: a directory; spec: --new; exactly one of the two */
    const char *template_file;             /* reward: its hash must be the shards' */
    const run_terms *terms;                /* what the run is begun with */
    bool resume, loss_on_all;
    int64_t steps;       /* 0: one epoch */
    size_t global_batch; /* records */
    uint64_t seed;
    update_options update; /* update.adam.lr: peak */
    lr_schedule schedule;
    double warmup_ratio;
    size_t max_length, micro_tokens;
    int64_t eval_every; /* 0: at the end only */
    size_t eval_records;
    int64_t checkpoint_every; /* 0: at the end only */
    int keep;
    precision precision;      /* of the arithmetic; the same on every rank */
    precision save_precision; /* of the tensors in RUN/model; checkpoints keep f32 */
    bool recompute;           /* activations: less memory, a third more arithmetic */
    bool check_weights;       /* of --model */
    lora_options lora;        /* rank 0: all weights are trained. seed is `seed` whatever this says */
    bool lora_merge;          /* RUN/model: the merged model, beside RUN/adapter */
} train_options;

/* COLLECTIVE. WR_E_INTERRUPTED after a stop signal, with everything saved. WR_E_NUMERIC when a loss or gradient is not
 * finite: the message names step, rank and tensor, checkpoints stay as they are. */
wr_status train_lm(world *w, const train_options *o);
wr_status train_reward(world *w, const train_options *o);

#endif
