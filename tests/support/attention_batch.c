#include "tests/support/attention_batch.h"

#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/attention_ref.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdlib.h>

const kernels_table *const attention_tables[4] = {&kernels_baseline, &kernels_avx2, &kernels_avx512,
                                                  &kernels_avx512bf16};

const double attention_forward_tolerance[2] = {1e-5, 1e-2}, attention_backward_tolerance[2] = {1e-5, 1.5e-2};

void *batch_at(const attention_batch *b, const void *x, size_t i) {
    return (char *)(uintptr_t)x + i * precision_bytes(b->p);
}
double batch_get(const attention_batch *b, const void *x, size_t i) {
    return b->p == PRECISION_BF16 ? (double)bf16_to_f32(((const bf16 *)x)[i]) : (double)((const float *)x)[i];
}
void batch_put(const attention_batch *b, void *x, size_t i, double value) {
    if (b->p == PRECISION_BF16)
        ((bf16 *)x)[i] = bf16_from_f32((float)value);
    else
        ((float *)x)[i] = (float)value;
}

void *batch_numbers(const attention_batch *b, size_t n, uint64_t which, double scale) {
    void *x = mem_aligned(n, precision_bytes(b->p));
    rng r = rng_make(ATTENTION_SEED, RNG_TEST, which, 0, 0);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) batch_put(b, x, i, scale * rng_normal(&r));
    return x;
}

/* parent[i] < i, or -1. q_scale: of the queries' elements. */
attention_batch *attention_batch_make(precision p, size_t H, size_t G, size_t D, size_t n, const size_t *lengths,
                                      const int32_t *parent, double q_scale) {
    attention_batch *b = mem_calloc(1, sizeof *b);
    assert_non_null(b);
    *b = (attention_batch){.p = p, .H = H, .G = G, .D = D, .n = n, .width = (H + 2 * G) * D};
    for (size_t i = 0; i < n; i++) {
        b->lengths[i] = lengths[i], b->starts[i] = b->T, b->parent[i] = parent ? parent[i] : -1;
        b->T += lengths[i];
    }
    b->qkv = batch_numbers(b, b->T * b->width, 1, 1);
    for (size_t i = 0; i < b->T * b->width; i++)
        if (i % b->width < H * D) batch_put(b, b->qkv, i, q_scale * batch_get(b, b->qkv, i));
    b->dqkv = batch_numbers(b, b->T * b->width, 2, 1), b->o = batch_numbers(b, b->T * H * D, 3, 1),
    b->d_o = batch_numbers(b, b->T * H * D, 4, 1);
    b->lse = mem_aligned(b->T * H, sizeof *b->lse);
    for (size_t i = 0; i < n; i++) {
        const size_t first = b->starts[i] * b->width;
        size_t spans = 0;
        if (b->parent[i] >= 0) {
            const attention_item *before = &b->items[b->parent[i]];
            for (; spans < before->n_spans; spans++) b->spans[i][spans] = before->spans[spans];
        }
        b->spans[i][spans++] = (kv_span){.k = batch_at(b, b->qkv, first + H * D),
                                         .v = batch_at(b, b->qkv, first + (H + G) * D),
                                         .token_stride = b->width,
                                         .head_stride = D,
                                         .n = lengths[i]};
        b->items[i] = (attention_item){.q = batch_at(b, b->qkv, first),
                                       .o = batch_at(b, b->o, b->starts[i] * H * D),
                                       .lse = b->lse + b->starts[i] * H,
                                       .n_q = lengths[i],
                                       .n_spans = spans,
                                       .spans = b->spans[i]};
        b->grads[i] = (attention_grad){.do_ = batch_at(b, b->d_o, b->starts[i] * H * D),
                                       .dq = batch_at(b, b->dqkv, first),
                                       .dk = batch_at(b, b->dqkv, first + H * D),
                                       .dv = batch_at(b, b->dqkv, first + (H + G) * D)};
    }
    b->args = (attention_args){.H = H,
                               .G = G,
                               .D = D,
                               .q_stride = b->width,
                               .o_stride = H * D,
                               .n_items = n,
                               .items = b->items,
                               .parent = parent ? b->parent : NULL,
                               .first_task = b->tasks};
    return b;
}

