/* Rules that make preference pairs of one prompt's replies: one file and one row of dpo/pair_table.c each. A rule only
 * says which reply is to be preferred to which; that both have a reward and belong to one prompt, that the rewards and
 * the replies differ, and what is counted, is the same for all (pairs_choose). LOCAL. */
#ifndef WR_DPO_PAIR_RULE_H
#define WR_DPO_PAIR_RULE_H

#include "base/option_row.h"
#include "base/status.h"
#include "base/rng.h"
#include "rollout/rollout.h"

typedef struct pair_options {
    const char *rule;  /* a name of the table; NULL: its first */
    double min_margin; /* of the rewards */
    uint64_t seed;     /* of the run; for rules that leave something to chance */
} pair_options;
extern const option_spec pair_rows[]; /* --pair-rule, --min-margin */

/* Places among the replies that a rule was given. */
typedef struct reply_pair {
    size_t chosen, rejected;
} reply_pair;

typedef struct pair_rule {
    const char *name;
    /* Pairs of n >= 2 replies to one prompt, each with a finite reward, in the order in which they were sampled;
     * returns how many it put in out, at most most(n). r: a stream of this prompt's own, the same on every rank. */
    size_t (*choose)(const rollout_reply *const *replies, size_t n, rng *r, reply_pair *out);
    size_t (*most)(size_t n); /* NULL: one pair a prompt */
} pair_rule;
extern const pair_rule *const pair_rules[]; /* ends with NULL */
/* The row that o asks for. WR_E_USAGE: there is none of that name. */
wr_status pair_rule_find(const pair_options *o, const pair_rule **out);

#endif
