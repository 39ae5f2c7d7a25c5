#include "evaluate/statistics/bootstrap.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void resample_weights(uint64_t seed, size_t b, unsigned which, size_t n_clusters, uint32_t *weight) {
    rng random = rng_make(seed, RNG_BOOTSTRAP, b, which, 0);
    memset(weight, 0, n_clusters * sizeof *weight);
    for (size_t c = 0; c < n_clusters; c++) weight[rng_below(&random, n_clusters)]++;
}

static int by_number(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Percentile by linear interpolation of sorted values. */
static double percentile(const double *sorted, size_t n, double p) {
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

figure_interval interval_of_values(double *values, size_t n) {
    figure_interval f = {NAN, NAN, 0};
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) values[f.defined++] = values[i];
    if (!f.defined) return f;
    qsort(values, f.defined, sizeof *values, by_number);
    f.low = percentile(values, f.defined, 0.025);
    f.high = percentile(values, f.defined, 0.975);
    return f;
}

wr_status bootstrap_intervals(size_t n_clusters, size_t width, size_t resamples, uint64_t seed, unsigned which,
                              void (*take)(void *context, const uint32_t *weight, double *values), void *context,
                              figure_interval *out) {
    wr_status status = WR_OK;
    const bool none = n_clusters < 2 || !resamples;
    uint32_t *weight = none ? NULL : mem_calloc(n_clusters, sizeof *weight);
    double *values = none ? NULL : mem_calloc(resamples, width * sizeof *values); /* (resamples, width) */
    double *column = none ? NULL : mem_calloc(resamples, sizeof *column);
    for (size_t f = 0; f < width; f++) out[f] = (figure_interval){NAN, NAN, 0};
    if (none) return WR_OK;
    TRY_ALLOC(weight);
    TRY_ALLOC(values);
    TRY_ALLOC(column);
    for (size_t b = 0; b < resamples; b++) {
        resample_weights(seed, b, which, n_clusters, weight);
        take(context, weight, values + b * width);
    }
    for (size_t f = 0; f < width; f++) {
        for (size_t b = 0; b < resamples; b++) column[b] = values[b * width + f];
        out[f] = interval_of_values(column, resamples);
    }
cleanup:
    free(weight);
    free(values);
    free(column);
    return status;
}
