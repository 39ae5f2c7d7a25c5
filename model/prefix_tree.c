/* Sequences in their order, each beside the path of the one before:
 *
 *     a b c d e f          node at 3          rows | a b c | d | e f | x | g |
 *     a b c d x            node at 4        parent   -1      0   1    1   0
 *     a b c g
 *
 * A path is cut where a later sequence leaves it. Where those lie is known beforehand: with the longest common prefixes
 * common[j] of j - 1 and j, sequence j shares min(common[i+1] … common[j]) tokens with i, so the falling minima of what
 * follows i are the cuts of its path. A sequence hangs on the deepest cut of the path before it that is not beyond its
 * own common prefix. */
#include "model/prefix_tree.h"

#include "base/mem.h"
#include "model/prefix.h"

#include <stdlib.h>
#include <string.h>

typedef struct prefix_node {
    size_t depth;
    int32_t segment;
} prefix_node;

/* What is read. */
typedef struct sequences {
    const int32_t *const *ids;
    const size_t *lengths, *common;
    prefix_rule rule;
} sequences;

/* Where the path of sequence i, of which `have` tokens are there, is cut for the sequences before `end`: ascending. */
static size_t find_cuts(const sequences *s, size_t i, size_t end, size_t have, size_t *cuts) {
    size_t n = 0, kept = 0, least = SIZE_MAX;
    for (size_t j = i + 1; j < end; j++) {
        if (s->common[j] >= least) continue;
        least = s->common[j];
        if (least <= have || least - have < s->rule.min_shared) break;
        cuts[n++] = least;
    }
    for (size_t k = 0; k < n / 2; k++) {
        const size_t other = cuts[k];
        cuts[k] = cuts[n - 1 - k];
        cuts[n - 1 - k] = other;
    }
    for (size_t k = 0; k < n; k++) /* those near the one before are left out: they would share too little */
        if (cuts[k] - (kept ? cuts[kept - 1] : have) >= s->rule.min_shared) cuts[kept++] = cuts[k];
    return kept;
}

static int32_t append(prefix_tree *t, const int32_t *ids, size_t n, size_t depth, int32_t parent) {
    const size_t b = t->batch.B++, row = t->offsets[b];
    memcpy(t->ids + row, ids, n * sizeof *ids);
    t->parent[b] = parent;
    t->depth[b] = depth;
    t->offsets[b + 1] = row + n;
    return (int32_t)b;
}

/* The tree of the first n sequences; returns its tokens. out NULL: they are only counted. nodes, cuts: (n) each. */
static size_t plant(const sequences *s, size_t n, prefix_node *nodes, size_t *cuts, prefix_tree *out) {
    size_t n_nodes = 0, tokens = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t shared = s->common[i];
        while (n_nodes && nodes[n_nodes - 1].depth > shared) n_nodes--;
        size_t have = n_nodes ? nodes[n_nodes - 1].depth : 0;
        int32_t at = n_nodes ? nodes[n_nodes - 1].segment : -1;
        const size_t n_cuts = find_cuts(s, i, n, have, cuts);
        tokens += s->lengths[i] - have;
        for (size_t k = 0; k < n_cuts; k++) {
            if (out) at = append(out, s->ids[i] + have, cuts[k] - have, have, at);
            have = cuts[k];
            nodes[n_nodes++] = (prefix_node){have, at};
        }
        if (!out) continue;
        if (s->lengths[i] > have) at = append(out, s->ids[i] + have, s->lengths[i] - have, have, at);
        out->leaf[i] = (size_t)at;
    }
    return tokens;
}

/* How many sequences make a tree that fits: first by what they have in common with the one before, which is at least
 * what is shared, then exactly. Finds `common` as far as it looks. */
static size_t fitting(const sequences *s, size_t n, size_t max_tokens, prefix_tree *t) {
    size_t end = 1, tokens = s->lengths[0];
    t->common[0] = 0;
    for (; end < n; end++) {
        t->common[end] = prefix_common(s->ids[end - 1], s->lengths[end - 1], s->ids[end], s->lengths[end], s->rule);
        const size_t more = s->lengths[end] - (t->common[end] >= s->rule.min_shared ? t->common[end] : 0);
        if (tokens > max_tokens || more > max_tokens - tokens) break;
        tokens += more;
    }
    while (end > 1 && plant(s, end, t->nodes, t->cuts, NULL) > max_tokens) end--;
    if (end == n) return n;
    /* a smaller batch costs no more a token, but what neighbours that are parted have in common is computed twice */
    size_t best = end;
    tokens = s->lengths[0];
    for (size_t k = 1; k < end; k++) {
        const size_t common = t->common[k];
        if (tokens >= max_tokens / 8 && (common < t->common[best] || (best != end && common == t->common[best])))
            best = k;
        tokens += s->lengths[k] - (common >= s->rule.min_shared ? common : 0);
    }
    return best;
}

