/* The step's records in the order of their tokens, so that those that begin alike are neighbours:
 *
 *     records  0: p a b c   1: q x   2: p a b d e   3: q x y   4: p a       (p, q: what two conversations begin with)
 *     order    4: p a   0: p a b c   2: p a b d e  |  1: q x   3: q x y
 *     common          2            3               |0           2
 *
 * Where neighbours have too little in common a group ends. A group whose tree is too large is cut into units. Cutting
 * before j computes common[j] tokens twice, and the tree of i … j-1 costs
 *     tokens(i, j) = sum of lengths - sum of common(i+1 … j-1),
 * so the cheapest cut of the first j records of a group is
 *     twice(j) = min over i with tokens(i, j) <= cap of twice(i) + common[i].
 * (Trees that leave out segments too short to be worth one cost a few tokens more; what then exceeds the budget is cut
 * again, where least is lost.)
 *
 * The largest unit bounds how evenly shares of the step can be loaded. Caps of the budget, half of it, a quarter … are tried, and
 * units of one record; the one counts whose fullest share has fewest tokens, the larger one where they are equal. */
#include "trainer/packing/unit_plan.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { HALVINGS = 7 };

typedef struct placed {
    unit_text text;
    uint32_t at; /* position in the step */
    bool apart;  /* longer than rule.apart */
} placed;

typedef struct unit {
    size_t first, count; /* of the ordered records */
    uint32_t tokens, at; /* at: the first of its positions in the step */
} unit;

typedef struct planner {
    size_t n, max_tokens;
    prefix_rule rule;
    placed *order;            /* (n) */
    size_t *lengths, *common; /* (n) of the ordered records; common: with the one before, 0 where a group begins */
    uint64_t *twice;          /* (n + 1) */
    size_t *from;             /* (n + 1): where the last unit of the best cut begins */
    prefix_tree room;
    unit *units; /* (n) */
    size_t n_units;
    uint32_t *tokens; /* (n) of the units */
} planner;

/* --- groups ------------------------------------------------------------------------------------------------------- */

