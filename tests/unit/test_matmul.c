/* Products: against a plain double loop; row i of X W^T has the same bits whatever M is; thread counts change no bit
 * of it; dX and dW repeat for the same number of threads. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/blas_library.h"
#include "model/kernels/kernels.h"
#include "model/kernels/matmul.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20240611u

static float *random_floats(size_t n, uint64_t which) {
    float *x = mem_aligned(n ? n : 1, sizeof *x);
    rng r = rng_make(SEED, RNG_TEST, which, 0, 0);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)rng_uniform(&r) - 0.5f;
    return x;
}

static const kernels_table *tables[] = {&kernels_baseline, &kernels_avx2, &kernels_avx512, &kernels_avx512bf16};
#define TABLES (sizeof tables / sizeof *tables)

static void close_to(double want, double got, double scale) {
    if (!(fabs(want - got) <= 1e-5 * scale)) fail_msg("%.9g, expected %.9g (scale %g)", got, want, scale);
}

static void forward(size_t M, size_t N, size_t K, const float *X, const float *W, float *Y, bool add) {
    assert_int_equal(matmul_xwt(NULL, PRECISION_F32, M, N, K, X, K, W, Y, N, true, add), WR_OK);
}

/* kind 0: Y = X W^T, 1: dX = dY W, 2: dW += dY^T X, through a table (NULL: through model/kernels/matmul.h). */
static void check_products(const kernels_table *t, size_t M, size_t N, size_t K, bool add) {
    float *X = random_floats(M * K, 1), *W = random_floats(N * K, 2), *Y = random_floats(M * N, 3);
    float *outY = random_floats(M * N, 4), *outX = random_floats(M * K, 5), *outW = random_floats(N * K, 6);
    float *inY = random_floats(M * N, 4), *inX = random_floats(M * K, 5), *inW = random_floats(N * K, 6);
    if (t) {
        t->xwt(M, N, K, X, K, W, outY, N, add);
        t->dx(M, N, K, Y, N, W, outX, add);
        t->dw_add(M, N, K, Y, N, X, outW);
    } else {
        forward(M, N, K, X, W, outY, add);
        assert_int_equal(matmul_dx(NULL, PRECISION_F32, M, N, K, Y, N, W, outX, true, add), WR_OK);
        assert_int_equal(matmul_dw_add(NULL, PRECISION_F32, M, N, K, Y, N, X, outW), WR_OK);
    }
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double s = add ? inY[m * N + n] : 0;
            for (size_t k = 0; k < K; k++) s += (double)X[m * K + k] * W[n * K + k];
            close_to(s, outY[m * N + n], 1 + (double)K / 16);
        }
    for (size_t m = 0; m < M; m++)
        for (size_t k = 0; k < K; k++) {
            double s = add ? inX[m * K + k] : 0;
            for (size_t n = 0; n < N; n++) s += (double)Y[m * N + n] * W[n * K + k];
            close_to(s, outX[m * K + k], 1 + (double)N / 16);
        }
    for (size_t n = 0; n < N; n++)
        for (size_t k = 0; k < K; k++) {
            double s = inW[n * K + k];
            for (size_t m = 0; m < M; m++) s += (double)Y[m * N + n] * X[m * K + k];
            close_to(s, outW[n * K + k], 1 + (double)M / 16);
        }
    free(X), free(W), free(Y), free(outY), free(outX), free(outW), free(inY), free(inX), free(inW);
}

static void test_values(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1},
                                       {1, 3, 7},
                                       {2, 5, 16},
                                       {3, 40, 17},
                                       {7, 33, 31},
                                       {8, 32, 64},
                                       {9, 64, 257},
                                       {17, 66, 300},
                                       {63, 19, 130},
                                       {64, 96, 64},
                                       {130, 70, 45},
                                       {300, 40, 33},
                                       {1030, 35, 20},
                                       /* several passes over K, several blocks of columns */
                                       {79, 33, 1300},
                                       {65, 1040, 30}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int add = 0; add < 2; add++) {
            for (size_t t = 0; t < TABLES; t++)
                if (tables[t]->usable()) check_products(tables[t], shapes[s][0], shapes[s][1], shapes[s][2], add);
            check_products(NULL, shapes[s][0], shapes[s][1], shapes[s][2], add);
        }
}

/* N, K: small ones, the demo's, SmolLM's. */
static const size_t weights[][2] = {{3, 128}, {128, 128}, {256, 128}, {768, 128}, {128, 384},  {1024, 128},
                                    {40, 16}, {5, 33},    {960, 576}, {576, 576}, {3072, 576}, {576, 1536}};

static void check_rows(const kernels_table *t, size_t N, size_t K) {
    enum { ALL = 2048 };
    float *X = random_floats(ALL * K, 11), *W = random_floats(N * K, 12), *Y = random_floats(ALL * N, 13),
          *part = random_floats(64 * N, 14);
    const char *name = t ? t->name : "matmul_xwt";
    if (t)
        t->xwt(ALL, N, K, X, K, W, Y, N, false);
    else
        forward(ALL, N, K, X, W, Y, false);
    for (size_t M = 1; M <= 64; M += M < 20 ? 1 : 11) {
        const size_t first = (M * 37) % (ALL - M);
        if (t)
            t->xwt(M, N, K, X + first * K, K, W, part, N, false);
        else
            forward(M, N, K, X + first * K, W, part, false);
        if (memcmp(part, Y + first * N, M * N * sizeof *Y) != 0)
            fail_msg("%s: N = %zu, K = %zu: rows of a product of %zu rows differ from those of %d", name, N, K, M,
                     (int)ALL);
    }
    free(X), free(W), free(Y), free(part);
}

