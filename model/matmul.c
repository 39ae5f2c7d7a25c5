/* Every product goes through the project's own kernel (simd_product.inc): each element of a result is one chain of multiply-adds
 * in index order, so neither the number of rows nor the number of threads changes a bit. OpenBLAS has neither property: it
 * takes other kernels, which sum in another order, for small products (0.3.21: m*n <= 1200 on SkylakeX), and splits work among
 * threads at places where its edge kernels round differently (test_matmul shows both when pointed at it). It also falls back to
 * SSE2 kernels on CPUs that it does not know. */
#include "model/matmul.h"

#include "model/kernels.h"

void matmul_xwt(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y) { kernels()->xwt(M, N, K, X, W, Y, false); }

void matmul_xwt_add(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y) {
    kernels()->xwt(M, N, K, X, W, Y, true);
}

void matmul_dx(size_t M, size_t N, size_t K, const float *dY, const float *W, float *dX) {
    kernels()->dx(M, N, K, dY, W, dX, false);
}

void matmul_dx_add(size_t M, size_t N, size_t K, const float *dY, const float *W, float *dX) {
    kernels()->dx(M, N, K, dY, W, dX, true);
}

void matmul_dw_add(size_t M, size_t N, size_t K, const float *dY, const float *X, float *dW) {
    kernels()->dw_add(M, N, K, dY, X, dW);
}
