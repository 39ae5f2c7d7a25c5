/* Attention of each table that this CPU can run, in both precisions, forward and backward, against the definition in
 * double: lengths, head ratios, trees, caches, threads, extreme scores, NaN. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/attention_ref.h"
#include "model/kernels/kernels.h"
#include "tests/support/near.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define SEED 31u
#define SEGMENTS 12

static const kernels_table *const tables[] = {&kernels_baseline, &kernels_avx2, &kernels_avx512, &kernels_avx512bf16};
#define EACH_TABLE(k)                                                                                                  \
    for (size_t table_ = 0; table_ < 4; table_++)                                                                      \
        for (const kernels_table *k = tables[table_]; k && k->usable(); k = NULL)

/* Of the largest element: f32, and bf16 against a reference on the same rounded numbers (outputs have 8 bits, and so
 * have the probabilities that are multiplied with values where the CPU multiplies pairs). */
static const double forward_tolerance[] = {1e-5, 1e-2}, backward_tolerance[] = {1e-5, 1.5e-2};

/* Segments as in a packed batch: qkv (T, (H+2G)D), o and do (T, H D), lse (T, H). */
typedef struct batch {
    precision p;
    size_t H, G, D, n, T, width, lengths[SEGMENTS], starts[SEGMENTS], tasks[SEGMENTS + 1];
    int32_t parent[SEGMENTS];
    void *qkv, *dqkv, *o, *d_o;
    float *lse;
    kv_span spans[SEGMENTS][SEGMENTS];
    attention_item items[SEGMENTS];
    attention_grad grads[SEGMENTS];
    attention_args args;
} batch;

static void *at(const batch *b, const void *x, size_t i) { return (char *)(uintptr_t)x + i * precision_bytes(b->p); }
static double get(const batch *b, const void *x, size_t i) {
    return b->p == PRECISION_BF16 ? (double)bf16_to_f32(((const bf16 *)x)[i]) : (double)((const float *)x)[i];
}
static void put(const batch *b, void *x, size_t i, double value) {
    if (b->p == PRECISION_BF16)
        ((bf16 *)x)[i] = bf16_from_f32((float)value);
    else
        ((float *)x)[i] = (float)value;
}

static void *numbers(const batch *b, size_t n, uint64_t which, double scale) {
    void *x = mem_aligned(n, precision_bytes(b->p));
    rng r = rng_make(SEED, RNG_TEST, which, 0, 0);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) put(b, x, i, scale * rng_normal(&r));
    return x;
}

/* parent[i] < i, or -1. q_scale: of the queries' elements. */
static batch *batch_make(precision p, size_t H, size_t G, size_t D, size_t n, const size_t *lengths,
                         const int32_t *parent, double q_scale) {
    batch *b = mem_calloc(1, sizeof *b);
    assert_non_null(b);
    *b = (batch){.p = p, .H = H, .G = G, .D = D, .n = n, .width = (H + 2 * G) * D};
    for (size_t i = 0; i < n; i++) {
        b->lengths[i] = lengths[i], b->starts[i] = b->T, b->parent[i] = parent ? parent[i] : -1;
        b->T += lengths[i];
    }
    b->qkv = numbers(b, b->T * b->width, 1, 1);
    for (size_t i = 0; i < b->T * b->width; i++)
        if (i % b->width < H * D) put(b, b->qkv, i, q_scale * get(b, b->qkv, i));
    b->dqkv = numbers(b, b->T * b->width, 2, 1), b->o = numbers(b, b->T * H * D, 3, 1),
    b->d_o = numbers(b, b->T * H * D, 4, 1);
    b->lse = mem_aligned(b->T * H, sizeof *b->lse);
    for (size_t i = 0; i < n; i++) {
        const size_t first = b->starts[i] * b->width;
        size_t spans = 0;
        if (b->parent[i] >= 0) {
            const attention_item *before = &b->items[b->parent[i]];
            for (; spans < before->n_spans; spans++) b->spans[i][spans] = before->spans[spans];
        }
        b->spans[i][spans++] = (kv_span){.k = at(b, b->qkv, first + H * D),
                                         .v = at(b, b->qkv, first + (H + G) * D),
                                         .token_stride = b->width,
                                         .head_stride = D,
                                         .n = lengths[i]};
        b->items[i] = (attention_item){.q = at(b, b->qkv, first),
                                       .o = at(b, b->o, b->starts[i] * H * D),
                                       .lse = b->lse + b->starts[i] * H,
                                       .n_q = lengths[i],
                                       .n_spans = spans,
                                       .spans = b->spans[i]};
        b->grads[i] = (attention_grad){.do_ = at(b, b->d_o, b->starts[i] * H * D),
                                       .dq = at(b, b->dqkv, first),
                                       .dk = at(b, b->dqkv, first + H * D),
                                       .dv = at(b, b->dqkv, first + (H + G) * D)};
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

static void batch_free(batch *b) { free(b->qkv), free(b->dqkv), free(b->o), free(b->d_o), free(b->lse), free(b); }

static void run_forward(const kernels_table *k, const batch *b) { k->act[b->p].attention(&b->args); }
static void run_backward(const kernels_table *k, const batch *b) {
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
static double worst(const batch *b, size_t rows, size_t row, const double *want, const void *got, size_t stride,
                    double scale) {
    double error = 0;
    for (size_t i = 0; i < rows * row; i++) {
        const double e = fabs(get(b, got, i / row * stride + i % row) - want[i]);
        if (!(e <= error)) error = e; /* also a NaN */
    }
    return scale > 0 ? error / scale : error;
}

static void check(const kernels_table *k, const batch *b, const char *what, size_t item, double error,
                  double tolerance) {
    if (!(error <= tolerance))
        fail_msg("%s %s: %s of segment %zu (H %zu, G %zu, D %zu, length %zu) is off by %.2g of the batch's largest",
                 k->name, precision_name(b->p), what, item, b->H, b->G, b->D, b->lengths[item], error);
}

static void check_batch(const batch *b) {
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
                  forward_tolerance[b->p]);
            for (size_t j = 0; j < n * b->H; j++) {
                const double exact = lse[b->starts[i] * b->H + j];
                check(k, b, "log sum exp", i, fabs((double)b->items[i].lse[j] - exact) / (1 + fabs(exact)), 5e-6);
            }
            check(k, b, "dq", i, worst(b, n, HD, want[i].dq, b->grads[i].dq, b->width, dq_scale),
                  backward_tolerance[b->p]);
            check(k, b, "dk", i, worst(b, n, GD, want[i].dk, b->grads[i].dk, b->width, dk_scale),
                  backward_tolerance[b->p]);
            check(k, b, "dv", i, worst(b, n, GD, want[i].dv, b->grads[i].dv, b->width, dv_scale),
                  backward_tolerance[b->p]);
        }
    }
    free(o), free(lse), free(d);
}

