/* Continuous batching: prompts are admitted in order while their KV cache fits the budget, prefilled together, and all
 * live replies take one step at a time as one batch; a reply that ends leaves, a prompt whose replies have all ended
 * makes room for the next one. B live replies, C channels, V vocabulary. */
#include "sampler/sampler.h"

#include "base/mem.h"
#include "sampler/kv_cache.h"
#include "sampler/sampling.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define KV_BUDGET ((size_t)2 << 30) /* bytes; a single prompt may exceed it */
#define MAX_LIVE 1024               /* replies in the batch; a single prompt may exceed it */
#define PREFILL_TOKENS 2048         /* of one model_extend call; a longer prompt goes in pieces of this size */
#define LOGIT_ROWS 32               /* vocabulary-sized rows that exist at a time */

struct sampler {
    const model *policy;
    extend_scratch *scratch;
    pick_scratch *picks; /* (threads) */
    size_t n_picks;
    float *logits; /* (LOGIT_ROWS, V) */
};

typedef struct prompt_state {
    kv_segment cache;
    size_t n_live;  /* replies still running */
    size_t charged; /* bytes of the budget */
} prompt_state;

typedef struct live_reply {
    kv_segment own; /* the reply's tokens but the last; prefix = the prompt's cache */
    size_t prompt;  /* index */
    sample_reply *reply;
    size_t ids_capacity, limit; /* limit: tokens this reply may have */
    rng random;
    bool done;
} live_reply;

typedef struct run {
    sampler *s;
    const sample_prompt *prompts;
    const sampling_options *o;
    sample_reply *replies;
    size_t n_prompts, next; /* next prompt to admit */
    prompt_state *states;   /* (n_prompts) */
    live_reply *live;
    size_t n_live, live_capacity, charged;
    extend_item *items;
    size_t items_capacity;
    float *hidden; /* (rows, C) */
    size_t hidden_capacity;
} run;

wr_status sampler_create(const model *policy, sampler **out) {
    wr_status status = WR_OK;
    sampler *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    s->policy = policy;
    s->n_picks = (size_t)omp_get_max_threads();
    TRY(extend_scratch_create(policy, &s->scratch));
    TRY_ALLOC(s->picks = mem_calloc(s->n_picks, sizeof *s->picks));
    for (size_t i = 0; i < s->n_picks; i++) TRY(pick_scratch_alloc(policy->config.V, &s->picks[i]));
    TRY_ALLOC(s->logits = mem_aligned(LOGIT_ROWS * policy->config.V, sizeof *s->logits));
    *out = s;
    s = NULL;
cleanup:
    sampler_free(s);
    return status;
}

void sampler_free(sampler *s) {
    if (!s) return;
    extend_scratch_free(s->scratch);
    for (size_t i = 0; s->picks && i < s->n_picks; i++) pick_scratch_free(&s->picks[i]);
    free(s->picks);
    free(s->logits);
    free(s);
}

void sample_replies_free(sample_reply *replies, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(replies[i].ids);
        replies[i] = (sample_reply){0};
    }
}

static wr_status reserve_hidden(run *r, size_t rows) {
    return mem_reserve((void **)&r->hidden, &r->hidden_capacity, rows * r->s->policy->config.C, sizeof *r->hidden);
}

/* --- one token a reply -------------------------------------------------------------------------------------------- */

static wr_status take_token(const sampling_options *o, const stop_tokens *stops, const float *logits, size_t V,
                            pick_scratch *scratch, live_reply *l) {
    wr_status status = WR_OK;
    int32_t id;
    double logprob;
    sample_reply *reply = l->reply;
    TRY(pick_token(logits, V, o, &l->random, scratch, &id, &logprob));
    VEC_PUSH(reply->ids, reply->n, l->ids_capacity, id);
    reply->logprob += logprob;
    reply->finish = stop_tokens_have(stops, id) ? FINISH_STOP : FINISH_LENGTH;
    l->done = reply->finish == FINISH_STOP || reply->n == l->limit;
cleanup:
    return status;
}

