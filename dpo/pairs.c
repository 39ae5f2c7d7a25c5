/* From the replies of a step to its pairs: replies without a reward are left out, the rule chooses among the others,
 * and what it chose is judged, so that each number of pair_counts means the same under every rule. */
#include "dpo/pairs.h"

#include "base/mem.h"
#include "mpi/unpack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool same_ids(const rollout_reply *a, const rollout_reply *b) {
    return a->n == b->n && memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0;
}

/* Replies that may be in a pair: those with a reward. replies: room for all. */
static wr_status candidates(const rollout_group *g, const rollout_reply **replies, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < g->n_replies; i++) {
        const rollout_reply *r = &g->replies[i];
        if (r->draw != g->draw)
            return wr_fail(
                WR_E_FAILED,
                "reply %zu belongs to draw %llu, its group to draw %llu: a pair must be two replies to one prompt", i,
                (unsigned long long)r->draw, (unsigned long long)g->draw);
        if (isfinite(r->reward)) replies[(*n)++] = r;
    }
    return WR_OK;
}

static pair_side side_of(const rollout_reply *r) { return (pair_side){r->draw, r->ids, r->n, r->reward, r->logprob}; }

static const pair_rule *rule_of(const pair_options *o) { return o->rule ? o->rule : pair_rules[0]; }

/* Takes a pair that the rule chose, or counts why not. */
static wr_status judge(const rollout_group *g, const rollout_reply *chosen, const rollout_reply *rejected,
                       const pair_options *o, dpo_pair *out, pair_counts *counts) {
    if (chosen->reward < rejected->reward)
        return wr_fail(WR_E_FAILED, "--pair-rule %s prefers a reply with reward %g to one with %g", rule_of(o)->name,
                       chosen->reward, rejected->reward);
    if (!(chosen->reward > rejected->reward) || same_ids(chosen, rejected)) {
        counts->ties++;
    } else if (chosen->reward - rejected->reward < o->min_margin) {
        counts->low_margin++;
    } else {
        *out = (dpo_pair){g->draw, g->prompt, g->prompt_ids, g->n_prompt, side_of(chosen), side_of(rejected)};
        counts->made++;
    }
    return WR_OK;
}

static size_t most_pairs(const pair_options *o, size_t n_replies) {
    return n_replies > 1 && rule_of(o)->most ? rule_of(o)->most(o, n_replies) : 1;
}

size_t pairs_room(const rollout_group *groups, size_t n_groups, const pair_options *o) {
    size_t n = 0;
    for (size_t i = 0; i < n_groups; i++) n += most_pairs(o, groups[i].n_replies);
    return n;
}

wr_status pairs_choose(const rollout_group *groups, size_t n_groups, const pair_options *o, dpo_pair *pairs,
                       size_t *n_pairs, pair_counts *counts) {
    wr_status status = WR_OK;
    const pair_rule *rule = rule_of(o);
    const rollout_reply **replies = NULL;
    reply_pair *choice = NULL;
    size_t most = 1, n;
    *counts = (pair_counts){0};
    for (size_t i = 0; i < n_groups; i++) most = groups[i].n_replies > most ? groups[i].n_replies : most;
    TRY_ALLOC(replies = mem_calloc(most, sizeof *replies));
    TRY_ALLOC(choice = mem_calloc(most_pairs(o, most), sizeof *choice));
    for (size_t i = 0; i < n_groups; i++) {
        const rollout_group *g = &groups[i];
        TRY(candidates(g, replies, &n));
        counts->missing_rewards += g->n_replies - n;
        counts->skipped_prompts += g->skipped;
        counts->too_few += !g->skipped && n < 2;
        if (g->skipped || n < 2) continue;
        rng r = rng_make(o->seed, RNG_PAIR, g->draw, 0, 0);
        const size_t chosen = rule->choose(o, replies, n, &r, choice);
        for (size_t k = 0; k < chosen; k++)
            TRY(judge(g, replies[choice[k].chosen], replies[choice[k].rejected], o, &pairs[counts->made], counts));
    }
    *n_pairs = counts->made;
cleanup:
    free(replies);
    free(choice);
    return status;
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
