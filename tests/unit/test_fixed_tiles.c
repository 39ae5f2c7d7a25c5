/* Backward products in fixed tiles, and whole gradients made of them: the same bits on 1, 2, 3 and 4 threads; equal to
 * uncut products to rounding. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/matmul.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static float *numbers(size_t n, uint64_t which) {
    float *x = mem_aligned(n, sizeof *x);
    rng r = rng_make(5, RNG_TEST, which, 0, 0);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(&r);
    return x;
}

static void assert_close(const float *a, const float *b, size_t n, double scale) {
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - b[i]) <= 1e-5 * scale))
            fail_msg("element %zu: %g and %g", i, (double)a[i], (double)b[i]);
}

static void test_products(void **state) {
    (void)state;
    static const size_t shapes[][3] = {
        {700, 600, 530}, {257, 1100, 513}, {64, 64, 64}, {3, 2000, 300}, {1024, 33, 900}};
    matmul *whole, *cut;
    assert_int_equal(matmul_create(&whole), WR_OK);
    assert_int_equal(matmul_create(&cut), WR_OK);
    matmul_fix_tiles(cut, true);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
        float *dY = numbers(M * N, 1), *W = numbers(N * K, 2), *X = numbers(M * K, 3), *first_x = NULL, *first_w = NULL;
        for (int threads = 0; threads <= 4; threads++) { /* 0: not cut */
            matmul *c = threads ? cut : whole;
            float *dX = numbers(M * K, 4), *dW = numbers(N * K, 5);
            omp_set_num_threads(threads ? threads : 1);
            assert_int_equal(matmul_dx(c, PRECISION_F32, M, N, K, dY, N, W, dX, true, true), WR_OK);
            assert_int_equal(matmul_dw_add(c, PRECISION_F32, M, N, K, dY, N, X, dW), WR_OK);
            if (threads == 1) {
                assert_close(dX, first_x, M * K, sqrt((double)N) * 4);
                assert_close(dW, first_w, N * K, sqrt((double)M) * 4);
            }
            if (threads > 1) {
                assert_memory_equal(dX, first_x, M * K * sizeof *dX);
                assert_memory_equal(dW, first_w, N * K * sizeof *dW);
            }
            free(first_x), free(first_w);
            first_x = dX, first_w = dW;
        }
        free(first_x), free(first_w), free(dY), free(W), free(X);
    }
    matmul_free(whole);
    matmul_free(cut);
}

enum { C = 128, V = 700, T = 1300, LONG = 900 };

/* The gradient of a sum of log-probabilities, of a long segment and a short one. */
static float *gradient(const char *spec, int threads) {
    const size_t offsets[] = {0, LONG, T};
    model *m = tiny_model(tiny_config(spec, V), 3);
    float *grads = mem_calloc(m->n_params, sizeof *grads), *dhidden = mem_calloc(T * C, sizeof *dhidden);
    float *out = mem_calloc(2 * T, sizeof *out);
    size_t *rows = mem_calloc(T, sizeof *rows);
    int32_t *ids = mem_calloc(2 * T, sizeof *ids);
    const float *hidden = NULL;
    model_workspace *w = NULL;
    rng r = rng_make(6, RNG_TEST, 0, 0, 0);
    omp_set_num_threads(threads);
    assert_true(grads && dhidden && out && rows && ids);
    for (size_t t = 0; t < T; t++) {
        ids[t] = (int32_t)rng_below(&r, V), ids[T + t] = (int32_t)rng_below(&r, V);
        rows[t] = t, out[T + t] = 0.01f;
    }
    const token_batch b = {.B = 2, .offsets = offsets, .ids = ids};
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    model_workspace_fix_tiles(w, true);
    assert_int_equal(model_forward(m, &b, w, true, &hidden), WR_OK);
    assert_int_equal(lm_logprobs(m, w, hidden, T, rows, ids + T, out), WR_OK);
    assert_int_equal(lm_logprobs_backward(m, w, hidden, T, rows, ids + T, out + T, dhidden, grads), WR_OK);
    assert_int_equal(model_backward(m, &b, w, dhidden, grads), WR_OK);
    model_workspace_free(w);
    model_free(m);
    free(dhidden), free(out), free(rows), free(ids);
    return grads;
}

static void test_gradient(void **state) {
    (void)state;
    static const char *const specs[] = {"layers=2,hidden=128,heads=4,kv-heads=2,ffn=330",
                                        "layers=1,hidden=128,heads=8,kv-heads=8,ffn=600,tied=1"};
    for (size_t s = 0; s < sizeof specs / sizeof *specs; s++) {
        model *m = tiny_model(tiny_config(specs[s], V), 3);
        const size_t bytes = m->n_params * sizeof(float);
        float *one = gradient(specs[s], 1);
        for (int threads = 2; threads <= 4; threads++) {
            float *more = gradient(specs[s], threads);
            size_t at = 0;
            while (at < m->n_params && memcmp(&one[at], &more[at], sizeof *one) == 0) at++;
            if (at < m->n_params) fail_msg("%d threads: element %zu of %zu bytes is another", threads, at, bytes);
            free(more);
        }
        free(one);
        model_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products), cmocka_unit_test(test_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
