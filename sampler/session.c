/* Continuous batching: prompts are admitted in order while their KV cache fits the budget, prefilled together, and all
 * live replies take one step at a time as one batch; a reply that ends leaves, a prompt whose replies have all ended
 * makes room for the next one. B live replies, C channels, V vocabulary.
 *
 *   keys and values       prompt A  [a0 a1 … a9]<─┬─[· · · ]  reply A0: its tokens but the last, which the next step
 *   (sampler/kv_cache.h)            frozen, once  └─[· · ]    reply A1  feeds and whose logits give the one behind it
 *                         prompt B  [b0 b1]<────────[· · · · · ]  reply B0
 *
 *   waiting ──admit──> prefill: last row of each prompt ──> first token of its n replies ──┐
 *                      decode:  one row a live reply    ──> next token of each             ├─> retire ──> finished
 *
 * Memory is charged when a prompt is admitted, for replies as long as they may become; pages are touched as tokens
 * come. Every row of a product depends on its own input alone (model/kernels/matmul.h), and random numbers are keyed:
 * so a reply is the same whoever shares its batch. */
#include "sampler/session.h"

#include "base/mem.h"
#include "base/rng.h"
#include "sampler/kv_cache.h"
#include "sampler/sampler_internal.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define KV_BUDGET ((size_t)2 << 30) /* bytes; a single prompt may exceed it */
#define MAX_LIVE 1024               /* replies in the batch; a single prompt may exceed it */
#define PREFILL_TOKENS 2048         /* of one model_decode call; a longer prompt goes in pieces of this size */

typedef struct asked {
    struct asked *next; /* in the queue it is in */
    int32_t *ids;       /* (n) until it is prefilled, or while it may have to be again */
    size_t n, ticket;
    uint64_t key;
    stop_tokens stops;
    sampling_options o;
    size_t limit;          /* tokens of a reply; the model's positions end */
    kv_segment cache;      /* of the prompt */
    size_t charged;        /* bytes of the budget */
    sample_reply *replies; /* (o.n) */
    size_t n_live;         /* replies still running */
} asked;

typedef struct queue {
    asked *first, *last;
} queue;

typedef struct live_reply {
    kv_segment own; /* the reply's tokens but the last; prefix = the prompt's cache */
    asked *prompt;
    sample_reply *reply;
    size_t ids_capacity, row; /* row: of the hidden states that its next token comes from */
    rng random;
    bool done;
} live_reply;

struct session {
    sampler *s;
    size_t tickets; /* given out */
    queue waiting, finished;
    live_reply *live; /* replies of one prompt are neighbours, prompts in the order of their tickets */
    size_t n_live, live_capacity;
    size_t charged; /* bytes, of all live prompts */
    asked **fresh;  /* prompts of one admission */
    decode_item *items;
    float *hidden; /* (rows, C) */
    size_t fresh_capacity, items_capacity, hidden_capacity;
};

/* --- prompts ------------------------------------------------------------------------------------------------------ */

static void queue_put(queue *q, asked *p) {
    p->next = NULL;
    if (q->last)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
}

static asked *queue_take(queue *q) {
    asked *p = q->first;
    if (!p) return NULL;
    q->first = p->next;
    if (!q->first) q->last = NULL;
    return p;
}

static void asked_free(asked *p) {
    if (!p) return;
    kv_segment_release(&p->cache);
    if (p->replies) sample_replies_free(p->replies, p->o.n);
    free(p->replies);
    free(p->ids);
    free(p);
}

wr_status session_create(sampler *s, session **out) {
    wr_status status = WR_OK;
    session *fresh = mem_calloc(1, sizeof *fresh);
    TRY_ALLOC(fresh);
    fresh->s = s;
    TRY(decode_pack(s->policy, s->scratch));
    *out = fresh;
    fresh = NULL;
cleanup:
    session_free(fresh);
    return status;
}

void session_free(session *s) {
    asked *p;
    if (!s) return;
    for (size_t i = 0; i < s->n_live; i++) {
        kv_segment_release(&s->live[i].own);
        if (i + 1 == s->n_live || s->live[i + 1].prompt != s->live[i].prompt) asked_free(s->live[i].prompt);
    }
    while ((p = queue_take(&s->waiting))) asked_free(p);
    while ((p = queue_take(&s->finished))) asked_free(p);
    free(s->live);
    free(s->fresh);
    free(s->items);
    free(s->hidden);
    free(s);
}

