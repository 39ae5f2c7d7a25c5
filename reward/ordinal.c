/* Ordinal regression, rows unshared: N = K - 1 outputs, of which the k-th is the log-odds of "better
 * than class k".
 *
 *   t_k = 1[y > k]                      targets, k = 1 … K-1
 *   loss = mean over k of BCE(z_k, t_k) one term a record
 *   score = 1 + sum_k sigma(z_k)        in (1, K): the expected class, were the thresholds consistent (ordinal_rule)
 *   class = 1 + |{k: z_k > 0}|          thresholds passed */
#include "reward/binary_terms.h"

static double ordinal_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale,
                           float *dz) {
    return binary_terms_loss(u, n, z, labels, (double)u->outputs, scale, dz);
}

const option_spec ordinal_options[] = {{0}};
const objective ordinal_objective = {.name = "ordinal",
                                     .options = ordinal_options,
                                     .most_classes = OBJECTIVE_CLASSES_MAX,
                                     .outputs = binary_outputs,
                                     .loss = ordinal_loss,
                                     .terms = one_term,
                                     .scores_classes = true,
                                     .smooths = true,
                                     .rule = &ordinal_rule,
                                     .class = binary_class,
                                     .passes = binary_passes};