/* Every cut is for a sequence that leaves there: at most two segments a sequence. */
static wr_status reserve(prefix_tree *t, size_t n, size_t tokens) {
    wr_status status = WR_OK;
    TRY(mem_reserve((void **)&t->ids, &t->ids_room, tokens + 1, sizeof *t->ids));
    if (2 * n <= t->segment_room) return WR_OK;
    free(t->offsets), free(t->depth), free(t->parent);
    t->segment_room = 0;
    t->offsets = mem_calloc(2 * n + 1, sizeof *t->offsets);
    t->depth = mem_calloc(2 * n, sizeof *t->depth);
    t->parent = mem_calloc(2 * n, sizeof *t->parent);
    TRY_ALLOC(t->offsets && t->depth && t->parent);
    t->segment_room = 2 * n;
cleanup:
    return status;
}

static wr_status reserve_plan(prefix_tree *t, size_t n) {
    wr_status status = WR_OK;
    if (n <= t->room) return WR_OK;
    free(t->leaf), free(t->nodes), free(t->common), free(t->cuts);
    t->room = 0;
    t->leaf = mem_calloc(n, sizeof *t->leaf);
    t->nodes = mem_calloc(n + 1, sizeof *t->nodes);
    t->common = mem_calloc(n, sizeof *t->common);
    t->cuts = mem_calloc(n + 1, sizeof *t->cuts);
    TRY_ALLOC(t->leaf && t->nodes && t->common && t->cuts);
    t->room = n;
cleanup:
    return status;
}

/* Empties *out, checks the sequences and makes room for the plan of their tree. */
static wr_status begin(size_t n, const size_t *lengths, prefix_rule *rule, prefix_tree *out) {
    wr_status status = WR_OK;
    out->n = 0;
    out->batch = (token_batch){0};
    for (size_t i = 0; i < n; i++)
        if (!lengths[i]) TRY(wr_fail(WR_E_FORMAT, "sequence %zu of a batch has no tokens", i));
    TRY(reserve_plan(out, n));
    if (!rule->min_shared) rule->min_shared = 1;
cleanup:
    return status;
}

/* The tree of the first n sequences, whose common prefixes are known. */
static wr_status fill(const sequences *s, size_t n, prefix_tree *out) {
    wr_status status = WR_OK;
    TRY(reserve(out, n, plant(s, n, out->nodes, out->cuts, NULL)));
    out->offsets[0] = 0;
    plant(s, n, out->nodes, out->cuts, out);
    out->n = n;
    out->batch.offsets = out->offsets;
    out->batch.ids = out->ids;
    for (size_t b = 0; b < out->batch.B && !out->batch.parent; b++)
        if (out->parent[b] >= 0) out->batch.parent = out->parent;
cleanup:
    return status;
}

wr_status prefix_tree_build(size_t n, const int32_t *const *ids, const size_t *lengths, prefix_rule rule,
                            size_t max_tokens, prefix_tree *out) {
    wr_status status = WR_OK;
    TRY(begin(n, lengths, &rule, out));
    if (!n) goto cleanup;
    const sequences s = {ids, lengths, out->common, rule};
    TRY(fill(&s, fitting(&s, n, max_tokens, out), out));
cleanup:
    return status;
}

wr_status prefix_tree_build_groups(size_t n, const int32_t *const *ids, const size_t *lengths, const size_t *group,
                                   prefix_rule rule, prefix_tree *out) {
    wr_status status = WR_OK;
    TRY(begin(n, lengths, &rule, out));
    if (!n) goto cleanup;
    for (size_t i = 0; i < n; i++)
        out->common[i] =
            i > 0 && group[i] == group[i - 1] ? prefix_common(ids[i - 1], lengths[i - 1], ids[i], lengths[i], rule) : 0;
    TRY(fill(&(sequences){ids, lengths, out->common, rule}, n, out));
cleanup:
    return status;
}

wr_status prefix_tree_tokens(size_t n, const size_t *lengths, const size_t *common, prefix_rule rule, prefix_tree *room,
                             size_t *tokens) {
    wr_status status = WR_OK;
    TRY(begin(n, lengths, &rule, room));
    *tokens = plant(&(sequences){NULL, lengths, common, rule}, n, room->nodes, room->cuts, NULL);
cleanup:
    return status;
}

void prefix_tree_free(prefix_tree *t) {
    free(t->offsets), free(t->depth), free(t->ids), free(t->parent);
    free(t->leaf), free(t->nodes), free(t->common), free(t->cuts);
    *t = (prefix_tree){0};
}

size_t prefix_tree_row(const prefix_tree *t, size_t i, size_t token) {
    size_t b = t->leaf[i];
    while (token < t->depth[b]) b = (size_t)t->parent[b];
    return t->offsets[b] + token - t->depth[b];
}
