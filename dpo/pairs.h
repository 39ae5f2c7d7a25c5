/* Preference pairs from scored replies: the best and the worst reply of ONE prompt. LOCAL. */
#ifndef WR_DPO_PAIRS_H
#define WR_DPO_PAIRS_H

#include "rollout/rollout.h"

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

typedef enum pair_verdict {
    PAIR_MADE,
    PAIR_TIE,    /* best and worst reward are equal, or the two replies are */
    PAIR_MARGIN, /* their difference is below min_margin */
    PAIR_FEW     /* fewer than two replies with a reward */
} pair_verdict;

typedef struct pair_counts {
    size_t made, ties, low_margin, too_few, missing_rewards, skipped_prompts;
} pair_counts;

/* Chooses arg max and arg min of the reward among the replies that have one (equal rewards: the first). A reply that
 * belongs to another prompt than its group is WR_E_FAILED: pairs never mix prompts. *verdict says what became of the
 * group; *out is filled for PAIR_MADE (views into the group). */
wr_status pair_choose(const rollout_group *g, double min_margin, dpo_pair *out, pair_verdict *verdict);
/* All groups, in their order. pairs: (n_groups) room given by the caller. */
wr_status pairs_choose(const rollout_group *groups, size_t n_groups, double min_margin, dpo_pair *pairs,
                       size_t *n_pairs, pair_counts *counts);

/* msgpack body <-> pairs. Arrays of unpacked pairs live in a; sides are checked to be of one draw. */
void pairs_pack(const dpo_pair *pairs, size_t n, strbuf *out);
wr_status pairs_unpack(const void *bytes, size_t n, arena *a, dpo_pair **pairs, size_t *n_pairs);

#endif
