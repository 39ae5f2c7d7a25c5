/* Tests of paired differences. LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_PAIRED_H
#define WR_EVALUATE_STATISTICS_PAIRED_H

#include <stddef.h>

/* McNemar's exact test (binomial, two sides) of b and c records that only the one, only the other model has right; 1
 * where both are 0. */
double mcnemar_exact(size_t b, size_t c);
/* Twice the smaller share of resampled differences on either side of 0, (count + 1) / (n + 1), at most 1; NaN ones do
 * not count, NaN where none is left. */
double bootstrap_p(const double *differences, size_t n);
/* Holm's step-down adjustment in place; NaN ones are no tests. */
void holm_adjust(double *p, size_t n);

#endif
