#include "base/logistic.h"

#include <math.h>

double softplus(double x) {
    /* log(1 + e^x) = x + log(1 + e^-x): the exponent is never positive, so nothing overflows; NaN falls into the second
     * arm. */
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double log_sigmoid(double x) { return -softplus(-x); /* sigma(x) = 1 / (1 + e^-x) */ }

double sigmoid(double x) {
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}
