/* What is known of a record's score, and the figures of many. Internal to evaluate/. LOCAL. */
#ifndef WR_EVALUATE_REWARD_VALUES_H
#define WR_EVALUATE_REWARD_VALUES_H

#include "evaluate/evaluate.h"

/* Columns of values (n, VALUES). */
enum { VALUE_LOSS, VALUE_TERMS, VALUE_SCORE, VALUE_CLASS, VALUE_LABEL, VALUE_VIOLATES, VALUE_SPREAD, VALUES };

/* Fills *out, whose classes is set. kind NULL: the scores have no loss, no class and no scale, and only figures of
 * order and mean are told. */
wr_status reward_summarise(const objective *kind, const double *values, size_t n, reward_figures *out);

#endif
