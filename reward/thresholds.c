/* One score and K - 1 thresholds, learned and always in order: the all-threshold loss, whose thresholds say where the
 * levels of feedback lie on the score's own scale (Rennie & Srebro 2005; for graded preferences arXiv 2603.02232).
 *
 *   z_k = s - theta_k                   theta_1 < theta_2 < … by theta_k = theta_(k-1) + softplus(a_k)
 *   loss = sum over k of -log P(the side of theta_k that y is on)
 *        = sum over k of softplus(-z_k) if y > k, else softplus(z_k)      one term a record
 *   score = 1 + sum_k sigma(z_k)        rises with s alone
 *   class = 1 + |{k: s > theta_k}|
 *
 * theta begins at k - K/2: one apart, about 0. */
#include "reward/binary_terms.h"

#include <math.h>

static head_own thresholds_own(int classes) {
    head_own own = {.kind = HEAD_OWN_THRESHOLDS, .n = (unsigned)classes - 1};
    own.values[0] = (float)(1 - classes / 2.0);
    for (unsigned k = 1; k < own.n; k++) own.values[k] = (float)log(expm1(1)); /* softplus of it is 1 */
    return own;
}

const option_spec thresholds_options[] = {{0}};
const objective thresholds_objective = {.name = "thresholds",
                                        .options = thresholds_options,
                                        .most_classes = OBJECTIVE_CLASSES_MAX,
                                        .outputs = binary_outputs,
                                        .own = thresholds_own,
                                        .loss = binary_sum_loss,
                                        .terms = one_term,
                                        .scores_classes = true,
                                        .smooths = true,
                                        .rule = &ordinal_rule,
                                        .class = binary_class,
                                        .passes = binary_passes};
