/* Tasks and results of the rollout as msgpack (see rollout.h):
 *   task   {"step", "draw", "prompts": [index …]}
 *   result {"groups": [{"draw","prompt","skipped","prompt_ids",
 *                       "replies":[{"draw","ids","text","reward","quality","logprob","stop"}]}]} */
#include "rollout/rollout.h"
#include "mpi/unpack.h"

#include <string.h>

void rollout_task_pack(uint64_t step, uint64_t first_draw, const uint32_t *prompts, size_t n, strbuf *out) {
    msgpack_packer pk;
    wire_packer(&pk, out);
    msgpack_pack_map(&pk, 3);
    wire_pack_str(&pk, "step");
    msgpack_pack_uint64(&pk, step);
    wire_pack_str(&pk, "draw");
    msgpack_pack_uint64(&pk, first_draw);
    wire_pack_str(&pk, "prompts");
    msgpack_pack_array(&pk, n);
    for (size_t i = 0; i < n; i++) msgpack_pack_uint32(&pk, prompts[i]);
}

static void pack_reply(msgpack_packer *pk, const rollout_reply *r) {
    msgpack_pack_map(pk, 7);
    wire_pack_str(pk, "draw");
    msgpack_pack_uint64(pk, r->draw);
    wire_pack_str(pk, "ids");
    wire_pack_ids(pk, r->ids, r->n);
    wire_pack_str(pk, "text");
    wire_pack_strn(pk, r->text, r->text_length);
    wire_pack_str(pk, "reward");
    pack_real(pk, r->reward);
    wire_pack_str(pk, "quality");
    pack_real(pk, r->quality);
    wire_pack_str(pk, "logprob");
    pack_real(pk, r->logprob);
    wire_pack_str(pk, "stop");
    if (r->stopped)
        msgpack_pack_true(pk);
    else
        msgpack_pack_false(pk);
}

void rollout_groups_pack(const rollout_group *groups, size_t n, strbuf *out) {
    msgpack_packer pk;
    wire_packer(&pk, out);
    msgpack_pack_map(&pk, 1);
    wire_pack_str(&pk, "groups");
    msgpack_pack_array(&pk, n);
    for (size_t i = 0; i < n; i++) {
        const rollout_group *g = &groups[i];
        msgpack_pack_map(&pk, 5);
        wire_pack_str(&pk, "draw");
        msgpack_pack_uint64(&pk, g->draw);
        wire_pack_str(&pk, "prompt");
        msgpack_pack_uint32(&pk, g->prompt);
        wire_pack_str(&pk, "skipped");
        if (g->skipped)
            msgpack_pack_true(&pk);
        else
            msgpack_pack_false(&pk);
        wire_pack_str(&pk, "prompt_ids");
        wire_pack_ids(&pk, g->prompt_ids, g->n_prompt);
        wire_pack_str(&pk, "replies");
        msgpack_pack_array(&pk, g->n_replies);
        for (size_t j = 0; j < g->n_replies; j++) pack_reply(&pk, &g->replies[j]);
    }
}

static wr_status unpack_flag(const msgpack_object *map, const char *key, bool *out) {
    const msgpack_object *v = wire_get(map, key);
    if (!v || v->type != MSGPACK_OBJECT_BOOLEAN) return wr_fail(WR_E_FORMAT, "record has no flag \"%s\"", key);
    *out = v->via.boolean;
    return WR_OK;
}

static wr_status unpack_reply(const msgpack_object *map, arena *a, rollout_reply *r) {
    wr_status status = WR_OK;
    const char *text;
    TRY(unpack_uint(map, "draw", &r->draw));
    TRY(unpack_ids(map, "ids", a, &r->ids, &r->n));
    if (!wire_get_str(map, "text", &text, &r->text_length)) TRY(wr_fail(WR_E_FORMAT, "record has no \"text\""));
    r->text = arena_strndup(a, text, r->text_length);
    TRY_ALLOC(r->text);
    TRY(unpack_real(map, "reward", &r->reward));
    TRY(unpack_real(map, "quality", &r->quality));
    TRY(unpack_real(map, "logprob", &r->logprob));
    TRY(unpack_flag(map, "stop", &r->stopped));
cleanup:
    return status;
}

wr_status rollout_groups_unpack(const void *bytes, size_t n, arena *a, rollout_group **groups, size_t *n_groups) {
    wr_status status = WR_OK;
    msgpack_unpacked u;
    const msgpack_object *items, *replies;
    size_t count;
    TRY(unpack_body(bytes, n, "result of a SAMPLE task", &u));
    TRY(unpack_array(&u.data, "groups", &items, &count));
    rollout_group *fresh = arena_alloc(a, (count + 1) * sizeof *fresh);
    TRY_ALLOC(fresh);
    for (size_t i = 0; i < count; i++) {
        rollout_group *g = &fresh[i];
        uint64_t index;
        TRY(unpack_uint(&items[i], "draw", &g->draw));
        TRY(unpack_uint(&items[i], "prompt", &index));
        g->prompt = (uint32_t)index;
        TRY(unpack_flag(&items[i], "skipped", &g->skipped));
        TRY(unpack_ids(&items[i], "prompt_ids", a, &g->prompt_ids, &g->n_prompt));
        TRY(unpack_array(&items[i], "replies", &replies, &g->n_replies));
        g->replies = arena_alloc(a, (g->n_replies + 1) * sizeof *g->replies);
        TRY_ALLOC(g->replies);
        for (size_t j = 0; j < g->n_replies; j++) TRY(unpack_reply(&replies[j], a, &g->replies[j]));
    }
    *groups = fresh;
    *n_groups = count;
cleanup:
    msgpack_unpacked_destroy(&u);
    return status;
}
