/* Products in bf16 against double loops over the same rounded numbers: |error| <= 1e-5 (1 + K/16) with an f32 result,
 * and 2^-8 relative beside it with a bf16 result. Skipped where oneDNN has no such product. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/matmul.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 77u

static bf16 *random_bf16(size_t n, uint64_t which) {
    bf16 *x = mem_aligned(n ? n : 1, sizeof *x);
    rng r = rng_make(SEED, RNG_TEST, which, 0, 0);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = bf16_from_f32((float)rng_uniform(&r) - 0.5f);
    return x;
}

static matmul *context(void) {
    precision p;
    matmul *c = NULL;
    if (precision_choose("bf16", &p, NULL) < 0) skip();
    assert_int_equal(matmul_create(&c), WR_OK);
    return c;
}

static void close_to(double want, double got, double scale, bool f32) {
    const double bound = 1e-5 * scale + (f32 ? 0 : fabs(want) / 256);
    if (!(fabs(want - got) <= bound)) fail_msg("%.9g, expected %.9g (bound %g)", got, want, bound);
}

static double value(const void *p, size_t i, bool f32) {
    return f32 ? ((const float *)p)[i] : bf16_to_f32(((const bf16 *)p)[i]);
}

static void fill(void *p, size_t n, bool f32) {
    for (size_t i = 0; i < n; i++) {
        const float x = (float)(i % 7) - 3.0f;
        if (f32)
            ((float *)p)[i] = x;
        else
            ((bf16 *)p)[i] = bf16_from_f32(x);
    }
}

static void check(matmul *c, size_t M, size_t N, size_t K, size_t pad, bool f32, bool add) {
    const size_t ldx = K + pad, ldy = N + pad;
    bf16 *X = random_bf16(M * ldx, 1), *W = random_bf16(N * K, 2), *dY = random_bf16(M * ldy, 3),
         *dense = random_bf16(M * K, 4);
    void *Y = mem_calloc(M * ldy, 4), *packed_Y = mem_calloc(M * ldy, 4), *dX = mem_calloc(M * K, 4),
         *dW = mem_calloc(N * K, 4);
    packed_matrix *packed = NULL;
    fill(Y, M * ldy, f32), fill(packed_Y, M * ldy, f32), fill(dX, M * K, f32), fill(dW, N * K, true);
    assert_int_equal(matmul_xwt(c, PRECISION_BF16, M, N, K, X, ldx, W, Y, ldy, f32, add), WR_OK);
    assert_int_equal(packed_matrix_create(c, N, K, &packed), WR_OK);
    assert_int_equal(packed_matrix_fill(c, packed, W), WR_OK);
    assert_int_equal(matmul_xwt_packed(c, M, packed, X, ldx, packed_Y, ldy, f32, add), WR_OK);
    assert_int_equal(matmul_dx(c, PRECISION_BF16, M, N, K, dY, ldy, W, dX, f32, add), WR_OK);
    assert_int_equal(matmul_dw_add(c, PRECISION_BF16, M, N, K, dY, ldy, dense, dW), WR_OK);
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < ldy; n++) {
            const double old = (double)((m * ldy + n) % 7) - 3;
            double s = add || n >= N ? old : 0;
            for (size_t k = 0; n < N && k < K; k++)
                s += (double)bf16_to_f32(X[m * ldx + k]) * bf16_to_f32(W[n * K + k]);
            close_to(s, value(Y, m * ldy + n, f32), 1 + (double)K / 16, f32);
            close_to(s, value(packed_Y, m * ldy + n, f32), 1 + (double)K / 16, f32);
        }
    for (size_t m = 0; m < M; m++)
        for (size_t k = 0; k < K; k++) {
            double s = add ? (double)((m * K + k) % 7) - 3 : 0;
            for (size_t n = 0; n < N; n++) s += (double)bf16_to_f32(dY[m * ldy + n]) * bf16_to_f32(W[n * K + k]);
            close_to(s, value(dX, m * K + k, f32), 1 + (double)N / 16, f32);
        }
    for (size_t n = 0; n < N; n++)
        for (size_t k = 0; k < K; k++) {
            double s = (double)((n * K + k) % 7) - 3;
            for (size_t m = 0; m < M; m++) s += (double)bf16_to_f32(dY[m * ldy + n]) * bf16_to_f32(dense[m * K + k]);
            close_to(s, value(dW, n * K + k, true), 1 + (double)M / 16, true);
        }
    packed_matrix_free(packed);
    free(X), free(W), free(dY), free(dense), free(Y), free(packed_Y), free(dX), free(dW);
}

static void test_values(void **state) {
    static const size_t shapes[][3] = {{1, 1, 2},    {1, 3, 7},     {2, 5, 16},   {3, 40, 17},  {7, 33, 31},
                                       {9, 64, 257}, {17, 66, 300}, {64, 96, 64}, {130, 70, 45}};
    (void)state;
    matmul *c = context();
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int kind = 0; kind < 8; kind++)
            check(c, shapes[s][0], shapes[s][1], shapes[s][2], kind & 1 ? 13 : 0, (kind & 2) != 0, (kind & 4) != 0);
    matmul_free(c);
}

/* More shapes than are kept: the oldest are forgotten, and nothing else changes. */
static void test_many_shapes(void **state) {
    (void)state;
    matmul *c = context();
    const bf16 one = bf16_from_f32(1.0f);
    bf16 x[700], w[4];
    float y[700];
    for (size_t i = 0; i < 700; i++) x[i] = one;
    for (size_t i = 0; i < 4; i++) w[i] = one;
    for (size_t M = 1; M <= 340; M++)
        for (size_t K = 1; K <= 2; K++) {
            assert_int_equal(matmul_xwt(c, PRECISION_BF16, M, 1, K, x, K, w, y, 1, true, false), WR_OK);
            for (size_t i = 0; i < M; i++) assert_true(y[i] == (float)K);
        }
    matmul_free(c);
}

