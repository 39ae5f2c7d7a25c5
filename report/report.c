#include "report/report.h"
#include "base/file.h"
#include "report/agreement_page.h"
#include "report/evaluations.h"
#include "report/html.h"
#include "report/metric_names.h"
#include "report/metrics_series.h"
#include "report/prepare_page.h"
#include "report/reward_diagrams.h"
#include "report/svg_chart.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Times vary from machine to machine; one of them is enough. */
static bool shown(const metric_series *s) {
    if (ends_with(s->name, "_low") || ends_with(s->name, "_high")) return false; /* of the last evaluation alone */
    return s->n && (!ends_with(s->name, "_s") || strcmp(s->name, "step_time_s") == 0);
}

static void chart_card(strbuf *out, const metric_series *s, run_kind kind) {
    const char *meaning = metric_meaning(s->name, kind);
    strbuf_puts(out, "<div class=\"card\"><div class=\"head\"><b>");
    html_string(out, s->name);
    strbuf_puts(out, "</b><span>");
    html_number(out, s->value[s->n - 1]);
    strbuf_puts(out, "</span></div><div class=\"small soft\">");
    strbuf_puts(out, meaning ? meaning : "&nbsp;");
    strbuf_puts(out, "</div>\n");
    svg_line_chart(out, s->name, s->step, s->value, s->n);
    strbuf_puts(out, "</div>\n");
}

static wr_status run_section(strbuf *out, const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    char *config = NULL;
    size_t n;
    metrics_table t = {0};
    TRY(path_join(path, dir, "metrics.jsonl"));
    if (!file_exists(path))
        TRY(wr_fail(WR_E_IO,
                    "%s: no metrics.jsonl and no meta.json in it; give the folder of a run (--out of train or dpo) or "
                    "of prepare",
                    dir));
    TRY(metrics_load(path, &t));
    strbuf_puts(out, "<h2>Run: ");
    html_string(out, dir);
    strbuf_printf(out, "</h2>\n<p class=\"soft small\">%.0f steps · %zu lines of metrics", t.last_step, t.lines);
    if (t.skipped)
        strbuf_printf(out, " · <span class=\"bad\">%zu damaged %s skipped</span>", t.skipped,
                      t.skipped == 1 ? "line" : "lines");
    strbuf_puts(out, "</p>\n<div class=\"grid\">\n");
    const run_kind kind = metrics_run_kind(&t);
    for (size_t i = 0; i < t.n; i++)
        if (shown(&t.series[i])) chart_card(out, &t.series[i], kind);
    strbuf_puts(out, "</div>\n");
    TRY(path_join(path, dir, "config.yaml"));
    if (file_exists(path)) {
        TRY(file_read(path, 16 << 20, &config, &n));
        strbuf_puts(out, "<details><summary>Resolved configuration</summary><pre>");
        html_text(out, config, n);
        strbuf_puts(out, "</pre></details>\n");
    }
cleanup:
    free(config);
    metrics_free(&t);
    return status;
}

/* "runs/before.json" -> "before" */
static char *short_name(const char *path) {
    const char *slash = strrchr(path, '/'), *from = slash && slash[1] ? slash + 1 : path;
    size_t n = strlen(from);
    if (n > 5 && ends_with(from, ".json")) n -= 5;
    return mem_strndup(from, n);
}

static wr_status load_evaluation(arena *a, const char *path, evaluation *out) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n;
    const char *kind;
    TRY(file_read(path, 256 << 20, &bytes, &n));
    wr_status parsed = json_parse(a, bytes, n, &out->value);
    if (parsed < 0) TRY(wr_context(parsed, "%s", path));
    if (!json_get_string(out->value, "kind", &kind, &n))
        TRY(wr_fail(WR_E_FORMAT, "%s: no evaluation in it (an object with \"kind\"); give the --out of evaluate",
                    path));
    out->name = short_name(path);
    TRY_ALLOC(out->name);
cleanup:
    free(bytes);
    return status;
}

static bool is_kind(const evaluation *e, const char *wanted) {
    const char *kind;
    size_t n;
    return json_get_string(e->value, "kind", &kind, &n) && n == strlen(wanted) && memcmp(kind, wanted, n) == 0;
}

static wr_status data_section(strbuf *page, arena *a, const char *dir, const strbuf *summary) {
    wr_status status = WR_OK;
    const json_value *v;
    TRY(wr_context(json_parse(a, strbuf_str(summary), summary->len, &v), "%s: summary", dir));
    prepare_section(page, v);
cleanup:
    return status;
}

wr_status report_write(const char *const *sources, size_t n, const char *title, const char *out_path) {
    return report_write_data(sources, NULL, n, title, out_path);
}

wr_status report_write_data(const char *const *sources, const strbuf *summaries, size_t n, const char *title,
                            const char *out_path) {
    wr_status status = WR_OK;
    strbuf page = {0};
    arena *a = arena_create();
    evaluation *all = NULL;
    const evaluation **policies = NULL;
    size_t count = 0, n_policies = 0;
    TRY_ALLOC(a);
    if (n == 0) TRY(wr_fail(WR_E_USAGE, "report: give at least one run folder, prepared folder or evaluation file"));
    all = mem_calloc(n, sizeof *all);
    policies = mem_calloc(n, sizeof *policies);
    TRY_ALLOC(all);
    TRY_ALLOC(policies);
    for (size_t i = 0; i < n; i++) {
        if (dir_exists(sources[i])) continue;
        if (!file_exists(sources[i])) TRY(wr_fail(WR_E_IO, "%s: no such folder or evaluation file", sources[i]));
        TRY(load_evaluation(a, sources[i], &all[count]));
        if (is_kind(&all[count], "policy")) policies[n_policies++] = &all[count];
        count++;
    }
    html_begin(&page, title);
    if (n_policies) policy_section(&page, policies, n_policies);
    for (size_t i = 0; i < count; i++)
        if (is_kind(&all[i], "agreement"))
            agreement_section(&page, &all[i]);
        else if (is_kind(&all[i], "comparison"))
            comparison_section(&page, &all[i]);
        else if (!is_kind(&all[i], "policy"))
            evaluation_section(&page, &all[i]);
    for (size_t i = 0; i < n; i++) {
        if (!dir_exists(sources[i])) continue;
        TRY(summaries && summaries[i].len ? data_section(&page, a, sources[i], &summaries[i])
                                          : run_section(&page, sources[i]));
    }
    html_end(&page);
    TRY(strbuf_status(&page));
    TRY(file_write_atomic(out_path, strbuf_str(&page), page.len));
cleanup:
    for (size_t i = 0; all && i < n; i++) free(all[i].name);
    free(all);
    free(policies);
    arena_free(a);
    strbuf_free(&page);
    return status;
}
