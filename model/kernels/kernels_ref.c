/* Scalar forms of the kernels; see kernels_ref.h. */
#include "model/kernels/kernels_ref.h"

#include "model/kernels/kernels.h"

#include <math.h>
#include <stdlib.h>

void ref_xwt(size_t M, size_t N, size_t K, const double *X, const double *W, double *Y) {
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double s = 0;
            for (size_t k = 0; k < K; k++) s += X[m * K + k] * W[n * K + k];
            Y[m * N + n] = s;
        }
}

void ref_rmsnorm(size_t T, size_t C, double eps, const double *x, const double *w, double *y) {
    for (size_t t = 0; t < T; t++) {
        double s = 0;
        for (size_t i = 0; i < C; i++) s += x[t * C + i] * x[t * C + i];
        const double r = 1 / sqrt(s / (double)C + eps);
        for (size_t i = 0; i < C; i++) y[t * C + i] = w[i] * (x[t * C + i] * r);
    }
}

void ref_rmsnorm_backward(size_t T, size_t C, double eps, const double *dy, const double *x, const double *w,
                          double *dx, double *dw) {
    for (size_t t = 0; t < T; t++) {
        double squares = 0, product = 0;
        for (size_t i = 0; i < C; i++) squares += x[t * C + i] * x[t * C + i];
        const double r = 1 / sqrt(squares / (double)C + eps);
        for (size_t i = 0; i < C; i++) product += w[i] * dy[t * C + i] * x[t * C + i];
        for (size_t i = 0; i < C; i++) {
            dx[t * C + i] += r * w[i] * dy[t * C + i] - x[t * C + i] * r * r * r / (double)C * product;
            dw[i] += dy[t * C + i] * x[t * C + i] * r;
        }
    }
}

/* (x1, x2) -> (x1 cos - sign x2 sin, x2 cos + sign x1 sin) */
static void rotate(size_t D, const double *c, const double *s, double sign, double *x) {
    for (size_t i = 0; i < D / 2; i++) {
        const double x1 = x[i], x2 = x[D / 2 + i];
        x[i] = x1 * c[i] - sign * x2 * s[i];
        x[D / 2 + i] = x2 * c[i] + sign * x1 * s[i];
    }
}

void ref_qkv(size_t T, size_t H, size_t G, size_t D, const double *bias, const double *q_norm, const double *k_norm,
             bool all, double eps, const double *cosines, const double *sines, double *qkv, double *raw) {
    const size_t Q = (H + 2 * G) * D;
    for (size_t t = 0; t < T; t++) {
        for (size_t i = 0; i < Q && bias; i++) qkv[t * Q + i] += bias[i];
        double *q = qkv + t * Q, *k = q + H * D;
        for (size_t i = 0; i < (H + G) * D; i++) raw[t * (H + G) * D + i] = q[i];
        for (size_t h = 0; h < (all ? 1 : H) && q_norm; h++)
            ref_rmsnorm(1, all ? H * D : D, eps, q + h * D, q_norm, q + h * D);
        for (size_t h = 0; h < (all ? 1 : G) && k_norm; h++)
            ref_rmsnorm(1, all ? G * D : D, eps, k + h * D, k_norm, k + h * D);
        for (size_t h = 0; h < H + G; h++) rotate(D, cosines + t * (D / 2), sines + t * (D / 2), 1, q + h * D);
    }
}

/* d: n norms of `width` elements one after another; in, the gradient at their results, out, at x. */
static void heads_norm_backward(size_t n, size_t width, double eps, const double *x, const double *w, double *d,
                                double *dw) {
    double *dy = malloc(width * sizeof *dy);
    for (size_t h = 0; dy && h < n; h++, d += width) {
        for (size_t i = 0; i < width; i++) dy[i] = d[i], d[i] = 0;
        ref_rmsnorm_backward(1, width, eps, dy, x + h * width, w, d, dw);
    }
    free(dy);
}

void ref_qkv_backward(size_t T, size_t H, size_t G, size_t D, const double *raw, const double *q_norm,
                      const double *k_norm, bool all, double eps, const double *cosines, const double *sines,
                      double *dqkv, double *dq_norm, double *dk_norm, double *dbias) {
    const size_t Q = (H + 2 * G) * D;
    for (size_t t = 0; t < T; t++) {
        double *dq = dqkv + t * Q, *dk = dq + H * D;
        const double *q = raw + t * (H + G) * D, *k = q + H * D;
        for (size_t h = 0; h < H + G; h++) /* a rotation's transpose turns back */
            rotate(D, cosines + t * (D / 2), sines + t * (D / 2), -1, dq + h * D);
        if (q_norm) heads_norm_backward(all ? 1 : H, all ? H * D : D, eps, q, q_norm, dq, dq_norm);
        if (k_norm) heads_norm_backward(all ? 1 : G, all ? G * D : D, eps, k, k_norm, dk, dk_norm);
        for (size_t i = 0; i < Q; i++) dbias[i] += dqkv[t * Q + i];
    }
}

double ref_silu(double x) { return x / (1 + exp(-x)); }

void ref_swiglu(size_t T, size_t F, const double *gu, double *act) {
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < F; i++) act[t * F + i] = ref_silu(gu[t * 2 * F + i]) * gu[t * 2 * F + F + i];
}

void ref_swiglu_backward(size_t T, size_t F, const double *gu, const double *dact, double *dgu) {
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < F; i++) {
            const double g = gu[t * 2 * F + i], u = gu[t * 2 * F + F + i], d = dact[t * F + i], s = 1 / (1 + exp(-g));
            dgu[t * 2 * F + i] = d * u * (s + g * s * (1 - s));
            dgu[t * 2 * F + F + i] = d * ref_silu(g);
        }
}

/* sqrt(2/pi) (x + 0.044715 x^3), and its derivative */
static double gelu_inner(double x, double *slope) {
    const double root = sqrt(2 / acos(-1.0));
    *slope = root * (1 + 3 * 0.044715 * x * x);
    return root * (x + 0.044715 * x * x * x);
}

static double gelu(double x, double *slope) {
    double inner_slope;
    const double t = tanh(gelu_inner(x, &inner_slope));
    *slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner_slope;
    return 0.5 * x * (1 + t);
}

void ref_geglu(size_t T, size_t F, const double *gu, double *act) {
    double slope;
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < F; i++) act[t * F + i] = gelu(gu[t * 2 * F + i], &slope) * gu[t * 2 * F + F + i];
}

void ref_geglu_backward(size_t T, size_t F, const double *gu, const double *dact, double *dgu) {
    for (size_t t = 0; t < T; t++, gu += 2 * F, dgu += 2 * F, dact += F)
        for (size_t i = 0; i < F; i++) {
            double slope;
            dgu[F + i] = dact[i] * gelu(gu[i], &slope);
            dgu[i] = dact[i] * gu[F + i] * slope;
        }
}

double ref_logprob(size_t V, const double *z, int32_t target) {
    double max = z[0], sum = 0;
    for (size_t v = 1; v < V; v++)
        if (z[v] > max) max = z[v];
    for (size_t v = 0; v < V; v++) sum += exp(z[v] - max);
    return z[target] - max - log(sum);
}

void ref_softmax_backward(size_t V, const double *z, int32_t target, double dlogprob, double *dz) {
    const double lse = z[target] - ref_logprob(V, z, target);
    for (size_t v = 0; v < V; v++) dz[v] = dlogprob * ((v == (size_t)target ? 1 : 0) - exp(z[v] - lse));
}
