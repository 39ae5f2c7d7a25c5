/* What is known of a record's score, and the figures of many. Internal to evaluate/. LOCAL. */
#ifndef WR_EVALUATE_REWARD_VALUES_H
#define WR_EVALUATE_REWARD_VALUES_H

#include "evaluate/evaluate.h"

/* Columns of values (n, width); behind them, where width is larger, P(y > k), k = 1 … K-1. */
enum { VALUE_LOSS, VALUE_TERMS, VALUE_SCORE, VALUE_CLASS, VALUE_LABEL, VALUE_VIOLATES, VALUE_SPREAD, VALUES };

/* Fills *out, whose classes is set. kind NULL: the scores have no loss, no class and no scale, and only figures of
 * order and mean are told. */
wr_status reward_summarise(const objective *kind, const double *values, size_t width, size_t n, reward_figures *out);

/* Score, label, class and probabilities of n records of K classes; kind as above. */
wr_status reward_records_of_values(const objective *kind, int classes, const double *values, size_t width, size_t n,
                                   reward_records *out);

#endif
