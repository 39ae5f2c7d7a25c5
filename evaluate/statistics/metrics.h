/* Numbers about predictions. LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_METRICS_H
#define WR_EVALUATE_STATISTICS_METRICS_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* Spearman's rank correlation: Pearson's of the ranks, ties get their mean rank. NaN when one side is constant or n <
 * 2. */
wr_status spearman(const double *x, const double *y, size_t n, double *out);

/* 95 % interval (2.5 and 97.5 percentiles) of Spearman's correlation by resampling whole clusters: cluster[i] in 0 …
 * n_clusters-1 is the person that item i comes from. Random numbers: RNG_BOOTSTRAP, keyed by (seed, resample). */
wr_status spearman_interval(const double *x, const double *y, const uint32_t *cluster, size_t n, size_t n_clusters,
                            size_t resamples, uint64_t seed, double *low, double *high);

/* Cohen's kappa with quadratic weights (Cohen 1968) of labels and predictions, integers. NaN when all labels are the
 * same. */
double quadratic_kappa(const int *label, const int *predicted, size_t n);

#endif
