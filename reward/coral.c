/* CORAL (Cao, Mirjalili, Raschka 2020; numbers of coral-pytorch 1.4.0): one row w, K - 1 biases,
 *
 *   z_k = h . w + b_k                   b begins as (K-1, …, 1) / (K-1)
 *   loss = sum over k of BCE(z_k, 1[y > k])      one term a record: the sum over tasks, the mean over records
 *   score = 1 + sum_k sigma(z_k),  class = 1 + |{k: z_k > 0}|
 *
 * All logits of a text move together, so P(y > k) falls with k as long as the biases do: they begin in order, and may
 * meet, which is consistent. */
#include "reward/binary_terms.h"

static head_own coral_own(int classes) {
    head_own own = {.kind = HEAD_OWN_BIASES, .n = (unsigned)classes - 1};
    for (unsigned k = 0; k < own.n; k++) own.values[k] = (float)(own.n - k) / (float)own.n;
    return own;
}

const option_spec coral_options[] = {{0}};
const objective coral_objective = {.name = "coral",
                                   .options = coral_options,
                                   .most_classes = OBJECTIVE_CLASSES_MAX,
                                   .outputs = binary_outputs,
                                   .own = coral_own,
                                   .loss = binary_sum_loss,
                                   .terms = one_term,
                                   .scores_classes = true,
                                   .smooths = true,
                                   .rule = &ordinal_rule,
                                   .class = binary_class,
                                   .passes = binary_passes};
