/* How far probabilities are from the shares that they foretell. LOCAL.
 *
 * Bins of equal width: bin b of B holds b/B <= p < (b + 1)/B, edges as the doubles b/B; the last one holds 1, too. */
#ifndef WR_EVALUATE_STATISTICS_CALIBRATION_H
#define WR_EVALUATE_STATISTICS_CALIBRATION_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

size_t calibration_bin(double p, size_t bins);

typedef struct reliability_bin {
    double n, probability, share; /* records; sums of p and of what came true */
} reliability_bin;
/* Expected calibration error of filled bins: sum of n_b / n |mean p - share true|. NaN: no record. */
double calibration_error(const reliability_bin *table, size_t bins);
/* p, hit (n), every stride-th element: table (bins). */
void reliability_table(const double *p, const uint8_t *hit, size_t stride, size_t n, size_t bins,
                       reliability_bin *table);
/* The same error over bins of equal count: the records by rising p are cut behind floor(b n / bins), b = 1 … bins, and
 * equal p's stay together (a cut between two of them moves up). */
wr_status adaptive_calibration_error(const double *p, const uint8_t *hit, size_t stride, size_t n, size_t bins,
                                     double *out);

/* P(y = 1) … P(y = K) from above (K-1): differences of P(y > k), negative ones 0 (thresholds may cross), made to sum
 * to 1. */
void class_probabilities(int K, const double *above, double *out);
/* -log of the label's probability, which counts as 2.2e-16 where it is smaller. */
double label_log_loss(int K, const double *above, int label, double *scratch);
/* Mean over thresholds of (P(y > k) - [y > k])^2: the ranked probability score by K - 1. */
double label_brier(int K, const double *above, int label);

#endif
