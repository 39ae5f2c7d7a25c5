/* The end of a run's metrics.jsonl: where the run is, how fast, how long still. However long the file is, only its end
 * is read. LOCAL. */
#ifndef WR_STATUS_METRICS_TAIL_H
#define WR_STATUS_METRICS_TAIL_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAIL_STEPS = 20 }; /* times and rates are means of so many last steps */

typedef struct metrics_tail {
    bool there;       /* the file is */
    int64_t step;     /* of the last line that has one; -1: none */
    double loss;      /* the last one; NAN: none */
    double step_s;    /* seconds of a step; NAN: not told */
    double per_s;     /* of `unit`, a second; NAN: not told */
    const char *unit; /* "replies" where steps sample them, else "tokens", "records"; NULL: not told */
    double eval_s;    /* of the last evaluation; NAN: none seen */
    int64_t skipped;  /* steps in a row that were skipped, up to the last one */
    size_t bad;       /* lines that are no JSON objects with a step, among those looked at */
    bool cut;         /* the last line does not end */
    double age_s;     /* since the file was written; NAN where it is not there */
} metrics_tail;

/* A file that is not there is no error. WR_E_IO: it cannot be read. */
wr_status metrics_tail_read(const char *path, metrics_tail *out);
/* From the file's last n bytes; whole: they are all of it. Returns whether what was wanted stood there, or all of the
 * file has been seen. Leaves `there` and `age_s` be. */
bool metrics_tail_of(const char *bytes, size_t n, bool whole, metrics_tail *out);
/* Seconds until step `steps`, with an evaluation every `eval_every` steps (0: none) and one at the end, where one was
 * seen; NAN: cannot be told. */
double metrics_tail_left(const metrics_tail *t, int64_t steps, int64_t eval_every);

#endif
