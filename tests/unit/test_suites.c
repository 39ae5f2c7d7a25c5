/* Every suite's sections and overall against what the package rewardbench, or the papers' rules in numpy, make of the
 * same rows (tests/oracle/suites.py cases): the stored cases, or those of the file that WILDREWARD_SUITES names. A
 * reply's text is its score in thousandths there, so the encoder makes that the only token. */
#include "base/stream.h"
#include "evaluate/suites/suite_intervals.h"
#include "evaluate/suites/suite_rows.h"
#include "evaluate/suites/suite_run.h"
#include "tests/support/asserts.h"
#include "tests/support/near.h"
#include "tests/support/temp_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/suites/cases.jsonl.zst"

static wr_status encode_text(const void *context, const char *text, size_t n, token_ids *out) {
    (void)context;
    (void)n;
    return token_ids_push(out, (int32_t)strtol(text, NULL, 10));
}

static wr_status encode_chat(const void *context, const chat_message *messages, size_t n, const json_value *row,
                             token_ids *out) {
    (void)row;
    assert_true(n >= 2);
    assert_string_equal(messages[n - 1].role, "assistant");
    return encode_text(context, messages[n - 1].content, messages[n - 1].length, out);
}
static const suite_encoder encoder = {NULL, encode_chat, encode_text, false};

/* Number by number: what is wanted is there. */
static void compare(const json_value *got, const json_value *want, const char *name) {
    for (const json_value *w = want->first; w; w = w->next) {
        const json_value *g = json_get(got, w->key);
        double a = NAN, b = NAN;
        if (!g) fail_msg("%s: no %s", name, w->key);
        if (json_is(w, JSON_OBJECT)) {
            assert_int_equal(g->length, w->length);
            compare(g, w, name);
        } else if (json_is(w, JSON_NULL)) {
            assert_true(json_is(g, JSON_NULL));
        } else {
            assert_true(json_to_double(g, &a) && json_to_double(w, &b));
            if (!(fabs(a - b) <= 1e-8)) fail_msg("%s: %s is %.9g, not %.9g", name, w->key, a, b);
        }
    }
}

static void write_rows(const char *name, const json_value *rows) {
    strbuf text = {0};
    for (const json_value *r = rows->first; r; r = r->next) {
        json_writer w = json_writer_make(&text);
        json_copy(&w, r);
        strbuf_putc(&text, '\n');
    }
    put_file(name, text.data, text.len);
    strbuf_free(&text);
}

static void check_case(arena *a, const json_value *v) {
    const char *name, *file;
    suite_set set;
    suite_figures f = {0};
    strbuf text = {0};
    json_writer j = json_writer_make(&text);
    const json_value *result;
    assert_true(json_get_string(v, "suite", &name, NULL));
    const suite *kind = suite_find(name);
    assert_non_null(kind);
    assert_int_equal(suite_set_init(&set), WR_OK);
    for (const json_value *e = json_get(v, "files")->first; e; e = e->next) {
        file = e->first->text;
        write_rows(file, e->first->next);
        assert_int_equal(suite_read_file(kind, in_folder(file), &encoder, 0, &set), WR_OK);
    }
    double *scores = mem_calloc(set.n_texts + 1, sizeof *scores);
    for (size_t i = 0; i < set.n_texts; i++) scores[i] = set.texts[i].ids[0] / 1000.0;
    assert_int_equal(kind->judge(&set, scores, &f), WR_OK);
    suite_write(&(suite_job){.kind = kind, .model = "m"}, "logit", &set, &f, &j);
    assert_int_equal(json_parse(a, text.data, text.len, &result), WR_OK);
    compare(result, json_get(v, "want"), name);
    suite_figures_free(&f);
    suite_set_free(&set);
    strbuf_free(&text);
    free(scores);
}

static void test_cases(void **state) {
    (void)state;
    const char *given = getenv("WILDREWARD_SUITES"), *line;
    size_t n, cases = 0;
    instream *in;
    wr_status status;
    arena *a = arena_create();
    const json_value *v;
    assert_int_equal(instream_open(given && given[0] ? given : GOLDEN, &in), WR_OK);
    while ((status = instream_line(in, &line, &n)) == WR_OK) {
        arena_reset(a);
        assert_int_equal(json_parse(a, line, n, &v), WR_OK);
        check_case(a, v);
        cases++;
    }
    assert_int_equal(status, WR_END);
    assert_true(cases >= 7);
    instream_close(in);
    arena_free(a);
}

