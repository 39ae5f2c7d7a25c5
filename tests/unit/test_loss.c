/* Ordinal loss: values and gradient of torch's binary_cross_entropy_with_logits (computed in double, mean over batch
 * and K-1), finite differences, extremes. */
#include "base/rng.h"
#include "reward/loss.h"
#include "evaluate/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void near(double got, double want, double tol) {
    if (!(fabs(got - want) <= tol) || !isfinite(got)) fail_msg("got %.17g, want %.17g", got, want);
}

static void test_torch(void **state) {
    (void)state;
    const float z[12] = {0.3f, -0.7f, -2.0f, 4.0f, 1.5f, -0.25f, -30.f, 60.f, -90.f, 0.f, 0.f, 0.f};
    const int y[4] = {1, 3, 4, 2};
    const double grad[12] = {0.04787020973430492,   0.027651018985986157,  0.009933576835176462, -0.0014988508301742958,
                             -0.015202126983863029, 0.03648529159285016,   -0.08333333333332553, 0.0,
                             -0.08333333333333333,  -0.041666666666666664, 0.041666666666666664, 0.041666666666666664};
    const double score[4] = {2.0254576666656106, 3.237411765345754, 2.0000000000000933, 2.5};
    float d[12];
    near(ordinal_loss(4, 3, z, y, 0.25f, d) / 4, 10.35495112265469, 1e-6);
    for (int i = 0; i < 12; i++) near(d[i], grad[i], 2e-8);
    for (int i = 0; i < 4; i++) near(ordinal_score(3, z + 3 * i), score[i], 1e-6);
}

static void test_gradient(void **state) {
    (void)state;
    const uint64_t seed = 11;
    printf("# seed %llu\n", (unsigned long long)seed);
    rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
    for (int round = 0; round < 50; round++) {
        size_t K1 = 1 + (size_t)rng_below(&r, 6);
        float z[6], d[6];
        int y = 1 + (int)rng_below(&r, K1 + 1);
        for (size_t k = 0; k < K1; k++) z[k] = (float)(4 * rng_normal(&r));
        ordinal_loss(1, K1, z, &y, 2.0f, d);
        for (size_t k = 0; k < K1; k++) {
            float up = z[k] + 1e-2f, down = z[k] - 1e-2f, kept = z[k];
            z[k] = up;
            double a = ordinal_loss(1, K1, z, &y, 1, NULL);
            z[k] = down;
            double b = ordinal_loss(1, K1, z, &y, 1, NULL);
            z[k] = kept;
            near(d[k], 2 * (a - b) / ((double)up - (double)down), 2e-5);
        }
    }
}

static void test_extremes(void **state) {
    (void)state;
    const int y[2] = {2, 1};
    float z[2] = {-1e30f, 1e30f}, d[2];
    near(ordinal_loss(2, 1, z, y, 1, d), 2e30, 1e24);
    near(d[0], -1, 0);
    near(d[1], 1, 0);
    near(softplus(-800), 0, 0);
    near(softplus(800), 800, 0);
    near(log_sigmoid(-800), -800, 0);
    near(log_sigmoid(0), -log(2), 1e-16);
    near(softplus(1e-3) - softplus(-1e-3), 1e-3, 1e-16);
    z[0] = NAN;
    assert_true(isnan(ordinal_loss(1, 1, z, y, 1, d)));
    assert_true(isnan(ordinal_score(1, z)));
}

static void test_score(void **state) {
    (void)state;
    const float z[3] = {100, 100, 100}, low[3] = {-100, -100, -100}, class_3[3] = {5, 1, -1};
    near(ordinal_score(3, z), 4, 1e-12);
    near(ordinal_score(3, low), 1, 1e-12);
    assert_int_equal(ordinal_class(3, class_3), 3);
    assert_int_equal(ordinal_class(3, low), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_torch), cmocka_unit_test(test_gradient),
                                       cmocka_unit_test(test_extremes), cmocka_unit_test(test_score)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