#define EACH_PRECISION(p) for (precision p = PRECISION_F32; p <= PRECISION_BF16; p++)

static void test_shapes(void **state) {
    (void)state;
    static const size_t shapes[][4] = {{1, 1, 1, 2},    {2, 4, 2, 4},    {17, 3, 1, 16},  {63, 1, 1, 8},
                                       {64, 4, 2, 32},  {65, 2, 2, 64},  {130, 9, 3, 64}, {100, 2, 1, 128},
                                       {193, 5, 1, 24}, {40, 1, 1, 512}, {90, 2, 2, 130}, {70, 9, 1, 48},
                                       {33, 16, 1, 6},  {300, 1, 1, 34}, {5, 40, 1, 10},  {1500, 1, 1, 16}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) EACH_PRECISION(p) {
            batch *b = batch_make(p, shapes[s][1], shapes[s][2], shapes[s][3], 1, shapes[s], NULL, 1);
            check_batch(b);
            batch_free(b);
        }
}

/* Segments side by side; scores of about ±80, and all equal. */
static void test_packed(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 70, 1, 2, 129, 64, 1, 31};
    static const double scales[] = {1, 25, 0};
    for (size_t s = 0; s < 3; s++) EACH_PRECISION(p) {
            batch *b = batch_make(p, 6, 2, 20, 8, lengths, NULL, scales[s]);
            check_batch(b);
            batch_free(b);
        }
}

static const size_t tree_lengths[] = {90, 33, 1, 64, 40, 7, 130, 65};
static const int32_t trees[] = {-1, 0, 0, -1, 1, 3, 1, 4};

static void test_trees(void **state) {
    (void)state;
    EACH_PRECISION(p) {
        batch *b = batch_make(p, 6, 3, 32, 8, tree_lengths, trees, 1), *large = NULL;
        check_batch(b);
        batch_free(b);
        static const size_t lengths[] = {700, 300, 128, 128};
        static const int32_t parent[] = {-1, 0, 0, 1};
        check_batch(large = batch_make(p, 2, 1, 16, 4, lengths, parent, 1)); /* cut into parts */
        batch_free(large);
    }
}

/* In f32, the outputs of a segment that continues others have the bits that its whole path as one sequence gives; in
 * both precisions a few queries with keys in a cache have those of the same queries among many. */
static void test_paths(void **state) {
    (void)state;
    batch *b = batch_make(PRECISION_F32, 6, 3, 32, 8, tree_lengths, trees, 1);
    EACH_TABLE(k) {
        run_forward(k, b);
        for (size_t i = 0; i < b->n; i++) {
            const attention_item *it = &b->items[i];
            size_t n = 0, done = 0, chain[SEGMENTS], depth = 0;
            for (int32_t s = (int32_t)i; s >= 0; s = b->parent[s]) chain[depth++] = (size_t)s, n += b->lengths[s];
            batch *whole = batch_make(PRECISION_F32, 6, 3, 32, 1, &n, NULL, 1);
            while (depth-- > 0) {
                memcpy((float *)whole->qkv + done * b->width,
                       (const float *)b->qkv + b->starts[chain[depth]] * b->width,
                       b->lengths[chain[depth]] * b->width * sizeof(float));
                done += b->lengths[chain[depth]];
            }
            run_forward(k, whole);
            const size_t row = b->H * b->D, own = n - it->n_q;
            assert_memory_equal(it->o, (float *)whole->o + own * row, it->n_q * row * sizeof(float));
            assert_memory_equal(it->lse, whole->lse + own * b->H, it->n_q * b->H * sizeof(float));
            batch_free(whole);
        }
    }
    batch_free(b);
}

