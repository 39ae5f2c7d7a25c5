/* sum(0 … 2m) = sum(0 … m) + sum(m … 2m) over leaves that come one after another, with as few buffers as that allows: a
 * buffer for each 1 in the binary number of the leaf, which is how many subtrees wait for their right neighbour.
 *
 *     leaf 0   level | 0 |
 *     leaf 1         | 0 | 1 |          1 is added to 0:                 | 01 |
 *     leaf 2         | 01 | 2 |
 *     leaf 3         | 01 | 2 | 3 |     3 to 2, then 23 to 01:           | 0123 |
 *
 * After the last leaf a range is added up alone, as soon as the backward pass is through with it. */
#include "trainer/gradient_tree.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 20 };

wr_status gradient_tree_create(size_t n, size_t count, gradient_tree *out) {
    wr_status status = WR_OK;
    *out = (gradient_tree){.n = n, .count = count, .levels = gradient_tree_levels(count)};
    TRY_ALLOC(out->level = mem_calloc(out->levels, sizeof *out->level));
    for (size_t i = 0; i < out->levels; i++) {
        out->level[i] = mem_untouched(n, sizeof(float));
        if (!out->level[i]) TRY(wr_fail(WR_E_NOMEM, "out of memory for the gradients of %zu parameters", n));
    }
cleanup:
    if (status < 0) gradient_tree_free(out);
    return status;
}

void gradient_tree_free(gradient_tree *t) {
    for (size_t i = 0; t->level && i < t->levels; i++) free(t->level[i]);
    free(t->level);
    *t = (gradient_tree){0};
}

void gradient_tree_restart(gradient_tree *t) { t->begun = 0; }

/* In blocks, so that every thread touches, and on first touch places, its own part of the buffer. */
static void clear(float *x, size_t n) {
    const size_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < blocks; b++) {
        const size_t left = n - b * BLOCK;
        memset(x + b * BLOCK, 0, (left < BLOCK ? left : BLOCK) * sizeof *x);
    }
}

static void add(float *restrict a, const float *restrict b, float_range r) {
#pragma omp parallel for simd schedule(static) if (r.end - r.begin > 65536)
    for (size_t i = r.begin; i < r.end; i++) a[i] += b[i];
}

static size_t ones(size_t x) { return (size_t)__builtin_popcountll(x); }

float *gradient_tree_leaf(gradient_tree *t) {
    const size_t leaf = t->begun++;
    /* what the leaf before has completed: one subtree for each 1 at the end of its number */
    size_t top = leaf ? ones(leaf - 1) : 0;
    for (size_t i = leaf; i && i % 2 == 0; i /= 2, top--) add(t->level[top - 1], t->level[top], (float_range){0, t->n});
    float *memory = t->level[ones(leaf)];
    if (t->sparse)
        mem_drop(memory, t->n * sizeof *memory);
    else
        clear(memory, t->n);
    return memory;
}

void gradient_tree_sum(gradient_tree *t, float_range r) {
    for (size_t top = t->levels; top-- > 1;) add(t->level[top - 1], t->level[top], r);
}
