/* From the logits of a score head to the one number that is the reward. LOCAL.
 *
 *   logit    z, as it is           one output: Bradley-Terry models (TRL's, OpenRLHF's, Skywork's, …), a level
 *                                  predicted as a number; any real number
 *   ordinal  1 + sum_k sigma(z_k)  N thresholds passed or not (WildReward, arXiv 2602.08829); in (1, N + 1)
 *   corn     1 + sum_k prod_(j<=k) sigma(z_j)  N thresholds, each given that the one before is passed; in (1, N + 1)
 *   class    sum_k k softmax(z)_k  N classes, 1 … N: the expected one; in [1, N] */
#ifndef WR_REWARD_SCORE_RULE_H
#define WR_REWARD_SCORE_RULE_H

#include "base/status.h"

#include <stddef.h>

typedef struct score_rule {
    const char *name;                          /* of --score-rule */
    const char *formula;                       /* for people: "raw logit" */
    size_t least, most;                        /* outputs it is defined for */
    double (*score)(size_t N, const float *z); /* z (N); NaN where one is */
} score_rule;

extern const score_rule logit_rule, ordinal_rule, corn_rule, class_rule;

#define SCORE_RULE_WORDS "auto|logit|ordinal|corn|class"
/* own: the rule of the objective that the model records, or NULL. wanted: one of SCORE_RULE_WORDS; "auto" is own where
 * there is one, else the raw logit of one output and 1 + sum sigma of several. WR_E_MISMATCH naming `model`: the rule
 * is not defined for N outputs. */
wr_status score_rule_choose(const char *wanted, const score_rule *own, size_t N, const char *model,
                            const score_rule **out);

#endif