void attention_batch_free(attention_batch *b) {
    free(b->qkv), free(b->dqkv), free(b->o), free(b->d_o), free(b->lse), free(b);
}

void run_forward(const kernels_table *k, const attention_batch *b) { k->act[b->p].attention(&b->args); }
void run_backward(const kernels_table *k, const attention_batch *b) {
    void *scratch = mem_aligned(k->act[b->p].attention_backward_scratch(&b->args), 1);
    k->act[b->p].attention_backward(&b->args, b->grads, scratch);
    free(scratch);
}

/* Largest of |x|, n numbers. */
static double largest(size_t n, const double *x) {
    double m = 0;
    for (size_t i = 0; i < n; i++) m = fmax(m, fabs(x[i]));
    return m;
}

/* Largest error of got, rows of `row` numbers `stride` apart, over scale. */
static double worst(const attention_batch *b, size_t rows, size_t row, const double *want, const void *got,
                    size_t stride, double scale) {
    double error = 0;
    for (size_t i = 0; i < rows * row; i++) {
        const double e = fabs(batch_get(b, got, i / row * stride + i % row) - want[i]);
        if (!(e <= error)) error = e; /* also a NaN */
    }
    return scale > 0 ? error / scale : error;
}

static void check(const kernels_table *k, const attention_batch *b, const char *what, size_t item, double error,
                  double tolerance) {
    if (!(error <= tolerance))
        fail_msg("%s %s: %s of segment %zu (H %zu, G %zu, D %zu, length %zu) is off by %.2g of the batch's largest",
                 k->name, precision_name(b->p), what, item, b->H, b->G, b->D, b->lengths[item], error);
}

void check_attention(const attention_batch *b) {
    const size_t HD = b->H * b->D, GD = b->G * b->D;
    double *o = mem_calloc(b->T * HD, sizeof *o), *lse = mem_calloc(b->T * b->H, sizeof *lse),
           *d = mem_calloc(b->T * b->width, sizeof *d);
    ref_attention_grad want[SEGMENTS];
    for (size_t i = 0; i < b->n; i++) {
        double *q = d + b->starts[i] * b->width;
        want[i] = (ref_attention_grad){.dq = q, .dk = q + b->lengths[i] * HD, .dv = q + b->lengths[i] * (HD + GD)};
        ref_attention(&b->args, b->p, i, o + b->starts[i] * HD, lse + b->starts[i] * b->H);
    }
    ref_attention_backward(&b->args, b->p, b->grads, want);
    /* Of the whole batch: gradients that cancel, as in a segment of one token, are small beside what they are sums
     * of. */
    double o_scale = largest(b->T * HD, o), dq_scale = 0, dk_scale = 0, dv_scale = 0;
    for (size_t i = 0; i < b->n; i++) {
        dq_scale = fmax(dq_scale, largest(b->lengths[i] * HD, want[i].dq));
        dk_scale = fmax(dk_scale, largest(b->lengths[i] * GD, want[i].dk));
        dv_scale = fmax(dv_scale, largest(b->lengths[i] * GD, want[i].dv));
    }
    EACH_TABLE(k) {
        run_forward(k, b);
        run_backward(k, b);
        for (size_t i = 0; i < b->n; i++) {
            const size_t n = b->lengths[i];
            check(k, b, "output", i, worst(b, n, HD, o + b->starts[i] * HD, b->items[i].o, HD, o_scale),
                  attention_forward_tolerance[b->p]);
            for (size_t j = 0; j < n * b->H; j++) {
                const double exact = lse[b->starts[i] * b->H + j];
                check(k, b, "log sum exp", i, fabs((double)b->items[i].lse[j] - exact) / (1 + fabs(exact)), 5e-6);
            }
            check(k, b, "dq", i, worst(b, n, HD, want[i].dq, b->grads[i].dq, b->width, dq_scale),
                  attention_backward_tolerance[b->p]);
            check(k, b, "dk", i, worst(b, n, GD, want[i].dk, b->grads[i].dk, b->width, dk_scale),
                  attention_backward_tolerance[b->p]);
            check(k, b, "dv", i, worst(b, n, GD, want[i].dv, b->grads[i].dv, b->width, dv_scale),
                  attention_backward_tolerance[b->p]);
        }
    }
    free(o), free(lse), free(d);
}
