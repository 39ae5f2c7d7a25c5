/* Sequences that begin alike, packed as one tree of any depth (token_batch.parent): every token that neighbours have in
 * common is computed once. For turns of one conversation, each of which goes on where the one before stopped; where all
 * sequences of a group share one prefix, it is what prefix_batch makes of them. LOCAL. */
#ifndef WR_MODEL_PREFIX_TREE_H
#define WR_MODEL_PREFIX_TREE_H

#include "model/prefix.h"

typedef struct prefix_tree {
    token_batch batch; /* what model_forward takes */
    size_t n;          /* sequences */
    /* private */
    size_t *offsets, *depth; /* (segments + 1), (segments): tokens of its path before a segment */
    int32_t *ids, *parent;
    size_t *leaf;                        /* (n): the segment that holds a sequence's last token */
    struct prefix_node *nodes;           /* ends of segments on the path of the sequence before that may be shared */
    size_t *common, *cuts;               /* (n) */
    size_t room, segment_room, ids_room; /* sequences, segments and tokens that the arrays have room for */
} prefix_tree;

/* The first sequences of n, as many as their tree costs at most max_tokens for (at least one); where that parts
 * neighbours, the end before it at which they have least in common. out->n: how many they are. ids[i] has lengths[i] >=
 * 1 tokens. Tokens in common are shared as the rule says, min_shared of them being beyond what is shared already. *out
 * is zeroed or holds an earlier tree, whose memory is used again. */
wr_status prefix_tree_build(size_t n, const int32_t *const *ids, const size_t *lengths, prefix_rule rule,
                            size_t max_tokens, prefix_tree *out);
/* The tree of all n sequences, of which only neighbours of one group (equal group[i]) share anything. */
wr_status prefix_tree_build_groups(size_t n, const int32_t *const *ids, const size_t *lengths, const size_t *group,
                                   prefix_rule rule, prefix_tree *out);
void prefix_tree_free(prefix_tree *t);
/* What a tree costs of sequences whose ids need not be there: common[j] tokens are those of j - 1 and j in common (that
 * of the first is not looked at). room: zeroed or a tree that is not needed any more, whose memory is used. */
wr_status prefix_tree_tokens(size_t n, const size_t *lengths, const size_t *common, prefix_rule rule, prefix_tree *room,
                             size_t *tokens);
/* Row, in hidden, of a token of sequence i. */
size_t prefix_tree_row(const prefix_tree *t, size_t i, size_t token);

#endif
