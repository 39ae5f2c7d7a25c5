#include "evaluate/statistics/student.h"

#include <math.h>

/* P(|T| < t), T of v degrees of freedom, by its finite sums in theta = atan(t / sqrt(v)) (Abramowitz & Stegun 26.7.3 and
 * 26.7.4). */
static double share_within(double t, size_t v) {
    const double theta = atan(t / sqrt((double)v)), c = cos(theta) * cos(theta);
    double term = v % 2 ? cos(theta) : 1, sum = v > 1 ? term : 0;
    for (size_t k = v % 2 ? 3 : 2; k < v; k += 2) {
        term *= c * (double)(k - 1) / (double)k;
        sum += term;
    }
    return v % 2 ? 2 / M_PI * (theta + sin(theta) * sum) : sin(theta) * sum;
}

static double quantile(size_t v) {
    double low = 0, high = 20; /* v = 1: 12.7 */
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        if (share_within(middle, v) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return high;
}

mean_interval mean_of_few(const double *x, size_t n) {
    mean_interval m = {NAN, NAN, NAN};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    if (!n || !isfinite(sum)) return m;
    m.mean = sum / (double)n;
    if (n < 2) return m;
    for (size_t i = 0; i < n; i++) squares += (x[i] - m.mean) * (x[i] - m.mean);
    const double half = quantile(n - 1) * sqrt(squares / (double)(n - 1) / (double)n);
    m.low = m.mean - half;
    m.high = m.mean + half;
    return m;
}
