/* The end of an optimizer step, which every objective shares: the gradient of each rank's share is summed over ranks,
 * its norm taken, a NaN or infinity named, the gradient clipped, AdamW applied, and what the forward pass reads made
 * anew. One rule for train and dpo: a step of equal gradients is the same step. */
#ifndef WR_TRAINER_UPDATE_H
#define WR_TRAINER_UPDATE_H

#include "base/option_row.h"
#include "mpi/world.h"
#include "trainer/optimizer.h"

typedef struct updater {
    world *w;
    model *m;     /* this rank's copy; not owned */
    trainables x; /* what is trained: the model's parameters, or its adapters */
    float *grads; /* (x.n) */
    adamw opt;
} updater;

typedef struct update_options {
    adamw_options adam;
    double grad_clip;    /* largest global norm; 0: off */
    size_t reduce_slice; /* floats, 0: the default; no bit depends on it */
} update_options;
/* Of update_options, but for --lr, of which each command has its own. */
extern const option_spec optimizer_rows[]; /* --weight-decay --beta1 --beta2 --eps --grad-clip */
extern const option_spec reduce_rows[];    /* --reduce-slice */

/* LOCAL. WR_E_NOMEM. m must outlive it. */
wr_status updater_create(world *w, model *m, updater *out);
void updater_free(updater *u);  /* of one that is all zero, too */
void updater_clear(updater *u); /* LOCAL. The gradients, before a step adds to them. */

/* LOCAL. WR_E_NUMERIC when the loss of this rank's share is not finite, or its gradient: names rank, host, value,
 * and the tensor that a NaN or infinity is in, if one is. */
wr_status updater_check_loss(const updater *u, double loss);
wr_status updater_check_share(const updater *u);

/* COLLECTIVE. Sums the gradients over ranks; *norm is the same on every rank. WR_E_NUMERIC (on every rank) when it is
 * not finite: nothing is changed then. */
wr_status updater_reduce(updater *u, const update_options *o, double *norm);
/* LOCAL. Clips by the norm of updater_reduce, as clip_scale says, and makes the step. */
void updater_apply(updater *u, const update_options *o, double norm, double lr);

#endif
