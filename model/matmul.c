/* Two ways to the same product.
 *
 * Forward (X W^T) goes through the project's own kernel (simd_product.inc): each element is one chain of multiply-adds in
 * index order, so neither the number of rows nor of threads changes a bit. That is what makes replies independent of batch
 * composition and rank count, and OpenBLAS does not have it: it takes other kernels, which sum in another order, for small
 * products (0.3.21: m*n <= 1200 on SkylakeX), and splits work among threads where its edge kernels round differently.
 *
 * Backward (dX, dW) has no such need and is two thirds of the arithmetic of training: OpenBLAS, 1.1 to 1.4 times as fast there.
 * Its bits repeat for the same shapes and number of threads. Small products stay with the own kernel, where a call costs less. */
#include "model/matmul.h"

#include "model/kernels.h"
#include <cblas.h>

/* Products below this many multiply-adds go through the own kernel. */
#define BLAS_FROM (64.0 * 64.0 * 64.0)

static int blas(size_t M, size_t N, size_t K) {
    return (double)M * (double)N * (double)K >= BLAS_FROM;
}

void matmul_xwt(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y) {
    kernels()->xwt(M, N, K, X, W, Y, false);
}

void matmul_xwt_add(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y) {
    kernels()->xwt(M, N, K, X, W, Y, true);
}

void matmul_dx(size_t M, size_t N, size_t K, const float *dY, const float *W, float *dX) {
    if (!blas(M, N, K)) {
        kernels()->dx(M, N, K, dY, W, dX, false);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)M, (int)K, (int)N, 1.0f, dY, (int)N, W, (int)K, 0.0f, dX,
                (int)K);
}

void matmul_dx_add(size_t M, size_t N, size_t K, const float *dY, const float *W, float *dX) {
    if (!blas(M, N, K)) {
        kernels()->dx(M, N, K, dY, W, dX, true);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)M, (int)K, (int)N, 1.0f, dY, (int)N, W, (int)K, 1.0f, dX,
                (int)K);
}

void matmul_dw_add(size_t M, size_t N, size_t K, const float *dY, const float *X, float *dW) {
    if (!blas(M, N, K)) {
        kernels()->dw_add(M, N, K, dY, X, dW);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)N, (int)K, (int)M, 1.0f, dY, (int)N, X, (int)K, 1.0f, dW,
                (int)K);
}
