/* Preference pairs from scored replies to ONE prompt each: chosen by a rule (dpo/pair_rule.h), judged and counted here,
 * and carried to the ranks. LOCAL. */
#ifndef WR_DPO_PAIRS_H
#define WR_DPO_PAIRS_H

#include "dpo/pair_rule.h"

typedef struct pair_side {
    uint64_t draw;
    const int32_t *ids;
    size_t n;
    double reward, logprob;
} pair_side;
typedef struct dpo_pair {
    uint64_t draw;
    uint32_t prompt;
    const int32_t *prompt_ids;
    size_t n_prompt;
    pair_side chosen, rejected;
} dpo_pair;

/* What became of the prompts' pairs. With a rule that makes one pair a prompt, all but missing_rewards are prompts, and
 * sum to their number. */
typedef struct pair_counts {
    size_t made;
    size_t ties;            /* the two rewards are equal, or the two replies are: such a pair teaches nothing */
    size_t low_margin;      /* rewards that differ by less than min_margin */
    size_t too_few;         /* prompts with fewer than two replies with a reward */
    size_t missing_rewards; /* replies: no number stands in for them, they are in no pair */
    size_t skipped_prompts; /* too long: no replies */
} pair_counts;

/* Room that pairs_choose needs. */
size_t pairs_room(const rollout_group *groups, size_t n_groups, const pair_options *o);
/* The pairs of all groups, in their order (views into the groups). pairs: pairs_room of them. A reply that belongs to
 * another prompt than its group is WR_E_FAILED: pairs never mix prompts; so is a rule that prefers the worse reply. */
wr_status pairs_choose(const rollout_group *groups, size_t n_groups, const pair_options *o, dpo_pair *pairs,
                       size_t *n_pairs, pair_counts *counts);

/* msgpack body <-> pairs. Arrays of unpacked pairs live in a; sides are checked to be of one draw. */
void pairs_pack(const dpo_pair *pairs, size_t n, strbuf *out);
wr_status pairs_unpack(const void *bytes, size_t n, arena *a, dpo_pair **pairs, size_t *n_pairs);

#endif
