/* The median of rounds. LOCAL. */
#ifndef WR_BENCH_MEDIAN_H
#define WR_BENCH_MEDIAN_H

#include <stddef.h>

/* x (n), which is sorted by it; n >= 1. */
double median(double *x, size_t n);

#endif