static void test_row_invariance(void **state) {
    (void)state;
    for (size_t s = 0; s < sizeof weights / sizeof weights[0]; s++) {
        check_rows(NULL, weights[s][0], weights[s][1]);
        if (weights[s][0] * weights[s][1] > 200000) continue; /* the slower tables: small shapes tell as much */
        for (size_t t = 0; t < TABLES; t++)
            if (tables[t]->usable()) check_rows(tables[t], weights[s][0], weights[s][1]);
    }
}

static void test_thread_count(void **state) {
    (void)state;
    enum { COUNTS = 4 };
    static const int counts[COUNTS] = {1, 2, 3, 17}; /* the last: more than 65 rows have blocks */
    const int threads = omp_get_max_threads();
    static const size_t shapes[][3] = {{2048, 256, 128}, {512, 960, 576}, {300, 128, 384},
                                       {65, 768, 128},   {1000, 100, 70}, {130, 1100, 700}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const size_t M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
        float *X = random_floats(M * K, 21), *W = random_floats(N * K, 22), *Y = random_floats(M * N, 23);
        float *out[COUNTS][3];
        for (int n = 0; n < COUNTS; n++) {
            omp_set_num_threads(counts[n]);
            openblas.openblas_set_num_threads(counts[n]);
            float **o = out[n];
            o[0] = random_floats(M * N, 24), o[1] = random_floats(M * K, 25), o[2] = random_floats(N * K, 26);
            forward(M, N, K, X, W, o[0], false);
            assert_int_equal(matmul_dx(NULL, PRECISION_F32, M, N, K, Y, N, W, o[1], true, false), WR_OK);
            assert_int_equal(matmul_dw_add(NULL, PRECISION_F32, M, N, K, Y, N, X, o[2]), WR_OK);
            /* OpenBLAS promises less: the same bits again from the same call. */
            float *dX = random_floats(M * K, 25), *dW = random_floats(N * K, 26);
            assert_int_equal(matmul_dx(NULL, PRECISION_F32, M, N, K, Y, N, W, dX, true, false), WR_OK);
            assert_int_equal(matmul_dw_add(NULL, PRECISION_F32, M, N, K, Y, N, X, dW), WR_OK);
            assert_memory_equal(o[1], dX, M * K * sizeof(float));
            assert_memory_equal(o[2], dW, N * K * sizeof(float));
            free(dX), free(dW);
        }
        for (int n = 1; n < COUNTS; n++) assert_memory_equal(out[0][0], out[n][0], M * N * sizeof(float));
        for (int n = 0; n < COUNTS; n++)
            for (int i = 0; i < 3; i++) free(out[n][i]);
        free(X), free(W), free(Y);
    }
    omp_set_num_threads(threads);
    openblas.openblas_set_num_threads(threads);
}

/* Rows that lie further apart than they are long: the same bits as dense ones, and nothing written between. */
static void test_row_strides(void **state) {
    (void)state;
    enum { M = 70, N = 65, K = 130, LDX = 140, LDY = 81 };
    float *X = random_floats(M * LDX, 31), *W = random_floats(N * K, 32), *Y = random_floats(M * LDY, 33),
          *want = random_floats(M * LDY, 33);
    float *x = mem_calloc(M * K, sizeof *x), *y = mem_calloc(M * N, sizeof *y), *dx = mem_calloc(M * K, sizeof *dx),
          *dw = mem_calloc(N * K, sizeof *dw);
    float *dx2 = mem_calloc(M * K, sizeof *dx), *dw2 = mem_calloc(N * K, sizeof *dw);
    for (size_t i = 0; i < M; i++) memcpy(x + i * K, X + i * LDX, K * sizeof *x);
    forward(M, N, K, x, W, y, false);
    for (size_t i = 0; i < M; i++) memcpy(want + i * LDY, y + i * N, N * sizeof *y);
    assert_int_equal(matmul_xwt(NULL, PRECISION_F32, M, N, K, X, LDX, W, Y, LDY, true, false), WR_OK);
    assert_memory_equal(Y, want, M * LDY * sizeof *Y);
    assert_int_equal(matmul_dx(NULL, PRECISION_F32, M, N, K, y, N, W, dx, true, false), WR_OK);
    assert_int_equal(matmul_dx(NULL, PRECISION_F32, M, N, K, Y, LDY, W, dx2, true, false), WR_OK);
    assert_int_equal(matmul_dw_add(NULL, PRECISION_F32, M, N, K, y, N, x, dw), WR_OK);
    assert_int_equal(matmul_dw_add(NULL, PRECISION_F32, M, N, K, Y, LDY, x, dw2), WR_OK);
    for (size_t i = 0; i < M * K; i++) close_to(dx[i], dx2[i], 8);
    for (size_t i = 0; i < N * K; i++) close_to(dw[i], dw2[i], 8);
    free(X), free(W), free(Y), free(want), free(x), free(y), free(dx), free(dw), free(dx2), free(dw2);
}

int main(void) {
    if (blas_library_load() < 0) return 1;
    print_message("# seed %u, kernels %s, OpenBLAS %s\n", SEED, kernels()->name, openblas.openblas_get_corename());
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_row_invariance),
                                       cmocka_unit_test(test_thread_count), cmocka_unit_test(test_row_strides)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
