/* The linear layers of a decoder layer: products with the weights, and with adapters where the model has some. Internal
 * to model/. LOCAL.
 *
 * Neighbouring layers that read the same input are one product: q, k, v; gate and up. Where their weights do not lie
 * one after another (a mapped file) each is a product of its own, into its columns. */
#ifndef WR_MODEL_LINEAR_H
#define WR_MODEL_LINEAR_H

#include "model/buffer.h"
#include "model/kernels/matmul.h"
#include "model/model.h"

typedef enum linear_group { GROUP_QKV, GROUP_O, GROUP_GATE_UP, GROUP_DOWN, LINEAR_GROUPS } linear_group;

/* Products, scratch of adapters, and packed weights for few rows. One per thread. */
typedef struct linear_context {
    matmul *products;
    buffer u, du;           /* adapters: (T, rank) */
    packed_matrix **packed; /* (L * LINEAR_GROUPS * 3), then the head: NULL: not packed */
    size_t n_packed;
} linear_context;

wr_status linear_create(linear_context *c);
void linear_free(linear_context *c);
size_t linear_bytes(const linear_context *c);
/* Packs the weights of m, which computes in bf16, for products of at most PACKED_ROWS_MAX rows. */
#define PACKED_ROWS_MAX 128
wr_status linear_pack(const model *m, linear_context *c);

/* Y (T,N) = X (T,K) W^T, or += when add. X in m's precision, Y too, or f32 where y_f32. */
wr_status linear_forward(const model *m, linear_context *c, size_t l, linear_group g, size_t T, const void *X, void *Y,
                         bool y_f32, bool add);
/* dX (T,K) = dY (T,N) W, in m's precision. NULL: not wanted. Adds the gradients of weights, or of adapters, to grads; X
 * as forward had it. */
wr_status linear_backward_input(const model *m, linear_context *c, size_t l, linear_group g, size_t T, const void *dY,
                                void *dX);
wr_status linear_backward_weight(const model *m, linear_context *c, size_t l, linear_group g, size_t T, const void *dY,
                                 const void *X, float *grads);

/* Y (n,V) f32 = X (n,C) H[first … first+V)^T, H the language-model head. */
wr_status linear_head(const model *m, linear_context *c, size_t n, size_t first, size_t V, const void *X, float *Y);

/* Does training change the model's own parameters (and not adapters)? */
bool trains_parameters(const model *m);

#endif