/* Hidden row i serves the replies live[i*each … (i+1)*each). */
static wr_status take_tokens(run *r, live_reply *live, size_t rows, size_t each) {
    wr_status status = WR_OK;
    const model *m = r->s->policy;
    const size_t C = m->config.C, V = m->config.V;
    for (size_t from = 0; from < rows; from += LOGIT_ROWS) {
        size_t n = rows - from < LOGIT_ROWS ? rows - from : LOGIT_ROWS;
        TRY(extend_logits(m, r->s->scratch, n, r->hidden + from * C, r->s->logits));
        wr_status worst = WR_OK;
        /* The message of a failing thread is that thread's own; it is set again below. */
#pragma omp parallel for schedule(dynamic) num_threads((int)r->s->n_picks)
        for (size_t k = 0; k < n * each; k++) {
            live_reply *l = &live[from * each + k];
            wr_status one = take_token(r->o, r->prompts[l->prompt].stops, r->s->logits + k / each * V, V,
                                       &r->s->picks[omp_get_thread_num()], l);
            if (one < 0) {
#pragma omp critical(sampler_worst)
                worst = one;
            }
        }
        if (worst == WR_E_NOMEM) TRY(wr_fail(worst, "out of memory while sampling"));
        TRY(worst < 0 ? wr_fail(worst, "the policy's logits are not numbers: its weights are bad") : WR_OK);
    }
cleanup:
    return status;
}

/* Drops ended replies from the batch, keeping the order, and their prompts' caches with the last of them. */
static void retire(run *r) {
    size_t kept = 0;
    for (size_t i = 0; i < r->n_live; i++) {
        live_reply *l = &r->live[i];
        if (!l->done) {
            r->live[kept++] = *l;
            continue;
        }
        kv_segment_release(&l->own);
        prompt_state *p = &r->states[l->prompt];
        if (--p->n_live == 0) {
            kv_segment_release(&p->cache);
            r->charged -= p->charged;
        }
    }
    r->n_live = kept;
}

/* --- admitting prompts -------------------------------------------------------------------------------------------- */

/* Tokens a reply to prompt p may have; the model's positions end. */
static size_t reply_limit(const run *r, const sample_prompt *p) {
    size_t room = r->s->policy->config.max_positions - p->n;
    return r->o->max_tokens < room ? r->o->max_tokens : room;
}

static size_t prompt_bytes(const run *r, const sample_prompt *p) {
    const model *m = r->s->policy;
    return kv_segment_bytes(m, p->n) + r->o->n * kv_segment_bytes(m, reply_limit(r, p) - 1);
}

static wr_status open_prompt(run *r, size_t index) {
    wr_status status = WR_OK;
    const sample_prompt *p = &r->prompts[index];
    prompt_state *state = &r->states[index];
    TRY(kv_segment_alloc(r->s->policy, p->n, NULL, &state->cache));
    state->charged = prompt_bytes(r, p);
    r->charged += state->charged;
    for (size_t j = 0; j < r->o->n; j++) {
        live_reply l = {.prompt = index, .reply = &r->replies[index * r->o->n + j], .limit = reply_limit(r, p)};
        l.random = rng_make(r->o->seed, RNG_SAMPLE, r->o->step, p->key, j);
        VEC_PUSH(r->live, r->n_live, r->live_capacity, l);
        state->n_live++;
        TRY(kv_segment_alloc(r->s->policy, l.limit - 1, &state->cache, &r->live[r->n_live - 1].own));
    }
cleanup:
    return status;
}

/* Runs prompts first … last-1 through the model, PREFILL_TOKENS a call; the hidden state of each one's last token ends
 * up in its row. */
