/* Intervals by resampling users. LOCAL.
 *
 * Records of one user resemble one another, so whole users are drawn: resample b draws n_users of them with
 * replacement (random numbers RNG_BOOTSTRAP, keyed by seed and b: the same on any number of ranks), and a figure's 95 %
 * interval is that of its values in the resamples, from the 2.5th to the 97.5th percentile (linear interpolation).
 * A resample in which a figure is not defined is left out of that figure's, and how many remain is told. BCa intervals
 * would ask a pass for every user besides, and are not defined where users are all alike; percentiles need neither. */
#ifndef WR_EVALUATE_STATISTICS_BOOTSTRAP_H
#define WR_EVALUATE_STATISTICS_BOOTSTRAP_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct figure_interval {
    double low, high; /* NaN: no resample defined it, or there is one user */
    size_t defined;
} figure_interval;

/* Draws n_clusters of them: weight[c] is how often c was drawn. which: 0 users, 1 prompts, 2 seeds of a study (other random
 * numbers). */
void resample_weights(uint64_t seed, size_t b, unsigned which, size_t n_clusters, uint32_t *weight);
/* values (n), sorted here; those that are not finite do not count. */
figure_interval interval_of_values(double *values, size_t n);

/* take: fills values (width) of a sample with these weights. out (width); all NaN with one cluster or no resamples. */
wr_status bootstrap_intervals(size_t n_clusters, size_t width, size_t resamples, uint64_t seed, unsigned which,
                              void (*take)(void *context, const uint32_t *weight, double *values), void *context,
                              figure_interval *out);

#endif
