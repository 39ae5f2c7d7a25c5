/* The reply with the highest reward against the one with the lowest: the largest margin that a prompt's n replies give.
 * Of equal rewards the first counts, so that the choice is the same wherever it is made. */
#include "dpo/pair_rule.h"

static size_t best_worst(const pair_options *o, const rollout_reply *const *replies, size_t n, rng *r,
                         reply_pair *out) {
    (void)o, (void)r;
    *out = (reply_pair){0, 0};
    for (size_t i = 1; i < n; i++) {
        if (replies[i]->reward > replies[out->chosen]->reward) out->chosen = i;
        if (replies[i]->reward < replies[out->rejected]->reward) out->rejected = i;
    }
    return 1;
}

const option_spec best_worst_options[] = {{0}};
const pair_rule best_worst_rule = {.name = "best-worst", .options = best_worst_options, .choose = best_worst};
