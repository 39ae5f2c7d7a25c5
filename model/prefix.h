/* Sequences that begin alike, packed as trees: a shared prefix is computed once (token_batch.parent). LOCAL.
 *
 * The shared prefix of a group is the longest common prefix of its token ids, found here and never assumed: merges of a
 * tokenizer may reach across the seam between a prompt and its reply. */
#ifndef WR_MODEL_PREFIX_H
#define WR_MODEL_PREFIX_H

#include "model/model.h"

/* Fewer shared tokens than this save less in products than the extra segments cost in attention, which works on tiles
 * of keys. */
enum { PREFIX_MIN_SHARED = 32 };

/* What may be shared: at least min_shared tokens (SIZE_MAX: nothing), and not by sequences of more than `apart` tokens
 * and others, which the model computes differently from their first token on (LONGROPE). */
typedef struct prefix_rule {
    size_t min_shared, apart;
} prefix_rule;
/* A model's: PREFIX_MIN_SHARED tokens. */
prefix_rule prefix_rule_of(const model *m);
/* Tokens that two sequences of n_a and n_b begin with alike, and that may be shared by them but for their number. */
size_t prefix_common(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b, prefix_rule rule);

typedef struct prefix_batch {
    token_batch batch; /* what model_forward takes */
    size_t n;          /* sequences */
    /* private */
    size_t *offsets;
    int32_t *ids, *parent;
    size_t *shared;        /* (n): tokens of sequence i that lie in its group's prefix segment */
    size_t *prefix_row;    /* (n): row of its first shared token */
    size_t *own_row;       /* (n): row of its first token of its own */
    size_t room, ids_room; /* sequences and tokens that the arrays have room for */
} prefix_batch;

/* ids[i] has lengths[i] >= 1 tokens. Neighbours of one group (equal group[i]; NULL: every sequence is alone) share
 * their longest common prefix, if the rule lets them. A sequence may be equal to the prefix as a
 * whole. *out is zeroed or holds an earlier batch, whose memory is used again. */
wr_status prefix_batch_build(size_t n, const int32_t *const *ids, const size_t *lengths, const size_t *group,
                             prefix_rule rule, prefix_batch *out);
void prefix_batch_free(prefix_batch *p);
/* Row, in hidden, of token t of sequence i. */
static inline size_t prefix_batch_row(const prefix_batch *p, size_t i, size_t t) {
    return t < p->shared[i] ? p->prefix_row[i] + t : p->own_row[i] + (t - p->shared[i]);
}
/* Tokens that the group of such sequences costs: the sum of lengths less what is shared. */
size_t prefix_group_tokens(size_t n, const int32_t *const *ids, const size_t *lengths, prefix_rule rule);

/* For sequences of which nobody says what belongs together: group[i] for prefix_batch_build, such that no other cut of
 * the neighbours into groups saves more tokens (of groups up to PREFIX_MAX_GROUP sequences). */
enum { PREFIX_MAX_GROUP = 1024 };
wr_status prefix_groups(size_t n, const int32_t *const *ids, const size_t *lengths, prefix_rule rule, size_t *group);
/* Where the batch ends that begins with sequence `from` < n: the sequences from … end-1 (at least one) cost at most
 * max_tokens, shared tokens counted once. A group is cut only where it alone costs more. */
size_t prefix_batch_end(size_t n, const int32_t *const *ids, const size_t *lengths, const size_t *group,
                        prefix_rule rule, size_t from, size_t max_tokens);

#endif
