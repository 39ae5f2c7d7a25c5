/* The two replies of a pair continue one prompt, and so do the pairs of one prompt: they are packed as a tree, whose
 * trunk is computed once, forward and backward (model/prefix_tree.h). Of a pair with a prompt of m tokens:
 *
 *   p0 p1 … p(m-1) ─┬─ w0 w1 … w(a-2)     sequence 2i      the last token of a reply is not fed: nothing follows it
 *                   └─ l0 l1 … l(b-2)     sequence 2i+1
 *
 *   row of p(m-1) predicts w0 and l0; row of w0 predicts w1; … row of w(a-2) predicts w(a-1)
 *
 * A unit is what stays in one micro-batch: neighbouring pairs of one prompt as long as their tree is small enough. What
 * a unit costs is its tree's tokens; micro-batches are planned by that (trainer/packing/micro_batch_plan.h). */
#include "dpo/dpo_batch.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const pair_side *side_of(const dpo_pair *p, size_t sequence) {
    return sequence % 2 == 0 ? &p->chosen : &p->rejected;
}

static bool same_prompt(const dpo_pair *a, const dpo_pair *b) {
    return a->n_prompt == b->n_prompt && memcmp(a->prompt_ids, b->prompt_ids, a->n_prompt * sizeof *a->prompt_ids) == 0;
}

/* Tokens of the tree of `count` pairs; common[s]: what sequence s has in common with the one before. */
static wr_status unit_cost(const pair_texts *t, const size_t *common, size_t first, size_t count, prefix_rule rule,
                           prefix_tree *room, size_t *cost) {
    return prefix_tree_tokens(2 * count, t->lengths + 2 * first, common + 2 * first, rule, room, cost);
}

/* Cuts the pairs, whose texts are there, into units. */
static wr_status make_units(const dpo_pair *pairs, size_t n_pairs, size_t unit_tokens, prefix_rule rule,
                            pair_texts *t) {
    wr_status status = WR_OK;
    prefix_tree room = {0};
    size_t *common = mem_calloc(2 * n_pairs + 1, sizeof *common);
    TRY_ALLOC(common);
    for (size_t s = 1; s < 2 * n_pairs; s++)
        common[s] = prefix_common(t->ids[s - 1], t->lengths[s - 1], t->ids[s], t->lengths[s], rule);
    for (size_t first = 0, end; first < n_pairs; first = end) {
        size_t cost, more;
        TRY(unit_cost(t, common, first, 1, rule, &room, &cost));
        for (end = first + 1; rule.min_shared != SIZE_MAX && end < n_pairs; end++, cost = more) {
            if (!same_prompt(&pairs[end], &pairs[first])) break;
            TRY(unit_cost(t, common, first, end + 1 - first, rule, &room, &more));
            if (more > unit_tokens) break;
        }
        if (cost > UINT32_MAX)
            TRY(wr_fail(WR_E_FORMAT, "the replies to prompt %u have %zu tokens: too many to train on",
                        pairs[first].prompt, cost));
        t->units[t->n_units] = (pair_unit){first, end - first};
        t->tokens[t->n_units++] = (uint32_t)cost;
    }
cleanup:
    prefix_tree_free(&room);
    free(common);
    return status;
}

wr_status pair_texts_create(const dpo_pair *pairs, size_t n_pairs, size_t unit_tokens, prefix_rule rule,
                            pair_texts *out) {
    wr_status status = WR_OK;
    size_t all = 0, at = 0;
    *out = (pair_texts){0};
    for (size_t s = 0; s < 2 * n_pairs; s++) all += pairs[s / 2].n_prompt + side_of(&pairs[s / 2], s)->n - 1;
    out->store = mem_calloc(all + 1, sizeof *out->store);
    out->ids = mem_calloc(2 * n_pairs + 1, sizeof *out->ids);
    out->lengths = mem_calloc(2 * n_pairs + 1, sizeof *out->lengths);
    out->units = mem_calloc(n_pairs + 1, sizeof *out->units);
    out->tokens = mem_calloc(n_pairs + 1, sizeof *out->tokens);
    TRY_ALLOC(out->store);
    TRY_ALLOC(out->ids);
    TRY_ALLOC(out->lengths);
    TRY_ALLOC(out->units);
    TRY_ALLOC(out->tokens);
    for (size_t s = 0; s < 2 * n_pairs; s++) {
        const dpo_pair *p = &pairs[s / 2];
        const pair_side *side = side_of(p, s);
        int32_t *ids = out->store + at;
        memcpy(ids, p->prompt_ids, p->n_prompt * sizeof *ids);
        memcpy(ids + p->n_prompt, side->ids, (side->n - 1) * sizeof *ids);
        out->ids[s] = ids;
        out->lengths[s] = p->n_prompt + side->n - 1;
        at += out->lengths[s];
    }
    TRY(make_units(pairs, n_pairs, unit_tokens, rule, out));
cleanup:
    if (status < 0) pair_texts_free(out);
    return status;
}