/* Not a promise, but a fact worth knowing: does a row depend on how many rows are multiplied with it? And the same call
 * twice must give the same bits. */
static void test_rows(void **state) {
    static const size_t weights[][2] = {{960, 576}, {576, 1536}, {3072, 576}};
    enum { ALL = 2048 };
    (void)state;
    matmul *c = context();
    size_t same = 0, tried = 0;
    for (size_t s = 0; s < sizeof weights / sizeof *weights; s++) {
        const size_t N = weights[s][0], K = weights[s][1];
        bf16 *X = random_bf16(ALL * K, 11), *W = random_bf16(N * K, 12);
        float *Y = mem_calloc(ALL * N, sizeof *Y), *part = mem_calloc(64 * N, sizeof *part),
              *again = mem_calloc(64 * N, sizeof *again);
        assert_int_equal(matmul_xwt(c, PRECISION_BF16, ALL, N, K, X, K, W, Y, N, true, false), WR_OK);
        for (size_t M = 1; M <= 64; M += M < 9 ? 1 : 11) {
            const size_t first = (M * 37) % (ALL - M);
            assert_int_equal(matmul_xwt(c, PRECISION_BF16, M, N, K, X + first * K, K, W, part, N, true, false), WR_OK);
            assert_int_equal(matmul_xwt(c, PRECISION_BF16, M, N, K, X + first * K, K, W, again, N, true, false), WR_OK);
            assert_memory_equal(part, again, M * N * sizeof *part);
            same += memcmp(part, Y + first * N, M * N * sizeof *Y) == 0;
            tried++;
        }
        free(X), free(W), free(Y), free(part), free(again);
    }
    print_message("# bf16: rows of %zu of %zu products of 1 to 64 rows have the bits that they have among %d\n", same,
                  tried, (int)ALL);
    matmul_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_many_shapes),
                                       cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
