/* Scalar forms of the kernels; see kernels_ref.h. */
#include "model/kernels_ref.h"

#include <math.h>
#include <tgmath.h>

typedef REF_REAL real;

void REF(xwt)(size_t M, size_t N, size_t K, const real *X, const real *W, real *Y) {
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            real s = 0;
            for (size_t k = 0; k < K; k++) s += X[m * K + k] * W[n * K + k];
            Y[m * N + n] = s;
        }
}

void REF(rmsnorm)(size_t T, size_t C, real eps, const real *x, const real *w, real *y) {
    for (size_t t = 0; t < T; t++) {
        real s = 0;
        for (size_t i = 0; i < C; i++) s += x[t * C + i] * x[t * C + i];
        const real r = 1 / sqrt(s / (real)C + eps);
        for (size_t i = 0; i < C; i++) y[t * C + i] = w[i] * (x[t * C + i] * r);
    }
}

void REF(rope)(size_t T, size_t n_heads, size_t D, size_t row_stride, real theta, real *x) {
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < n_heads; h++)
            for (size_t i = 0; i < D / 2; i++) {
                const real angle = (real)t / pow(theta, (real)(2 * i) / (real)D);
                real *a = x + t * row_stride + h * D + i, *b = a + D / 2;
                const real x1 = *a, x2 = *b;
                *a = x1 * cos(angle) - x2 * sin(angle);
                *b = x2 * cos(angle) + x1 * sin(angle);
            }
}

void REF(swiglu)(size_t T, size_t F, const real *gu, real *act) {
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < F; i++) {
            const real g = gu[t * 2 * F + i], u = gu[t * 2 * F + F + i];
            act[t * F + i] = g / (1 + exp(-g)) * u;
        }
}

/* Score of query t against key j, and its probability by the definition (three passes). */
static real score(size_t D, const real *q, const real *k) {
    real s = 0;
    for (size_t d = 0; d < D; d++) s += q[d] * k[d];
    return s / sqrt((real)D);
}

void REF(attention)(size_t T, size_t H, size_t G, size_t D, const real *qkv, real *out) {
    const size_t Q = (H + 2 * G) * D;
    for (size_t h = 0; h < H; h++) {
        const size_t g = h / (H / G);
        for (size_t t = 0; t < T; t++) {
            const real *q = qkv + t * Q + h * D, *k = qkv + (H + g) * D, *v = k + G * D;
            real *o = out + (t * H + h) * D, max = -INFINITY, sum = 0;
            for (size_t j = 0; j <= t; j++) {
                const real s = score(D, q, k + j * Q);
                if (s > max) max = s;
            }
            for (size_t j = 0; j <= t; j++) sum += exp(score(D, q, k + j * Q) - max);
            for (size_t d = 0; d < D; d++) o[d] = 0;
            for (size_t j = 0; j <= t; j++) {
                const real p = exp(score(D, q, k + j * Q) - max) / sum;
                for (size_t d = 0; d < D; d++) o[d] += p * v[j * Q + d];
            }
        }
    }
}

real REF(logprob)(size_t V, const real *z, int32_t target) {
    real max = z[0], sum = 0;
    for (size_t v = 1; v < V; v++)
        if (z[v] > max) max = z[v];
    for (size_t v = 0; v < V; v++) sum += exp(z[v] - max);
    return z[target] - max - log(sum);
}
