/* The best evaluation of a run: which way a figure goes, ties, null, lines of steps; the same from metrics.jsonl. */
#include "trainer/best.h"
#include "tests/support/temp_folder.h"

#include <string.h>

static bool noted(best_so_far *b, const char *line) {
    bool better;
    assert_ok(best_note(b, line, strlen(line), &better));
    return better;
}

static void test_loss(void **state) {
    (void)state;
    best_so_far b = best_make("eval_loss");
    assert_false(noted(&b, "{\"step\":1,\"loss\":0.1}"));
    assert_int_equal(b.evaluations, 0);
    assert_false(noted(&b, "{\"step\":2,\"eval_loss\":null,\"eval_time_s\":1}"));
    assert_int_equal(b.step, -1);
    assert_true(noted(&b, "{\"step\":4,\"eval_loss\":0.5,\"eval_time_s\":1}"));
    assert_false(noted(&b, "{\"step\":6,\"eval_loss\":0.5,\"eval_time_s\":1}"));
    assert_false(noted(&b, "{\"step\":8,\"eval_loss\":0.75,\"eval_time_s\":1}"));
    assert_int_equal(b.since, 2);
    assert_true(noted(&b, "{\"step\":10,\"eval_loss\":0.25,\"eval_time_s\":1}"));
    assert_true(b.since == 0 && b.step == 10 && b.value == 0.25 && b.evaluations == 5);
}

static void test_accuracy(void **state) {
    (void)state;
    best_so_far b = best_make("eval_accuracy");
    assert_true(noted(&b, "{\"step\":2,\"eval_accuracy\":0.5,\"eval_time_s\":1}"));
    assert_false(noted(&b, "{\"step\":4,\"eval_accuracy\":0.25,\"eval_time_s\":1}"));
    assert_true(noted(&b, "{\"step\":6,\"eval_accuracy\":0.75,\"eval_time_s\":1}"));
}

static void test_missing(void **state) {
    (void)state;
    static const char line[] = "{\"step\":2,\"eval_loss\":1,\"eval_spearman\":0,\"eval_time_s\":1}";
    best_so_far b = best_make("eval_accuracy");
    bool better;
    assert_int_equal(best_note(&b, line, strlen(line), &better), WR_E_USAGE);
    assert_error_says("evaluations of this run have none; they have: eval_loss, eval_spearman");
}

static void test_from_file(void **state) {
    (void)state;
    best_so_far b = best_make("eval_mae");
    folder_empty();
    assert_ok(best_read(&b, test_folder()));
    assert_int_equal(b.step, -1);
    put_text("metrics.jsonl",
             "{\"step\":1,\"loss\":1}\n{\"step\":1,\"eval_mae\":1,\"eval_time_s\":1}\n{\"step\":2,\"loss\":1}\n"
             "{\"step\":2,\"eval_mae\":2,\"eval_time_s\":1}\n");
    assert_ok(best_read(&b, test_folder()));
    assert_true(b.step == 1 && b.value == 1 && b.since == 1);
    put_text("metrics.jsonl", "{\"step\":1\n");
    b = best_make("eval_mae");
    assert_int_equal(best_read(&b, test_folder()), WR_E_FORMAT);
    assert_error_says("metrics.jsonl:1");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loss), cmocka_unit_test(test_accuracy),
                                       cmocka_unit_test(test_missing), cmocka_unit_test(test_from_file)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