wr_status session_submit(session *s, const sample_prompt *p, const sampling_options *o, size_t *ticket) {
    wr_status status = WR_OK;
    const size_t positions = s->s->policy->config.max_positions;
    asked *fresh = NULL;
    TRY(sampling_options_check(o));
    if (p->n == 0) TRY(wr_fail(WR_E_FORMAT, "prompt %zu has no tokens", s->tickets));
    if (p->n >= positions)
        TRY(wr_fail(WR_E_FORMAT, "prompt %zu has %zu tokens, and the model's %zu positions leave no room for a reply",
                    s->tickets, p->n, positions));
    TRY_ALLOC(fresh = mem_calloc(1, sizeof *fresh));
    fresh->o = *o;
    TRY_ALLOC(fresh->ids = mem_calloc(p->n, sizeof *fresh->ids));
    TRY_ALLOC(fresh->replies = mem_calloc(o->n, sizeof *fresh->replies));
    memcpy(fresh->ids, p->ids, p->n * sizeof *fresh->ids);
    fresh->n = p->n;
    fresh->key = p->key;
    if (p->stops) fresh->stops = *p->stops;
    fresh->limit = o->max_tokens < positions - p->n ? o->max_tokens : positions - p->n;
    *ticket = fresh->ticket = s->tickets++;
    queue_put(&s->waiting, fresh);
    fresh = NULL;
cleanup:
    asked_free(fresh);
    return status;
}

bool session_busy(const session *s) { return s->waiting.first || s->n_live; }

bool session_take(session *s, answered *out) {
    asked *p = queue_take(&s->finished);
    if (!p) return false;
    *out = (answered){p->ticket, p->o.n, p->replies};
    p->replies = NULL;
    asked_free(p);
    return true;
}

void answered_free(answered *a) {
    sample_replies_free(a->replies, a->n);
    free(a->replies);
    *a = (answered){0};
}

/* --- one token a reply -------------------------------------------------------------------------------------------- */

static wr_status reserve_hidden(session *s, size_t rows) {
    return mem_reserve((void **)&s->hidden, &s->hidden_capacity, rows * s->s->policy->config.C, sizeof *s->hidden);
}

static wr_status take_token(const float *logits, size_t V, pick_scratch *scratch, live_reply *l) {
    wr_status status = WR_OK;
    int32_t id;
    double logprob;
    sample_reply *reply = l->reply;
    TRY(pick_token(logits, V, &l->prompt->o, &l->random, scratch, &id, &logprob));
    VEC_PUSH(reply->ids, reply->n, l->ids_capacity, id);
    reply->logprob += logprob;
    reply->finish = stop_tokens_have(&l->prompt->stops, id) ? FINISH_STOP : FINISH_LENGTH;
    l->done = reply->finish == FINISH_STOP || reply->n == l->prompt->limit;
cleanup:
    return status;
}

