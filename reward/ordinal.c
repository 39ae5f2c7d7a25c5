/* Ordinal regression, rows unshared: N = K - 1 outputs, of which the k-th is the log-odds of "better
 * than class k".
 *
 *   t_k = 1[y > k]                      targets, k = 1 … K-1
 *   loss = mean over k of BCE(z_k, t_k) one term a record
 *   score = 1 + sum_k sigma(z_k)        in (1, K): the expected class, were the thresholds consistent (ordinal_rule)
 *   class = 1 + |{k: z_k > 0}|          thresholds passed */
#include "base/logistic.h"
#include "reward/objective.h"

static size_t ordinal_outputs(int classes) { return (size_t)classes - 1; }

static double ordinal_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale,
                           float *dz) {
    /* BCE(z, t) = -t log s(z) - (1-t) log(1 - s(z)) = softplus(z) - t z, because log s(z) = z - softplus(z) and
     * log(1 - s(z)) = -softplus(z). Its derivative is s(z) - t. */
    const size_t N = u->outputs;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double row = 0;
        for (size_t k = 0; k < N; k++) {
            const double x = z[i * N + k], t = labels[i] > (int)k + 1 ? 1 : 0;
            row += softplus(x) - t * x;
            if (dz) dz[i * N + k] = (float)((double)scale * (sigmoid(x) - t) / (double)N);
        }
        sum += row / (double)N;
    }
    return sum;
}

static size_t ordinal_terms(const objective_use *u, int label) {
    (void)u, (void)label;
    return 1;
}

static int ordinal_class(const objective_use *u, const float *z) {
    int c = 1;
    for (size_t k = 0; k < u->outputs; k++) c += z[k] > 0;
    return c;
}

const option_spec ordinal_options[] = {{0}};
const objective ordinal_objective = {.name = "ordinal",
                                     .options = ordinal_options,
                                     .outputs = ordinal_outputs,
                                     .loss = ordinal_loss,
                                     .terms = ordinal_terms,
                                     .scores_classes = true,
                                     .rule = &ordinal_rule,
                                     .class = ordinal_class};
