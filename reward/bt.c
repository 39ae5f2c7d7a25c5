/* Bradley-Terry: of two replies to one prompt the better one, as a difference of raw logits.
 *
 *   d = z_chosen - z_rejected - margin      margin: how much better it must be (Touvron et al. 2023), 0 where none is
 *                                           given
 *   loss = -(1 - eps) log s(d) - eps log s(-d) + center (z_chosen + z_rejected)^2        one term a pair
 *   score = z: no zero and no scale but what the second part gives it (TRL's RewardTrainer: margin,
 *   center_rewards_coefficient)
 *
 * Records are pairs: rows 2i and 2i + 1 are the chosen and the rejected reply of one. */
#include "reward/objective.h"

#include "base/logistic.h"

enum { CENTER };

static size_t bt_outputs(int classes) {
    (void)classes;
    return 1;
}

static double bt_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale, float *dz) {
    const double eps = u->smoothing, center = u->settings[CENTER];
    double total = 0;
    (void)labels;
    for (size_t i = 0; i + 1 < n; i += 2) {
        const double chosen = (double)z[i], rejected = (double)z[i + 1], sum = chosen + rejected;
        const double d = chosen - rejected - (u->margins ? (double)u->margins[i / 2] : 0);
        total += (1 - eps) * softplus(-d) + eps * softplus(d) + center * sum * sum;
        if (!dz) continue;
        const double apart = sigmoid(d) - (1 - eps), both = 2 * center * sum;
        dz[i] = (float)((double)scale * (apart + both));
        dz[i + 1] = (float)((double)scale * (both - apart));
    }
    return total;
}

static size_t bt_terms(const objective_use *u, int label) {
    (void)u, (void)label;
    return 1;
}

const option_spec bt_options[] = {
    [CENTER] = {.name = "center-rewards",
                .kind = OPT_FLOAT,
                .default_value = "0",
                .arg = "X",
                .help = "--objective bt: adds X times the square of the sum of a pair's rewards to its loss",
                .min = 0,
                .max = 1e6},
    {0}};
const objective bt_objective = {.name = "bt",
                                .options = bt_options,
                                .pairs = true,
                                .outputs = bt_outputs,
                                .loss = bt_loss,
                                .terms = bt_terms,
                                .smooths = true,
                                .rule = &logit_rule};
