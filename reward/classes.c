/* Classes without an order: N = K outputs, softmax and cross-entropy.
 *
 *   p = softmax(z)
 *   loss = -sum_c q_c log p_c,  q = (1 - eps) 1[c = y] + eps / K      one term a record (torch's CrossEntropyLoss)
 *   score = sum_c c p_c                 the expected level
 *   spread = sqrt(sum_c p_c (c - score)^2)
 *   class = arg max p, the lowest where several are largest */
#include "reward/binary_terms.h"

#include <math.h>

static size_t classes_outputs(int classes) { return (size_t)classes; }

/* log sum_c e^z_c: p_c = e^(z_c - it). NaN stays. */
static double log_sum(size_t N, const float *z) {
    double top = (double)z[0], mass = 0;
    for (size_t c = 0; c < N; c++)
        if (!((double)z[c] <= top)) top = (double)z[c];
    for (size_t c = 0; c < N; c++) mass += exp((double)z[c] - top);
    return top + log(mass);
}

static double classes_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale,
                           float *dz) {
    const size_t N = u->outputs;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double all = log_sum(N, z + i * N);
        for (size_t c = 0; c < N; c++) {
            const double q = ((int)c + 1 == labels[i] ? 1 - u->smoothing : 0) + u->smoothing / (double)N;
            const double log_p = (double)z[i * N + c] - all;
            if (q > 0) sum -= q * log_p;
            if (dz) dz[i * N + c] = (float)((double)scale * (exp(log_p) - q));
        }
    }
    return sum;
}

static int classes_class(const objective_use *u, const float *z) {
    size_t best = 0;
    for (size_t c = 1; c < u->outputs; c++)
        if (z[c] > z[best]) best = c;
    return (int)best + 1;
}

static void classes_passes(const objective_use *u, const float *z, double *p) {
    const double all = log_sum(u->outputs, z);
    double above = 0;
    for (size_t k = u->outputs - 1; k-- > 0;) p[k] = above += exp((double)z[k + 1] - all);
}

static double classes_spread(const objective_use *u, const float *z) {
    const double all = log_sum(u->outputs, z), mean = class_rule.score(u->outputs, z);
    double sum = 0;
    for (size_t c = 0; c < u->outputs; c++) {
        const double off = (double)(c + 1) - mean;
        sum += exp((double)z[c] - all) * off * off;
    }
    return sqrt(sum);
}

const option_spec classes_options[] = {{0}};
const objective classes_objective = {.name = "classes",
                                     .options = classes_options,
                                     .most_classes = OBJECTIVE_CLASSES_MAX,
                                     .outputs = classes_outputs,
                                     .loss = classes_loss,
                                     .terms = one_term,
                                     .scores_classes = true,
                                     .smooths = true,
                                     .rule = &class_rule,
                                     .class = classes_class,
                                     .passes = classes_passes,
                                     .spread = classes_spread};
