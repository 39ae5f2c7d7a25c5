/* wildreward report: runs, prepared folders and evaluations as one HTML file. */
#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "data/prepare/prepare_summary.h"
#include "report/report.h"
#include <stdlib.h>

static const option_spec report_options[] = {
    {.name = "out", .kind = OPT_STRING, .arg = "FILE", .help = "HTML file to write", .required = true},
    {.name = "title",
     .kind = OPT_STRING,
     .default_value = "wildreward report",
     .arg = "TEXT",
     .help = "heading of the page"},
    {.name = NULL},
};
static const option_spec *const report_tables[] = {report_options, NULL};

static wr_status run_report(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    size_t n = options_count(o);
    strbuf *summaries = NULL;
    const char **sources = mem_calloc(n + 1, sizeof *sources);
    TRY_ALLOC(sources);
    TRY_ALLOC(summaries = mem_calloc(n + 1, sizeof *summaries));
    for (size_t i = 0; i < n; i++) {
        sources[i] = options_positional(o, i);
        if (prepare_summary_wanted(sources[i])) TRY(prepare_summary(sources[i], &summaries[i]));
    }
    TRY(report_write_data(sources, summaries, n, options_str(o, "title"), options_str(o, "out")));
    log_info("report: wrote %s", options_str(o, "out"));
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
    .tables = report_tables,
    .run = run_report,
};
