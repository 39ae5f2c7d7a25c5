/* Attention of each table that this CPU can run, in both precisions, forward and backward, against the definition in
 * double: lengths, head ratios, trees, caches, threads, extreme scores, NaN. */
#include "base/mem.h"
#include "tests/support/attention_batch.h"
#include "tests/support/near.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static void test_shapes(void **state) {
    (void)state;
    static const size_t shapes[][4] = {{1, 1, 1, 2},    {2, 4, 2, 4},    {17, 3, 1, 16},  {63, 1, 1, 8},
                                       {64, 4, 2, 32},  {65, 2, 2, 64},  {130, 9, 3, 64}, {100, 2, 1, 128},
                                       {193, 5, 1, 24}, {40, 1, 1, 512}, {90, 2, 2, 130}, {70, 9, 1, 48},
                                       {33, 16, 1, 6},  {300, 1, 1, 34}, {5, 40, 1, 10},  {1500, 1, 1, 16}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) EACH_PRECISION(p) {
            attention_batch *b =
                attention_batch_make(p, shapes[s][1], shapes[s][2], shapes[s][3], 1, shapes[s], NULL, 1);
            check_attention(b);
            attention_batch_free(b);
        }
}

/* Segments side by side; scores of about ±80, and all equal. */
static void test_packed(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 70, 1, 2, 129, 64, 1, 31};
    static const double scales[] = {1, 25, 0};
    for (size_t s = 0; s < 3; s++) EACH_PRECISION(p) {
            attention_batch *b = attention_batch_make(p, 6, 2, 20, 8, lengths, NULL, scales[s]);
            check_attention(b);
            attention_batch_free(b);
        }
}

static const size_t tree_lengths[] = {90, 33, 1, 64, 40, 7, 130, 65};
static const int32_t trees[] = {-1, 0, 0, -1, 1, 3, 1, 4};

static void test_trees(void **state) {
    (void)state;
    EACH_PRECISION(p) {
        attention_batch *b = attention_batch_make(p, 6, 3, 32, 8, tree_lengths, trees, 1), *large = NULL;
        check_attention(b);
        attention_batch_free(b);
        static const size_t lengths[] = {700, 300, 128, 128};
        static const int32_t parent[] = {-1, 0, 0, 1};
        check_attention(large = attention_batch_make(p, 2, 1, 16, 4, lengths, parent, 1)); /* cut into parts */
        attention_batch_free(large);
    }
}

/* In f32, the outputs of a segment that continues others have the bits that its whole path as one sequence gives; in
 * both precisions a few queries with keys in a cache have those of the same queries among many. */
static void test_paths(void **state) {
    (void)state;
    attention_batch *b = attention_batch_make(PRECISION_F32, 6, 3, 32, 8, tree_lengths, trees, 1);
    EACH_TABLE(k) {
        run_forward(k, b);
        for (size_t i = 0; i < b->n; i++) {
            const attention_item *it = &b->items[i];
            size_t n = 0, done = 0, chain[SEGMENTS], depth = 0;
            for (int32_t s = (int32_t)i; s >= 0; s = b->parent[s]) chain[depth++] = (size_t)s, n += b->lengths[s];
            attention_batch *whole = attention_batch_make(PRECISION_F32, 6, 3, 32, 1, &n, NULL, 1);
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
            attention_batch_free(whole);
        }
    }
    attention_batch_free(b);
}

static void check_cache(const kernels_table *k, const attention_batch *b, size_t cut1, size_t cut2, size_t last) {
    const size_t T = b->T, row = b->H * b->D;
    const kv_span all = b->spans[0][0];
    kv_span spans[3];
    size_t cuts[4] = {0, cut1, cut2, T};
    void *part = batch_numbers(b, last * row, 7, 1);
    attention_args a = b->args;
    attention_item item = b->items[0];
    for (size_t s = 0; s < 3; s++) {
        spans[s] = all;
        spans[s].k = batch_at(b, all.k, cuts[s] * b->width), spans[s].v = batch_at(b, all.v, cuts[s] * b->width),
        spans[s].n = cuts[s + 1] - cuts[s];
    }
    item.q = batch_at(b, item.q, (T - last) * b->width), item.o = part, item.lse = NULL, item.n_q = last,
    item.spans = spans, item.n_spans = 3;
    a.items = &item;
    k->act[b->p].attention(&a);
    if (b->p == PRECISION_F32) {
        assert_memory_equal(part, batch_at(b, b->o, (T - last) * row), last * row * sizeof(float));
    } else {
        for (size_t i = 0; i < last * row; i++)
            assert_true(fabs(batch_get(b, part, i) - batch_get(b, b->o, (T - last) * row + i)) <= 2e-2);
    }
    free(part);
}

static void test_cache(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{3, 1, 64}, {9, 1, 20}, {4, 4, 128}, {20, 1, 16}};
    const size_t T = 333;
    for (size_t s = 0; s < 4; s++) EACH_PRECISION(p) {
            attention_batch *b = attention_batch_make(p, shapes[s][0], shapes[s][1], shapes[s][2], 1, &T, NULL, 1);
            EACH_TABLE(k) {
                run_forward(k, b);
                check_cache(k, b, 0, T - 1, 1), check_cache(k, b, 100, T - 1, 1), check_cache(k, b, 64, 192, 2);
                check_cache(k, b, 1, 200, 5), check_cache(k, b, 63, 65, 40), check_cache(k, b, 31, 32, 200);
            }
            attention_batch_free(b);
        }
}

static void test_threads(void **state) {
    (void)state;
    static const size_t lengths[] = {700, 300, 128, 128, 40};
    static const int32_t parent[] = {-1, 0, 0, 1, -1};
    const int before = omp_get_max_threads();
    EACH_PRECISION(p) {
        attention_batch *b = attention_batch_make(p, 3, 1, 32, 5, lengths, parent, 1);
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
        free(o), free(dqkv), attention_batch_free(b);
    }
    omp_set_num_threads(before);
}

/* A NaN or an infinity in one token's value: rows before it are as they were, rows from it on are not numbers. */
static void test_nan(void **state) {
    (void)state;
    static const size_t lengths[] = {150, 20}, bad = 101;
    static const double values[] = {NAN, INFINITY};
    for (size_t v = 0; v < 2; v++) EACH_PRECISION(p) {
            attention_batch *b = attention_batch_make(p, 3, 1, 24, 2, lengths, NULL, 1);
            const size_t row = b->H * b->D;
            double *clean = mem_calloc(b->T * row, sizeof *clean);
            EACH_TABLE(k) {
                const size_t element = bad * b->width + row + b->D;
                const double good = batch_get(b, b->qkv, element);
                run_forward(k, b);
                for (size_t i = 0; i < b->T * row; i++) clean[i] = batch_get(b, b->o, i);
                batch_put(b, b->qkv, element, values[v]);
                run_forward(k, b);
                batch_put(b, b->qkv, element, good);
                for (size_t t = 0; t < b->T; t++)
                    for (size_t h = 0; h < b->H; h++) {
                        const double got = batch_get(b, b->o, t * row + h * b->D), was = clean[t * row + h * b->D];
                        if (t >= bad && t < lengths[0])
                            assert_false(isfinite(got));
                        else
                            assert_near(got, was, attention_forward_tolerance[p] * 5);
                    }
            }
            free(clean), attention_batch_free(b);
        }
}

int main(void) {
    print_message("# seed %u\n", ATTENTION_SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_packed),
                                       cmocka_unit_test(test_trees),  cmocka_unit_test(test_paths),
                                       cmocka_unit_test(test_cache),  cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_nan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
