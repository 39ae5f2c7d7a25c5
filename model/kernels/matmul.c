/* Three ways to a product.
 *
 * f32 forward (X W^T) goes through the project's own kernel (simd_product.inc): each element is one chain of
 * multiply-adds in index order, so neither the number of rows nor of threads changes a bit. That is what makes replies
 * independent of batch composition and rank count, and OpenBLAS does not have it: it takes other kernels, which sum in
 * another order, for small products (0.3.21: m*n <= 1200 on SkylakeX), and splits work among threads where its edge
 * kernels round differently.
 *
 * f32 backward (dX, dW) has no such need and is two thirds of the arithmetic of training: OpenBLAS. Its bits repeat for
 * the same shapes and number of threads. Small products stay with the own kernel, where a call costs less. Where no bit
 * may depend on the number of threads, a product is cut into tiles by its shape alone, and each is OpenBLAS' on the one
 * thread that takes it:
 *
 *     C  | 0 | 1 | 2 |     tiles of TILE_ROWS x TILE_COLUMNS; no sum goes across tiles, so which thread takes
 *        | 3 | 4 | 5 |     which changes nothing
 *
 * bf16 is oneDNN's (matmul_onednn.c). */
#include "model/kernels/matmul_onednn.h"

#include "base/mem.h"
#include "model/kernels/blas_library.h"
#include "model/kernels/kernels.h"

#include <stdlib.h>

/* Products below this many multiply-adds go through the own kernel. */
#define BLAS_FROM (64.0 * 64.0 * 64.0)

static bool blas(size_t M, size_t N, size_t K) { return (double)M * (double)N * (double)K >= BLAS_FROM; }

enum { TILE_ROWS = 256, TILE_COLUMNS = 512 };

/* C (M,N) = beta C + A B, or A^T B. */
typedef struct gemm {
    CBLAS_TRANSPOSE transposed;
    size_t M, N, K, lda, ldb;
    const float *A, *B;
    float beta, *C;
} gemm;

static void gemm_part(const gemm *g, size_t i, size_t j, size_t m, size_t n) {
    openblas.cblas_sgemm(CblasRowMajor, g->transposed, CblasNoTrans, (int)m, (int)n, (int)g->K, 1.0f,
                         g->A + i * (g->transposed == CblasTrans ? 1 : g->lda), (int)g->lda, g->B + j, (int)g->ldb,
                         g->beta, g->C + i * g->N + j, (int)g->N);
}

static wr_status gemm_run(const matmul *c, const gemm *g) {
    const wr_status status = blas_library_load();
    if (status < 0) return status;
    if (!matmul_tiles_fixed(c)) {
        gemm_part(g, 0, 0, g->M, g->N);
        return status;
    }
    const size_t down = (g->M + TILE_ROWS - 1) / TILE_ROWS, across = (g->N + TILE_COLUMNS - 1) / TILE_COLUMNS;
#pragma omp parallel for schedule(dynamic)
    for (size_t t = 0; t < down * across; t++) {
        const size_t i = t / across * TILE_ROWS, j = t % across * TILE_COLUMNS, m = g->M - i, n = g->N - j;
        gemm_part(g, i, j, m < TILE_ROWS ? m : TILE_ROWS, n < TILE_COLUMNS ? n : TILE_COLUMNS);
    }
    return status;
}

/* --- as oneDNN is asked for them --------------------------------------------------------------------------------- */
static onednn_shape shape_xwt(size_t M, size_t N, size_t K, size_t ldx, size_t ldy, bool y_f32, bool add) {
    return (onednn_shape){.m = M,
                          .n = N,
                          .k = K,
                          .a_row = ldx,
                          .a_column = 1,
                          .b_row = 1,
                          .b_column = K,
                          .c_row = ldy,
                          .c_f32 = y_f32,
                          .add = add};
}

static onednn_shape shape_dx(size_t M, size_t N, size_t K, size_t ldy, bool dx_f32, bool add) {
    return (onednn_shape){.m = M,
                          .n = K,
                          .k = N,
                          .a_row = ldy,
                          .a_column = 1,
                          .b_row = K,
                          .b_column = 1,
                          .c_row = K,
                          .c_f32 = dx_f32,
                          .add = add};
}

static onednn_shape shape_dw(size_t M, size_t N, size_t K, size_t ldy) {
    return (onednn_shape){.m = N,
                          .n = K,
                          .k = M,
                          .a_row = 1,
                          .a_column = ldy,
                          .b_row = K,
                          .b_column = 1,
                          .c_row = K,
                          .c_f32 = true,
                          .add = true};
}

wr_status matmul_scratch_bytes(precision p, size_t M, size_t N, size_t K, size_t *bytes) {
    const onednn_shape shapes[] = {shape_xwt(M, N, K, K, N, false, false), shape_dx(M, N, K, N, false, false),
                                   shape_dw(M, N, K, N)};
    *bytes = 0;
    return p == PRECISION_F32 ? WR_OK : onednn_scratch_bytes(sizeof shapes / sizeof *shapes, shapes, bytes);
}

wr_status matmul_xwt(matmul *c, precision p, size_t M, size_t N, size_t K, const void *X, size_t ldx, const void *W,
                     void *Y, size_t ldy, bool y_f32, bool add) {
    if (p == PRECISION_F32) {
        kernels()->xwt(M, N, K, X, ldx, W, Y, ldy, add);
        return WR_OK;
    }
    const onednn_shape s = shape_xwt(M, N, K, ldx, ldy, y_f32, add);
    return onednn_product(c, &s, X, W, Y);
}

wr_status matmul_dx(matmul *c, precision p, size_t M, size_t N, size_t K, const void *dY, size_t ldy, const void *W,
                    void *dX, bool dx_f32, bool add) {
    if (p == PRECISION_BF16) {
        const onednn_shape s = shape_dx(M, N, K, ldy, dx_f32, add);
        return onednn_product(c, &s, dY, W, dX);
    }
    if (!blas(M, N, K)) {
        kernels()->dx(M, N, K, dY, ldy, W, dX, add);
        return WR_OK;
    }
    return gemm_run(c, &(gemm){.transposed = CblasNoTrans,
                               .M = M,
                               .N = K,
                               .K = N,
                               .lda = ldy,
                               .ldb = K,
                               .A = dY,
                               .B = W,
                               .beta = add ? 1.0f : 0.0f,
                               .C = dX});
}

wr_status matmul_dw_add(matmul *c, precision p, size_t M, size_t N, size_t K, const void *dY, size_t ldy, const void *X,
                        float *dW) {
    if (p == PRECISION_BF16) {
        const onednn_shape s = shape_dw(M, N, K, ldy);
        return onednn_product(c, &s, dY, X, dW);
    }
    if (!blas(M, N, K)) {
        kernels()->dw_add(M, N, K, dY, ldy, X, dW);
        return WR_OK;
    }
    return gemm_run(c, &(gemm){.transposed = CblasTrans,
                               .M = N,
                               .N = K,
                               .K = M,
                               .lda = ldy,
                               .ldb = K,
                               .A = dY,
                               .B = X,
                               .beta = 1.0f,
                               .C = dW});
}
