/* AdamW, for gradient g and parameter p at update t:
 *     m = m + (1 - b1) (g - m)         v = b2 v + (1 - b2) g^2
 *     p = (1 - lr decay) p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 * where lr of a score head is head_scale times that of the rest; with every constant rounded to f32 where torch rounds it, so that both make the same steps. */
#include "trainer/optimizer.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

wr_status adamw_create(size_t n, adamw *out) { return adamw_create_range((float_range){0, n}, out); }

wr_status adamw_create_range(float_range r, adamw *out) {
    const size_t n = r.end - r.begin;
    *out = (adamw){.m = mem_aligned(n, sizeof(float)), .v = mem_aligned(n, sizeof(float)), .begin = r.begin, .n = n};
    if (out->m && out->v) return WR_OK;
    adamw_free(out);
    return wr_fail(WR_E_NOMEM, "out of memory for the optimizer state of %zu parameters", n);
}

void adamw_free(adamw *a) {
    free(a->m);
    free(a->v);
    *a = (adamw){0};
}

/* One tensor's constants, rounded to f32 as torch rounds them. */
typedef struct step_constants {
    float decay, beta1, beta2, mix1, mix2, step, root_correction, eps, grad_scale;
} step_constants;

static void update(size_t n, const step_constants *c, float *restrict m, float *restrict v, float *restrict p,
                   const float *restrict g) {
    const step_constants k = *c;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gi = g[i] * k.grad_scale;
        float mi = m[i] + k.mix1 * (gi - m[i]); /* lerp, as torch writes beta1 m + (1 - beta1) g */
        float vi = k.beta2 * v[i] + k.mix2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] = p[i] * k.decay - k.step * (mi / (sqrtf(vi) / k.root_correction + k.eps));
    }
}

/* Tensor t's elements of `range`. */
static void update_tensor(const adamw *a, const step_constants *c, trainables x, size_t t, float_range range,
                          const float *grads) {
    enum { BLOCK = 16384 }; /* every element is updated alone, so blocks and threads never change a bit */
    const tensor_info *info = &x.tensors[t];
    const size_t info_end = info->offset + info->count;
    const size_t from = info->offset > range.begin ? info->offset : range.begin;
    const size_t to = info_end < range.end ? info_end : range.end;
    const size_t blocks = from < to ? (to - from + BLOCK - 1) / BLOCK : 0;
#pragma omp parallel for schedule(static) if (blocks > 1)
    for (size_t b = 0; b < blocks; b++) {
        const size_t at = from + b * BLOCK, left = to - at, own = at - a->begin;
        update(left < BLOCK ? left : BLOCK, c, a->m + own, a->v + own, x.values + at, grads + at);
    }
}

void adamw_step_pieces(adamw *a, const adamw_options *o, double lr, double grad_scale, trainables x, const float *grads,
                       size_t piece, void (*done)(void *context, size_t end), void *context) {
    a->t++;
    double correction1 = 1 - pow(o->beta1, (double)a->t), correction2 = 1 - pow(o->beta2, (double)a->t);
    step_constants c = {
        .beta1 = (float)o->beta1,
        .beta2 = (float)o->beta2,
        .mix1 = (float)(1 - o->beta1),
        .mix2 = (float)(1 - o->beta2),
        .root_correction = (float)sqrt(correction2),
        .eps = (float)o->eps,
        .grad_scale = (float)grad_scale,
    };
    const size_t end = a->begin + a->n;
    for (size_t at = a->begin; at < end;) {
        const float_range range = {at, piece && end - at > piece ? at + piece : end};
        for (size_t t = 0; t < x.n_tensors; t++) {
            const tensor_info *info = &x.tensors[t];
            const double rate = info->score && o->head_scale > 0 ? lr * o->head_scale : lr;
            c.step = (float)(rate / correction1);
            c.decay = info->decay ? (float)(1 - rate * o->weight_decay) : 1.0f;
            update_tensor(a, &c, x, t, range, grads);
        }
        if (done) done(context, range.end);
        at = range.end;
    }
}

void adamw_step(adamw *a, const adamw_options *o, double lr, double grad_scale, trainables x, const float *grads) {
    adamw_step_pieces(a, o, lr, grad_scale, x, grads, 0, NULL, NULL);
}

static double square_sum(const float *x, size_t n) {
    enum { LANES = 8 }; /* fixed partial sums: vectorisable without leave to reorder */
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += (double)x[i + l] * (double)x[i + l];
    double sum = 0;
    for (; i < n; i++) sum += (double)x[i] * (double)x[i];
    for (size_t l = 0; l < LANES; l++) sum += lane[l];
    return sum;
}

/* Piece bounds depend on n alone. */
size_t norm_piece(size_t n) { return (n + NORM_PIECES - 1) / NORM_PIECES; }

void norm_squares(const float *x, float_range r, size_t n, double squares[NORM_PIECES]) {
    const size_t piece = norm_piece(n);
#pragma omp parallel for schedule(static) if (r.end - r.begin > 65536)
    for (size_t i = 0; i < NORM_PIECES; i++) {
        const size_t from = i * piece > r.begin ? i * piece : r.begin, end = (i + 1) * piece;
        const size_t to = end < r.end ? end : r.end;
        if (from < to) squares[i] += square_sum(x + (from - r.begin), to - from);
    }
}

double norm_of_squares(const double squares[NORM_PIECES]) {
    double sum = 0;
    for (size_t i = 0; i < NORM_PIECES; i++) sum += squares[i];
    return sqrt(sum);
}

double global_norm(const float *x, size_t n) {
    double squares[NORM_PIECES] = {0};
    norm_squares(x, (float_range){0, n}, n, squares);
    return norm_of_squares(squares);
}

double clip_scale(double norm, double limit) {
    const double scale = limit / (norm + 1e-6);
    return limit > 0 && scale < 1 ? scale : 1;
}

int64_t lr_warmup_steps(double ratio, int64_t total) { return (int64_t)ceil(ratio * (double)total - 1e-9); }

double lr_at(lr_schedule s, double base, int64_t step, int64_t warmup, int64_t total, double min_ratio) {
    if (step < warmup) return base * (double)(step + 1) / (double)warmup;
    if (s == LR_CONSTANT) return base;
    double span = total > warmup ? (double)(total - warmup) : 1;
    double x = (double)(step - warmup) / span;
    x = x > 1 ? 1 : x;
    double shape = s == LR_COSINE ? 0.5 * (1 + cos(3.14159265358979323846 * x)) : 1 - x;
    return base * (min_ratio + (1 - min_ratio) * shape);
}
