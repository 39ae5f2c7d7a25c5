#include "model/kernels/matmul_wide.h"

#include "model/kernels/blas_library.h"
#include <omp.h>

/* rows x columns elements, rows `ld` apart, to dense floats. */
static void widen(const bf16 *x, size_t rows, size_t columns, size_t ld, float *out) {
#pragma omp parallel for if (!omp_in_parallel() && rows * columns > 1 << 16)
    for (size_t i = 0; i < rows; i++) {
        const bf16 *from = x + i * ld;
        float *to = out + i * columns;
#pragma omp simd
        for (size_t k = 0; k < columns; k++) to[k] = bf16_to_f32(from[k]);
    }
}

static void narrow(const float *x, size_t rows, size_t columns, size_t ld, bf16 *out) {
#pragma omp parallel for if (!omp_in_parallel() && rows * columns > 1 << 16)
    for (size_t i = 0; i < rows; i++) {
        const float *from = x + i * columns;
        bf16 *to = out + i * ld;
#pragma omp simd
        for (size_t k = 0; k < columns; k++) to[k] = bf16_from_f32(from[k]);
    }
}

size_t wide_scratch(const onednn_shape *s) { return s->m * s->k + s->k * s->n + (s->c_f32 ? 0 : s->m * s->n); }

void wide_product(const onednn_shape *s, const bf16 *A, const bf16 *B, void *C, float *scratch) {
    float *a = scratch, *b = a + s->m * s->k, *c = s->c_f32 ? C : b + s->k * s->n;
    const bool a_across = s->a_column != 1, b_across = s->b_column != 1; /* stored the other way round */
    const size_t ldc = s->c_f32 ? s->c_row : s->n;
    widen(A, a_across ? s->k : s->m, a_across ? s->m : s->k, a_across ? s->a_column : s->a_row, a);
    widen(B, b_across ? s->n : s->k, b_across ? s->k : s->n, b_across ? s->b_column : s->b_row, b);
    if (!s->c_f32 && s->add) widen(C, s->m, s->n, s->c_row, c);
    openblas.cblas_sgemm(CblasRowMajor, a_across ? CblasTrans : CblasNoTrans, b_across ? CblasTrans : CblasNoTrans,
                         (int)s->m, (int)s->n, (int)s->k, 1.0f, a, (int)(a_across ? s->m : s->k), b,
                         (int)(b_across ? s->k : s->n), s->add ? 1.0f : 0.0f, c, (int)ldc);
    if (!s->c_f32) narrow(c, s->m, s->n, s->c_row, C);
}
