/* All matrix products of the program go through here (f32). Row-major. W is (N, K) as Hugging Face stores weights.
 * Row invariance: in matmul_xwt, row i of Y depends only on row i of X and on W, whatever M is, and no bit depends on the number of
 * threads (own kernel, tested for every instruction set). matmul_dx and matmul_dw_add are OpenBLAS': the same bits for the same shapes
 * and number of threads. Threads: OpenMP; inside a parallel region the caller's thread alone. LOCAL. */
#ifndef WR_MODEL_MATMUL_H
#define WR_MODEL_MATMUL_H

#include <stddef.h>

void matmul_xwt(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y);        /* Y(M,N)  = X(M,K) W(N,K)^T */
void matmul_xwt_add(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y);    /* Y(M,N) += X(M,K) W(N,K)^T */
void matmul_dx(size_t M, size_t N, size_t K, const float *dY, const float *W, float *dX);       /* dX(M,K)  = dY(M,N) W(N,K) */
void matmul_dx_add(size_t M, size_t N, size_t K, const float *dY, const float *W, float *dX);   /* dX(M,K) += dY(M,N) W(N,K) */
void matmul_dw_add(size_t M, size_t N, size_t K, const float *dY, const float *X, float *dW);   /* dW(N,K) += dY(M,N)^T X(M,K) */

#endif
