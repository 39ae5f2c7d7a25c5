/* AdamW: five steps of torch.optim.AdamW, threads, clipping norm, schedules. */
#include "base/mem.h"
#include "base/rng.h"
#include "trainer/optimizer.h"
#include "tests/support/near.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_torch(void **state) {
    (void)state;
    tensor_info tensors[2] = {{.name = "matrix", .dims = {2, 3}, .n_dims = 2, .offset = 0, .count = 6, .decay = true},
                              {.name = "norm", .dims = {2, 1}, .n_dims = 1, .offset = 6, .count = 2, .decay = false}};
    float params[8] = {0.5f, -1.25f, 2.0f, 0.001f, -3.5f, 1e-3f, 1.0f, 0.25f}, grads[8];
    const double want[8] = {0.500749826, -1.18884063,  1.99729526, -0.0815919116,
                            -3.43951297, 0.0719129443, 1.04325926, 0.260580271};
    const trainables x = {tensors, 2, 8, params};
    adamw a;
    adamw_options o = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};
    assert_int_equal(adamw_create(8, &a), WR_OK);
    for (int t = 0; t < 5; t++) {
        /* The gradients are handed over doubled, with a clipping factor of one half. */
        for (int i = 0; i < 6; i++) grads[i] = 2 * (float)((i * 7 + t * 5) % 11 - 5) * 0.125f;
        for (int i = 0; i < 2; i++) grads[6 + i] = 2 * (float)((i * 3 + t * 2) % 7 - 3) * 0.5f;
        adamw_step(&a, &o, 0.01 * (t + 1), 0.5, x, grads);
    }
    assert_int_equal(a.t, 5);
    for (int i = 0; i < 8; i++) assert_near(params[i], want[i], 3e-7 * (1 + fabs(want[i])));
    adamw_free(&a);
}

static void run_steps(int threads, size_t n, float *params) {
    tensor_info tensors[2] = {{.dims = {n - 7, 1}, .offset = 0, .count = n - 7, .decay = true},
                              {.offset = n - 7, .count = 7}};
    const trainables x = {tensors, 2, n, params};
    adamw_options o = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    float *grads = mem_calloc(n, sizeof *grads);
    adamw a;
    assert_int_equal(adamw_create(n, &a), WR_OK);
    omp_set_num_threads(threads);
    rng r = rng_make(3, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < n; i++) params[i] = (float)rng_normal(&r);
    for (int t = 0; t < 3; t++) {
        for (size_t i = 0; i < n; i++) grads[i] = (float)rng_normal(&r);
        double norm = global_norm(grads, n);
        adamw_step(&a, &o, 0.01, 1 / norm, x, grads);
    }
    adamw_free(&a);
    free(grads);
}

static void test_threads(void **state) {
    (void)state;
    size_t n = 150001;
    float *one = mem_calloc(n, sizeof *one), *three = mem_calloc(n, sizeof *three);
    run_steps(1, n, one);
    run_steps(3, n, three);
    assert_memory_equal(one, three, n * sizeof *one);
    free(one);
    free(three);
}

/* However the trainables are cut, ranges with moments of their own make the steps of the whole, to the bit. */
static void test_ranges(void **state) {
    (void)state;
    enum { N = 40000, MATRIX = 39000, CUTS = 5 };
    static const size_t cuts[CUTS + 1] = {0, 1, 20003, 20003, 39500, N};
    tensor_info tensors[2] = {{.dims = {MATRIX, 1}, .offset = 0, .count = MATRIX, .decay = true},
                              {.offset = MATRIX, .count = N - MATRIX}};
    const adamw_options o = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    float *whole = mem_calloc(N, sizeof *whole), *cut = mem_calloc(N, sizeof *cut),
          *grads = mem_calloc(N, sizeof *grads);
    adamw a, part[CUTS];
    assert_int_equal(adamw_create(N, &a), WR_OK);
    for (int i = 0; i < CUTS; i++)
        assert_int_equal(adamw_create_range((float_range){cuts[i], cuts[i + 1]}, &part[i]), WR_OK);
    rng r = rng_make(4, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < N; i++) whole[i] = cut[i] = (float)rng_normal(&r);
    for (int t = 0; t < 3; t++) {
        for (size_t i = 0; i < N; i++) grads[i] = (float)rng_normal(&r);
        adamw_step(&a, &o, 0.01, 0.5, (trainables){tensors, 2, N, whole}, grads);
        for (int i = CUTS; i-- > 0;) adamw_step(&part[i], &o, 0.01, 0.5, (trainables){tensors, 2, N, cut}, grads);
        assert_memory_equal(whole, cut, N * sizeof *cut);
    }
    for (int i = 0; i < CUTS; i++) {
        assert_memory_equal(part[i].m, a.m + cuts[i], part[i].n * sizeof(float));
        assert_memory_equal(part[i].v, a.v + cuts[i], part[i].n * sizeof(float));
        adamw_free(&part[i]);
    }
    adamw_free(&a);
    free(whole), free(cut), free(grads);
}

/* A score head with a rate of its own makes the steps that all would make at that rate, the rest those at the rate; no
 * scale is a scale of 1, to the bit. */
