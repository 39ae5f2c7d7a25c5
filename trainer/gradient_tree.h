/* The sum of the gradients of this rank's shares of a step, as a part of the tree that goes on over ranks: each share
 * is a leaf. LOCAL. */
#ifndef WR_TRAINER_GRADIENT_TREE_H
#define WR_TRAINER_GRADIENT_TREE_H

#include "model/model.h"

typedef struct gradient_tree {
    size_t n, count; /* floats; leaves, a power of two */
    size_t levels;   /* buffers: 1 + log2(count) */
    size_t begun;    /* leaves of this step */
    float **level;   /* (levels) of (n): level[0] holds the sum at last */
    bool sparse;     /* leaves begin without pages, for whoever gives pages of level[0] back */
} gradient_tree;

/* Buffers that the sum of `count` leaves takes. */
static inline size_t gradient_tree_levels(size_t count) {
    size_t levels = 1;
    while ((size_t)1 << (levels - 1) < count) levels++;
    return levels;
}
/* WR_E_NOMEM. */
wr_status gradient_tree_create(size_t n, size_t count, gradient_tree *out);
void gradient_tree_free(gradient_tree *t); /* of one that is all zero, too */
/* Forgets the leaves before; the next leaf is the first. */
void gradient_tree_restart(gradient_tree *t);
/* The memory of the next leaf, zeroed. What is complete of the leaves before it is added up first. */
float *gradient_tree_leaf(gradient_tree *t);
/* With all leaves done: the range of level[0] becomes their sum. Each range once. */
void gradient_tree_sum(gradient_tree *t, float_range r);

#endif
