/* The update of one DPO step: pairs of the global step -> micro-batches -> policy and reference log-probabilities ->
 * loss -> gradient summed over ranks -> clipping -> AdamW. COLLECTIVE. Loss = mean over the pairs of the global step.
 *
 * The replies of a pair continue one prompt, which is computed once, forward and backward; neighbouring pairs of one
 * prompt share it, too, where they fit one micro-batch. */
#ifndef WR_DPO_DPO_TRAIN_H
#define WR_DPO_DPO_TRAIN_H

#include "dpo/dpo_loss.h"
#include "dpo/pairs.h"
#include "trainer/update.h"

typedef struct dpo_train_options {
    dpo_loss_options loss;
    update_options update;
    size_t micro_tokens; /* tokens of a micro-batch, those that sequences share counted once; a pair stays together */
    bool recompute;      /* activations are computed again in the backward pass: less memory, more time */
    bool separate;       /* tests and benchmarks only: the two replies of a pair share nothing */
} dpo_train_options;

typedef struct dpo_trainer {
    world *w;
    model *policy;                          /* this rank's copy; updated */
    const model *reference;                 /* NULL: the policy without its adapters */
    model_workspace *work, *reference_work; /* reference_work: NULL without a reference of its own */
    updater update;                         /* gradients and optimizer state of the policy */
} dpo_trainer;

/* COLLECTIVE. policy and reference belong to the caller. reference NULL: the policy with its adapters off
 * (WR_E_MISMATCH if it has none). shard: as updater_create. */
wr_status dpo_trainer_create(world *w, model *policy, const model *reference, bool shard, dpo_trainer *out);
void dpo_trainer_free(dpo_trainer *t);

/* Numbers of a step, the same on every rank. Log-ratios: log pi - log rho, summed over a reply. */
typedef struct dpo_update_stats {
    double loss, accuracy; /* what they are: dpo/dpo_loss.h */
    double chosen_logratio, rejected_logratio;
    double margin_mean, margin_max_abs;
    /* mean over the replies of the pairs of the log-ratio: an estimate on the chosen and rejected replies, not on
     * all */
    double kl;
    /* largest |sampler's - trainer's log-probability| / token of a reply: both are the same weights */
    double sampler_gap;
    double grad_norm;                              /* before clipping */
    double reduce_time_s, reduce_s, reduce_wait_s; /* the last two: updater_times */
    bool updated;                                  /* false when there was no pair */
} dpo_update_stats;

/* check_equal: policy = reference is claimed, so the margin must be rounding (dpo_margin_tolerance), else WR_E_FAILED.
 * WR_E_NUMERIC when a loss or the gradient is not finite, naming rank and tensor; nothing is updated then. */
wr_status dpo_update(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, size_t n_pairs, double lr,
                     bool check_equal, dpo_update_stats *stats);

#endif
