/* The inner loops of the transformer, one table per instruction set. Internal to model/ (and its tests). LOCAL.
 *
 * The same sources (model/kernels/simd_*.inc) are compiled by kernels_baseline.c, kernels_avx2.c, kernels_avx512.c and
 * kernels_avx512bf16.c, each with its own flags; kernels() picks the best table that the CPU can run. What depends on
 * the type of the activations exists twice, act[PRECISION_F32] and act[PRECISION_BF16]: `void *` below is float or
 * bf16. Sums and everything between a load and a store are f32 in both; in bf16, attention may multiply pairs of bf16
 * (with f32 sums) where the CPU has that. Every kernel has an obvious scalar twin in kernels_ref.h, its oracle. Results
 * do not depend on the number of OpenMP threads, and row i of a result depends only on row i of the input. */
#ifndef WR_MODEL_KERNELS_KERNELS_H
#define WR_MODEL_KERNELS_KERNELS_H

#include "model/kernels/precision.h"
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys and values of consecutive tokens: token t, key/value head g at k + t*token_stride + g*head_stride (D
 * elements). */
typedef struct kv_span {
    const void *k, *v;
    size_t token_stride, head_stride, n;
} kv_span;

/* One segment's queries; they are the last n_q positions of its path. Its keys are those of spans[0], spans[1], … one
 * after another: the segments it continues, from the root down, and itself last. */
typedef struct attention_item {
    const void *q; /* (n_q, …): query i, head h at q + i*q_stride + h*D, after RoPE */
    void *o;       /* (n_q, …): likewise with o_stride */
    float *lse;    /* (n_q, H): log sum exp of the scaled scores; NULL: not stored */
    size_t n_q, n_spans;
    const kv_span *spans;
} attention_item;

typedef struct attention_args {
    size_t H, G, D, q_stride, o_stride;
    size_t window; /* a query sees the last `window` keys of its path, its own included; 0: all */
    float scale;   /* of the products of queries and keys; 0: 1 / sqrt(D) */
    float softcap; /* scores s become softcap tanh(s / softcap); 0: as they are */
    size_t n_items;
    const attention_item *items;
    /* (n_items), for the backward pass: the earlier item whose own span is this item's last but one, -1: none; NULL:
     * none at all */
    const int32_t *parent;
    size_t *first_task; /* scratch (n_items + 1) */
} attention_args;

/* Gradients of a segment that holds all of its tokens as queries (n_q = its own span's n; no cache). do_ has the layout
 * of o; dq that of q; dk and dv that of k and v of its own span (the last). dq, dk and dv are overwritten: with the sum
 * over this segment and all that continue it. */
typedef struct attention_grad {
    const void *do_;
    void *dq, *dk, *dv;
} attention_grad;

static inline float attention_scale(const attention_args *a) {
    return a->scale > 0 ? a->scale : 1.0f / sqrtf((float)a->D);
}
/* The first key of its path that a query sees which has `seen` keys up to its own. */
static inline size_t attention_low(const attention_args *a, size_t seen) {
    return a->window && seen > a->window ? seen - a->window : 0;
}

#define ATTENTION_D_MAX 512
#define SOFTMAX_COLUMNS 256
#define NORM_CHUNK 64 /* rows whose share of a norm's weight gradient is summed first */

/* What lies between the qkv product and attention: bias, norm of each query and key head, or of all together, RoPE.
 * Rows are [q heads | k heads | v heads]. */
typedef struct qkv_args {
    size_t T, H, G, D;
    const float *bias;            /* ((H+2G)D) or NULL */
    const float *q_norm, *k_norm; /* (D) each, or NULL */
    bool norm_all;                /* norms over all heads of q, and of k: q_norm (H D), k_norm (G D) */
    float eps;
    const int32_t *position;      /* (T) */
    size_t unturned;              /* the last of a head's D elements, which RoPE leaves as they are */
    const float *cosines, *sines; /* (positions, (D - unturned)/2); NULL: RoPE turns none */
} qkv_args;

