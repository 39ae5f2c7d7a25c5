/* AdamW (Loshchilov & Hutter 2019) on flat buffers, gradient clipping by global norm, learning-rate schedules.
 * LOCAL. */
#ifndef WR_TRAINER_OPTIMIZER_H
#define WR_TRAINER_OPTIMIZER_H

#include "model/model.h"

typedef struct adamw_options {
    double lr, beta1, beta2, eps, weight_decay;
} adamw_options;
typedef struct adamw {
    float *m, *v;
    size_t n;
    int64_t t;
} adamw; /* m, v: (n), owned */
wr_status adamw_create(size_t n, adamw *out);
void adamw_free(adamw *a);
/* One update of x.values (x.n = a->n), as torch.optim.AdamW: decoupled decay on tensors with decay = true. grads (x.n)
 * are multiplied by grad_scale first (clipping). To be followed by model_round_weights. */
void adamw_step(adamw *a, const adamw_options *o, double lr, double grad_scale, trainables x, const float *grads);

/* L2 norm in double, summed in a fixed order independent of the thread count. NaN/Inf stay visible. */
double global_norm(const float *x, size_t n);
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
