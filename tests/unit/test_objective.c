/* Objectives: what every row of the table promises (gradient, sums, terms, class, score), and each one's own numbers:
 * those of torch's binary_cross_entropy_with_logits for the ordinal one (computed in double, mean over batch and K-1).
 * The functions of the logistic curve at their ends. */
#include "base/logistic.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "reward/objective.h"
#include "tests/support/near.h"
#include "tests/support/setting_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROW(name) &name##_objective,
static const objective *const all[] = {OBJECTIVES(ROW)};
enum { OBJECTIVE_COUNT = sizeof all / sizeof *all, MOST_OUTPUTS = 64, BATCH = 5 };

static void test_ordinal(void **state) {
    (void)state;
    const float z[12] = {0.3f, -0.7f, -2.0f, 4.0f, 1.5f, -0.25f, -30.f, 60.f, -90.f, 0.f, 0.f, 0.f};
    const int y[4] = {1, 3, 4, 2};
    const double grad[12] = {0.04787020973430492,   0.027651018985986157,  0.009933576835176462, -0.0014988508301742958,
                             -0.015202126983863029, 0.03648529159285016,   -0.08333333333332553, 0.0,
                             -0.08333333333333333,  -0.041666666666666664, 0.041666666666666664, 0.041666666666666664};
    const double score[4] = {2.0254576666656106, 3.237411765345754, 2.0000000000000933, 2.5};
    float d[12];
    const objective_use u = objective_with_defaults(&ordinal_objective, 4);
    assert_int_equal(u.outputs, 3);
    assert_near(u.kind->loss(&u, 4, z, y, 0.25f, d) / 4, 10.35495112265469, 1e-6);
    for (int i = 0; i < 12; i++) assert_near(d[i], grad[i], 2e-8);
    for (int i = 0; i < 4; i++) assert_near(u.kind->rule->score(u.outputs, z + 3 * i), score[i], 1e-6);
    const float high[3] = {100, 100, 100}, low[3] = {-100, -100, -100}, class_3[3] = {5, 1, -1};
    assert_near(u.kind->rule->score(u.outputs, high), 4, 1e-12);
    assert_near(u.kind->rule->score(u.outputs, low), 1, 1e-12);
    assert_int_equal(u.kind->class(&u, class_3), 3);
    assert_int_equal(u.kind->class(&u, low), 1);
}

static void test_ordinal_extremes(void **state) {
    (void)state;
    const objective_use u = objective_with_defaults(&ordinal_objective, 2);
    const int y[2] = {2, 1};
    float z[2] = {-1e30f, 1e30f}, d[2];
    assert_near(u.kind->loss(&u, 2, z, y, 1, d), 2e30, 1e24);
    assert_near(d[0], -1, 0);
    assert_near(d[1], 1, 0);
    z[0] = NAN;
    assert_true(isnan(u.kind->loss(&u, 1, z, y, 1, d)));
    assert_true(isnan(u.kind->rule->score(u.outputs, z)));
}

/* --- what every objective promises -------------------------------------------------------------------------------- */

/* Of one that learns from pairs: margins move the difference, equal sides give log 2, and swapping changes the sign. */
static void test_pairs(void **state) {
    (void)state;
    objective_use u = objective_with_defaults(&bt_objective, 2);
    const float margins[2] = {0, 1.5f};
    float z[4] = {1, -0.5f, 2, 0.5f}, d[4];
    const double both = softplus(-1.5) + softplus(0.0), plain = softplus(-1.5) + softplus(-1.5);
    assert_near(u.kind->loss(&u, 4, z, NULL, 1, d), plain, 1e-12);
    u.margins = margins;
    assert_near(u.kind->loss(&u, 4, z, NULL, 1, d), both, 1e-12);
    for (int i = 0; i < 4; i += 2) assert_true(d[i] == -d[i + 1] && d[i] < 0);
    assert_near(d[2], -0.5, 1e-7);
    z[0] = z[1] = -3;
    assert_near(u.kind->loss(&u, 2, z, NULL, 1, d), log(2), 1e-12);
    u.settings[0] = 0.25; /* rewards are drawn to a sum of zero */
    assert_near(u.kind->loss(&u, 2, z, NULL, 1, d), log(2) + 0.25 * 36, 1e-12);
    assert_near(d[0] + d[1], 2 * 2 * 0.25 * -6, 1e-6);
    z[0] = NAN;
    assert_true(isnan(u.kind->loss(&u, 2, z, NULL, 1, d)));
}

static void fill(rng *r, const objective_use *u, float *z, int *y) {
    for (size_t i = 0; i < BATCH * u->outputs; i++) z[i] = (float)(2 * rng_normal(r));
    for (size_t i = 0; i < BATCH; i++) y[i] = 1 + (int)rng_below(r, (uint64_t)u->classes);
}

/* dz is scale times the derivative; the sum over a batch is that of its records, whatever stands beside them. */
static void check_loss(const objective_use *u, rng *r) {
    float z[BATCH * MOST_OUTPUTS], d[BATCH * MOST_OUTPUTS];
    int y[BATCH];
    double sum = 0;
    fill(r, u, z, y);
    const double loss = u->kind->loss(u, BATCH, z, y, 2.0f, d);
    for (size_t i = 0; i < BATCH; i++) sum += u->kind->loss(u, 1, z + i * u->outputs, y + i, 1, NULL);
    assert_near(sum, loss, 1e-12 * BATCH * fabs(loss));
    for (size_t k = 0; k < BATCH * u->outputs; k++) {
        const float up = z[k] + 1e-2f, down = z[k] - 1e-2f, kept = z[k];
        z[k] = up;
        const double above = u->kind->loss(u, BATCH, z, y, 1, NULL);
        z[k] = down;
        const double below = u->kind->loss(u, BATCH, z, y, 1, NULL);
        z[k] = kept;
        assert_near(d[k], 2 * (above - below) / ((double)up - (double)down), 5e-5);
    }
}

