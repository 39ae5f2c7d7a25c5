/* Rules that make preference pairs of one prompt's replies: one file and one word of PAIR_RULES each. A rule only says
 * which reply is to be preferred to which; that both have a reward and belong to one prompt, that the rewards and the
 * replies differ, and what is counted, is the same for all (pairs_choose). LOCAL. */
#ifndef WR_DPO_PAIR_RULE_H
#define WR_DPO_PAIR_RULE_H

#include "base/option_settings.h"
#include "base/rng.h"
#include "rollout/rollout.h"

/* The table. X(WORD, name): WORD_rule and WORD_options are defined in dpo/pair_WORD.c; name is what --pair-rule takes.
 * The first is the default. */
#define PAIR_RULES(X) X(best_worst, "best-worst")

typedef struct pair_rule pair_rule;
/* How pairs are made. */
typedef struct pair_options {
    const pair_rule *rule;            /* NULL: the first of the table */
    double settings[OPTION_SETTINGS]; /* values of the rows of rule->options, in their order */
    double min_margin;                /* of the rewards */
    uint64_t seed;                    /* of the run; for rules that leave something to chance */
} pair_options;

/* Places among the replies that a rule was given. */
typedef struct reply_pair {
    size_t chosen, rejected;
} reply_pair;

struct pair_rule {
    const char *name;
    /* its own command-line options: numbers and flags, with defaults; ended by {0} */
    const option_spec *options;
    /* Pairs of n >= 2 replies to one prompt, each with a finite reward, in the order in which they were sampled;
     * returns how many it put in out, at most most(n). r: a stream of this prompt's own, the same on every rank. */
    size_t (*choose)(const pair_options *o, const rollout_reply *const *replies, size_t n, rng *r, reply_pair *out);
    size_t (*most)(const pair_options *o, size_t n); /* NULL: one pair a prompt */
};

#define PAIR_DECLARE(word, name_)                                                                                      \
    extern const pair_rule word##_rule;                                                                                \
    extern const option_spec word##_options[];
PAIR_RULES(PAIR_DECLARE)
#undef PAIR_DECLARE

extern const pair_rule *const pair_rules[]; /* the table; ends with NULL */
extern const option_spec pair_rows[];       /* of pair_options: --pair-rule, --min-margin */
/* The rules' own options, each with a comma behind it: for a command's list of groups. */
#define PAIR_GROUP(word, name_) {.rows = word##_options},
#define PAIR_GROUPS PAIR_RULES(PAIR_GROUP)

/* What --pair-rule names, with the values of its options. WR_E_USAGE: an option of another rule is given. */
wr_status pair_rule_from_options(const struct options *o, pair_options *out);

#endif
