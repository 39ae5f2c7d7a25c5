/* What a run of training says of a reward model between its steps and at its end: members eval_NAME of a line, with the
 * names of docs/metrics.md and the statistics that `evaluate` takes. LOCAL. */
#ifndef WR_EVALUATE_REWARD_LINE_H
#define WR_EVALUATE_REWARD_LINE_H

#include "base/json.h"
#include "evaluate/evaluate.h"

/* f: the sums; r: the records, of rank 0. resamples: of users behind intervals, 0: none are told. What the objective has
 * not is left out, what these records do not define is null. */
wr_status reward_line_write(const reward_figures *f, const reward_records *r, size_t resamples, json_writer *line);

#endif
