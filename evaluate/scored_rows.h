/* Figures of records that somebody scored: rows of --scored. LOCAL. */
#ifndef WR_EVALUATE_SCORED_ROWS_H
#define WR_EVALUATE_SCORED_ROWS_H

#include "evaluate/evaluate.h"

/* Reads lines as --records has them, by whomever they were written. "label" and "score" are needed; "class" and "above"
 * are in all lines or in none. Without a user each is its own; without an id it is the line's number; lengths are known
 * where all lines have them. K: the largest label and class, or one more than "above" has. Scores count as on the
 * labels' scale where there is "class" or "above". WR_E_FORMAT naming file and line. *r is to be freed, also after an
 * error. */
wr_status scored_rows_read(const char *path, reward_records *r);
/* What shards give by sums: accuracy, mae, spearman, kappa, means by label. loss is NaN. *out is to be freed, also
 * after an error. */
wr_status scored_rows_figures(const reward_records *r, reward_figures *out);

#endif
