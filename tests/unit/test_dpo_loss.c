/* The DPO loss: known values, gradient by central differences, extremes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "dpo/dpo_loss.h"

static void near(double a, double b, double tolerance) {
    assert_true(isfinite(a));
    if (!(fabs(a - b) <= tolerance)) {
        print_error("%.17g is not %.17g within %g\n", a, b, tolerance);
        fail();
    }
}

static void test_values(void **state) {
    (void)state;
    double dh;
    near(dpo_sigmoid_loss(0.1, 0, 0, &dh), log(2), 1e-15);
    near(dh, -0.05, 1e-15); /* -beta sigma(0) */
    /* -log sigma(0.1 * 3), computed by hand: log(1 + e^-0.3) */
    near(dpo_sigmoid_loss(0.1, 0, 3, NULL), 0.55435524446 /* ln 1.740818220681718 */, 1e-9);
    near(dpo_sigmoid_loss(0.1, 0.1, 3, NULL), 0.9 * log1p(exp(-0.3)) + 0.1 * log1p(exp(0.3)), 1e-14);
    dpo_logprobs x = {-10, -14, -11, -13};
    near(dpo_margin(&x), (-10 + 14) - (-11 + 13), 0);
}

static void test_gradient(void **state) {
    (void)state;
    static const double betas[] = {0.01, 0.1, 1, 5}, smoothings[] = {0, 0.1, 0.5};
    for (int b = 0; b < 4; b++) {
        for (int s = 0; s < 3; s++) {
            for (double h = -20; h <= 20; h += 0.37) {
                double dh, e = 1e-5;
                dpo_sigmoid_loss(betas[b], smoothings[s], h, &dh);
                double numeric = (dpo_sigmoid_loss(betas[b], smoothings[s], h + e, NULL) -
                                  dpo_sigmoid_loss(betas[b], smoothings[s], h - e, NULL)) /
                                 (2 * e);
                near(dh, numeric, 1e-8 + 1e-6 * fabs(numeric));
            }
        }
    }
}

/* The four log-probabilities enter h with +1, -1, -1, +1. */
static void test_margin_gradient(void **state) {
    (void)state;
    static const double sign[] = {1, -1, -1, 1};
    for (int k = 0; k < 4; k++) {
        double at[4] = {-3, -4, -5, -2.5};
        double before = dpo_margin(&(dpo_logprobs){at[0], at[1], at[2], at[3]});
        at[k] += 0.5;
        near(dpo_margin(&(dpo_logprobs){at[0], at[1], at[2], at[3]}) - before, 0.5 * sign[k], 1e-12);
    }
}

static void test_extremes(void **state) {
    (void)state;
    double dh;
    near(dpo_sigmoid_loss(1, 0, -1e6, &dh), 1e6, 1e-6);
    near(dh, -1, 1e-12);
    near(dpo_sigmoid_loss(1, 0, 1e6, &dh), 0, 1e-12);
    near(dh, 0, 1e-12);
    near(dpo_sigmoid_loss(1, 0.2, 1e6, &dh), 0.2e6, 1e-6);
    near(dh, 0.2, 1e-12);
    assert_true(isnan(dpo_sigmoid_loss(1, 0, NAN, &dh)));
    near(dpo_margin_tolerance(0), 1e-5, 1e-12);
    near(dpo_margin_tolerance(100), 1.1e-4, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_gradient),
                                       cmocka_unit_test(test_margin_gradient), cmocka_unit_test(test_extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
