/* Which records of a training step share what they begin with: turns of one conversation, duplicates, replies to one
 * prompt. They make units; a unit lies in one micro-batch, as one tree (model/prefix_tree.h). A pure function of the
 * step's records, the rule, the token budget and the number of shares. LOCAL. */
#ifndef WR_TRAINER_PACKING_UNIT_PLAN_H
#define WR_TRAINER_PACKING_UNIT_PLAN_H

#include "model/prefix_tree.h"
#include "trainer/packing/micro_batch_plan.h"

/* What unit_plan_make is told of a record. */
typedef struct unit_text {
    const int32_t *ids;
    size_t n;        /* tokens, at least one */
    size_t n_chosen; /* of a preference pair: tokens of its first text; 0: the record is one text */
    uint64_t user;   /* a hash: two records of one user have the same */
} unit_text;

typedef struct unit_plan {
    uint32_t *items; /* (n) positions in the step, unit after unit, in a unit in the order of its tree */
    size_t n;
    size_t *first;    /* (n_units + 1): where each unit begins in items */
    uint32_t *tokens; /* (n_units): what it costs, shared tokens counted once */
    size_t n_units;
} unit_plan;

/* What all records of the step begin with, where they are of several users, is the template's and does not count as
 * shared: records belong together where they have rule.min_shared tokens in common beyond that. A unit costs at most
 * max_tokens (a longer record is alone); where several shares would wait for one, units are cut smaller. Units stand in
 * the order of their first record in the step; without anything shared each record is one. So is a preference pair,
 * whose two texts share what they begin with, if it is rule.min_shared tokens. */
wr_status unit_plan_make(const unit_text *texts, size_t n, prefix_rule rule, size_t max_tokens, size_t shares,
                         unit_plan *out);
void unit_plan_free(unit_plan *p);

/* plan_shares of units, written out in records: out->unit says which belong together. */
wr_status unit_plan_shares(const unit_plan *p, size_t shares, share_range mine, size_t max_tokens, rank_plan *out);

#endif
