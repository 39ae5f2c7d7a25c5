/* Reads a run's metrics.jsonl into one series a metric. LOCAL. */
#ifndef WR_REPORT_METRICS_SERIES_H
#define WR_REPORT_METRICS_SERIES_H

#include "base/status.h"
#include <stddef.h>

typedef struct metric_series {
    char *name;
    double *step, *value;
    size_t n, step_capacity, value_capacity;
} metric_series;

typedef struct metrics_table {
    metric_series *series; /* in order of first appearance */
    size_t n, capacity;
    size_t lines, skipped; /* skipped: damaged, no object, or without a step */
    double last_step;
} metrics_table;

/* A null value is a gap. A step that is written again (after a resume) replaces the points from there on.
 * WR_E_IO without the file, WR_E_FORMAT when no line can be used; messages name the path. */
wr_status metrics_load(const char *path, metrics_table *out);
void metrics_free(metrics_table *t);
const metric_series *metrics_find(const metrics_table *t, const char *name);

#endif
