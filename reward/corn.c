/* CORN (Shi, Cao, Raschka 2021; numbers of coral-pytorch 1.4.0): N = K - 1 rows; the k-th logit is that of "better
 * than class k, given better than k - 1".
 *
 *   loss = sum over k of BCE(z_k, 1[y > k]) over the records with y > k - 1 alone
 *   terms of a record = tasks that it is in = min(y, K - 1):  the mean is over all of them
 *   P(y > k) = prod_(j <= k) sigma(z_j)      falls with k, whatever the logits are
 *   score = 1 + sum_k P(y > k),  class = 1 + |{k: P(y > k) > 1/2}| */
#include "reward/binary_terms.h"

#include "base/logistic.h"

static size_t corn_terms(const objective_use *u, int label) {
    return (size_t)label < u->outputs ? (size_t)label : u->outputs;
}

static double corn_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale, float *dz) {
    const size_t N = u->outputs;
    double sum = 0, d;
    for (size_t i = 0; i < n; i++) {
        const size_t tasks = corn_terms(u, labels[i]);
        for (size_t k = 0; k < tasks; k++) {
            sum += binary_term((double)z[i * N + k], binary_target(u, labels[i], k), &d);
            if (dz) dz[i * N + k] = (float)((double)scale * d);
        }
        for (size_t k = tasks; dz && k < N; k++) dz[i * N + k] = 0;
    }
    return sum;
}

static void corn_passes(const objective_use *u, const float *z, double *p) {
    for (size_t k = 0; k < u->outputs; k++) p[k] = sigmoid((double)z[k]) * (k ? p[k - 1] : 1);
}

static int corn_class(const objective_use *u, const float *z) {
    int c = 1;
    double passed = 1;
    for (size_t k = 0; k < u->outputs; k++) c += (passed *= sigmoid((double)z[k])) > 0.5;
    return c;
}

const option_spec corn_options[] = {{0}};
const objective corn_objective = {.name = "corn",
                                  .options = corn_options,
                                  .most_classes = OBJECTIVE_CLASSES_MAX,
                                  .outputs = binary_outputs,
                                  .loss = corn_loss,
                                  .terms = corn_terms,
                                  .scores_classes = true,
                                  .smooths = true,
                                  .rule = &corn_rule,
                                  .class = corn_class,
                                  .passes = corn_passes};
