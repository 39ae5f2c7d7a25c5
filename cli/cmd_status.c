/* wildreward status: what runs and Slurm jobs are doing. */
#include "cli/command.h"

#include "base/log.h"
#include "base/mem.h"
#include "status/status_rows.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct status_call {
    bool json;
} status_call;
static const option_spec status_options[] = {
    OPTION_FLAG(status_call, json, "json", NULL, "an array of objects instead of the table (docs/training.md)"),
    {0},
};
static const option_group status_groups[] = {{.rows = status_options}, {0}};

/* What cannot be told is kept as a message. */
static wr_status look(const char *argument, status_item *x) {
    x->argument = argument;
    x->is_job = job_id_is(argument);
    wr_status status = x->is_job ? job_look_at(argument, &x->job) : run_look_at(argument, &x->run);
    if (status < 0) {
        x->error = mem_strdup(wr_error());
        return x->error ? WR_OK : WR_E_NOMEM;
    }
    x->has_run = !x->is_job;
    if (!x->job.run[0]) return WR_OK;
    x->has_run = run_look_at(x->job.run, &x->run) >= 0;
    if (!x->has_run) x->run_fault = mem_strdup(wr_error());
    return x->has_run || x->run_fault ? WR_OK : WR_E_NOMEM;
}

/* A line for each that could not be told: main prints the last one. */
static wr_status tell_errors(const status_item *items, size_t n) {
    const char *last = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!items[i].error) continue;
        if (last) fprintf(stderr, "wildreward: error: %s\n", last);
        last = items[i].error;
    }
    return last ? wr_fail(WR_E_FAILED, "%s", last) : WR_OK;
}

static wr_status run_status(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    status_call c = {0};
    strbuf text = {0};
    status_item *items = NULL;
    const size_t n = options_count(o);
    TRY(options_fill(o, &c, sizeof c));
    if (!n) TRY(wr_fail(WR_E_USAGE, "status needs an argument: wildreward status (RUN | JOBID)…"));
    TRY_ALLOC(items = mem_calloc(n, sizeof *items));
    for (size_t i = 0; i < n; i++) TRY(look(options_positional(o, i), &items[i]));
    (c.json ? status_json : status_table)(items, n, &text);
    TRY(strbuf_status(&text));
    if (fputs(strbuf_str(&text), stdout) < 0 || fflush(stdout) != 0)
        TRY(wr_fail(WR_E_IO, "cannot write standard output"));
    TRY(tell_errors(items, n));
cleanup:
    for (size_t i = 0; items && i < n; i++) {
        free(items[i].error);
        free(items[i].run_fault);
    }
    free(items);
    strbuf_free(&text);
    return status;
}

const command cmd_status = {
    .name = "status",
    .usage = "status (RUN | JOBID)… [--json]",
    .summary = "what runs and Slurm jobs are doing: state, step, loss, speed, time left, checkpoint",
    .groups = status_groups,
    .run = run_status,
};
