/* Records in the order of a number. LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_ORDER_H
#define WR_EVALUATE_STATISTICS_ORDER_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* index (n): 0 … n-1 by rising x, equal ones by index. x without NaN. */
wr_status order_by(const double *x, size_t n, uint32_t *index);

/* end (n): behind the last place along index whose x is the same. */
void tie_ends(const double *x, const uint32_t *index, size_t n, uint32_t *end);

#endif
