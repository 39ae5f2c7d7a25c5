/* AdamW (Loshchilov & Hutter 2019) on flat buffers, gradient clipping by global norm, learning-rate schedules.
 * LOCAL. */
#ifndef WR_TRAINER_OPTIMIZER_H
#define WR_TRAINER_OPTIMIZER_H

#include "model/model.h"

typedef struct adamw_options {
    double lr, beta1, beta2, eps, weight_decay;
    double head_scale; /* the rate of a score head, and of what is beside it, is lr times this; 0: lr */
} adamw_options;
/* Moments of the trainables begin … begin + n: all of them, or a range, where others hold the rest. m, v: (n),
 * owned. */
typedef struct adamw {
    float *m, *v;
    size_t begin, n;
    int64_t t; /* updates so far */
} adamw;
wr_status adamw_create(size_t n, adamw *out); /* of all n */
wr_status adamw_create_range(float_range r, adamw *out);
void adamw_free(adamw *a);
/* One update of x.values[a->begin … a->begin + a->n), and of nothing else, as torch.optim.AdamW: decoupled decay on
 * tensors with decay = true. grads (x.n) are multiplied by grad_scale first (clipping). Every element is updated alone:
 * ranges, wherever they are cut, together make the step of the whole, to the bit. To be followed by
 * model_round_weights. */
void adamw_step(adamw *a, const adamw_options *o, double lr, double grad_scale, trainables x, const float *grads);
/* The same in pieces: `piece` elements of a's at a time (0: all at once), and after each done(context, end), below which
 * all of a's values are new. */
void adamw_step_pieces(adamw *a, const adamw_options *o, double lr, double grad_scale, trainables x, const float *grads,
                       size_t piece, void (*done)(void *context, size_t end), void *context);

/* L2 norm in double, summed in a fixed order independent of the thread count. NaN/Inf stay visible. */
double global_norm(const float *x, size_t n);
/* The same from ranges, which may lie with different owners. The whole is cut into NORM_PIECES pieces of norm_piece(n)
 * elements (the last ones shorter, or empty); squares[i] is the sum of the squares of piece i, and the norm the root of
 * their sum in order. norm_squares adds elements r.begin … r.end-1 of n, x[0] being the first of them, to their pieces.
 * Rule: where every range begins and ends at a multiple of norm_piece(n), or at n, each piece is summed by one owner in
 * the whole's order, adding up the owners' squares (zeros elsewhere) changes nothing, and the norm has the bits of
 * global_norm; other cuts give it to rounding. */
enum { NORM_PIECES = 512 };
size_t norm_piece(size_t n);
void norm_squares(const float *x, float_range r, size_t n, double squares[NORM_PIECES]);
double norm_of_squares(const double squares[NORM_PIECES]);
/* What gradients of this norm are multiplied by so that it becomes at most `limit` (0: no limit): min(1, limit / (norm
 * + 1e-6)), as torch.nn.utils.clip_grad_norm_. */
double clip_scale(double norm, double limit);

typedef enum lr_schedule { LR_CONSTANT, LR_COSINE, LR_LINEAR } lr_schedule;
/* Linear warm-up over warmup steps, then constant, or cosine/linear to min_ratio at total. step counts from 0. */
double lr_at(lr_schedule s, double base, int64_t step, int64_t warmup, int64_t total, double min_ratio);
/* Steps of the warm-up: the share of all steps, rounded up; a product that is whole but for rounding (0.14 of 50) is
 * that whole number. */
int64_t lr_warmup_steps(double ratio, int64_t total);

#endif