typedef struct act_kernels {
    /* y = w * x * rstd, rstd = 1/sqrt(mean(x^2) + eps). x (T,C) f32, y (T,C); rstd (T) or NULL. */
    void (*rmsnorm)(size_t T, size_t C, float eps, const float *x, const float *w, void *y, float *rstd);
    /* The same y again, from x and rstd. */
    void (*rmsnorm_again)(size_t T, size_t C, const float *x, const float *w, const float *rstd, void *y);
    /* dy (T,C); dx (T,C) f32 +=, dw (C) += (NULL: not wanted). partial: scratch (ceil(T / NORM_CHUNK), C). */
    void (*rmsnorm_backward)(size_t T, size_t C, const void *dy, const float *x, const float *w, const float *rstd,
                             float *dx, float *dw, float *partial);
    /* qkv (T, (H+2G)D) in place. raw (T, (H+G)D): receives queries and keys with bias, before their norm (for the
     * backward pass); NULL: not stored. RoPE turns (x1, x2), the halves of what it turns of a head, into (x1 cos - x2
     * sin, x2 cos + x1 sin). */
    void (*qkv)(const qkv_args *a, void *qkv, void *raw);
    /* dqkv (T, (H+2G)D): in, the gradient at the result; out, at the product. raw: as stored (needed with norms only).
     * dq_norm, dk_norm (as the norms) += and dbias ((H+2G)D) +=; each NULL: not wanted. partial: scratch (ceil(T /
     * NORM_CHUNK), (H+2G)D + both norms). */
    void (*qkv_backward)(const qkv_args *a, void *dqkv, const void *raw, float *dq_norm, float *dk_norm, float *dbias,
                         float *partial);
    /* act = silu(gate) * up, gu (T, 2F) = [gate | up], act (T, F). */
    void (*swiglu)(size_t T, size_t F, const void *gu, void *act);
    /* dgu (T, 2F) from dact (T, F); dact is then replaced by act, which the weight gradient of down_proj needs. dgu may
     * be gu. */
    void (*swiglu_backward)(size_t T, size_t F, const void *gu, void *dact_to_act, void *dgu);
    /* The same with gelu in its tanh form. */
    void (*geglu)(size_t T, size_t F, const void *gu, void *act);
    void (*geglu_backward)(size_t T, size_t F, const void *gu, void *dact_to_act, void *dgu);
    /* dy (n), the gradient at y = softcap(x), becomes that at x. */
    void (*softcap_backward)(size_t n, float cap, const float *y, void *dy);
    void (*attention)(const attention_args *a);
    /* scratch: attention_backward_scratch(a) bytes, 64-byte aligned. */
    void (*attention_backward)(const attention_args *a, const attention_grad *g, void *scratch);
    size_t (*attention_backward_scratch)(const attention_args *a);
    /* Columns first … first + V of out (n, V) = dlogprob[i] * (onehot(target[i]) - exp(logits[i] - lse[i])). */
    void (*softmax_backward)(size_t n, size_t V, size_t first, const float *logits, const int32_t *target,
                             const float *lse, const float *dlogprob, void *out);
} act_kernels;

typedef struct kernels {
    const char *name;
    bool (*usable)(void);
    /* Y(M,N) = X(M,K) W(N,K)^T, or += when add; rows of X and Y are ldx and ldy floats apart. Each element is one chain
     * of multiply-adds over k = 0, 1, 2 … */
    void (*xwt)(size_t M, size_t N, size_t K, const float *X, size_t ldx, const float *W, float *Y, size_t ldy,
                bool add);
    /* dX(M,K) = dY(M,N) W(N,K), or += when add; dW(N,K) += dY(M,N)^T X(M,K). One chain per element over n, m in order.
     * Rows of dY are ldy floats apart. */
    void (*dx)(size_t M, size_t N, size_t K, const float *dY, size_t ldy, const float *W, float *dX, bool add);
    void (*dw_add)(size_t M, size_t N, size_t K, const float *dY, size_t ldy, const float *X, float *dW);
    void (*exp)(size_t n, const float *x, float *y);  /* within 2 ulp */
    void (*silu)(size_t n, const float *x, float *y); /* x / (1 + e^-x) within 4 ulp */
    void (*softcap)(size_t n, float cap, float *x);   /* x = cap tanh(x / cap) */
    /* Row i's running maximum, sum of exp(logit - maximum) and logit at target[i], continued over columns first … first
     * + V of logits (n, V). First call of a row: max -INFINITY, sum 0. The numbers are the same however the columns are
     * cut at multiples of SOFTMAX_COLUMNS. */
    void (*softmax_part)(size_t n, size_t V, size_t first, const float *logits, const int32_t *target, float *max,
                         float *sum, float *picked);
    void (*to_bf16)(size_t n, const float *x, bf16 *y); /* bf16_from_f32 of each */
    void (*to_f32)(size_t n, const bf16 *x, float *y);
    act_kernels act[PRECISIONS];
} kernels_table;

extern const kernels_table kernels_baseline, kernels_avx2, kernels_avx512, kernels_avx512bf16;

/* The best table for this CPU; the environment variable WILDREWARD_ISA (baseline, avx2, avx512, avx512bf16) can ask for
 * a lesser one. */
const kernels_table *kernels(void);

#endif
