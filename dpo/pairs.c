#include "dpo/pairs.h"

#include "mpi/unpack.h"

#include <math.h>
#include <string.h>

static bool same_ids(const rollout_reply *a, const rollout_reply *b) {
    return a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0;
}

wr_status pair_choose(const rollout_group *g, double min_margin, dpo_pair *out, pair_verdict *verdict) {
    const rollout_reply *best = NULL, *worst = NULL;
    for (size_t i = 0; i < g->n_replies; i++) {
        const rollout_reply *r = &g->replies[i];
        if (r->draw != g->draw) {
            return wr_fail(
                WR_E_FAILED,
                "reply %zu belongs to draw %llu, its group to draw %llu: a pair must be two replies to one prompt", i,
                (unsigned long long)r->draw, (unsigned long long)g->draw);
        }
        if (!isfinite(r->reward)) continue; /* missing: the sample is dropped, no number stands in for it */
        if (!best || r->reward > best->reward) best = r;
        if (!worst || r->reward < worst->reward) worst = r;
    }
    size_t valid = 0;
    for (size_t i = 0; i < g->n_replies; i++) valid += isfinite(g->replies[i].reward);
    if (valid < 2)
        *verdict = PAIR_FEW;
    else if (!(best->reward > worst->reward) || same_ids(best, worst))
        *verdict = PAIR_TIE;
    else if (best->reward - worst->reward < min_margin)
        *verdict = PAIR_MARGIN;
    else
        *verdict = PAIR_MADE;
    if (*verdict != PAIR_MADE) return WR_OK;
    *out = (dpo_pair){.draw = g->draw,
                      .prompt = g->prompt,
                      .prompt_ids = g->prompt_ids,
                      .n_prompt = g->n_prompt,
                      .chosen = {best->draw, best->ids, best->n, best->reward, best->logprob},
                      .rejected = {worst->draw, worst->ids, worst->n, worst->reward, worst->logprob}};
    return WR_OK;
}

wr_status pairs_choose(const rollout_group *groups, size_t n_groups, double min_margin, dpo_pair *pairs,
                       size_t *n_pairs, pair_counts *counts) {
    *counts = (pair_counts){0};
    *n_pairs = 0;
    for (size_t i = 0; i < n_groups; i++) {
        pair_verdict verdict;
        const rollout_group *g = &groups[i];
        for (size_t j = 0; j < g->n_replies; j++) counts->missing_rewards += !isfinite(g->replies[j].reward);
        if (g->skipped) {
            counts->skipped_prompts++;
            continue;
        }
        wr_status status = pair_choose(g, min_margin, &pairs[*n_pairs], &verdict);
        if (status < 0) return status;
        counts->made += verdict == PAIR_MADE;
        counts->ties += verdict == PAIR_TIE;
        counts->low_margin += verdict == PAIR_MARGIN;
        counts->too_few += verdict == PAIR_FEW;
        *n_pairs += verdict == PAIR_MADE;
    }
    return WR_OK;
}

static void pack_side(msgpack_packer *pk, const pair_side *s) {
    msgpack_pack_map(pk, 4);
    wire_pack_str(pk, "draw");
    msgpack_pack_uint64(pk, s->draw);
    wire_pack_str(pk, "ids");
    wire_pack_ids(pk, s->ids, s->n);
    wire_pack_str(pk, "reward");
    pack_real(pk, s->reward);
    wire_pack_str(pk, "logprob");
    pack_real(pk, s->logprob);
}

void pairs_pack(const dpo_pair *pairs, size_t n, strbuf *out) {
    msgpack_packer pk;
    wire_packer(&pk, out);
    msgpack_pack_map(&pk, 1);
    wire_pack_str(&pk, "pairs");
    msgpack_pack_array(&pk, n);
    for (size_t i = 0; i < n; i++) {
        const dpo_pair *p = &pairs[i];
        msgpack_pack_map(&pk, 5);
        wire_pack_str(&pk, "draw");
        msgpack_pack_uint64(&pk, p->draw);
        wire_pack_str(&pk, "prompt");
        msgpack_pack_uint32(&pk, p->prompt);
        wire_pack_str(&pk, "prompt_ids");
        wire_pack_ids(&pk, p->prompt_ids, p->n_prompt);
        wire_pack_str(&pk, "chosen");
        pack_side(&pk, &p->chosen);
        wire_pack_str(&pk, "rejected");
        pack_side(&pk, &p->rejected);
    }
}

static wr_status unpack_side(const msgpack_object *map, const char *key, arena *a, pair_side *out) {
    wr_status status = WR_OK;
    const msgpack_object *v = wire_get(map, key);
    TRY(unpack_uint(v, "draw", &out->draw));
    TRY(unpack_ids(v, "ids", a, &out->ids, &out->n));
    TRY(unpack_real(v, "reward", &out->reward));
    TRY(unpack_real(v, "logprob", &out->logprob));
    if (out->n == 0) TRY(wr_fail(WR_E_FORMAT, "a %s reply without tokens", key));
cleanup:
    return status;
}

wr_status pairs_unpack(const void *bytes, size_t n, arena *a, dpo_pair **pairs, size_t *n_pairs) {
    wr_status status = WR_OK;
    msgpack_unpacked u;
    const msgpack_object *items;
    size_t count;
    TRY(unpack_body(bytes, n, "pairs of a step", &u));
    TRY(unpack_array(&u.data, "pairs", &items, &count));
    dpo_pair *fresh = arena_alloc(a, (count + 1) * sizeof *fresh);
    TRY_ALLOC(fresh);
    for (size_t i = 0; i < count; i++) {
        dpo_pair *p = &fresh[i];
        uint64_t index;
        TRY(unpack_uint(&items[i], "draw", &p->draw));
        TRY(unpack_uint(&items[i], "prompt", &index));
        p->prompt = (uint32_t)index;
        TRY(unpack_ids(&items[i], "prompt_ids", a, &p->prompt_ids, &p->n_prompt));
        TRY(unpack_side(&items[i], "chosen", a, &p->chosen));
        TRY(unpack_side(&items[i], "rejected", a, &p->rejected));
        if (p->chosen.draw != p->draw || p->rejected.draw != p->draw || p->n_prompt == 0) {
            TRY(wr_fail(WR_E_FAILED, "pair %zu mixes replies to different prompts", i));
        }
    }
    *pairs = fresh;
    *n_pairs = count;
cleanup:
    msgpack_unpacked_destroy(&u);
    return status;
}
