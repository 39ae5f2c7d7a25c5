/* What people and scripts are told of runs and jobs: a table of 80 columns, or JSON. LOCAL. */
#ifndef WR_STATUS_STATUS_ROWS_H
#define WR_STATUS_STATUS_ROWS_H

#include "base/json.h"
#include "status/job_state.h"
#include "status/run_state.h"

typedef struct status_item {
    const char *argument;
    bool is_job, has_run; /* has_run: `run` is told, of the argument or of the job */
    char *error;          /* owned; NULL: it could be told */
    char *run_fault;      /* owned; NULL, or why nothing is told of the job's run */
    job_look job;
    run_look run;
} status_item;

/* A row for each, in order; what takes words stands below it. Of those with an error nothing. */
void status_table(const status_item *items, size_t n, strbuf *out);
/* An array of objects (docs/training.md). */
void status_json(const status_item *items, size_t n, strbuf *out);

#endif