/* The next token of n replies, whose rows ascend from 0 to rows-1; LOGIT_ROWS of them at a time. */
static wr_status take_tokens(session *s, live_reply *live, size_t n, size_t rows) {
    wr_status status = WR_OK;
    sampler *own = s->s;
    const size_t C = own->policy->config.C, V = own->policy->config.V;
    for (size_t row = 0, first = 0, end; row < rows; row += LOGIT_ROWS, first = end) {
        const size_t count = rows - row < LOGIT_ROWS ? rows - row : LOGIT_ROWS;
        TRY(decode_logits(own->policy, own->scratch, count, s->hidden + row * C, own->logits));
        for (end = first; end < n && live[end].row < row + count;) end++;
        wr_status worst = WR_OK;
        /* The message of a failing thread is that thread's own; it is set again below. */
#pragma omp parallel for schedule(dynamic) num_threads((int)own->n_picks)
        for (size_t k = first; k < end; k++) {
            live_reply *l = &live[k];
            wr_status one = take_token(own->logits + (l->row - row) * V, V, &own->picks[omp_get_thread_num()], l);
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
static void retire(session *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->n_live; i++) {
        live_reply *l = &s->live[i];
        asked *p = l->prompt;
        if (!l->done) {
            s->live[kept++] = *l;
            continue;
        }
        kv_segment_release(&l->own);
        if (--p->n_live > 0) continue;
        kv_segment_release(&p->cache);
        s->charged -= p->charged;
        queue_put(&s->finished, p);
    }
    s->n_live = kept;
}

/* --- admitting prompts -------------------------------------------------------------------------------------------- */

static size_t prompt_bytes(const session *s, const asked *p) {
    const model *m = s->s->policy;
    return kv_segment_bytes(m, p->n) + p->o.n * kv_segment_bytes(m, p->limit - 1);
}

/* With LONGROPE a sequence that grows beyond the model's original length has other keys, from its first token on. */
static bool may_outgrow(const session *s, const asked *p) {
    const size_t limit = decode_original_length(s->s->policy);
    return p->n <= limit && p->limit - 1 > limit - p->n;
}

/* Moves the first waiting prompt's replies into the batch; row: of its hidden state. */
static wr_status open_prompt(session *s, size_t row) {
    wr_status status = WR_OK;
    asked *p = s->waiting.first;
    TRY(mem_reserve((void **)&s->fresh, &s->fresh_capacity, row + 1, sizeof *s->fresh));
    TRY(mem_reserve((void **)&s->live, &s->live_capacity, s->n_live + p->o.n, sizeof *s->live));
    TRY(kv_segment_alloc(s->s->policy, p->n, NULL, &p->cache));
    p->cache.far = p->n > decode_original_length(s->s->policy);
    s->fresh[row] = queue_take(&s->waiting);
    p->charged = prompt_bytes(s, p);
    s->charged += p->charged;
    p->n_live = p->o.n;
    live_reply *first = s->live + s->n_live;
    s->n_live += p->o.n;
    for (size_t j = 0; j < p->o.n; j++)
        first[j] = (live_reply){.prompt = p,
                                .reply = &p->replies[j],
                                .row = row,
                                .random = rng_make(p->o.seed, RNG_SAMPLE, p->o.step, p->key, j)};
    for (size_t j = 0; j < p->o.n; j++) {
        TRY(kv_segment_alloc(s->s->policy, p->limit - 1, &p->cache, &first[j].own));
        first[j].own.far = p->cache.far;
    }
cleanup:
    return status;
}

/* Tokens of one sequence, PREFILL_TOKENS a call; hidden (C): the state of the last. */
static wr_status feed(session *s, kv_segment *segment, const int32_t *ids, size_t n, float *hidden) {
    wr_status status = WR_OK;
    for (size_t at = 0, piece; at < n; at += piece) {
        piece = n - at < PREFILL_TOKENS ? n - at : PREFILL_TOKENS;
        decode_item item = {segment, ids + at, piece};
        TRY(model_decode(s->s->policy, s->s->scratch, 1, &item, hidden));
    }
cleanup:
    return status;
}

/* The replies whose next token makes them outgrow the original length, and their prompts (whose replies do so together,
 * being of one length): keys and values of all tokens but that one are computed again. */
static wr_status decode_anew(session *s) {
    wr_status status = WR_OK;
    const size_t limit = decode_original_length(s->s->policy);
    TRY(reserve_hidden(s, 1));
    for (size_t i = 0; i < s->n_live; i++) {
        live_reply *l = &s->live[i];
        asked *p = l->prompt;
        if (l->own.far || p->n + l->reply->n <= limit) continue;
        if (!p->cache.far) {
            p->cache.far = true;
            p->cache.length = 0;
            TRY(feed(s, &p->cache, p->ids, p->n, s->hidden));
        }
        l->own.far = true;
        l->own.length = 0;
        TRY(feed(s, &l->own, l->reply->ids, l->reply->n - 1, s->hidden));
    }
cleanup:
    return status;
}

/* Runs the first n fresh prompts through the model, PREFILL_TOKENS a call; the hidden state of each one's last token
 * ends up in its row. */
static wr_status prefill(session *s, size_t n) {
    wr_status status = WR_OK;
    const model *m = s->s->policy;
    const size_t C = m->config.C;
    TRY(reserve_hidden(s, n));
    for (size_t i = 0, count, tokens; i < n; i += count) {
        for (count = tokens = 0; i + count < n && (count == 0 || tokens + s->fresh[i + count]->n <= PREFILL_TOKENS);)
            tokens += s->fresh[i + count++]->n;
        if (tokens <= PREFILL_TOKENS) {
            TRY(mem_reserve((void **)&s->items, &s->items_capacity, count, sizeof *s->items));
            for (size_t k = 0; k < count; k++)
                s->items[k] = (decode_item){&s->fresh[i + k]->cache, s->fresh[i + k]->ids, s->fresh[i + k]->n};
            TRY(model_decode(m, s->s->scratch, count, s->items, s->hidden + i * C));
        } else {
            TRY(feed(s, &s->fresh[i]->cache, s->fresh[i]->ids, tokens, s->hidden + i * C));
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (may_outgrow(s, s->fresh[i])) continue;
        free(s->fresh[i]->ids);
        s->fresh[i]->ids = NULL;
    }
cleanup:
    return status;
}

static wr_status admit(session *s) {
    wr_status status = WR_OK;
    const size_t before = s->n_live;
    size_t n = 0;
    for (const asked *p; (p = s->waiting.first); n++) {
        if (s->n_live && (s->charged + prompt_bytes(s, p) > KV_BUDGET || s->n_live + p->o.n > MAX_LIVE)) break;
        TRY(open_prompt(s, n));
    }
    if (n == 0) return WR_OK;
    TRY(prefill(s, n));
    TRY(take_tokens(s, s->live + before, s->n_live - before, n));
    retire(s);
cleanup:
    return status;
}

wr_status session_step(session *s) {
    wr_status status = WR_OK;
    TRY(admit(s));
    if (s->n_live == 0) return WR_OK;
    TRY(decode_anew(s));
    TRY(reserve_hidden(s, s->n_live));
    TRY(mem_reserve((void **)&s->items, &s->items_capacity, s->n_live, sizeof *s->items));
    for (size_t i = 0; i < s->n_live; i++) {
        live_reply *l = &s->live[i];
        l->row = i;
        s->items[i] = (decode_item){&l->own, &l->reply->ids[l->reply->n - 1], 1};
    }
    TRY(model_decode(s->s->policy, s->s->scratch, s->n_live, s->items, s->hidden));
    TRY(take_tokens(s, s->live, s->n_live, s->n_live));
    retire(s);
cleanup:
    return status;
}
