/* Windows and soft caps in attention: against the definition in double; f32 outputs have the same bits whatever the
 * company and however the keys are spread; what no window reaches is not read. */
#include "base/mem.h"
#include "tests/support/attention_batch.h"
#include "tests/support/near.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static const size_t tree_lengths[] = {90, 33, 1, 64, 40, 7, 130, 65}, windows[] = {1, 2, 7, 32, 63, 64, 65, 100, 1000};
static const int32_t trees[] = {-1, 0, 0, -1, 1, 3, 1, 4};

static void test_windows(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 70, 1, 2, 129, 64, 1, 31};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) EACH_PRECISION(p) {
            attention_batch *packed = attention_batch_make(p, 6, 2, 20, 8, lengths, NULL, 1),
                            *tree = attention_batch_make(p, 6, 3, 32, 8, tree_lengths, trees, 1);
            packed->args.window = tree->args.window = windows[i];
            check_attention(packed);
            check_attention(tree);
            attention_batch_free(packed), attention_batch_free(tree);
        }
}

/* Head counts and sizes; several groups of queries and several parts of a tree in the backward pass. */
static void test_shapes(void **state) {
    (void)state;
    static const size_t shapes[][5] = {{300, 1, 1, 8, 50},   {193, 5, 1, 24, 17}, {150, 2, 2, 130, 70},
                                       {100, 16, 1, 6, 9},   {40, 1, 1, 512, 3},  {5, 40, 1, 10, 2},
                                       {1500, 1, 1, 16, 200}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) EACH_PRECISION(p) {
            attention_batch *b =
                attention_batch_make(p, shapes[s][1], shapes[s][2], shapes[s][3], 1, shapes[s], NULL, 1);
            b->args.window = shapes[s][4];
            check_attention(b);
            attention_batch_free(b);
        }
    static const size_t lengths[] = {700, 300, 128, 128};
    static const int32_t parent[] = {-1, 0, 0, 1};
    EACH_PRECISION(p) {
        attention_batch *b = attention_batch_make(p, 2, 1, 16, 4, lengths, parent, 1);
        b->args.window = 150;
        check_attention(b);
        attention_batch_free(b);
    }
}

/* Caps with scores of about ±4 and ±80, alone and with windows; another scale than 1 / sqrt(D). */
static void test_caps(void **state) {
    (void)state;
    static const float caps[] = {50, 2, 0}, scales[] = {0, 0.03f};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 2; k++) EACH_PRECISION(p) {
                attention_batch *b = attention_batch_make(p, 6, 3, 32, 8, tree_lengths, trees, k ? 20 : 1);
                b->args.softcap = caps[i], b->args.scale = scales[k], b->args.window = i ? 40 : 0;
                check_attention(b);
                attention_batch_free(b);
            }
}

/* A query alone, with the keys of its window in three spans, has the bits that it has among all. */
static void test_company(void **state) {
    (void)state;
    const size_t T = 333;
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int cap = 0; cap < 2; cap++) {
            attention_batch *b = attention_batch_make(PRECISION_F32, 6, 2, 20, 1, &T, NULL, 1);
            const size_t row = b->H * b->D;
            float *alone = mem_calloc(row, sizeof *alone);
            b->args.window = windows[i], b->args.softcap = cap ? 3 : 0;
            EACH_TABLE(k) {
                run_forward(k, b);
                for (size_t t = 0; t < T; t += 23) {
                    const size_t cuts[] = {0, t / 3, t / 2, t + 1};
                    const kv_span all = b->spans[0][0];
                    kv_span spans[3];
                    for (size_t s = 0; s < 3; s++)
                        spans[s] = (kv_span){.k = batch_at(b, all.k, cuts[s] * b->width),
                                             .v = batch_at(b, all.v, cuts[s] * b->width),
                                             .token_stride = all.token_stride,
                                             .head_stride = all.head_stride,
                                             .n = cuts[s + 1] - cuts[s]};
                    attention_item item = {
                        .q = batch_at(b, b->qkv, t * b->width), .o = alone, .n_q = 1, .n_spans = 3, .spans = spans};
                    attention_args a = b->args;
                    a.items = &item;
                    k->act[b->p].attention(&a);
                    assert_memory_equal(alone, (float *)b->o + t * row, row * sizeof *alone);
                }
            }
            free(alone), attention_batch_free(b);
        }
}

