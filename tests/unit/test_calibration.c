/* Bins and their edges, calibration errors by hand, probabilities of crossing thresholds, temperature and Platt. */
#include "base/logistic.h"
#include "base/rng.h"
#include "evaluate/statistics/calibration.h"
#include "evaluate/statistics/recalibrate.h"
#include "tests/support/near.h"

#include <math.h>
#include <string.h>

/* Every edge k/B, and its neighbours among the doubles. */
static void test_edges(void **state) {
    (void)state;
    for (size_t B = 2; B <= 1000; B++)
        for (size_t k = 0; k <= B; k++) {
            const double edge = (double)k / (double)B;
            assert_int_equal(calibration_bin(edge, B), k < B ? k : B - 1);
            if (k) assert_int_equal(calibration_bin(nextafter(edge, 0), B), k - 1);
            if (k < B) assert_int_equal(calibration_bin(nextafter(edge, 1), B), k);
        }
}

static void test_errors(void **state) {
    (void)state;
    const double p[6] = {0.1, 0.1, 0.4, 0.5, 1.0, 0.9};
    const uint8_t hit[6] = {0, 1, 0, 1, 1, 1};
    reliability_bin t[2];
    double adaptive;
    reliability_table(p, hit, 1, 6, 2, t);
    assert_true(t[0].n == 3 && t[1].n == 3);
    assert_near(t[0].probability, 0.6, 1e-15);
    /* |0.6 - 1| / 6 + |2.4 - 3| / 6 */
    assert_near(calibration_error(t, 2), 1.0 / 6, 1e-15);
    assert_ok(adaptive_calibration_error(p, hit, 1, 6, 3, &adaptive));
    /* pairs by p: (0.1 0.1) (0.4 0.5) (0.9 1.0) */
    assert_near(adaptive, (0.8 + 0.1 + 0.1) / 6, 1e-15);
    const double same[4] = {0.3, 0.3, 0.3, 0.8};
    const uint8_t hits[4] = {1, 0, 0, 1};
    assert_ok(adaptive_calibration_error(same, hits, 1, 4, 4, &adaptive));
    assert_near(adaptive, (0.1 + 0.2) / 4, 1e-15); /* equal ones stay together */
    assert_ok(adaptive_calibration_error(same, hits, 1, 0, 4, &adaptive));
    assert_true(isnan(adaptive));
    memset(t, 0, sizeof t);
    assert_true(isnan(calibration_error(t, 2)));
}

static void test_classes(void **state) {
    (void)state;
    const double above[2] = {0.7, 0.2}, crossed[2] = {0.4, 0.5}, sure[2] = {1, 1};
    double p[3];
    class_probabilities(3, above, p);
    assert_near(p[0], 0.3, 1e-15);
    assert_near(p[1], 0.5, 1e-15);
    class_probabilities(3, crossed, p);
    assert_near(p[0], 0.6 / 1.1, 1e-15);
    assert_near(p[1], 0, 0);
    assert_near(p[2], 0.5 / 1.1, 1e-15);
    assert_near(label_log_loss(3, above, 2, p), -log(0.5), 1e-15);
    assert_true(isfinite(label_log_loss(3, sure, 1, p)));
    assert_near(label_brier(3, above, 2), (0.09 + 0.04) / 2, 1e-15);
}

enum { N = 400, K = 3, USERS = 40 };
static double above[N * (K - 1)], score[N];
static int label[N];
static uint32_t user[N];

/* True log-odds z; the model says `sharpness` times them. */
static predictions draw(double sharpness) {
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    for (uint32_t i = 0; i < N; i++) {
        const double z = 1.5 * rng_normal(&r), u = rng_uniform(&r);
        user[i] = i % USERS;
        label[i] = 1;
        for (int k = 0; k < K - 1; k++) {
            const double l = z - k;
            label[i] += u < sigmoid(l);
            above[i * (K - 1) + (uint32_t)k] = sigmoid(sharpness * l);
        }
        score[i] = z;
    }
    return (predictions){
        .n = N, .classes = K, .score = score, .label = label, .above = above, .user = user, .n_users = USERS};
}

static void test_temperature(void **state) {
    (void)state;
    const predictions p = draw(3);
    const predictions *q = &p;
    double t, a, b;
    const char *why;
    temperature_fit(q, NULL, 0, &t, &why);
    assert_null(why);
    assert_true(t > 2.2 && t < 4); /* three times too sharp */
    platt_fit(q, NULL, 0, 2, &a, &b);
    assert_true(a > 0.2 && a < 0.5 && fabs(b) < 0.5);
    recalibration r, again;
    assert_ok(recalibrate(q, 5, &r));
    assert_ok(recalibrate(q, 5, &again));
    assert_near(r.temperature, t, 0);
    assert_memory_equal(r.by_platt, again.by_platt, sizeof above);
    double before = 0, after = 0, scratch[K];
    for (size_t i = 0; i < N; i++) {
        before += label_log_loss(K, above + i * (K - 1), label[i], scratch);
        after += label_log_loss(K, r.by_temperature + i * (K - 1), label[i], scratch);
    }
    assert_true(after < before);
    recalibration_free(&r);
    recalibration_free(&again);
}

static void test_no_temperature(void **state) {
    (void)state;
    predictions p = draw(1);
    double t, a, b;
    const char *why;
    for (size_t i = 0; i < N; i++)
        for (int k = 0; k < K - 1; k++) above[i * (K - 1) + (size_t)k] = label[i] > k + 1 ? 0.9 : 0.2;
    temperature_fit(&p, NULL, 0, &t, &why);
    assert_true(isnan(t) && strstr(why, "none finite"));
    platt_fit(&p, NULL, 0, 1, &a, &b); /* smoothed targets */
    assert_true(isfinite(a) && isfinite(b) && a > 0);
    for (size_t i = 0; i < N * (K - 1); i++) above[i] = 1 - above[i];
    temperature_fit(&p, NULL, 0, &t, &why);
    assert_true(isnan(t) && strstr(why, "wrong way"));
    for (size_t i = 0; i < N * (K - 1); i++) above[i] = 0.5;
    temperature_fit(&p, NULL, 0, &t, &why);
    assert_true(isnan(t) && why);
    platt_fit(&p, NULL, 0, 1, &a, &b);
    assert_true(isfinite(a) && isfinite(b));
    for (size_t i = 0; i < N * (K - 1); i++) above[i] = i % 2;
    for (size_t i = 0; i < N; i++) label[i] = 1;
    platt_fit(&p, NULL, 0, 1, &a, &b); /* one side alone */
    assert_true(isfinite(a) && isfinite(b));
    recalibration r;
    p.n_users = 1;
    memset(user, 0, sizeof user);
    assert_ok(recalibrate(&p, 1, &r));
    assert_null(r.by_platt);
    recalibration_free(&r);
    p.n = 0;
    temperature_fit(&p, NULL, 0, &t, &why);
    assert_true(isnan(t) && why);
    platt_fit(&p, NULL, 0, 1, &a, &b);
    assert_true(isnan(a));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edges), cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_classes), cmocka_unit_test(test_temperature),
                                       cmocka_unit_test(test_no_temperature)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
