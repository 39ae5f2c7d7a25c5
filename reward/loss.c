#include "reward/loss.h"

#include <math.h>

double softplus(double x) {
    /* log(1 + e^x) = x + log(1 + e^-x): the exponent is never positive, so nothing overflows; NaN falls into the second
     * arm. */
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double log_sigmoid(double x) { return -softplus(-x); /* sigma(x) = 1 / (1 + e^-x) */ }

static double sigmoid(double x) {
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}

double ordinal_loss(size_t n, size_t n_logits, const float *logits, const int *labels, float scale, float *dlogits) {
    /* BCE(z, t) = -t log s(z) - (1-t) log(1 - s(z)) = softplus(z) - t z, because log s(z) = z - softplus(z) and
     * log(1 - s(z)) = -softplus(z). Its derivative is s(z) - t. */
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double row = 0;
        for (size_t k = 0; k < n_logits; k++) {
            double z = logits[i * n_logits + k];
            double t = labels[i] > (int)k + 1 ? 1 : 0;
            row += softplus(z) - t * z;
            if (dlogits) dlogits[i * n_logits + k] = (float)((double)scale * (sigmoid(z) - t) / (double)n_logits);
        }
        sum += row / (double)n_logits;
    }
    return sum;
}

double ordinal_score(size_t n_logits, const float *logits) {
    double score = 1;
    for (size_t k = 0; k < n_logits; k++) score += sigmoid(logits[k]);
    return score;
}
