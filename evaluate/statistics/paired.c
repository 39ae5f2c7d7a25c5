#include "evaluate/statistics/paired.h"

#include <math.h>
#include <stdbool.h>

double mcnemar_exact(size_t b, size_t c) {
    /* twice P(X <= min) of X ~ Binomial(b + c, 1/2): terms in logarithms, from the largest down */
    const size_t n = b + c, least = b < c ? b : c;
    const double N = (double)n;
    double sum = 0;
    for (size_t k = least + 1; k-- > 0;) {
        const double x = (double)k, term = exp(lgamma(N + 1) - lgamma(x + 1) - lgamma(N - x + 1) - N * log(2));
        sum += term;
        if (term < 1e-18 * sum) break;
    }
    return fmin(1, 2 * sum);
}

double bootstrap_p(const double *d, size_t n) {
    size_t below = 0, above = 0, defined = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(d[i])) continue;
        defined++;
        below += d[i] <= 0;
        above += d[i] >= 0;
    }
    if (!defined) return NAN;
    return fmin(1, 2 * (double)((below < above ? below : above) + 1) / (double)(defined + 1));
}

/* The i-th smallest of m counts (m - i) times, and none less than one before it. */
void holm_adjust(double *p, size_t n) {
    size_t left = 0;
    double before = 0, floor_p = 0;
    for (size_t i = 0; i < n; i++) left += isfinite(p[i]);
    /* Taken ones are kept as negative numbers until the end. */
    for (; left; left--) {
        size_t least = n;
        for (size_t i = 0; i < n; i++)
            if (isfinite(p[i]) && p[i] >= 0 && !signbit(p[i]) && (least == n || p[i] < p[least])) least = i;
        before = fmin(1, p[least] * (double)left);
        floor_p = fmax(floor_p, before);
        p[least] = -floor_p;
    }
    for (size_t i = 0; i < n; i++)
        if (isfinite(p[i])) p[i] = fabs(p[i]);
}