static void test_head_rate(void **state) {
    (void)state;
    enum { N = 50, HEAD = 30, RUNS = 4 };
    static const double scale[RUNS] = {0, 1, 20, 0}, rate[RUNS] = {0.01, 0.01, 0.01, 0.2};
    const tensor_info tensors[2] = {{.count = HEAD, .decay = true},
                                    {.offset = HEAD, .count = N - HEAD, .decay = true, .score = true}};
    float x[RUNS][N], grads[N];
    for (int k = 0; k < RUNS; k++) {
        const adamw_options o = {
            .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1, .head_scale = scale[k]};
        rng r = rng_make(4, RNG_TEST, 1, 0, 0);
        adamw a;
        assert_int_equal(adamw_create(N, &a), WR_OK);
        for (size_t i = 0; i < N; i++) x[k][i] = (float)rng_normal(&r);
        for (int t = 0; t < 3; t++) {
            for (size_t i = 0; i < N; i++) grads[i] = (float)rng_normal(&r);
            adamw_step(&a, &o, rate[k], 1, (trainables){(tensor_info *)tensors, 2, N, x[k]}, grads);
        }
        adamw_free(&a);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    assert_memory_equal(x[2], x[0], HEAD * sizeof(float));
    assert_memory_equal(x[2] + HEAD, x[3] + HEAD, (N - HEAD) * sizeof(float));
    assert_true(x[2][HEAD] != x[0][HEAD]);
}

/* Ranges of whole pieces, summed by different owners: the bits of the whole. Cut elsewhere: to rounding. */
static void test_norm_ranges(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 511, 513, 100000, 123457};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const size_t n = sizes[k], piece = norm_piece(n), third = 170 * piece < n ? 170 * piece : n;
        float *x = mem_calloc(n + 1, sizeof *x);
        rng r = rng_make(6, RNG_TEST, n, 0, 0);
        for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(&r);
        double first[NORM_PIECES] = {0}, second[NORM_PIECES] = {0}, odd[NORM_PIECES] = {0};
        norm_squares(x, (float_range){0, third}, n, first);
        norm_squares(x + third, (float_range){third, n}, n, second);
        for (int i = 0; i < NORM_PIECES; i++) second[i] += first[i];
        assert_true(norm_of_squares(second) == global_norm(x, n));
        for (size_t at = 0; at < n; at += 777)
            norm_squares(x + at, (float_range){at, at + 777 < n ? at + 777 : n}, n, odd);
        assert_near(norm_of_squares(odd), global_norm(x, n), 1e-12 * (1 + global_norm(x, n)));
        free(x);
    }
}

static void test_norm(void **state) {
    (void)state;
    for (size_t n = 0; n < 70; n++) {
        float x[70];
        double want = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = (float)i - 20;
            want += (double)x[i] * (double)x[i];
        }
        assert_near(global_norm(x, n), sqrt(want), 1e-12);
    }
    size_t n = 1 << 20;
    float *x = mem_calloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = 0.5f;
    assert_near(global_norm(x, n), 512, 0);
    x[n - 1] = INFINITY;
    assert_true(isinf(global_norm(x, n)));
    x[12345] = NAN;
    assert_true(isnan(global_norm(x, n)));
    free(x);
}

static void test_schedules(void **state) {
    (void)state;
    assert_near(lr_at(LR_CONSTANT, 2, 0, 4, 100, 0), 0.5, 1e-15);
    assert_near(lr_at(LR_CONSTANT, 2, 3, 4, 100, 0), 2, 1e-15);
    assert_near(lr_at(LR_CONSTANT, 2, 99, 4, 100, 0), 2, 1e-15);
    assert_near(lr_at(LR_COSINE, 2, 10, 10, 110, 0), 2, 1e-15);
    assert_near(lr_at(LR_COSINE, 2, 60, 10, 110, 0), 1, 1e-15);
    assert_near(lr_at(LR_COSINE, 2, 110, 10, 110, 0.25), 0.5, 1e-15);
    assert_near(lr_at(LR_LINEAR, 2, 35, 10, 110, 0), 1.5, 1e-15);
    assert_near(lr_at(LR_LINEAR, 2, 500, 10, 110, 0), 0, 1e-15);
    assert_true(isfinite(lr_at(LR_COSINE, 1, 0, 0, 0, 0)));
}

/* One rule for every run: torch's, in which the norm gets 1e-6 more. */
static void test_clipping(void **state) {
    (void)state;
    assert_near(clip_scale(4, 1), 1 / (4 + 1e-6), 0);
    assert_near(clip_scale(0.5, 1), 1, 0);
    assert_near(clip_scale(1, 1), 1 / (1 + 1e-6), 0);
    assert_near(clip_scale(1e9, 0), 1, 0);
    assert_near(clip_scale(0, 1), 1, 0);
}

static void test_warmup_steps(void **state) {
    (void)state;
    assert_int_equal(lr_warmup_steps(0.14, 50), 7); /* the product is above 7 by rounding */
    assert_int_equal(lr_warmup_steps(0.05, 10), 1);
    assert_int_equal(lr_warmup_steps(0, 10), 0);
    assert_int_equal(lr_warmup_steps(1, 10), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch),     cmocka_unit_test(test_threads),     cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_head_rate), cmocka_unit_test(test_norm_ranges), cmocka_unit_test(test_norm),
        cmocka_unit_test(test_schedules), cmocka_unit_test(test_clipping),    cmocka_unit_test(test_warmup_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
