/* The rollout on one rank, a task at a time:
 *
 *   prompt ──render, cut to length──> ids ──sampler, n replies──> ids ──decode──> texts ──reward functions──> numbers
 *
 * Policy and reward model may have different tokenizers: replies pass between them as texts, and the ids that the
 * sampler gave go on to training as they are. */
#include "rollout/rollout.h"

#include "mpi/unpack.h"
#include "rollout/reward_function.h"
#include "text/chat/chat_fit.h"

#include <math.h>
#include <stdlib.h>

struct rollout {
    const model *policy;
    const prompt_set *prompts;
    rollout_options o;
    tokenizer *tok;
    chat_template *chat;
    sampler *gen;
    reward_set *rewards;
    stop_tokens stops[2]; /* [0] of raw prompts, [1] of chats */
    size_t prompt_limit;  /* tokens */
};

/* Is one of the prompts a chat (or else: raw text)? */
static bool any(const prompt_set *p, bool chat) {
    for (size_t i = 0; i < p->n; i++)
        if ((p->items[i].messages != NULL) == chat) return true;
    return false;
}

static wr_status open_local(rollout *r) {
    wr_status status = WR_OK;
    const model_config *c = &r->policy->config;
    const rollout_options *o = &r->o;
    if (c->head != HEAD_LM)
        TRY(wr_fail(WR_E_MISMATCH, "%s: %s has no language-model head, so it cannot be a policy", o->policy_dir,
                    c->architecture));
    TRY(tokenizer_load(o->policy_dir, &r->tok));
    if (tokenizer_vocab(r->tok) > c->V) {
        TRY(wr_fail(WR_E_MISMATCH, "%s: the tokenizer has %zu ids, the model's vocabulary %zu", o->policy_dir,
                    tokenizer_vocab(r->tok), c->V));
    }
    r->stops[0] = r->stops[1] = stop_tokens_of(c);
    if (any(r->prompts, true)) {
        TRY(chat_template_load(o->policy_dir, o->chat_template, r->tok, &r->chat));
        stop_tokens_add(&r->stops[1], chat_end_id(r->chat));
    }
    if ((any(r->prompts, false) && r->stops[0].n == 0) || (r->chat && r->stops[1].n == 0))
        TRY(wr_fail(WR_E_MISMATCH, "%s: no end token is known (eos_token_id), replies could not end", o->policy_dir));
    r->prompt_limit = o->max_prompt_tokens ? o->max_prompt_tokens : 1024;
    if (c->max_positions) {
        if (o->sampling.max_tokens >= c->max_positions) {
            TRY(wr_fail(WR_E_USAGE, "--max-tokens %zu leaves no room for a prompt in the model's %zu positions",
                        o->sampling.max_tokens, c->max_positions));
        }
        if (r->prompt_limit > c->max_positions - o->sampling.max_tokens)
            r->prompt_limit = c->max_positions - o->sampling.max_tokens;
    }
    TRY(sampler_create(r->policy, &r->gen));
cleanup:
    return status;
}

wr_status rollout_create(world *w, const model *policy, const prompt_set *prompts, const rollout_options *o,
                         rollout **out) {
    wr_status status = WR_OK;
    *out = NULL;
    rollout *r = mem_calloc(1, sizeof *r);
    TRY(world_agree(w, r ? WR_OK : WR_E_NOMEM));
    r->policy = policy;
    r->prompts = prompts;
    r->o = *o;
    TRY(reward_set_open(w, policy->precision, &r->o, &r->rewards));
    TRY(world_agree(w, open_local(r)));
    *out = r;
    r = NULL;
cleanup:
    rollout_free(r);
    return status;
}

void rollout_free(rollout *r) {
    if (!r) return;
    reward_set_close(r->rewards);
    sampler_free(r->gen);
    chat_template_free(r->chat);
    tokenizer_free(r->tok);
    free(r);
}

const char *rollout_chat_source(const rollout *r) { return r->chat ? chat_template_source(r->chat) : NULL; }

const char *rollout_reward_hash(const rollout *r) { return reward_set_hash(r->rewards); }

/* A prompt's tokens; *fits = false when even what cannot be left out is too long. */
static wr_status render(const rollout *r, const prompt *p, token_ids *ids, bool *fits) {
    wr_status status = WR_OK;
    ids->n = 0;
    if (p->messages)
        TRY(chat_fit(r->chat, r->tok, &(chat_request){p->messages, p->n_messages, p->row, true}, r->prompt_limit, ids,
                     NULL));
    else
        TRY(tokenizer_encode(r->tok, p->text, p->text_length, TOK_DEFAULT, ids));
    *fits = ids->n > 0 && ids->n <= r->prompt_limit;
cleanup:
    return status;
}

