/* All matrix products of the program go through here. Row-major. W is (N, K) as Hugging Face stores weights. Rows of X
 * and Y may be further apart than they are long (ldx, ldy elements); W and gradients of W are dense. LOCAL.
 *
 * f32: row invariance: in matmul_xwt, row i of Y depends only on row i of X and on W, whatever M is, and no bit depends
 * on the number of threads (own kernel, tested for every instruction set). matmul_dx and matmul_dw_add are OpenBLAS':
 * the same bits for the same shapes and number of threads. bf16: oneDNN, sums in f32 (below AVX-512, which oneDNN needs
 * for it: widened to f32, and OpenBLAS). The same bits for the same shapes and number of threads. Row invariance is not
 * promised: it is the library's choice how it cuts the sum over K (2.6.3 with AVX512_BF16 keeps it in the shapes that
 * tests/unit/test_matmul_bf16.c tries, and the test prints what it finds). Threads: OpenMP; inside a parallel region
 * the caller's thread alone. */
#ifndef WR_MODEL_KERNELS_MATMUL_H
#define WR_MODEL_KERNELS_MATMUL_H

#include "model/kernels/precision.h"

/* oneDNN's handles: compiled products by shape, and their scratch. Belongs to one thread at a time. In f32 it holds
 * nothing. */
typedef struct matmul matmul;
wr_status matmul_create(matmul **out);
void matmul_free(matmul *c);
size_t matmul_bytes(const matmul *c);
/* Scratch that the three products of such a shape ask for, of which one is computed at a time, with the threads that
 * there are now. */
wr_status matmul_scratch_bytes(precision p, size_t M, size_t N, size_t K, size_t *bytes);
/* on: no bit of an f32 matmul_dx or matmul_dw_add depends on the number of threads. They are cut into tiles that follow
 * from the shape alone, each of which is OpenBLAS' on one thread. Other bits than when off. */
void matmul_fix_tiles(matmul *c, bool on);

/* X, W in p; Y in p, or f32 where y_f32 (in f32 it is anyway).  Y(M,N) = X(M,K) W(N,K)^T, or += when add. */
wr_status matmul_xwt(matmul *c, precision p, size_t M, size_t N, size_t K, const void *X, size_t ldx, const void *W,
                     void *Y, size_t ldy, bool y_f32, bool add);
/* dX(M,K) = dY(M,N) W(N,K), or += when add; dY, W in p. dX dense. */
wr_status matmul_dx(matmul *c, precision p, size_t M, size_t N, size_t K, const void *dY, size_t ldy, const void *W,
                    void *dX, bool dx_f32, bool add);
/* dW(N,K) += dY(M,N)^T X(M,K): dY, X in p, X dense, dW f32. */
wr_status matmul_dw_add(matmul *c, precision p, size_t M, size_t N, size_t K, const void *dY, size_t ldy, const void *X,
                        float *dW);

/* --- packed weights, for decoding (small M) ----------------------------------------------------------------------- */
/* W (N, K) in bf16 in the order that oneDNN's kernels for small M read. */
typedef struct packed_matrix packed_matrix;
wr_status packed_matrix_create(matmul *c, size_t N, size_t K, packed_matrix **out);
void packed_matrix_free(packed_matrix *p);
wr_status packed_matrix_fill(matmul *c, packed_matrix *p, const bf16 *W);
/* As matmul_xwt in bf16. */
wr_status matmul_xwt_packed(matmul *c, size_t M, const packed_matrix *W, const bf16 *X, size_t ldx, void *Y, size_t ldy,
                            bool y_f32, bool add);

#endif
