/* The update of one DPO step: pairs of the global step -> micro-batches -> policy and reference log-probabilities -> loss -> gradient summed
 * over ranks -> clipping -> AdamW. COLLECTIVE. Loss = mean over the pairs of the global step. */
#ifndef WR_DPO_DPO_TRAIN_H
#define WR_DPO_DPO_TRAIN_H

#include "dpo/pairs.h"
#include "mpi/reduce.h"
#include "trainer/optimizer.h"

typedef struct dpo_train_options {
    double beta, label_smoothing;
    adamw_options adam;
    double grad_clip;     /* global norm; 0 = off */
    size_t micro_tokens;  /* tokens of a micro-batch */
    size_t reduce_slice;  /* floats, 0 = default */
} dpo_train_options;

typedef struct dpo_trainer {
    world *w;
    model *policy;            /* this rank's copy; updated */
    const model *reference;
    model_workspace *work, *reference_work;
    float *grads;             /* (n_params) */
    adamw opt;
} dpo_trainer;

/* COLLECTIVE. policy and reference belong to the caller. */
wr_status dpo_trainer_create(world *w, model *policy, const model *reference, dpo_trainer *out);
void dpo_trainer_free(dpo_trainer *t);

/* Numbers of a step, the same on every rank. Log-ratios: log pi - log rho, summed over a reply. */
typedef struct dpo_update_stats {
    double loss, accuracy;                    /* accuracy: share of pairs with h > 0 */
    double chosen_logratio, rejected_logratio;
    double h_mean, h_max_abs;
    double kl;                                /* mean over the replies of the pairs of the log-ratio: an estimate on the chosen and rejected replies, not on all */
    double sampler_gap;                       /* largest |sampler's - trainer's log-probability| / token of a reply: both are the same weights */
    double grad_norm;                         /* before clipping */
    double reduce_time_s;
    bool updated;                             /* false when there was no pair */
} dpo_update_stats;

/* check_equal: policy = reference is claimed, so |h| must be rounding (dpo_margin_tolerance), else WR_E_FAILED. WR_E_NUMERIC when a loss or the gradient is
 * not finite; nothing is updated then. */
wr_status dpo_update(dpo_trainer *t, const dpo_train_options *o, const dpo_pair *pairs, size_t n_pairs, double lr, bool check_equal,
                     dpo_update_stats *stats);

#endif