static void check_cache(const kernels_table *k, const batch *b, size_t cut1, size_t cut2, size_t last) {
    const size_t T = b->T, row = b->H * b->D;
    const kv_span all = b->spans[0][0];
    kv_span spans[3];
    size_t cuts[4] = {0, cut1, cut2, T};
    void *part = numbers(b, last * row, 7, 1);
    attention_args a = b->args;
    attention_item item = b->items[0];
    for (size_t s = 0; s < 3; s++) {
        spans[s] = all;
        spans[s].k = at(b, all.k, cuts[s] * b->width), spans[s].v = at(b, all.v, cuts[s] * b->width),
        spans[s].n = cuts[s + 1] - cuts[s];
    }
    item.q = at(b, item.q, (T - last) * b->width), item.o = part, item.lse = NULL, item.n_q = last, item.spans = spans,
    item.n_spans = 3;
    a.items = &item;
    k->act[b->p].attention(&a);
    if (b->p == PRECISION_F32) {
        assert_memory_equal(part, at(b, b->o, (T - last) * row), last * row * sizeof(float));
    } else {
        for (size_t i = 0; i < last * row; i++)
            assert_true(fabs(get(b, part, i) - get(b, b->o, (T - last) * row + i)) <= 2e-2);
    }
    free(part);
}

static void test_cache(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{3, 1, 64}, {9, 1, 20}, {4, 4, 128}, {20, 1, 16}};
    const size_t T = 333;
    for (size_t s = 0; s < 4; s++) EACH_PRECISION(p) {
            batch *b = batch_make(p, shapes[s][0], shapes[s][1], shapes[s][2], 1, &T, NULL, 1);
            EACH_TABLE(k) {
                run_forward(k, b);
                check_cache(k, b, 0, T - 1, 1), check_cache(k, b, 100, T - 1, 1), check_cache(k, b, 64, 192, 2);
                check_cache(k, b, 1, 200, 5), check_cache(k, b, 63, 65, 40), check_cache(k, b, 31, 32, 200);
            }
            batch_free(b);
        }
}

static void test_threads(void **state) {
    (void)state;
    static const size_t lengths[] = {700, 300, 128, 128, 40};
    static const int32_t parent[] = {-1, 0, 0, 1, -1};
    const int before = omp_get_max_threads();
    EACH_PRECISION(p) {
        batch *b = batch_make(p, 3, 1, 32, 5, lengths, parent, 1);
        const size_t o_bytes = b->T * b->H * b->D * precision_bytes(p), bytes = b->T * b->width * precision_bytes(p);
        void *o = mem_calloc(1, o_bytes), *dqkv = mem_calloc(1, bytes);
        EACH_TABLE(k)
        for (int threads = 1; threads <= 4; threads *= 2) {
            omp_set_num_threads(threads);
            run_forward(k, b);
            run_backward(k, b);
            if (threads == 1) {
                memcpy(o, b->o, o_bytes), memcpy(dqkv, b->dqkv, bytes);
            } else {
                assert_memory_equal(o, b->o, o_bytes);
                assert_memory_equal(dqkv, b->dqkv, bytes);
            }
        }
        free(o), free(dqkv), batch_free(b);
    }
    omp_set_num_threads(before);
}

/* A NaN or an infinity in one token's value: rows before it are as they were, rows from it on are not numbers. */
static void test_nan(void **state) {
    (void)state;
    static const size_t lengths[] = {150, 20}, bad = 101;
    static const double values[] = {NAN, INFINITY};
    for (size_t v = 0; v < 2; v++) EACH_PRECISION(p) {
            batch *b = batch_make(p, 3, 1, 24, 2, lengths, NULL, 1);
            const size_t row = b->H * b->D;
            double *clean = mem_calloc(b->T * row, sizeof *clean);
            EACH_TABLE(k) {
                const size_t element = bad * b->width + row + b->D;
                const double good = get(b, b->qkv, element);
                run_forward(k, b);
                for (size_t i = 0; i < b->T * row; i++) clean[i] = get(b, b->o, i);
                put(b, b->qkv, element, values[v]);
                run_forward(k, b);
                put(b, b->qkv, element, good);
                for (size_t t = 0; t < b->T; t++)
                    for (size_t h = 0; h < b->H; h++) {
                        const double got = get(b, b->o, t * row + h * b->D), was = clean[t * row + h * b->D];
                        if (t >= bad && t < lengths[0])
                            assert_false(isfinite(got));
                        else
                            assert_near(got, was, forward_tolerance[p] * 5);
                    }
            }
            free(clean), batch_free(b);
        }
}

int main(void) {
    print_message("# seed %u\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_packed),
                                       cmocka_unit_test(test_trees),  cmocka_unit_test(test_paths),
                                       cmocka_unit_test(test_cache),  cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_nan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
