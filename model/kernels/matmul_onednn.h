/* bf16 products by oneDNN, for model/kernels/matmul.c alone. LOCAL. */
#ifndef WR_MODEL_KERNELS_MATMUL_ONEDNN_H
#define WR_MODEL_KERNELS_MATMUL_ONEDNN_H

#include "model/kernels/matmul.h"

/* C(m,n) = or += A(m,k) B(k,n). A, B bf16, with any strides (elements); C bf16 or f32, its rows c_row apart. */
typedef struct onednn_shape {
    size_t m, n, k;
    size_t a_row, a_column, b_row, b_column, c_row;
    bool c_f32, add;
} onednn_shape;

/* What matmul_fix_tiles said. */
bool matmul_tiles_fixed(const matmul *c);

/* The scratch of these products, of which one is computed at a time. WR_E_FAILED, WR_E_NOMEM: oneDNN's. */
wr_status onednn_scratch_bytes(size_t n, const onednn_shape *shapes, size_t *bytes);
wr_status onednn_product(matmul *c, const onednn_shape *s, const void *A, const void *B, void *C);

#endif
