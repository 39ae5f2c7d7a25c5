/* From outputs to the score: values, what is not a number, and which rule counts. */
#include "reward/score_rule.h"
#include "tests/support/asserts.h"
#include "tests/support/near.h"

#include <math.h>

static const score_rule *chosen(const char *wanted, const score_rule *own, size_t N) {
    const score_rule *r = NULL;
    assert_ok(score_rule_choose(wanted, own, N, "m", &r));
    return r;
}

static void test_values(void **state) {
    (void)state;
    static const float z[] = {-47.1f}, far[] = {-93.6f}, three[] = {0, 100, -100}, even[] = {5, 5, 5, 5},
                       big[] = {0, 1e30f};
    assert_true(logit_rule.score(1, z) > logit_rule.score(1, far)); /* through 1 + sigma both were 1 */
    assert_true(logit_rule.score(1, z) == (double)z[0]);
    assert_near(ordinal_rule.score(3, three), 2.5, 1e-12);
    assert_near(class_rule.score(4, even), 2.5, 1e-12);
    assert_near(class_rule.score(3, three), 2, 1e-12);
    assert_near(class_rule.score(2, big), 2, 1e-12);
}

static void test_not_a_number(void **state) {
    (void)state;
    static const float bad[] = {1, NAN, 2}, one[] = {NAN};
    assert_true(isnan(logit_rule.score(1, one)));
    assert_true(isnan(ordinal_rule.score(3, bad)));
    assert_true(isnan(class_rule.score(3, bad)));
}

static void test_choice(void **state) {
    (void)state;
    const score_rule *r = NULL;
    assert_ptr_equal(chosen("auto", NULL, 1), &logit_rule);
    assert_ptr_equal(chosen(NULL, NULL, 1), &logit_rule);
    assert_ptr_equal(chosen("auto", NULL, 3), &ordinal_rule);
    assert_ptr_equal(chosen("auto", NULL, 6), &ordinal_rule);
    assert_ptr_equal(chosen("auto", &ordinal_rule, 1), &ordinal_rule);
    assert_ptr_equal(chosen("logit", &ordinal_rule, 1), &logit_rule);
    assert_ptr_equal(chosen("class", NULL, 2), &class_rule);
    assert_int_equal(score_rule_choose("logit", NULL, 2, "m", &r), WR_E_MISMATCH);
    assert_error_says("m: its score head has 2 outputs, of which --score-rule logit");
    assert_int_equal(score_rule_choose("class", NULL, 1, "m", &r), WR_E_MISMATCH);
    assert_null(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
