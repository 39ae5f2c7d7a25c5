/* The losses of the table: derivatives by central differences for every one of them; known values and extremes of
 * DPO's own; the margin. */
#include <math.h>
#include <string.h>

#include "dpo/dpo_loss.h"
#include "tests/support/near.h"
#include "tests/support/setting_rows.h"

/* The sigmoid loss at margin h, and its derivative there. */
static double sigmoid_at(double beta, double smoothing, double h, double *dh) {
    const dpo_loss_options o = {.kind = &sigmoid_loss, .beta = beta, .settings = {smoothing}};
    double dchosen, drejected;
    const double loss = dpo_loss_at(&o, &(dpo_logprobs){-10 + h, -12, -11, -13}, &dchosen, &drejected);
    assert_true(dchosen == -drejected || isnan(h));
    if (dh) *dh = dchosen;
    return loss;
}

static void test_values(void **state) {
    (void)state;
    double dh;
    assert_near(sigmoid_at(0.1, 0, 0, &dh), log(2), 1e-15);
    assert_near(dh, -0.05, 1e-15); /* -beta sigma(0) */
    /* -log sigma(0.1 * 3), computed by hand: log(1 + e^-0.3) */
    assert_near(sigmoid_at(0.1, 0, 3, NULL), 0.55435524446 /* ln 1.740818220681718 */, 1e-9);
    assert_near(sigmoid_at(0.1, 0.1, 3, NULL), 0.9 * log1p(exp(-0.3)) + 0.1 * log1p(exp(0.3)), 1e-14);
    dpo_logprobs x = {-10, -14, -11, -13};
    assert_near(dpo_margin(&x), (-10 + 14) - (-11 + 13), 0);
}

static double at(const dpo_loss_options *o, double chosen, double rejected) {
    double dchosen, drejected;
    return dpo_loss_at(o, &(dpo_logprobs){chosen, rejected, -11, -13}, &dchosen, &drejected);
}

/* Derivatives of a loss at both replies of the policy. */
static void check_gradient(const dpo_loss_options *o) {
    for (double h = -20.1; h <= 20; h += 0.37) {
        const double chosen = -11 + h / 3, rejected = -13 - 2 * h / 3, e = 1e-5;
        double dchosen, drejected;
        dpo_loss_at(o, &(dpo_logprobs){chosen, rejected, -11, -13}, &dchosen, &drejected);
        const double by_chosen = (at(o, chosen + e, rejected) - at(o, chosen - e, rejected)) / (2 * e);
        const double by_rejected = (at(o, chosen, rejected + e) - at(o, chosen, rejected - e)) / (2 * e);
        assert_near(dchosen, by_chosen, 1e-8 + 1e-6 * fabs(by_chosen));
        assert_near(drejected, by_rejected, 1e-8 + 1e-6 * fabs(by_rejected));
    }
}

/* Of every loss, with its options as they are by default; of DPO's own with label smoothing, too. */
static void test_gradient(void **state) {
    (void)state;
    static const double betas[] = {0.01, 0.1, 1, 5}, smoothings[] = {0, 0.1, 0.5};
    for (const dpo_loss *const *l = dpo_losses; *l; l++) {
        for (int k = 0; k < 4; k++) {
            dpo_loss_options o = {.kind = *l, .beta = betas[k]};
            settings_of_defaults((*l)->options, o.settings);
            check_gradient(&o);
        }
    }
    for (int k = 0; k < 4 * 3; k++)
        check_gradient(&(dpo_loss_options){&sigmoid_loss, betas[k / 3], {smoothings[k % 3]}});
}

/* The four log-probabilities enter the margin with +1, -1, -1, +1. */
static void test_margin_gradient(void **state) {
    (void)state;
    static const double sign[] = {1, -1, -1, 1};
    for (int k = 0; k < 4; k++) {
        double x[4] = {-3, -4, -5, -2.5};
        double before = dpo_margin(&(dpo_logprobs){x[0], x[1], x[2], x[3]});
        x[k] += 0.5;
        assert_near(dpo_margin(&(dpo_logprobs){x[0], x[1], x[2], x[3]}) - before, 0.5 * sign[k], 1e-12);
    }
}

static void test_extremes(void **state) {
    (void)state;
    double dh;
    assert_near(sigmoid_at(1, 0, -1e6, &dh), 1e6, 1e-6);
    assert_near(dh, -1, 1e-12);
    assert_near(sigmoid_at(1, 0, 1e6, &dh), 0, 1e-12);
    assert_near(dh, 0, 1e-12);
    assert_near(sigmoid_at(1, 0.2, 1e6, &dh), 0.2e6, 1e-6);
    assert_near(dh, 0.2, 1e-12);
    for (const dpo_loss *const *l = dpo_losses; *l; l++)
        assert_true(isnan(at(&(dpo_loss_options){.kind = *l, .beta = 1}, NAN, -1)));
    assert_near(dpo_margin_tolerance(0), 1e-5, 1e-12);
    assert_near(dpo_margin_tolerance(100), 1.1e-4, 1e-12);
}

/* The words of --loss are the names of the table, in its order, and the default is its first. */
static void test_names(void **state) {
    (void)state;
    char words[256] = "";
    for (const dpo_loss *const *l = dpo_losses; *l; l++) {
        if (*words) strcat(words, "|");
        strcat(words, (*l)->name);
        assert_setting_rows((*l)->options);
    }
    assert_string_equal(dpo_loss_rows[0].arg, words);
    assert_string_equal(dpo_loss_rows[0].default_value, dpo_losses[0]->name);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_gradient),
                                       cmocka_unit_test(test_margin_gradient), cmocka_unit_test(test_extremes),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