void pair_texts_free(pair_texts *t) {
    free(t->store);
    free(t->ids);
    free(t->lengths);
    free(t->units);
    free(t->tokens);
    *t = (pair_texts){0};
}

/* Packs the sequences of the pairs b->pair. */
static wr_status pack(dpo_batch *b, const pair_texts *t, const uint32_t *units, size_t n_units, prefix_rule rule) {
    wr_status status = WR_OK;
    size_t n = 0;
    const int32_t **ids = mem_calloc(2 * b->n_pairs, sizeof *ids);
    size_t *lengths = mem_calloc(2 * b->n_pairs, sizeof *lengths), *group = mem_calloc(2 * b->n_pairs, sizeof *group);
    TRY_ALLOC(ids);
    TRY_ALLOC(lengths);
    TRY_ALLOC(group);
    for (size_t u = 0; u < n_units; u++) {
        const pair_unit *unit = &t->units[units[u]];
        for (size_t s = 2 * unit->first; s < 2 * (unit->first + unit->count); s++, n++) {
            ids[n] = t->ids[s];
            lengths[n] = t->lengths[s];
            group[n] = u;
        }
    }
    TRY(prefix_tree_build_groups(n, ids, lengths, group, rule, &b->packed));
cleanup:
    free(ids);
    free(lengths);
    free(group);
    return status;
}

wr_status dpo_batch_create(const pair_texts *t, const dpo_pair *pairs, const uint32_t *units, size_t n_units, size_t C,
                           prefix_rule rule, dpo_batch *out) {
    wr_status status = WR_OK;
    size_t k = 0, r = 0;
    *out = (dpo_batch){0};
    for (size_t u = 0; u < n_units; u++) out->n_pairs += t->units[units[u]].count;
    out->pair = mem_calloc(out->n_pairs + 1, sizeof *out->pair);
    out->first = mem_calloc(2 * out->n_pairs + 1, sizeof *out->first);
    TRY_ALLOC(out->pair);
    TRY_ALLOC(out->first);
    for (size_t u = 0; u < n_units; u++) {
        const pair_unit *unit = &t->units[units[u]];
        for (size_t i = 0; i < unit->count; i++) out->pair[k++] = unit->first + i;
    }
    for (size_t s = 0; s < 2 * out->n_pairs; s++)
        out->first[s + 1] = out->first[s] + side_of(&pairs[out->pair[s / 2]], s)->n;
    out->N = out->first[2 * out->n_pairs];
    TRY(pack(out, t, units, n_units, rule));
    const size_t T = out->packed.batch.offsets[out->packed.batch.B];
    out->rows = mem_calloc(out->N, sizeof *out->rows);
    out->targets = mem_calloc(out->N, sizeof *out->targets);
    out->logprob = mem_calloc(out->N, sizeof *out->logprob);
    out->reference_logprob = mem_calloc(out->N, sizeof *out->reference_logprob);
    out->dlogprob = mem_calloc(out->N, sizeof *out->dlogprob);
    out->dhidden = T <= SIZE_MAX / C ? mem_aligned(T * C, sizeof *out->dhidden) : NULL;
    TRY_ALLOC(out->rows);
    TRY_ALLOC(out->targets);
    TRY_ALLOC(out->logprob);
    TRY_ALLOC(out->reference_logprob);
    TRY_ALLOC(out->dlogprob);
    TRY_ALLOC(out->dhidden);
    for (size_t s = 0; s < 2 * out->n_pairs; s++) {
        const dpo_pair *p = &pairs[out->pair[s / 2]];
        const pair_side *side = side_of(p, s);
        for (size_t i = 0; i < side->n; i++, r++) {
            /* The last prompt token predicts the first reply token: where the prompt is shared, that row serves several
             * replies. */
            out->rows[r] = prefix_tree_row(&out->packed, s, p->n_prompt - 1 + i);
            out->targets[r] = side->ids[i];
        }
    }
cleanup:
    return status;
}

void dpo_batch_free(dpo_batch *b) {
    prefix_tree_free(&b->packed);
    free(b->pair);
    free(b->first);
    free(b->rows);
    free(b->targets);
    free(b->logprob);
    free(b->reference_logprob);
    free(b->dlogprob);
    free(b->dhidden);
    *b = (dpo_batch){0};
}