/* Fills g's replies from the sampler's. */
static wr_status finish_group(rollout *r, rollout_group *g, const sample_reply *samples, arena *a) {
    wr_status status = WR_OK;
    const prompt *p = &r->prompts->items[g->prompt];
    strbuf text = {0};
    size_t n = r->o.sampling.n;
    g->replies = arena_alloc(a, n * sizeof *g->replies);
    TRY_ALLOC(g->replies);
    g->n_replies = n;
    for (size_t j = 0; j < n; j++) {
        const sample_reply *s = &samples[j];
        strbuf_clear(&text);
        TRY(tokenizer_decode(r->tok, s->ids, s->n, true, &text));
        TRY(strbuf_status(&text));
        char *copy = arena_strndup(a, strbuf_str(&text), text.len);
        TRY_ALLOC(copy);
        g->replies[j] = (rollout_reply){.draw = g->draw,
                                        .ids = s->ids,
                                        .n = s->n,
                                        .text = copy,
                                        .text_length = text.len,
                                        .reward = NAN,
                                        .quality = NAN,
                                        .logprob = s->logprob,
                                        .stopped = s->finish == FINISH_STOP};
    }
    TRY(reward_set_judge(r->rewards, p, g->replies, n));
cleanup:
    strbuf_free(&text);
    return wr_context(status, "prompt %u", g->prompt);
}

wr_status rollout_task(void *context, const void *task, size_t n, strbuf *out) {
    wr_status status = WR_OK;
    rollout *r = context;
    msgpack_unpacked u;
    const msgpack_object *items;
    size_t count = 0, live = 0, per = r->o.sampling.n;
    uint64_t step, draw;
    arena *a = arena_create();
    token_ids *rendered = NULL;
    sample_reply *samples = NULL;
    TRY(unpack_body(task, n, "task", &u));
    TRY_ALLOC(a);
    TRY(unpack_uint(&u.data, "step", &step));
    TRY(unpack_uint(&u.data, "draw", &draw));
    TRY(unpack_array(&u.data, "prompts", &items, &count));
    rollout_group *groups = arena_alloc(a, (count + 1) * sizeof *groups);
    sample_prompt *prompts = arena_alloc(a, (count + 1) * sizeof *prompts);
    rendered = mem_calloc(count + 1, sizeof *rendered);
    samples = mem_calloc(count * per + 1, sizeof *samples);
    TRY_ALLOC(groups);
    TRY_ALLOC(prompts);
    TRY_ALLOC(rendered);
    TRY_ALLOC(samples);
    for (size_t i = 0; i < count; i++) {
        if (items[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER || items[i].via.u64 >= r->prompts->n) {
            TRY(wr_fail(WR_E_FORMAT, "task names a prompt outside the set of %zu", r->prompts->n));
        }
        bool fits = false;
        rollout_group *g = &groups[i];
        *g = (rollout_group){.draw = draw + i, .prompt = (uint32_t)items[i].via.u64};
        TRY(wr_context(render(r, &r->prompts->items[g->prompt], &rendered[i], &fits), "prompt %u", g->prompt));
        g->skipped = !fits;
        if (!fits) continue;
        g->prompt_ids = rendered[i].ids;
        g->n_prompt = rendered[i].n;
        prompts[live++] = (sample_prompt){rendered[i].ids, rendered[i].n, g->draw,
                                          &r->stops[r->prompts->items[g->prompt].messages != NULL]};
    }
    sampling_options s = r->o.sampling;
    s.step = step;
    if (live) TRY(sampler_generate(r->gen, live, prompts, &s, r->o.should_stop, r->o.stop_context, samples));
    for (size_t i = 0, k = 0; i < count; i++) {
        if (!groups[i].skipped) TRY(finish_group(r, &groups[i], samples + per * k++, a));
    }
    rollout_groups_pack(groups, count, out);
    TRY(strbuf_status(out));
cleanup:
    msgpack_unpacked_destroy(&u);
    if (samples) sample_replies_free(samples, count * per);
    free(samples);
    for (size_t i = 0; rendered && i < count; i++) token_ids_free(&rendered[i]);
    free(rendered);
    arena_free(a);
    return status;
}
