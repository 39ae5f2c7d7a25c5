/* The report: escaping, charts, damaged input, and a page that needs nothing else. */
#include "base/file.h"
#include "report/html.h"
#include "report/metrics_series.h"
#include "report/report.h"
#include "report/svg_chart.h"
#include "tests/support/near.h"
#include "tests/support/temp_folder.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *page(const char *const *sources, size_t n) {
    char *bytes;
    size_t size;
    wr_status s = report_write(sources, n, "A <b>title</b>", in_folder("out.html"));
    if (s < 0) print_message("%s\n", wr_error());
    assert_int_equal(s, WR_OK);
    assert_int_equal(file_read(in_folder("out.html"), 0, &bytes, &size), WR_OK);
    assert_int_equal(strlen(bytes), size);
    return bytes;
}

static void has(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("no '%s' in the page", part);
}

static void escapes_everything(void **state) {
    (void)state;
    strbuf b = {0};
    html_text(&b, "<a href=\"x\">&'\x01\xff\xe4\xb8\xad", 19);
    assert_string_equal(strbuf_str(&b), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\xEF\xBF\xBD\xEF\xBF\xBD\xe4\xb8\xad");
    strbuf_clear(&b);
    html_number(&b, 1234567);
    strbuf_putc(&b, '|');
    html_number(&b, 0.123456);
    strbuf_putc(&b, '|');
    html_number(&b, NAN);
    assert_string_equal(strbuf_str(&b), "1\xE2\x80\xAF"
                                        "234\xE2\x80\xAF"
                                        "567|0.1235|–");
    strbuf_free(&b);
}

static void ticks_are_round(void **state) {
    (void)state;
    assert_near(svg_tick_step(1, 5), 0.2, 1e-12);
    assert_near(svg_tick_step(103, 5), 50, 1e-12);
    assert_near(svg_tick_step(0.0031, 4), 0.001, 1e-12);
    assert_true(svg_tick_step(0, 5) > 0);
}

static void charts_of_odd_data(void **state) {
    (void)state;
    const struct {
        double x[4], y[4];
        size_t n;
    } odd[] = {{{0}, {0}, 0},
               {{5}, {3}, 1},
               {{1, 2, 3}, {7, 7, 7}, 3},
               {{1, 2, 3}, {0, 0, 0}, 3},
               {{1, 2, 3}, {NAN, 1, INFINITY}, 3},
               {{1, 2}, {-1e308, 1e308}, 2},
               {{1, 2}, {1e-300, 2e-300}, 2},
               {{1, 9e14}, {1, 2}, 2},
               {{1, 2}, {NAN, NAN}, 2}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        strbuf b = {0};
        svg_line_chart(&b, "x", odd[i].x, odd[i].y, odd[i].n);
        assert_int_equal(strbuf_status(&b), WR_OK);
        assert_true(b.len < 8000);
        if (strstr(b.data, "nan") || strstr(b.data, "inf")) fail_msg("case %zu: %s", i, b.data);
        strbuf_free(&b);
    }
}

static const char *before = "{\"kind\":\"policy\",\"prompts\":10,\"true_quality\":0.5,\"true_quality_low\":0.45,\"true_"
                            "quality_high\":0.55,\"reward\":1,"
                            "\"reply_tokens\":20,\"by_kind\":{\"list\":{\"replies\":4,\"true_quality\":0.25}},"
                            "\"examples\":[{\"prompt\":\"Name <three>.\",\"reply\":\"No & no\",\"true_quality\":0}]}";
static const char *after = "{\"kind\":\"policy\",\"prompts\":10,\"true_quality\":0.7,\"true_quality_low\":0.66,\"true_"
                           "quality_high\":0.74,\"reward\":2,"
                           "\"reply_tokens\":18,\"by_kind\":{\"list\":{\"replies\":4,\"true_quality\":0.75}},"
                           "\"examples\":[{\"prompt\":\"Name <three>.\",\"reply\":\"apple\",\"true_quality\":1}]}";

static void whole_page(void **state) {
    (void)state;
    put_text("before.json", before);
    put_text("after.json", after);
    put_text("rm.json",
             "{\"kind\":\"reward\",\"spearman\":0.6,\"mean_score_by_label\":[-1,1],\"truth\":{\"spearman\":0.64,"
             "\"spearman_low\":0.6,\"spearman_high\":0.68}}");
    assert_int_equal(dir_make(in_folder("run")), WR_OK);
    put_text("run/metrics.jsonl",
             "{\"step\":1,\"loss\":0.7,\"<k>\":1,\"reduce_time_s\":1,\"step_time_s\":2}\nbroken\n[1]\n{"
             "\"loss\":3}\n{\"step\":2,\"loss\":0.6,\"kl\":null}\n{\"step\":3");
    put_text("run/config.yaml", "lr: 1 # <x>\n");
    const char *const sources[] = {in_folder("before.json"), in_folder("after.json"), in_folder("rm.json"),
                                   in_folder("run")};
    char *html = page(sources, 4);
    has(html, "<!doctype html>");
    has(html, "A &lt;b&gt;title&lt;/b&gt;");
    has(html, "0.500 → 0.700");
    has(html, "True quality rose: the 95&nbsp;% intervals do not overlap.");
    has(html, "class=\"whisker\"");
    has(html, "+0.500"); /* list 0.25 -> 0.75 */
    has(html, "Name &lt;three&gt;.");
    has(html, "No &amp; no");
    has(html, "truth · spearman_low");
    has(html, "6 lines of metrics");
    has(html, "4 damaged lines skipped");
    has(html, "&lt;k&gt;");
    has(html, "lr: 1 # &lt;x&gt;");
    has(html, "step_time_s");
    assert_null(strstr(html, "reduce_time_s"));
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "http"));
    char *again = page(sources, 4);
    assert_string_equal(html, again);
    free(html);
    free(again);
}