/* Ties of one prompt, by hand: right 3 and 2, wrong 0, its reference 1 over 0: gaps 2 and 1, spread 1. */
static void test_ties(void **state) {
    (void)state;
    suite_set set;
    suite_figures f = {0};
    put_text(
        "ties.jsonl",
        "{\"id\":\"ref:7\",\"prompt\":\"p\",\"chosen\":[\"1\"],\"rejected\":[\"0\"],\"subset\":\"Ties\"}\n"
        "{\"id\":\"tied:7\",\"prompt\":\"p\",\"chosen\":[\"3\",\"2\"],\"rejected\":[\"0\"],\"subset\":\"Ties\"}\n");
    assert_int_equal(suite_set_init(&set), WR_OK);
    assert_int_equal(suite_read_file(&suite_rewardbench2, in_folder("ties.jsonl"), &encoder, 0, &set), WR_OK);
    const double scores[] = {1, 0, 3, 2, 0};
    assert_int_equal(suite_rewardbench2.judge(&set, scores, &f), WR_OK);
    assert_near(f.overall, 0.3 + 0.3 + 0.2, 1e-15); /* not hard: 1 > 1 is false; tanh(1 / 1 - 1) is 0 */
    suite_figures_free(&f);
    suite_set_free(&set);
}

/* n rows of pairs, every second one right, `each` of them to one prompt (0: prompts are not known). */
static suite_figures intervals_of(size_t n, size_t each, size_t resamples) {
    suite_set set;
    suite_figures f = {0};
    strbuf text = {0};
    for (size_t i = 0; i < n; i++) {
        const int right = each ? (int)(i / each % 2) : (int)(i % 2);
        if (each)
            strbuf_printf(&text,
                          "{\"prompt\":[{\"role\":\"user\",\"content\":\"p%zu\"}],\"chosen\":[{\"role\":\"assistant\","
                          "\"content\":\"%d\"}],\"rejected\":[{\"role\":\"assistant\",\"content\":\"%d\"}]}\n",
                          i / each, right ? 9 : 1, right ? 1 : 9);
        else
            strbuf_printf(&text, "{\"chosen\":\"%d\",\"rejected\":\"%d\"}\n", right ? 9 : 1, right ? 1 : 9);
    }
    put_file("pairs.jsonl", text.data, text.len);
    strbuf_free(&text);
    assert_int_equal(suite_set_init(&set), WR_OK);
    assert_int_equal(suite_read_file(&suite_pairs, in_folder("pairs.jsonl"), &encoder, 0, &set), WR_OK);
    double *scores = mem_calloc(set.n_texts + 1, sizeof *scores);
    for (size_t i = 0; i < set.n_texts; i++) scores[i] = set.texts[i].ids[0];
    assert_int_equal(suite_pairs.judge(&set, scores, &f), WR_OK);
    assert_int_equal(suite_intervals(&suite_pairs, &set, scores, resamples, 3, &f), WR_OK);
    suite_set_free(&set);
    free(scores);
    return f;
}

/* Of k independent rows of which half are right the share has a standard deviation of 1 / (2 sqrt k). */
static void test_intervals(void **state) {
    (void)state;
    static const struct { size_t n, each, prompts; } cases[] = {{400, 0, 400}, {400, 1, 400}, {400, 4, 100}};
    for (size_t i = 0; i < 3; i++) {
        suite_figures f = intervals_of(cases[i].n, cases[i].each, 2000);
        const double half = 1.96 * 0.5 / sqrt((double)cases[i].prompts);
        assert_int_equal(f.prompts, cases[i].prompts);
        assert_int_equal(f.defined, 2000);
        assert_true(fabs(f.overall - 0.5) < 1e-9);
        assert_true(fabs(f.low - (0.5 - half)) < 0.12 * half && fabs(f.high - (0.5 + half)) < 0.12 * half);
        assert_true(f.list[0].low == f.low && f.list[0].high == f.high); /* the one file is the one section */
        suite_figures_free(&f);
    }
    suite_figures f = intervals_of(8, 8, 100); /* one prompt: there is nothing else to draw */
    assert_int_equal(f.prompts, 1);
    assert_true(isnan(f.low) && f.defined == 0);
    suite_figures_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_ties),
                                       cmocka_unit_test(test_intervals)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
