/* The mean of few values that are taken for normal, as seeds' figures are: with three of them percentiles of resamples
 * would tell an interval that is far too narrow. LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_STUDENT_H
#define WR_EVALUATE_STATISTICS_STUDENT_H

#include <stddef.h>

typedef struct mean_interval {
    double mean, low,
        high; /* mean: NaN without values, or where one is not finite; low, high: with fewer than two, too */
} mean_interval;

/* x (n). mean -+ t s / sqrt(n), with t of Student's distribution of n - 1 degrees of freedom: 95 %. */
mean_interval mean_of_few(const double *x, size_t n);

#endif
