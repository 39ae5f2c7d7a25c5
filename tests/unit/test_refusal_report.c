/* Refusals: intervals and shares worked out by hand, from lines of both generations of turns.jsonl.zst. */
#include "base/file.h"
#include "data/label/agree/refusal_report.h"
#include "tests/support/near.h"
#include "tests/support/temp_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char path[PATH_CAP];

static int set_up(void **state) {
    return folder_set_up(state) == 0 && path_join(path, test_folder(), "turns.jsonl") >= 0 ? 0 : -1;
}
static void wilson(void **state) {
    (void)state;
    double low, high;
    wilson_interval(10, 20, &low, &high); /* 0.5 ± 1.95996/1.192073·sqrt(0.0125 + 3.841459/1600) */
    assert_near(low, 0.29930, 5e-5), assert_near(high, 0.70070, 5e-5);
    wilson_interval(0, 10, &low, &high); /* 0.3841459/1.3841459 */
    assert_true(low == 0);
    assert_near(high, 0.27753, 5e-5);
    wilson_interval(10, 10, &low, &high);
    assert_true(high == 1);
    assert_near(low, 1 - 0.27753, 5e-5);
    wilson_interval(0, 0, &low, &high);
    assert_true(low == 0 && high == 1);
}

static wr_status add(void *report, const turn_line *t) { return refusal_report_add(report, t); }

static const json_value *reported(const char *lines, arena *a, uint64_t *bad) {
    refusal_report r;
    static strbuf text;
    const json_value *v = NULL;
    strbuf_clear(&text);
    json_writer w = json_writer_make(&text);
    assert_int_equal(file_write_atomic(path, lines, strlen(lines)), WR_OK);
    assert_int_equal(refusal_report_create(&r), WR_OK);
    assert_int_equal(turns_read(path, add, &r, bad), WR_OK);
    refusal_report_json(&r, 2, &w);
    assert_int_equal(json_parse(a, text.data, text.len, &v), WR_OK);
    refusal_report_free(&r);
    return v;
}

static double number(const json_value *v, const char *key) {
    double x = NAN;
    json_get_double(v, key, &x);
    return x;
}

#define TURN(level, final, model, month, refusal)                                                                      \
    "{\"conversation_hash\":\"c\",\"turn_identifier\":2,\"user\":\"u\",\"level\":" level                               \
    ",\"how\":\"lexicon\",\"final_level\":" final ",\"dropped\":null,\"language\":\"English\",\"model\":\"" model      \
    "\",\"month\":\"" month "\",\"refusal\":" refusal "}\n"

static void counts_and_shares(void **state) {
    (void)state;
    uint64_t bad;
    arena *a = arena_create();
    const json_value *v =
        reported(TURN("2", "1", "small", "2023-05", "\"false\"") TURN("3", "1", "small", "2023-04", "\"false\"")
                     TURN("3", "5", "large", "", "\"justified\"") TURN("3", "3", "large", "2023-05", "\"no\"")
                         TURN("null", "null", "large", "2023-05", "null")
                             TURN("3", "3", "third", "2023-05",
                                  "null") "oops\n{\"level\":9}\n"
                                          "{\"conversation_hash\":\"c\",\"turn_identifier\":1,\"level\":7}\n",
                 a, &bad);
    assert_int_equal(bad, 3);
    assert_true(number(v, "refusals") == 3 && number(v, "false") == 2 && number(v, "justified") == 1 &&
                number(v, "answered") == 1);
    assert_near(number(v, "false_share"), 2.0 / 3, 5e-5);
    double low, high;
    wilson_interval(2, 3, &low, &high);
    assert_near(number(v, "false_share_low"), low, 5e-5), assert_near(number(v, "false_share_high"), high, 5e-5);
    assert_near(number(v, "paper_false_share"), 0.32, 5e-5);
    const json_value *levels = json_get(v, "by_level"), *models = json_get(v, "by_model"),
                     *months = json_get(v, "by_month");
    const json_value *none = json_at(levels, 0), *neutral = json_at(levels, 3), *correction = json_at(levels, 2);
    assert_true(levels->length == 6 && json_is(json_get(none, "level"), JSON_NULL) && number(none, "turns") == 1 &&
                number(none, "none") == 1);
    assert_true(number(neutral, "turns") == 4 && number(neutral, "false") == 1 && number(neutral, "justified") == 1 &&
                number(neutral, "answered") == 1 && number(neutral, "none") == 1);
    assert_near(number(neutral, "false_rate"), 0.25, 5e-5);
    assert_true(number(correction, "false") == 1 && number(correction, "false_rate") == 1);
    assert_true(json_is(json_get(json_at(levels, 1), "false_rate"), JSON_NULL)); /* no turn of level 1 */
    assert_int_equal(models->length, 2);                                         /* the two with most refusals */
    assert_string_equal(json_get(json_at(models, 0), "name")->text, "small");
    assert_true(number(json_at(models, 0), "refusals") == 2 && number(json_at(models, 1), "turns") == 3 &&
                number(json_at(models, 1), "false_share") == 0);
    assert_int_equal(months->length, 3); /* in order of time, "" (unknown) first */
    assert_string_equal(json_get(json_at(months, 1), "name")->text, "2023-04");
    arena_free(a);
}

/* Without the fields language, model, month and refusal: from how and final_level. */
static void earlier_files(void **state) {
    (void)state;
    uint64_t bad;
    arena *a = arena_create();
    const json_value *v = reported(
        "{\"conversation_hash\":\"c\",\"turn_identifier\":2,\"level\":3,\"how\":\"refusal\",\"final_level\":1}\n"
        "{\"conversation_hash\":\"c\",\"turn_identifier\":4,\"level\":3,\"how\":\"refusal\",\"final_level\":5}\n"
        "{\"conversation_hash\":\"c\",\"turn_identifier\":6,\"level\":5,\"how\":\"lexicon\",\"final_level\":5}\n",
        a, &bad);
    assert_true(bad == 0 && number(v, "false") == 1 && number(v, "justified") == 1);
    assert_null(json_get(v, "answered"));
    assert_null(json_get(v, "by_model"));
    arena_free(a);
}

static void nothing_good_is_an_error(void **state) {
    (void)state;
    uint64_t bad;
    refusal_report r;
    assert_int_equal(file_write_atomic(path, "x\n[]\n", 5), WR_OK);
    assert_int_equal(refusal_report_create(&r), WR_OK);
    assert_int_equal(turns_read(path, add, &r, &bad), WR_E_FORMAT);
    assert_error_says("turns.jsonl");
    refusal_report_free(&r);
}

static void tallies(void **state) {
    (void)state;
    tally *t;
    assert_int_equal(tally_create(&t), WR_OK);
    for (int i = 0; i < 3000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%04d", i % 1500);
        assert_int_equal(tally_add(t, name, (size_t)(i / 1500), (uint64_t)(i % 1500 == 7 ? 9 : 1)), WR_OK);
    }
    assert_int_equal(tally_count(t), 1500);
    const tally_row *rows = tally_by_size(t);
    assert_string_equal(rows[0].name, "n0007");
    assert_true(rows[0].counts[0] == 9 && rows[0].counts[1] == 9 && rows[1].counts[0] == 1);
    assert_string_equal(rows[1].name, "n0000"); /* equal ones by name */
    rows = tally_by_name(t);
    assert_string_equal(rows[1499].name, "n1499");
    tally_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wilson), cmocka_unit_test(counts_and_shares),
                                       cmocka_unit_test(earlier_files), cmocka_unit_test(nothing_good_is_an_error),
                                       cmocka_unit_test(tallies)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
