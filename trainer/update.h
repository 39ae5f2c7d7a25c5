/* The end of an optimizer step, which every objective shares: the gradient of each rank's share is summed over ranks,
 * its norm taken, a NaN or infinity named, the gradient clipped, AdamW applied, and what the forward pass reads made
 * anew. One rule for train and dpo: a step of equal gradients is the same step.
 *
 *     updater_begin(u, o);
 *     for each of u->mine's shares: updater_share(u);
 *         for each micro-batch of it: … model_backward_hooked(…, u->grads, updater_hook(u, it is the share's last));
 *     updater_reduce(u, how this rank's part went, &norm);   updater_total(u, sums);   updater_apply(…); */
#ifndef WR_TRAINER_UPDATE_H
#define WR_TRAINER_UPDATE_H

#include "base/option_row.h"
#include "mpi/reduce.h"
#include "mpi/world.h"
#include "trainer/gradient_tree.h"
#include "trainer/optimizer.h"
#include "trainer/packing/micro_batch_plan.h"
#include "trainer/row_sum.h"

typedef struct update_options {
    adamw_options adam;
    double grad_clip;      /* largest global norm; 0: off */
    reduce_options reduce; /* background: ranges are summed over ranks while the backward pass goes on */
    bool same_bits;        /* `parts` shares a step, on any number of ranks up to that, give the same bits */
    size_t parts;          /* a power of two */
    bool zero;             /* each rank has the moments of a range, and updates that (ZeRO-1) */
    bool autotune;         /* slice and depth of the sum are measured, where they are not given */
} update_options;
/* Of update_options, but for --lr, of which each command has its own. */
extern const option_spec optimizer_rows[]; /* --weight-decay --beta1 --beta2 --eps --grad-clip */
/* --reduce-slice --reduce-depth --reduce-dtype --overlap --autotune-comm --same-bits-any-ranks --same-bits-parts
 * --zero */
extern const option_spec reduce_rows[];
/* WR_E_USAGE: parts that are no power of two, or fewer than ranks. LOCAL. */
wr_status update_options_check(const update_options *o, const world *w);
wr_status update_parts_check(const update_options *o, int ranks);

enum { UPDATE_SUMS = 8 };

typedef struct updater {
    world *w;
    model *m;     /* this rank's copy; not owned */
    trainables x; /* what is trained: the model's parameters, or its adapters */
    float *
        grads; /* (x.n) where the backward pass of the current share adds to; after updater_reduce the step's sum (sharded: its range of it, and zeros) */
    adamw opt;
    size_t *keep;          /* sharded: what of the sum each rank gets, as reduce_options has it; else NULL */
    struct gather *gather; /* sharded: of the weights */
    size_t slice, depth;   /* updater_tune's; 0: none */
    /* of the step */
    size_t shares;    /* in all */
    share_range mine; /* this rank's */
    /* its own */
    gradient_tree tree;
    row_sum rows; /* of the embedding; nothing where it is not trained */
    double *sums; /* (shares, UPDATE_SUMS) */
    reducer *r;   /* NULL: one rank, or no step yet */
    reduce_options made_with;
    reduce_task *tasks; /* (model_parts) */
    size_t next_part;   /* all parts from it on are summed here, and being summed over ranks */
    backward_hook hook;
} updater;

/* LOCAL. The range of n trainables whose moments a rank has. */
float_range updater_moments(size_t n, bool shard, size_t ranks, size_t rank);

/* LOCAL. WR_E_NOMEM. m must outlive it. shard: this rank has the moments of its moments_range alone. */
wr_status updater_create(world *w, model *m, bool shard, updater *out);
void updater_free(updater *u); /* COLLECTIVE after a step. Of one that is all zero, too */

/* COLLECTIVE. Where o asks for it: comm_tune's choice for the run in the folder `run`, for all its steps. */
wr_status updater_tune(updater *u, const update_options *o, const char *run);

/* COLLECTIVE. Before a step: `shares` and `mine` are then those of o. WR_E_NOMEM. */
wr_status updater_begin(updater *u, const update_options *o);
/* Of a model whose embedding gets no gradient but from its tokens (HEAD_SCORE), once each step: only rows that any rank
 * touches are then summed over ranks. No bit depends on it. updater_touch, LOCAL: the tokens of this rank's records, all
 * of them; then updater_rows, COLLECTIVE: WR_E_NOMEM. */
void updater_touch(updater *u, const int32_t *ids, size_t n);
wr_status updater_rows(updater *u);
/* LOCAL. The next of this rank's shares: u->grads is its gradient, zeroed. */
void updater_share(updater *u);
/* LOCAL. What the backward pass of a micro-batch is to tell of its parts; `last`: the share's last micro-batch. NULL:
 * nothing. */
const backward_hook *updater_hook(updater *u, bool last);
/* LOCAL. (UPDATE_SUMS) of one of this rank's shares, for the step's figures; zeros at first. */
double *updater_sums(updater *u, size_t share);

/* LOCAL. WR_E_NUMERIC when the loss of this rank's share is not finite: names rank, host, value, and the weight that is
 * a NaN or infinity, if one is. */
wr_status updater_check_loss(const updater *u, double loss);

/* COLLECTIVE. Sums the gradients over shares and ranks; *norm is the same on every rank. mine: how this rank's shares
 * went; ranks agree on it. WR_E_NUMERIC when the gradient of a rank, or the sum, is not finite: nothing is changed
 * then. */
wr_status updater_reduce(updater *u, wr_status mine, double *norm);
/* COLLECTIVE. updater_sums over all shares, in their order; they are zeros again. */
void updater_total(updater *u, double total[UPDATE_SUMS]);
/* COLLECTIVE with sharded moments. Clips by the norm of updater_reduce, as clip_scale says, and makes the step. */
void updater_apply(updater *u, const update_options *o, double norm, double lr);
/* LOCAL. As reduce_times, of the latest updater_reduce; zeros on one rank. */
void updater_times(const updater *u, double *busy_s, double *waited_s);

#endif
