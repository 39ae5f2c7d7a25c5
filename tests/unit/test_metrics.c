/* Spearman with ties, bootstrap interval by cluster, quadratic kappa. Wanted values: the definitions, evaluated in
 * Python. */
#include "base/mem.h"
#include "base/rng.h"
#include "evaluate/statistics/metrics.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void test_spearman(void **state) {
    (void)state;
    const double x[8] = {1, 2, 2, 3, 5, 5, 5, 0}, y[8] = {2, 1, 4, 4, 9, 7, 7, 1};
    double r;
    assert_int_equal(spearman(x, y, 8, &r), WR_OK);
    assert_near(r, 0.9000703207408192, 1e-14);
    const double up[4] = {1, 10, 100, 1000}, down[4] = {9, 8, 7, -5}, flat[4] = {3, 3, 3, 3}, bad[4] = {1, 2, NAN, 3};
    spearman(up, down, 4, &r);
    assert_near(r, -1, 1e-15);
    spearman(up, flat, 4, &r);
    assert_true(isnan(r));
    spearman(up, bad, 4, &r);
    assert_true(isnan(r));
    spearman(up, up, 1, &r);
    assert_true(isnan(r));
}

static void test_interval(void **state) {
    (void)state;
    enum { N = 400, CLUSTERS = 40 };
    const uint64_t seed = 21;
    printf("# seed %llu\n", (unsigned long long)seed);
    rng random = rng_make(seed, RNG_TEST, 0, 0, 0);
    double x[N], y[N], low, high, low2, high2, r, wide_low, wide_high;
    uint32_t cluster[N], alone[N];
    for (uint32_t i = 0; i < N; i++) {
        cluster[i] = i % CLUSTERS;
        alone[i] = i;
        x[i] = rng_normal(&random);
        y[i] = x[i] + rng_normal(&random);
    }
    assert_int_equal(spearman(x, y, N, &r), WR_OK);
    assert_int_equal(spearman_interval(x, y, cluster, N, CLUSTERS, 400, 1, &low, &high), WR_OK);
    assert_true(low < r && r < high && high - low < 0.25 && high - low > 0.03);
    assert_int_equal(spearman_interval(x, y, cluster, N, CLUSTERS, 400, 1, &low2, &high2), WR_OK);
    assert_true(low == low2 && high == high2);
    /* Copies of one item within a person carry nothing new: the interval by person is wider than the one that ignores
     * persons. */
    for (uint32_t i = CLUSTERS; i < N; i++) {
        x[i] = x[i % CLUSTERS];
        y[i] = y[i % CLUSTERS];
    }
    assert_int_equal(spearman_interval(x, y, cluster, N, CLUSTERS, 400, 1, &wide_low, &wide_high), WR_OK);
    assert_int_equal(spearman_interval(x, y, alone, N, N, 400, 1, &low, &high), WR_OK);
    assert_true(wide_high - wide_low > 2 * (high - low));
    assert_int_equal(spearman_interval(x, y, cluster, N, 1, 400, 1, &low, &high), WR_OK);
    assert_true(isnan(low));
}

static void test_kappa(void **state) {
    (void)state;
    const int label[8] = {1, 2, 3, 4, 4, 2, 1, 3}, predicted[8] = {1, 3, 3, 4, 2, 2, 2, 4}, flat[3] = {2, 2, 2};
    assert_near(quadratic_kappa(label, predicted, 8), 0.6111111111111112, 1e-14);
    assert_near(quadratic_kappa(label, label, 8), 1, 1e-15);
    assert_true(isnan(quadratic_kappa(flat, flat, 3)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spearman), cmocka_unit_test(test_interval),
                                       cmocka_unit_test(test_kappa)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