static wr_status prefill(run *r, size_t first, size_t last) {
    wr_status status = WR_OK;
    const size_t C = r->s->policy->config.C;
    TRY(reserve_hidden(r, last - first));
    for (size_t i = first; i < last;) {
        size_t n = 0, tokens = 0;
        while (i + n < last && (n == 0 || tokens + r->prompts[i + n].n <= PREFILL_TOKENS))
            tokens += r->prompts[i + n++].n;
        if (n > 1 || tokens <= PREFILL_TOKENS) {
            TRY(mem_reserve((void **)&r->items, &r->items_capacity, n, sizeof *r->items));
            for (size_t k = 0; k < n; k++)
                r->items[k] = (extend_item){&r->states[i + k].cache, r->prompts[i + k].ids, r->prompts[i + k].n};
            TRY(model_extend(r->s->policy, r->s->scratch, n, r->items, r->hidden + (i - first) * C));
        } else {
            for (size_t at = 0, piece; at < tokens; at += piece) {
                piece = tokens - at < PREFILL_TOKENS ? tokens - at : PREFILL_TOKENS;
                extend_item item = {&r->states[i].cache, r->prompts[i].ids + at, piece};
                TRY(model_extend(r->s->policy, r->s->scratch, 1, &item, r->hidden + (i - first) * C));
            }
        }
        i += n;
    }
cleanup:
    return status;
}

static wr_status admit(run *r) {
    wr_status status = WR_OK;
    size_t first = r->next, before = r->n_live;
    while (r->next < r->n_prompts) {
        size_t need = prompt_bytes(r, &r->prompts[r->next]);
        if (r->n_live && (r->charged + need > KV_BUDGET || r->n_live + r->o->n > MAX_LIVE)) break;
        TRY(open_prompt(r, r->next));
        r->next++;
    }
    if (r->next == first) return WR_OK;
    TRY(prefill(r, first, r->next));
    TRY(take_tokens(r, r->live + before, r->next - first, r->o->n));
    retire(r);
cleanup:
    return status;
}

static wr_status decode_step(run *r) {
    wr_status status = WR_OK;
    TRY(reserve_hidden(r, r->n_live));
    TRY(mem_reserve((void **)&r->items, &r->items_capacity, r->n_live, sizeof *r->items));
    for (size_t i = 0; i < r->n_live; i++) {
        live_reply *l = &r->live[i];
        r->items[i] = (extend_item){&l->own, &l->reply->ids[l->reply->n - 1], 1};
    }
    TRY(model_extend(r->s->policy, r->s->scratch, r->n_live, r->items, r->hidden));
    TRY(take_tokens(r, r->live, r->n_live, 1));
    retire(r);
cleanup:
    return status;
}

static wr_status check_prompts(const model_config *c, size_t n, const sample_prompt *prompts) {
    for (size_t i = 0; i < n; i++) {
        if (prompts[i].n == 0) return wr_fail(WR_E_FORMAT, "prompt %zu has no tokens", i);
        if (prompts[i].n >= c->max_positions)
            return wr_fail(WR_E_FORMAT,
                           "prompt %zu has %zu tokens, and the model's %zu positions leave no room for a reply", i,
                           prompts[i].n, c->max_positions);
    }
    return WR_OK;
}

wr_status sampler_generate(sampler *s, size_t n_prompts, const sample_prompt *prompts, const sampling_options *o,
                           bool (*should_stop)(void *), void *context, sample_reply *replies) {
    wr_status status = WR_OK;
    run r = {.s = s, .prompts = prompts, .o = o, .replies = replies, .n_prompts = n_prompts};
    memset(replies, 0, n_prompts * o->n * sizeof *replies);
    TRY(sampling_options_check(o));
    TRY(check_prompts(&s->policy->config, n_prompts, prompts));
    TRY(extend_pack(s->policy, s->scratch));
    TRY_ALLOC(r.states = mem_calloc(n_prompts + 1, sizeof *r.states));
    for (;;) {
        TRY(admit(&r));
        if (!r.n_live && r.next == n_prompts) break;
        if (should_stop && should_stop(context)) TRY(wr_fail(WR_E_INTERRUPTED, "sampling was asked to stop"));
        if (r.n_live) TRY(decode_step(&r));
    }
cleanup:
    for (size_t i = 0; i < r.n_live; i++) kv_segment_release(&r.live[i].own);
    for (size_t i = 0; r.states && i < n_prompts; i++) kv_segment_release(&r.states[i].cache);
    free(r.states);
    free(r.live);
    free(r.items);
    free(r.hidden);
    if (status < 0) sample_replies_free(replies, n_prompts * o->n);
    return status;
}
