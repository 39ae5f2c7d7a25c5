/* Records in the order of a number. LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_ORDER_H
#define WR_EVALUATE_STATISTICS_ORDER_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* index (n): 0 … n-1 by rising x, equal ones by index. x without NaN. */
wr_status order_by(const double *x, size_t n, uint32_t *index);

/* Mean ranks in a sample that holds record i weight[user[i]] times (weight NULL: once): of a tie of W copies with B
 * copies below, B + (W + 1) / 2. rank (n), also of records that the sample lacks. index: order_by of x. Returns the
 * number of copies. */
double weighted_ranks(const double *x, const uint32_t *index, size_t n, const uint32_t *user, const uint32_t *weight,
                      double *rank);
/* Pearson's correlation in such a sample; NaN where a side is constant. */
double weighted_pearson(const double *x, const double *y, size_t n, const uint32_t *user, const uint32_t *weight);

#endif