/* One that has learned: small steps down the gradient find the label again. */
static void check_learns(const objective_use *u, rng *r) {
    for (int label = 1; label <= u->classes; label++) {
        float z[MOST_OUTPUTS], d[MOST_OUTPUTS];
        for (size_t k = 0; k < u->outputs; k++) z[k] = (float)rng_normal(r);
        const double before = u->kind->loss(u, 1, z, &label, 1, d);
        for (int step = 0; step < 4000; step++) {
            u->kind->loss(u, 1, z, &label, 1, d);
            for (size_t k = 0; k < u->outputs; k++) z[k] -= 0.5f * (float)u->outputs * d[k];
        }
        assert_true(u->kind->loss(u, 1, z, &label, 1, NULL) < before);
        if (u->kind->class) assert_int_equal(u->kind->class(u, z), label);
        if (u->kind->scores_classes) assert_near(u->kind->rule->score(u->outputs, z), label, 0.1);
    }
}

static void check_values(const objective_use *u, rng *r) {
    float z[BATCH * MOST_OUTPUTS];
    int y[BATCH];
    for (int round = 0; round < 50; round++) {
        fill(r, u, z, y);
        const double score = u->kind->rule->score(u->outputs, z);
        assert_true(isfinite(score));
        if (u->kind->scores_classes && u->kind->rule != &logit_rule) assert_true(score >= 1 && score <= u->classes);
        if (u->kind->class) assert_true(u->kind->class(u, z) >= 1 && u->kind->class(u, z) <= u->classes);
    }
    for (size_t k = 0; k < u->outputs; k++) {
        float bad[MOST_OUTPUTS] = {0};
        bad[k] = NAN;
        assert_true(isnan(u->kind->rule->score(u->outputs, bad)));
    }
}

static void test_every(void **state) {
    (void)state;
    static const int classes[] = {2, 3, 4, 40};
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    for (size_t o = 0; o < OBJECTIVE_COUNT; o++)
        for (size_t c = 0; !all[o]->pairs && c < sizeof classes / sizeof *classes; c++) {
            const objective_use u = objective_with_defaults(all[o], classes[c]);
            assert_true(u.outputs >= 1 && u.outputs <= MOST_OUTPUTS);
            size_t terms = 0;
            for (int y = 1; y <= u.classes; y++) terms += u.kind->terms(&u, y);
            assert_true(terms > 0);
            for (int round = 0; round < 10; round++) check_loss(&u, &r);
            check_learns(&u, &r);
            check_values(&u, &r);
        }
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void test_table(void **state) {
    (void)state;
    strbuf names = {0};
    for (size_t i = 0; i < OBJECTIVE_COUNT; i++) {
        assert_ptr_equal(objective_find(all[i]->name), all[i]);
        assert_true(strlen(all[i]->name) < OBJECTIVE_NAME_CAP);
        strbuf_printf(&names, "%s%s", i ? "|" : "", all[i]->name);
        assert_setting_rows(all[i]->options);
    }
    assert_string_equal(strbuf_str(&names), OBJECTIVE_NAMES);
    strbuf_free(&names);
    assert_ptr_equal(objective_find(""), all[0]);
    assert_null(objective_find("ordina"));
    assert_null(objective_find("ordinal2"));
}

static void test_of_model(void **state) {
    (void)state;
    objective_use u;
    model_config c = {.head = HEAD_SCORE, .n_outputs = 3};
    assert_int_equal(objective_of_model(&c, "m", &u), WR_OK); /* of a model that records none */
    assert_true(u.kind == all[0] && u.outputs == 3);
    strcpy(c.objective, "ordinal");
    assert_int_equal(objective_of_model(&c, "m", &u), WR_OK);
    assert_ptr_equal(u.kind, &ordinal_objective);
    strcpy(c.objective, "no-such");
    assert_int_equal(objective_of_model(&c, "folder/of/it", &u), WR_E_MISMATCH);
    assert_error_says("folder/of/it");
    assert_error_says("\"no-such\"");
    assert_error_says("it has: ordinal");
}

static void test_logistic(void **state) {
    (void)state;
    assert_near(softplus(-800), 0, 0);
    assert_near(softplus(800), 800, 0);
    assert_near(log_sigmoid(-800), -800, 0);
    assert_near(log_sigmoid(0), -log(2), 1e-16);
    assert_near(softplus(1e-3) - softplus(-1e-3), 1e-3, 1e-16);
    assert_near(sigmoid(-800), 0, 0);
    assert_near(sigmoid(800), 1, 0);
    assert_near(sigmoid(0), 0.5, 0);
    assert_true(isnan(softplus(NAN)) && isnan(log_sigmoid(NAN)) && isnan(sigmoid(NAN)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ordinal), cmocka_unit_test(test_ordinal_extremes),
                                       cmocka_unit_test(test_every),   cmocka_unit_test(test_pairs),
                                       cmocka_unit_test(test_table),   cmocka_unit_test(test_of_model),
                                       cmocka_unit_test(test_logistic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
