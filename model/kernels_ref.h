/* The obvious scalar form of every forward kernel: the oracle of the fast ones, and, compiled with `real` = double (by
 * tests/support/ref_double.c, which defines REF_REAL and REF), of every gradient by central differences. LOCAL. */
#ifndef REF_REAL
#define REF_REAL float
#define REF(name) ref_##name
#endif
#ifndef WR_MODEL_KERNELS_REF_TYPES
#define WR_MODEL_KERNELS_REF_TYPES
#include <stddef.h>
#include <stdint.h>
#endif

/* Shapes and meanings as in kernels.h. Everything here is one sequence or one matrix, plain loops, no threads. */
void REF(xwt)(size_t M, size_t N, size_t K, const REF_REAL *X, const REF_REAL *W, REF_REAL *Y);
void REF(rmsnorm)(size_t T, size_t C, REF_REAL eps, const REF_REAL *x, const REF_REAL *w, REF_REAL *y);
/* x (T, n_heads D) with rows row_stride apart; positions 0 … T-1 */
void REF(rope)(size_t T, size_t n_heads, size_t D, size_t row_stride, REF_REAL theta, REF_REAL *x);
void REF(swiglu)(size_t T, size_t F, const REF_REAL *gu, REF_REAL *act);
/* One sequence: qkv (T, (H+2G)D) -> out (T, H D), causal. */
void REF(attention)(size_t T, size_t H, size_t G, size_t D, const REF_REAL *qkv, REF_REAL *out);
/* log softmax(z)[target], z (V) */
REF_REAL REF(logprob)(size_t V, const REF_REAL *z, int32_t target);
