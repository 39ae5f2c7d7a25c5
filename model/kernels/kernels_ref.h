/* The obvious scalar form, in double, of every kernel but attention (attention_ref.h): the oracle of the fast ones.
 * LOCAL. */
#ifndef WR_MODEL_KERNELS_KERNELS_REF_H
#define WR_MODEL_KERNELS_KERNELS_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shapes and meanings as in kernels.h, gradients of weights and dx of norms += as there; plain loops, no threads. */
void ref_xwt(size_t M, size_t N, size_t K, const double *X, const double *W, double *Y);
void ref_rmsnorm(size_t T, size_t C, double eps, const double *x, const double *w, double *y);
void ref_rmsnorm_backward(size_t T, size_t C, double eps, const double *dy, const double *x, const double *w,
                          double *dx, double *dw);
/* cosines, sines (T, D/2): row t is row t's. raw is always stored. all: norms over all heads of q, and of k. */
void ref_qkv(size_t T, size_t H, size_t G, size_t D, const double *bias, const double *q_norm, const double *k_norm,
             bool all, double eps, const double *cosines, const double *sines, double *qkv, double *raw);
void ref_qkv_backward(size_t T, size_t H, size_t G, size_t D, const double *raw, const double *q_norm,
                      const double *k_norm, bool all, double eps, const double *cosines, const double *sines,
                      double *dqkv, double *dq_norm, double *dk_norm, double *dbias);
double ref_silu(double x);
void ref_swiglu(size_t T, size_t F, const double *gu, double *act);
void ref_swiglu_backward(size_t T, size_t F, const double *gu, const double *dact, double *dgu);
/* With gelu in its tanh form. */
void ref_geglu(size_t T, size_t F, const double *gu, double *act);
void ref_geglu_backward(size_t T, size_t F, const double *gu, const double *dact, double *dgu);
/* log softmax(z)[target], and its gradient times dlogprob; z, dz (V) */
double ref_logprob(size_t V, const double *z, int32_t target);
void ref_softmax_backward(size_t V, const double *z, int32_t target, double dlogprob, double *dz);

#endif
