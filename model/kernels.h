/* The inner loops of the transformer, one table per instruction set. Internal to model/ (and its tests). LOCAL.
 *
 * The same sources (model/simd_*.inc) are compiled by kernels_baseline.c, kernels_avx2.c and kernels_avx512.c, each
 * with its own flags; kernels() picks the best table that the CPU can run. Every kernel has an obvious scalar twin in
 * kernels_ref.h, its oracle. Results do not depend on the number of OpenMP threads, and row i of a result depends only
 * on row i of the input. */
#ifndef WR_MODEL_KERNELS_H
#define WR_MODEL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys and values of consecutive tokens: token t, key/value head g at k + t*token_stride + g*head_stride (D floats). */
typedef struct kv_span {
    const float *k, *v;
    size_t token_stride, head_stride, n;
} kv_span;

/* One sequence's queries; they are its last n_q positions. Keys are those of span[0] followed by those of span[1]. */
typedef struct attention_item {
    const float *q; /* (n_q, …): query i, head h at q + i*q_stride + h*D, after RoPE */
    float *o;       /* (n_q, …): likewise with o_stride */
    float *lse;     /* (n_q, H): log sum exp of the scaled scores; NULL: not stored */
    size_t n_q;
    kv_span span[2];
} attention_item;

typedef struct attention_args {
    size_t H, G, D, q_stride, o_stride;
    size_t n_items;
    const attention_item *items;
    size_t *first_task; /* scratch (n_items + 1) */
} attention_args;

/* Gradients of one whole sequence (no cache: span[0] only, n_q = span[0].n). do_ has the layout of o; dq that of q; dk
 * and dv that of k and v of span[0]. dq, dk and dv are overwritten. */
typedef struct attention_grad {
    const float *do_;
    float *dq, *dk, *dv;
} attention_grad;

#define ATTENTION_D_MAX 512
#define NORM_CHUNK 64 /* rows whose share of a norm's weight gradient is summed first */

typedef struct kernels {
    const char *name;
    bool (*usable)(void);
    /* Y(M,N) = X(M,K) W(N,K)^T, or += when add. Each element is one chain of multiply-adds over k = 0, 1, 2 … */
    void (*xwt)(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y, bool add);
    /* dX(M,K) = dY(M,N) W(N,K), or += when add; dW(N,K) += dY(M,N)^T X(M,K). One chain per element over n, m in order.
     */
    void (*dx)(size_t M, size_t N, size_t K, const float *dY, const float *W, float *dX, bool add);
    void (*dw_add)(size_t M, size_t N, size_t K, const float *dY, const float *X, float *dW);
    void (*exp)(size_t n, const float *x, float *y);
    /* y = w * x * rstd, rstd = 1/sqrt(mean(x^2) + eps). x, y (T,C); rstd (T) or NULL. */
    void (*rmsnorm)(size_t T, size_t C, float eps, const float *x, const float *w, float *y, float *rstd);
    /* dx (T,C) += , dw (C) +=. partial: scratch (ceil(T / NORM_CHUNK), C). */
    void (*rmsnorm_backward)(size_t T, size_t C, const float *dy, const float *x, const float *w, const float *rstd,
                             float *dx, float *dw, float *partial);
    /* Rotates n_heads heads of D floats at the start of each row: (x1, x2) -> (x1 cos - sign x2 sin, x2 cos + sign x1
     * sin), x1 and x2 being the halves of a head. cosines, sines: (positions, D/2). position: (T). */
    void (*rope)(size_t T, size_t n_heads, size_t D, size_t row_stride, const int32_t *position, const float *cosines,
                 const float *sines, float sign, float *x);
    /* act = silu(gate) * up, gu (T, 2F) = [gate | up], act (T, F). */
    void (*swiglu)(size_t T, size_t F, const float *gu, float *act);
    /* dgu (T, 2F) from dact (T, F); dact is then replaced by act, which the weight gradient of down_proj needs. */
    void (*swiglu_backward)(size_t T, size_t F, const float *gu, float *dact_to_act, float *dgu);
    void (*attention)(const attention_args *a);
    void (*attention_backward)(const attention_args *a, const attention_grad *g);
    /* logprob[i] = logits[i][target[i]] - log sum exp logits[i]. logits (n, V). */
    void (*logprob)(size_t n, size_t V, const float *logits, const int32_t *target, float *logprob);
    /* logits[i] <- dlogprob[i] * (onehot(target[i]) - softmax(logits[i])), in place. */
    void (*logprob_backward)(size_t n, size_t V, float *logits, const int32_t *target, const float *dlogprob);
} kernels_table;

extern const kernels_table kernels_baseline, kernels_avx2, kernels_avx512;

/* The best table for this CPU; the environment variable WILDREWARD_ISA (baseline, avx2, avx512) can ask for a lesser
 * one. */
const kernels_table *kernels(void);

#endif
