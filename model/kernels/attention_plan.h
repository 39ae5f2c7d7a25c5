/* Who does what in the backward pass of attention. Internal to model/. LOCAL.
 *
 * Segments that continue one another form a tree. A part is a run of query groups of one tree; for each key/value head,
 * one task goes through a part and sums what its queries add to the gradients of keys and values in memory of its own,
 * which holds the tree's tokens up to the last one that the part sees. The sums of a tree's parts are then added in
 * order. Everything here follows from the shapes alone, so results do not depend on the number of threads; memory is
 * linear in the tokens. */
#ifndef WR_MODEL_KERNELS_ATTENTION_PLAN_H
#define WR_MODEL_KERNELS_ATTENTION_PLAN_H

#include "model/kernels/kernels.h"

#define ATTENTION_SUMS_PAD 8

typedef struct attention_node {
    size_t before;              /* tokens of its tree that lie before its own in the sums */
    size_t tree_tokens;         /* of a root: tokens of the tree */
    int32_t root, next;         /* first item of the tree; the item after this one in the same tree, -1: none */
    int32_t last;               /* of a root: last item of the tree */
    size_t first_part, n_parts; /* of a root */
} attention_node;

typedef struct attention_part {
    /* where it begins: this item's query row `row` (rows of one key/value head: query * (H/G) + head) */
    int32_t item;
    size_t row, n_groups;
    size_t tokens; /* of the tree: what its sums hold, and ATTENTION_SUMS_PAD that kernels may add zeros to */
    float *sums;   /* (G, 2, tokens, width): for each head keys, then values */
} attention_part;

typedef struct attention_plan {
    size_t group_rows, width, n_parts;
    attention_node *nodes; /* (n_items) */
    attention_part *parts; /* (n_parts) */
} attention_plan;

/* Bytes of scratch for a plan and its sums. Uses a->first_task. */
size_t attention_plan_bytes(const attention_args *a, size_t width);
/* Lays the plan out in scratch. group_rows: query rows of a group; width: floats of a row of the sums, at least D. */
attention_plan attention_plan_make(const attention_args *a, size_t group_rows, size_t width, void *scratch);
/* Part p's sums for the keys of item's tokens and head g; those for its values lie p->tokens rows further. */
static inline float *attention_plan_sums(const attention_plan *plan, const attention_part *p, size_t g, size_t item) {
    return p->sums + (2 * g * p->tokens + plan->nodes[item].before) * plan->width;
}

#endif
