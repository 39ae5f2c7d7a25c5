/* grads of this rank's records, each divided by the whole step's count  ->  sum over ranks  ->  norm, the same bits on
 * every rank  ->  min(1, limit / norm)  ->  AdamW on every rank's own copy, which so stay equal without being sent. */
#include "trainer/update.h"

#include "base/mem.h"
#include "mpi/reduce.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option_spec optimizer_rows[] = {
    OPTION_FLOAT(update_options, adam.weight_decay, "weight-decay", "0.01", "X", 0, 10, "AdamW, on matrices"),
    OPTION_FLOAT(update_options, adam.beta1, "beta1", "0.9", "X", 0, 0.999999, "AdamW"),
    OPTION_FLOAT(update_options, adam.beta2, "beta2", "0.999", "X", 0, 0.9999999, "AdamW"),
    OPTION_FLOAT(update_options, adam.eps, "eps", "1e-8", "X", 0, 1, "AdamW"),
    OPTION_FLOAT(update_options, grad_clip, "grad-clip", "1.0", "X", 0, 1e9, "largest gradient norm; 0: no clipping"),
    {0},
};

const option_spec reduce_rows[] = {
    OPTION_INT(update_options, reduce_slice, "reduce-slice", "0", "FLOATS", 0, 1e9,
               "slice of the gradient sum; 0: chosen here; no bit depends on it", .resume = RESUME_FREE),
    {0},
};

wr_status updater_create(world *w, model *m, updater *out) {
    wr_status status = WR_OK;
    *out = (updater){.w = w, .m = m, .x = model_trainables(m)};
    TRY(adamw_create(out->x.n, &out->opt));
    out->grads = mem_aligned(out->x.n, sizeof *out->grads);
    if (!out->grads) TRY(wr_fail(WR_E_NOMEM, "out of memory for the gradients of %zu parameters", out->x.n));
cleanup:
    if (status < 0) updater_free(out);
    return status;
}

void updater_free(updater *u) {
    free(u->grads);
    adamw_free(&u->opt);
    *u = (updater){0};
}

/* In blocks, so that every thread touches, and on first touch places, its own part of the buffer. */
void updater_clear(updater *u) {
    enum { BLOCK = 1 << 20 };
    const size_t n = u->x.n, blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < blocks; b++) {
        const size_t left = n - b * BLOCK;
        memset(u->grads + b * BLOCK, 0, (left < BLOCK ? left : BLOCK) * sizeof *u->grads);
    }
}

/* LOCAL. WR_E_NUMERIC naming rank, host, `what` and its value, and the tensor that a NaN or infinity is in, if one is:
 * of `values` (laid out as x; they are called `kind`), or of the model below adapters. */
static wr_status updater_not_finite(const updater *u, const char *kind, const float *values, const char *what,
                                    double value) {
    char where[200] = "no tensor alone is the cause";
    size_t at = 0;
    const model *m = u->m;
    const tensor_info *bad = first_nonfinite(u->x.tensors, u->x.n_tensors, values, &at);
    if (!bad && m->lora && m->params) {
        bad = first_nonfinite(m->tensors, m->n_tensors, m->params, &at);
        kind = "weight";
        values = m->params;
    }
    if (bad)
        snprintf(where, sizeof where, "the %s of %s is %g at element %zu", kind, bad->name,
                 (double)values[bad->offset + at], at);
    return wr_fail(WR_E_NUMERIC, "rank %d on %s: %s is %g (%s); lower --lr, or look at this step's records",
                   world_rank(u->w), world_host(u->w), what, value, where);
}

wr_status updater_check_loss(const updater *u, double loss) {
    return isfinite(loss) ? WR_OK : updater_not_finite(u, "weight", u->x.values, "the loss", loss);
}

wr_status updater_check_share(const updater *u) {
    const double norm = global_norm(u->grads, u->x.n);
    return isfinite(norm) ? WR_OK : updater_not_finite(u, "gradient", u->grads, "the gradient's norm", norm);
}

wr_status updater_reduce(updater *u, const update_options *o, double *norm) {
    wr_status status = WR_OK;
    TRY(reduce_sum(u->w, u->grads, u->x.n, o->reduce_slice));
    *norm = global_norm(
        u->grads, u->x.n); /* the sum has the same bits on every rank, so every rank comes to the same answer here */
    if (!isfinite(*norm))
        TRY(updater_not_finite(u, "gradient summed over ranks", u->grads, "the summed gradient's norm", *norm));
cleanup:
    return status;
}

void updater_apply(updater *u, const update_options *o, double norm, double lr) {
    adamw_step(&u->opt, &o->adam, lr, clip_scale(norm, o->grad_clip), u->x, u->grads);
    model_round_weights(u->m);
}
