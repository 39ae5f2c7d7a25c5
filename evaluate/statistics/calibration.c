#include "evaluate/statistics/calibration.h"

#include "base/mem.h"
#include "evaluate/statistics/order.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t calibration_bin(double p, size_t bins) {
    const double B = (double)bins;
    size_t b = p > 0 ? (size_t)fmin(p * B, B - 1) : 0;
    /* p * B may round across an edge */
    while (b + 1 < bins && p >= (double)(b + 1) / B) b++;
    while (b > 0 && p < (double)b / B) b--;
    return b;
}

double calibration_error(const reliability_bin *table, size_t bins) {
    double n = 0, sum = 0;
    for (size_t b = 0; b < bins; b++) {
        n += table[b].n;
        sum += fabs(table[b].probability - table[b].share);
    }
    return n > 0 ? sum / n : NAN;
}

void reliability_table(const double *p, const uint8_t *hit, size_t stride, size_t n, size_t bins,
                       reliability_bin *table) {
    memset(table, 0, bins * sizeof *table);
    for (size_t i = 0; i < n; i++) {
        reliability_bin *b = &table[calibration_bin(p[i * stride], bins)];
        b->n++;
        b->probability += p[i * stride];
        b->share += hit[i * stride];
    }
}

wr_status adaptive_calibration_error(const double *p, const uint8_t *hit, size_t stride, size_t n, size_t bins,
                                     double *out) {
    wr_status status = WR_OK;
    double *x = mem_calloc(n + 1, sizeof *x), sum = 0;
    uint32_t *index = mem_calloc(n + 1, sizeof *index);
    TRY_ALLOC(x);
    TRY_ALLOC(index);
    for (size_t i = 0; i < n; i++) x[i] = p[i * stride];
    TRY(order_by(x, n, index));
    for (size_t b = 1, from = 0; b <= bins; b++) {
        size_t to = (size_t)((double)b * (double)n / (double)bins);
        double apart = 0;
        while (to > from && to < n && x[index[to]] == x[index[to - 1]]) to++;
        for (; from < to; from++) apart += x[index[from]] - hit[index[from] * stride];
        sum += fabs(apart);
    }
    *out = n ? sum / (double)n : NAN;
cleanup:
    free(x);
    free(index);
    return status;
}

void class_probabilities(int K, const double *above, double *out) {
    double sum = 0;
    for (int k = 0; k < K; k++) {
        const double upper = k ? above[k - 1] : 1, lower = k + 1 < K ? above[k] : 0;
        out[k] = fmax(0, upper - lower);
        sum += out[k]; /* at least 1: the differences themselves sum to it */
    }
    for (int k = 0; k < K; k++) out[k] /= sum;
}

double label_log_loss(int K, const double *above, int label, double *scratch) {
    class_probabilities(K, above, scratch);
    return -log(fmax(scratch[label - 1], DBL_EPSILON));
}

double label_brier(int K, const double *above, int label) {
    double sum = 0;
    for (int k = 0; k + 1 < K; k++) {
        const double d = above[k] - (label > k + 1);
        sum += d * d;
    }
    return sum / (K - 1);
}