static int in_tree_order(const void *a, const void *b) {
    const placed *x = a, *y = b;
    const size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
    if (x->apart != y->apart) return x->apart ? 1 : -1;
    for (size_t t = 0; t < n; t++)
        if (x->text.ids[t] != y->text.ids[t]) return x->text.ids[t] < y->text.ids[t] ? -1 : 1;
    if (x->text.n != y->text.n) return x->text.n < y->text.n ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* What all records begin with, of each side of rule.apart. */
static size_t template_tokens(const planner *p) {
    size_t least = SIZE_MAX;
    bool users = false;
    for (size_t j = 1; j < p->n; j++) {
        users = users || p->order[j].text.user != p->order[0].text.user;
        if (p->order[j].apart == p->order[j - 1].apart && p->common[j] < least) least = p->common[j];
    }
    return users ? least : 0;
}

/* Tokens that a record costs by itself. */
static size_t own_tokens(const planner *p, const unit_text *x) {
    const size_t common =
        x->n_chosen ? prefix_common(x->ids, x->n_chosen, x->ids + x->n_chosen, x->n - x->n_chosen, p->rule) : 0;
    return x->n - (common >= p->rule.min_shared ? common : 0);
}

static void find_groups(planner *p) {
    qsort(p->order, p->n, sizeof *p->order, in_tree_order);
    for (size_t j = 0; j < p->n; j++) {
        const unit_text *x = &p->order[j].text, *before = j ? &p->order[j - 1].text : NULL;
        p->lengths[j] = own_tokens(p, x);
        p->common[j] = before && !x->n_chosen && !before->n_chosen
                           ? prefix_common(x->ids, x->n, before->ids, before->n, p->rule)
                           : 0;
    }
    const size_t template = template_tokens(p);
    for (size_t j = 1; j < p->n; j++)
        if (p->common[j] < template || p->common[j] - template <p->rule.min_shared) p->common[j] = 0;
}

/* --- units -------------------------------------------------------------------------------------------------------- */

static wr_status add_unit(planner *p, size_t first, size_t end) {
    wr_status status = WR_OK;
    size_t tokens, weakest = first + 1;
    TRY(prefix_tree_tokens(end - first, p->lengths + first, p->common + first, p->rule, &p->room, &tokens));
    if (tokens > p->max_tokens && end - first > 1) {
        for (size_t j = first + 2; j < end; j++)
            if (p->common[j] < p->common[weakest]) weakest = j;
        TRY(add_unit(p, first, weakest));
        TRY(add_unit(p, weakest, end));
        goto cleanup;
    }
    if (tokens > UINT32_MAX) TRY(wr_fail(WR_E_FORMAT, "a record of %zu tokens is too long to train on", tokens));
    unit *u = &p->units[p->n_units++];
    *u = (unit){first, end - first, (uint32_t)tokens, UINT32_MAX};
    for (size_t j = first; j < end; j++)
        if (p->order[j].at < u->at) u->at = p->order[j].at;
cleanup:
    return status;
}

static wr_status cut_group(planner *p, size_t first, size_t end, size_t cap) {
    wr_status status = WR_OK;
    p->twice[first] = 0;
    for (size_t j = first + 1; j <= end; j++) {
        size_t tokens = 0;
        p->twice[j] = UINT64_MAX;
        for (size_t i = j; i-- > first && j - i <= PREFIX_MAX_GROUP;) {
            tokens += p->lengths[i] - (i + 1 < j ? p->common[i + 1] : 0);
            if (tokens > cap && i + 1 < j) break;
            const uint64_t twice = p->twice[i] + (i > first ? p->common[i] : 0);
            if (twice < p->twice[j]) p->twice[j] = twice, p->from[j] = i;
        }
    }
    for (size_t j = end; j > first; j = p->from[j]) TRY(add_unit(p, p->from[j], j));
cleanup:
    return status;
}

static int by_position(const void *a, const void *b) {
    const unit *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static wr_status make_units(planner *p, size_t cap) {
    wr_status status = WR_OK;
    p->n_units = 0;
    for (size_t first = 0, end; first < p->n; first = end) {
        end = first + 1;
        while (end < p->n && p->common[end]) end++;
        TRY(cut_group(p, first, end, cap));
    }
    qsort(p->units, p->n_units, sizeof *p->units, by_position);
    for (size_t i = 0; i < p->n_units; i++) p->tokens[i] = p->units[i].tokens;
cleanup:
    return status;
}

static wr_status choose_units(planner *p, size_t shares) {
    wr_status status = WR_OK;
    uint64_t fullest, least = UINT64_MAX;
    size_t best = p->max_tokens;
    bool any = false;
    for (size_t j = 1; j < p->n && !any; j++) any = p->common[j] > 0;
    for (size_t k = 0; any && shares > 1 && k <= HALVINGS; k++) {
        const size_t cap = k < HALVINGS ? p->max_tokens >> k : 0;
        TRY(make_units(p, cap));
        TRY(plan_fullest(p->tokens, p->n_units, (int)shares, &fullest));
        if (fullest < least) least = fullest, best = cap;
    }
    TRY(make_units(p, best));
cleanup:
    return status;
}

/* --- all together ------------------------------------------------------------------------------------------------- */

static wr_status planner_open(planner *p, const unit_text *texts) {
    wr_status status = WR_OK;
    const size_t n = p->n;
    TRY_ALLOC(p->order = mem_calloc(n + 1, sizeof *p->order));
    TRY_ALLOC(p->lengths = mem_calloc(n + 1, sizeof *p->lengths));
    TRY_ALLOC(p->common = mem_calloc(n + 1, sizeof *p->common));
    TRY_ALLOC(p->twice = mem_calloc(n + 1, sizeof *p->twice));
    TRY_ALLOC(p->from = mem_calloc(n + 1, sizeof *p->from));
    TRY_ALLOC(p->units = mem_calloc(n + 1, sizeof *p->units));
    TRY_ALLOC(p->tokens = mem_calloc(n + 1, sizeof *p->tokens));
    for (size_t i = 0; i < n; i++) p->order[i] = (placed){texts[i], (uint32_t)i, texts[i].n > p->rule.apart};
cleanup:
    return status;
}

static void planner_close(planner *p) {
    free(p->order), free(p->lengths), free(p->common), free(p->twice), free(p->from), free(p->units), free(p->tokens);
    prefix_tree_free(&p->room);
}

wr_status unit_plan_make(const unit_text *texts, size_t n, prefix_rule rule, size_t max_tokens, size_t shares,
                         unit_plan *out) {
    wr_status status = WR_OK;
    planner p = {.n = n, .max_tokens = max_tokens, .rule = rule};
    size_t at = 0;
    *out = (unit_plan){.n = n};
    TRY(planner_open(&p, texts));
    find_groups(&p);
    TRY(choose_units(&p, shares));
    out->n_units = p.n_units;
    TRY_ALLOC(out->items = mem_calloc(n + 1, sizeof *out->items));
    TRY_ALLOC(out->first = mem_calloc(p.n_units + 1, sizeof *out->first));
    TRY_ALLOC(out->tokens = mem_calloc(p.n_units + 1, sizeof *out->tokens));
    for (size_t i = 0; i < p.n_units; i++) {
        const unit *u = &p.units[i];
        out->tokens[i] = u->tokens;
        for (size_t j = u->first; j < u->first + u->count; j++) out->items[at++] = p.order[j].at;
        out->first[i + 1] = at;
    }
cleanup:
    planner_close(&p);
    if (status < 0) unit_plan_free(out);
    return status;
}

void unit_plan_free(unit_plan *p) {
    free(p->items);
    free(p->first);
    free(p->tokens);
    *p = (unit_plan){0};
}

wr_status unit_plan_shares(const unit_plan *p, size_t shares, share_range mine, size_t max_tokens, rank_plan *out) {
    wr_status status = WR_OK;
    rank_plan units;
    *out = (rank_plan){0};
    TRY(plan_shares(p->tokens, p->n_units, shares, mine, max_tokens, &units));
    size_t n = 0;
    for (size_t k = 0; k < units.n_items; k++) n += p->first[units.items[k] + 1] - p->first[units.items[k]];
    TRY_ALLOC(out->items = mem_calloc(n + 1, sizeof *out->items));
    TRY_ALLOC(out->unit = mem_calloc(n + 1, sizeof *out->unit));
    TRY_ALLOC(out->micro = mem_calloc(units.n_micro + 1, sizeof *out->micro));
    for (size_t m = 0; m < units.n_micro; m++) {
        micro_batch *micro = &out->micro[out->n_micro++];
        *micro = (micro_batch){.first = out->n_items, .share = units.micro[m].share};
        for (size_t k = units.micro[m].first; k < units.micro[m].first + units.micro[m].count; k++)
            for (size_t i = p->first[units.items[k]]; i < p->first[units.items[k] + 1]; i++) {
                out->unit[out->n_items] = units.items[k];
                out->items[out->n_items++] = p->items[i];
            }
        micro->count = out->n_items - micro->first;
    }
cleanup:
    rank_plan_free(&units);
    if (status < 0) rank_plan_free(out);
    return status;
}
