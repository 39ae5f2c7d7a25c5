/* Packed batches of attention with random numbers, and each table of kernels on them against the definition in double.
 * LOCAL. */
#ifndef WR_TESTS_SUPPORT_ATTENTION_BATCH_H
#define WR_TESTS_SUPPORT_ATTENTION_BATCH_H

#include "model/kernels/kernels.h"

enum { ATTENTION_SEED = 31, SEGMENTS = 12 };

extern const kernels_table *const attention_tables[4];
#define EACH_TABLE(k)                                                                                                  \
    for (size_t table_ = 0; table_ < 4; table_++)                                                                      \
        for (const kernels_table *k = attention_tables[table_]; k && k->usable(); k = NULL)
#define EACH_PRECISION(p) for (precision p = PRECISION_F32; p <= PRECISION_BF16; p++)

/* Of the largest element: f32, and bf16 against a reference on the same rounded numbers (outputs have 8 bits, and so
 * have the probabilities that are multiplied with values where the CPU multiplies pairs). */
extern const double attention_forward_tolerance[2], attention_backward_tolerance[2];

/* Segments as in a packed batch: qkv (T, (H+2G)D), o and do (T, H D), lse (T, H). */
typedef struct attention_batch {
    precision p;
    size_t H, G, D, n, T, width, lengths[SEGMENTS], starts[SEGMENTS], tasks[SEGMENTS + 1];
    int32_t parent[SEGMENTS];
    void *qkv, *dqkv, *o, *d_o;
    float *lse;
    kv_span spans[SEGMENTS][SEGMENTS];
    attention_item items[SEGMENTS];
    attention_grad grads[SEGMENTS];
    attention_args args;
} attention_batch;

/* parent[i] < i, or -1. q_scale: of the queries' elements. What else args may hold is the caller's to set. */
attention_batch *attention_batch_make(precision p, size_t H, size_t G, size_t D, size_t n, const size_t *lengths,
                                      const int32_t *parent, double q_scale);
void attention_batch_free(attention_batch *b);

/* Element i of an array of the batch's precision. */
void *batch_at(const attention_batch *b, const void *x, size_t i);
double batch_get(const attention_batch *b, const void *x, size_t i);
void batch_put(const attention_batch *b, void *x, size_t i, double value);
/* n random numbers, fresh memory. */
void *batch_numbers(const attention_batch *b, size_t n, uint64_t which, double scale);

void run_forward(const kernels_table *k, const attention_batch *b);
void run_backward(const kernels_table *k, const attention_batch *b);
/* Outputs, log sum exps and gradients of every table. */
void check_attention(const attention_batch *b);

#endif
