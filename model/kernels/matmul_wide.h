/* bf16 products on a CPU that oneDNN has none for (below AVX-512): operands are widened to f32 and multiplied by
 * OpenBLAS. The same roundings of inputs and results, so that a bf16 run can be tried, checked and continued anywhere;
 * slower than f32. For model/kernels/matmul_onednn.c alone. LOCAL. */
#ifndef WR_MODEL_KERNELS_MATMUL_WIDE_H
#define WR_MODEL_KERNELS_MATMUL_WIDE_H

#include "model/kernels/matmul_onednn.h"

/* Floats of scratch that the product needs. */
size_t wide_scratch(const onednn_shape *s);
void wide_product(const onednn_shape *s, const bf16 *A, const bf16 *B, void *C, float *scratch);

#endif