/* "accuracy" of a reward run is not DPO's. */
static void accuracy_by_kind_of_run(void **state) {
    (void)state;
    assert_int_equal(dir_make(in_folder("reward")), WR_OK);
    assert_int_equal(dir_make(in_folder("dpo")), WR_OK);
    put_text("reward/metrics.jsonl", "{\"step\":1,\"loss\":0.7,\"accuracy\":0.5}\n");
    put_text("dpo/metrics.jsonl", "{\"step\":1,\"loss\":0.7,\"accuracy\":0.5,\"pairs\":4}\n");
    const char *const reward[] = {in_folder("reward")}, *const dpo[] = {in_folder("dpo")};
    char *html = page(reward, 1);
    has(html, "share of the step's labels met");
    assert_null(strstr(html, "as the reward does"));
    free(html);
    html = page(dpo, 1);
    has(html, "pairs that the policy ranks as the reward does");
    free(html);
}

static void agreement_of_annotators(void **state) {
    (void)state;
    put_text("agree.json",
             "{\"kind\":\"agreement\",\"turns_compared\":5,\"users_compared\":4,\"5-way\":{\"agreement\":0.6},"
             "\"pairs\":[{\"a\":\"<x>\",\"b\":\"y\","
             "\"turns\":5,\"5-way\":{\"agreement\":0.6,\"agreement_low\":0.41,\"agreement_high\":0.79,"
             "\"kappa\":null},\"table\":[[2,0,0,0,0],[0,0,1,0,0],"
             "[0,0,1,0,0],[0,0,0,0,0],[0,0,0,1,0]]}],\"dawid_skene\":{\"determined\":false,\"confusion\":{\"<"
             "x>\":[[0.975,0,0,0,0],[],3,null,[1]]}}}");
    put_text("odd.json", "{\"kind\":\"agreement\",\"pairs\":[{},5],\"dawid_skene\":[]}");
    const char *const sources[] = {in_folder("agree.json"), in_folder("odd.json")};
    char *html = page(sources, 2);
    has(html, "60.0 <span class=\"soft small\">41.0 – 79.0</span>");
    has(html, "&lt;x&gt; · y");
    has(html, "97.5</td>");
    has(html, "do not determine");
    assert_null(strstr(html, "nan"));
    free(html);
}

static void overlapping_intervals_are_said(void **state) {
    (void)state;
    put_text("before.json", before);
    const char *const sources[] = {in_folder("before.json"), in_folder("before.json")};
    char *html = page(sources, 2);
    has(html, "intervals of true quality overlap");
    free(html);
}

static void resumed_steps_replace(void **state) {
    (void)state;
    put_text("m.jsonl",
             "{\"step\":1,\"loss\":5}\n{\"step\":2,\"loss\":4}\n{\"step\":3,\"loss\":9}\n{\"step\":2,\"loss\":3}"
             "\n{\"step\":4,\"loss\":1}\n");
    metrics_table t;
    assert_int_equal(metrics_load(in_folder("m.jsonl"), &t), WR_OK);
    const metric_series *s = metrics_find(&t, "loss");
    assert_non_null(s);
    assert_int_equal(s->n, 3);
    assert_true(s->value[1] == 3 && s->step[2] == 4);
    metrics_free(&t);
}

static void refuses(const char *source, const char *name) {
    const char *const sources[] = {in_folder(source)};
    assert_true(report_write(sources, 1, "x", in_folder("none.html")) < 0);
    if (!strstr(wr_error(), name)) fail_msg("'%s' does not name %s", wr_error(), name);
    assert_false(file_exists(in_folder("none.html")));
}

static void bad_sources_are_named(void **state) {
    (void)state;
    assert_int_equal(dir_make(in_folder("empty")), WR_OK);
    assert_int_equal(dir_make(in_folder("damaged")), WR_OK);
    put_text("damaged/metrics.jsonl", "x\n{\n");
    put_text("list.json", "[1,2]");
    put_text("cut.json", "{\"kind\":\"pol");
    refuses("empty", "empty");
    refuses("damaged", "damaged/metrics.jsonl");
    refuses("list.json", "list.json");
    refuses("cut.json", "cut.json");
    refuses("absent", "absent");
    assert_int_equal(report_write(NULL, 0, "x", in_folder("none.html")), WR_E_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(escapes_everything),
                                       cmocka_unit_test(ticks_are_round),
                                       cmocka_unit_test(charts_of_odd_data),
                                       cmocka_unit_test(whole_page),
                                       cmocka_unit_test(accuracy_by_kind_of_run),
                                       cmocka_unit_test(agreement_of_annotators),
                                       cmocka_unit_test(overlapping_intervals_are_said),
                                       cmocka_unit_test(resumed_steps_replace),
                                       cmocka_unit_test(bad_sources_are_named)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
