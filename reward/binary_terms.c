/* BCE(z, t) = -t log s(z) - (1-t) log(1 - s(z)) = softplus(z) - t z, because log s(z) = z - softplus(z) and
 * log(1 - s(z)) = -softplus(z). Its derivative is s(z) - t. */
#include "reward/binary_terms.h"

#include "base/logistic.h"

double binary_term(double z, double t, double *d) {
    *d = sigmoid(z) - t;
    return softplus(z) - t * z;
}

double binary_target(const objective_use *u, int label, size_t k) {
    const double t = label > (int)k + 1 ? 1 : 0;
    return t * (1 - u->smoothing) + u->smoothing / 2;
}

double binary_terms_loss(const objective_use *u, size_t n, const float *z, const int *labels, double share, float scale,
                         float *dz) {
    const size_t N = u->outputs;
    double sum = 0, d;
    for (size_t i = 0; i < n; i++) {
        double row = 0;
        for (size_t k = 0; k < N; k++) {
            row += binary_term((double)z[i * N + k], binary_target(u, labels[i], k), &d);
            if (dz) dz[i * N + k] = (float)((double)scale * d / share);
        }
        sum += row / share;
    }
    return sum;
}

double binary_sum_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale, float *dz) {
    return binary_terms_loss(u, n, z, labels, 1, scale, dz);
}

size_t binary_outputs(int classes) { return (size_t)classes - 1; }

size_t one_term(const objective_use *u, int label) {
    (void)u, (void)label;
    return 1;
}

int binary_class(const objective_use *u, const float *z) {
    int c = 1;
    for (size_t k = 0; k < u->outputs; k++) c += z[k] > 0;
    return c;
}

void binary_passes(const objective_use *u, const float *z, double *p) {
    for (size_t k = 0; k < u->outputs; k++) p[k] = sigmoid((double)z[k]);
}
