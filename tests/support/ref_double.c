/* kernels_ref.c once more with real = double, and a model made of it. */
#define REF_REAL double
#define REF(name) refd_##name
#include "model/kernels_ref.c"

#include "model/params.h"
#include "ref_double.h"

#include <stdlib.h>
#include <string.h>

static double *doubles(size_t n) {
    double *p = calloc(n, sizeof *p);
    if (!p) abort();
    return p;
}

static void add(size_t n, double *x, const double *y) {
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

void refd_forward(const model *m, const double *params, const token_batch *b, double *hidden) {
    const model_config *c = &m->config;
    const size_t T = b->offsets[b->B], C = c->C, F = c->F, HD = c->H * c->D, Q = (c->H + 2 * c->G) * c->D;
    double *x = doubles(T * C), *norm = doubles(T * C), *qkv = doubles(T * Q), *att = doubles(T * HD),
           *out = doubles(T * C), *gu = doubles(T * 2 * F), *act = doubles(T * F);
    for (size_t t = 0; t < T; t++)
        memcpy(x + t * C, params + offset_embedding(m) + (size_t)b->ids[t] * C, C * sizeof *x);
    for (size_t l = 0; l < c->L; l++) {
        refd_rmsnorm(T, C, c->norm_eps, x, params + offset_layer(m, l, LAYER_NORM1), norm);
        refd_xwt(T, Q, C, norm, params + offset_layer(m, l, LAYER_Q), qkv);
        for (size_t i = 0; i < b->B; i++) {
            const size_t first = b->offsets[i], n = b->offsets[i + 1] - first;
            refd_rope(n, c->H + c->G, c->D, Q, c->rope_theta, qkv + first * Q);
            refd_attention(n, c->H, c->G, c->D, qkv + first * Q, att + first * HD);
        }
        refd_xwt(T, C, HD, att, params + offset_layer(m, l, LAYER_O), out);
        add(T * C, x, out);
        refd_rmsnorm(T, C, c->norm_eps, x, params + offset_layer(m, l, LAYER_NORM2), norm);
        refd_xwt(T, 2 * F, C, norm, params + offset_layer(m, l, LAYER_GATE), gu);
        refd_swiglu(T, F, gu, act);
        refd_xwt(T, C, F, act, params + offset_layer(m, l, LAYER_DOWN), out);
        add(T * C, x, out);
    }
    refd_rmsnorm(T, C, c->norm_eps, x, params + offset_final_norm(m), hidden);
    free(x), free(norm), free(qkv), free(att), free(out), free(gu), free(act);
}

double refd_logprob_at(const model *m, const double *params, const double *hidden, size_t row, int32_t target) {
    double *z = doubles(m->config.V);
    refd_xwt(1, m->config.V, m->config.C, hidden + row * m->config.C, params + offset_head(m), z);
    const double result = refd_logprob(m->config.V, z, target);
    free(z);
    return result;
}

double refd_ordinal(const model *m, const double *params, const double *hidden, size_t n, const size_t *rows,
                    const int *labels) {
    const size_t K = m->config.n_labels, C = m->config.C;
    double total = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++) {
            double z = 0;
            for (size_t j = 0; j < C; j++) z += hidden[rows[i] * C + j] * params[offset_head(m) + k * C + j];
            const double t = labels[i] > (int)k + 1 ? 1 : 0;
            total += (log1p(exp(-fabs(z))) + (z > 0 ? z : 0) - t * z) / (double)K; /* softplus(z) - t z */
        }
    return total;
}

double refd_dpo(double beta, double h) {
    const double x = -beta * h;
    return log1p(exp(-fabs(x))) + (x > 0 ? x : 0);
}
