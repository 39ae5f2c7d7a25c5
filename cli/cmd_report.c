/* wildreward report: runs, prepared folders and evaluations as one HTML file. */
#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "data/prepare/prepare_summary.h"
#include "report/report.h"
#include <stdlib.h>

typedef struct report_call {
    const char *out, *title;
} report_call;
static const option_spec report_rows[] = {
    OPTION_TEXT(report_call, out, "out", NULL, "FILE", "HTML file to write", .required = true),
    OPTION_TEXT(report_call, title, "title", "wildreward report", "TEXT", "heading of the page"),
    {0},
};
static const option_group report_groups[] = {{.rows = report_rows}, {0}};

static wr_status run_report(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    report_call c = {0};
    size_t n = options_count(o);
    strbuf *summaries = NULL;
    const char **sources = mem_calloc(n + 1, sizeof *sources);
    TRY_ALLOC(sources);
    TRY(options_fill(o, &c, sizeof c));
    TRY_ALLOC(summaries = mem_calloc(n + 1, sizeof *summaries));
    for (size_t i = 0; i < n; i++) {
        sources[i] = options_positional(o, i);
        if (prepare_summary_wanted(sources[i])) TRY(prepare_summary(sources[i], &summaries[i]));
    }
    TRY(report_write_data(sources, summaries, n, c.title, c.out));
    log_info("report: wrote %s", c.out);
cleanup:
    for (size_t i = 0; summaries && i < n; i++) strbuf_free(&summaries[i]);
    free(summaries);
    free(sources);
    return status;
}

const command cmd_report = {
    .name = "report",
    .usage = "report (RUN | DATA | FILE.json)… --out FILE.html [--title TEXT]",
    .summary = "training curves, a prepared folder, evaluations and a before/after comparison as one HTML file",
    .groups = report_groups,
    .run = run_report,
};