/* A window as long as the path is none, to the bit. */
static void test_wide(void **state) {
    (void)state;
    EACH_PRECISION(p) {
        attention_batch *b = attention_batch_make(p, 6, 3, 32, 8, tree_lengths, trees, 1);
        const size_t o_bytes = b->T * b->H * b->D * precision_bytes(p), bytes = b->T * b->width * precision_bytes(p);
        void *o = mem_calloc(1, o_bytes), *dqkv = mem_calloc(1, bytes);
        EACH_TABLE(k) {
            b->args.window = 0;
            run_forward(k, b), run_backward(k, b);
            memcpy(o, b->o, o_bytes), memcpy(dqkv, b->dqkv, bytes);
            b->args.window = 263; /* of the longest path */
            run_forward(k, b), run_backward(k, b);
            assert_memory_equal(o, b->o, o_bytes);
            assert_memory_equal(dqkv, b->dqkv, bytes);
        }
        free(o), free(dqkv), attention_batch_free(b);
    }
}

static void test_threads(void **state) {
    (void)state;
    static const size_t lengths[] = {700, 300, 128, 128, 40};
    static const int32_t parent[] = {-1, 0, 0, 1, -1};
    const int before = omp_get_max_threads();
    EACH_PRECISION(p) {
        attention_batch *b = attention_batch_make(p, 3, 1, 32, 5, lengths, parent, 1);
        const size_t bytes = b->T * b->width * precision_bytes(p);
        void *dqkv = mem_calloc(1, bytes);
        b->args.window = 90, b->args.softcap = 5;
        EACH_TABLE(k)
        for (int threads = 1; threads <= 3; threads += 2) {
            omp_set_num_threads(threads);
            run_forward(k, b), run_backward(k, b);
            if (threads == 1) memcpy(dqkv, b->dqkv, bytes);
            assert_memory_equal(dqkv, b->dqkv, bytes);
        }
        free(dqkv), attention_batch_free(b);
    }
    omp_set_num_threads(before);
}

/* A value that is no number reaches the rows whose window holds it, and no other. */
static void test_nan(void **state) {
    (void)state;
    static const size_t length = 250, bad = 101;
    static const size_t few[] = {1, 20, 64, 90};
    for (size_t w = 0; w < 4; w++) EACH_PRECISION(p) {
            attention_batch *b = attention_batch_make(p, 3, 1, 24, 1, &length, NULL, 1);
            const size_t row = b->H * b->D, element = bad * b->width + row + b->D;
            double *clean = mem_calloc(b->T * row, sizeof *clean);
            b->args.window = few[w];
            EACH_TABLE(k) {
                const double good = batch_get(b, b->qkv, element);
                run_forward(k, b);
                for (size_t i = 0; i < b->T * row; i++) clean[i] = batch_get(b, b->o, i);
                batch_put(b, b->qkv, element, NAN);
                run_forward(k, b);
                batch_put(b, b->qkv, element, good);
                for (size_t t = 0; t < b->T; t++) {
                    const double got = batch_get(b, b->o, t * row);
                    if (t >= bad && t < bad + few[w])
                        assert_false(isfinite(got));
                    else
                        assert_near(got, clean[t * row], attention_forward_tolerance[p] * 5);
                }
            }
            free(clean), attention_batch_free(b);
        }
}

int main(void) {
    print_message("# seed %d\n", ATTENTION_SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows), cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_caps),    cmocka_unit_test(test_company),
                                       cmocka_unit_test(test_wide),    cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_nan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
