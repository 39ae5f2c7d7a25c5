#include "data/label/annotate/model_annotator.h"

#include "base/hash.h"
#include "base/log.h"
#include "data/label/annotate/answer_cache.h"
#include "data/label/annotate/model_prompts.h"
#include "data/label/annotate/text_vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ANSWERS = 5, SLICE = 256, WAYS = 3, LIKED_BATCH = 64, SIMILARITY_TOKENS = 512 };
static const struct {
    int first, n; /* the numbers first … first + n - 1 */
} scales[MODEL_QUESTIONS] = {{1, 5}, {0, 3}};
static const refusal_kind kinds[] = {REFUSAL_FALSE, REFUSAL_JUSTIFIED, REFUSAL_NONE};

typedef struct question {
    model_prompt *prompt;
    token_ids lead; /* tokens that all answers begin with: part of every prompt */
    token_ids answers[MOST_ANSWERS];
    size_t n, longest;
    bool calibrated;
    double bias[MOST_ANSWERS];
} question;

typedef struct model_annotator {
    annotator base;
    const model *m;
    const tokenizer *tok;
    const chat_template *chat;
    model *own_model; /* what model_annotator_open loaded */
    tokenizer *own_tokenizer;
    chat_template *own_chat;
    model_workspace *work;
    prefix_batch packed;
    question questions[MODEL_QUESTIONS];
    text_vectors vectors;
    size_t max_length, history, clip, batch_tokens;
    bool calibrate;
    strbuf text;
    token_ids prompts[SLICE + WAYS]; /* of a slice, and those that calibrate */
    answer_cache *cache;             /* NULL: none */
    arena *record;                   /* of the cache, while it is read */
    /* model, tokenizer, prompts, arithmetic: with a prompt's ids, all that its answer depends on */
    uint64_t identity;
    /* counted */
    size_t cached, asked[MODEL_QUESTIONS], too_long, not_finite, ties, history_dropped, clipped, tokens;
} model_annotator;

/* --- prompts ---------------------------------------------------------------------------------------------------------
 */

/* Prompt and what all answers begin with, as ids, without the oldest `skip` messages. */
static wr_status encode_once(model_annotator *a, const question *q, const annotated_turn *t, size_t skip,
                             token_ids *out, size_t *clipped) {
    wr_status status = WR_OK;
    *clipped = 0;
    strbuf_clear(&a->text);
    out->n = 0;
    TRY(model_prompt_render(q->prompt, t, skip, a->clip, &a->text, clipped));
    if (a->chat) {
        const chat_message m = {"user", a->text.data, a->text.len, NULL};
        TRY(chat_render_prompt(a->chat, a->tok, &m, 1, true, out));
    } else {
        strbuf_puts(&a->text, "\n\nAnswer:");
        TRY(strbuf_status(&a->text));
        TRY(tokenizer_encode(a->tok, a->text.data, a->text.len, TOK_POST, out));
    }
    for (size_t i = 0; i < q->lead.n; i++) TRY(token_ids_push(out, q->lead.ids[i]));
cleanup:
    return status;
}

/* Leaves the oldest messages out one by one until prompt and answer fit; *fits is false where the rest alone is too
 * long. */
static wr_status encode_turn(model_annotator *a, const question *q, const annotated_turn *t, token_ids *out,
                             bool *fits) {
    wr_status status = WR_OK;
    const size_t room = a->max_length - (q->longest - 1), n = model_prompt_has_history(q->prompt) ? t->n_history : 0;
    const size_t start = a->history && n > a->history ? n - a->history : 0;
    size_t clipped;
    for (size_t skip = start;;) {
        TRY(encode_once(a, q, t, skip, out, &clipped));
        *fits = out->n <= room;
        if (*fits) a->history_dropped += skip - start, a->clipped += clipped;
        if (*fits || skip == n) break;
        /* A message has at most one token a byte: while fewer bytes are left out than there are tokens too many, the
         * next one must go as well. */
        for (size_t over = out->n - room, bytes = 0; skip < n && bytes < over; skip++)
            bytes += t->history[skip].length + 16 + (t->history[skip].role ? strlen(t->history[skip].role) : 0);
    }
cleanup:
    return status;
}

static size_t common_start(const question *q) {
    for (size_t t = 0;; t++)
        for (size_t k = 0; k < q->n; k++)
            if (t + 1 >= q->answers[k].n || q->answers[k].ids[t] != q->answers[0].ids[t]) return t;
}

/* Numbers whose tokens begin alike (a space token, say) differ only behind that: it moves into the prompt, and most
 * tokenizers leave one token each. */
static wr_status load_answers(model_annotator *a, question *q, model_question which) {
    wr_status status = WR_OK;
    q->n = (size_t)scales[which].n;
    for (size_t k = 0; k < q->n; k++) {
        const char text[2] = {' ', (char)('0' + scales[which].first + (int)k)};
        TRY(tokenizer_encode(a->tok, a->chat ? text + 1 : text, a->chat ? 1 : 2, 0, &q->answers[k]));
    }
    const size_t start = common_start(q);
    for (size_t t = 0; t < start; t++) TRY(token_ids_push(&q->lead, q->answers[0].ids[t]));
    for (size_t k = 0; k < q->n; k++) {
        token_ids *x = &q->answers[k];
        x->n -= start;
        memmove(x->ids, x->ids + start, x->n * sizeof *x->ids);
        if (x->n > q->longest) q->longest = x->n;
        for (size_t j = 0; j < k; j++) {
            const token_ids *y = &q->answers[j];
            const size_t n = x->n < y->n ? x->n : y->n;
            if (memcmp(x->ids, y->ids, n * sizeof *x->ids) == 0)
                TRY(wr_fail(WR_E_MISMATCH, "%s: the tokenizer cannot tell the answers %d and %d apart",
                            tokenizer_dir(a->tok), scales[which].first + (int)j, scales[which].first + (int)k));
        }
    }
cleanup:
    return status;
}

/* --- asking ----------------------------------------------------------------------------------------------------------
 */

/* The answers' log-probabilities after a prompt that says nothing, meant over a few ways of saying nothing. */
static wr_status calibrate(model_annotator *a, question *q) {
    wr_status status = WR_OK;
    static const char *const empty[WAYS] = {"N/A", "", "..."};
    token_ids *prompts = a->prompts + SLICE;
    double logprob[WAYS * MOST_ANSWERS];
    size_t clipped;
    if (q->calibrated || !a->calibrate) return WR_OK;
    for (size_t i = 0; i < WAYS; i++) {
        const chat_message m = {"user", empty[i], strlen(empty[i]), NULL};
        const annotated_turn t = {.query = &m, .reply = &m, .followup = &m};
        TRY(encode_once(a, q, &t, 0, &prompts[i], &clipped));
    }
    TRY(answer_logprobs(a->m, a->work, &a->packed, WAYS, prompts, q->n, q->answers, a->batch_tokens, logprob,
                        &a->tokens));
    for (size_t k = 0; k < q->n; k++) {
        q->bias[k] = 0;
        for (size_t i = 0; i < WAYS; i++) q->bias[k] += logprob[i * q->n + k] / WAYS;
        if (!isfinite(q->bias[k]))
            TRY(wr_fail(
                WR_E_NUMERIC,
                "the annotator's model gives no finite numbers: --check-weights says where its weights have none"));
    }
    q->calibrated = true;
cleanup:
    return status;
}

/* The number of the best answer, -1: none is. */
static int choose(model_annotator *a, const question *q, const double *logprob) {
    int best = 0;
    bool tie = false;
    for (size_t k = 0; k < q->n; k++) {
        if (!isfinite(logprob[k])) return a->not_finite++, -1;
        const double value = logprob[k] - q->bias[k], leader = logprob[best] - q->bias[best];
        if (k == 0) continue;
        if (value > leader)
            best = (int)k, tie = false;
        else if (value == leader)
            tie = true;
    }
    return tie ? (a->ties++, -1) : best;
}

static void cache_key(const model_annotator *a, model_question which, const token_ids *prompt, char key[HASH_HEX]) {
    const uint64_t parts[] = {a->identity, (uint64_t)which, hash64(prompt->ids, prompt->n * sizeof *prompt->ids, 1),
                              hash64(prompt->ids, prompt->n * sizeof *prompt->ids, 2)};
    hash_hex(parts, sizeof parts, key);
}

/* *answer stays -1 where the cache has none. */
static wr_status recall(model_annotator *a, const question *q, const char key[HASH_HEX], int *answer) {
    wr_status status = WR_OK;
    const json_value *record = NULL;
    int64_t number;
    arena_reset(a->record);
    const wr_status got = answer_cache_find(a->cache, key, a->record, &record);
    TRY(got);
    if (got == WR_END || !json_get_int(record, "choice", &number) || number < 0 || (uint64_t)number >= q->n)
        return WR_OK;
    *answer = (int)number;
    a->cached++;
cleanup:
    return status;
}

static wr_status remember(model_annotator *a, model_question which, const char key[HASH_HEX], int answer) {
    char members[100];
    if (!a->cache || answer < 0) return WR_OK;
    const int n = snprintf(members, sizeof members, "\"question\":\"%s\",\"choice\":%d,\"answer\":%d",
                           which == ASK_LEVEL ? "level" : "refusal", answer, scales[which].first + answer);
    return answer_cache_add(a->cache, key, members, (size_t)n);
}

/* answer[i]: the number of the answer for turn i < n <= SLICE, -1: none. */
static wr_status ask_slice(model_annotator *a, model_question which, const annotated_turn *turns, size_t n,
                           int *answer) {
    wr_status status = WR_OK;
    question *q = &a->questions[which];
    double logprob[SLICE * MOST_ANSWERS];
    char keys[SLICE][HASH_HEX];
    size_t turn[SLICE], fitting = 0;
    a->asked[which] += n;
    for (size_t i = 0; i < n; i++) {
        bool fits;
        answer[i] = -1;
        TRY(encode_turn(a, q, &turns[i], &a->prompts[fitting], &fits));
        if (!fits) {
            a->too_long++;
            continue;
        }
        if (a->cache) {
            cache_key(a, which, &a->prompts[fitting], keys[fitting]);
            TRY(recall(a, q, keys[fitting], &answer[i]));
            if (answer[i] >= 0) continue;
        }
        turn[fitting++] = i;
    }
    if (!fitting) return WR_OK;
    TRY(calibrate(a, q));
    TRY(answer_logprobs(a->m, a->work, &a->packed, fitting, a->prompts, q->n, q->answers, a->batch_tokens, logprob,
                        &a->tokens));
    for (size_t i = 0; i < fitting; i++) {
        answer[turn[i]] = choose(a, q, logprob + i * q->n);
        TRY(remember(a, which, keys[i], answer[turn[i]]));
    }
    if (a->cache) TRY(answer_cache_tick(a->cache));
cleanup:
    return status;
}

static wr_status model_levels(annotator *base, const annotated_turn *turns, size_t n, int8_t *level) {
    wr_status status = WR_OK;
    model_annotator *a = (model_annotator *)base;
    int answer[SLICE];
    for (size_t from = 0; from < n; from += SLICE) {
        const size_t some = n - from < SLICE ? n - from : SLICE;
        TRY(ask_slice(a, ASK_LEVEL, turns + from, some, answer));
        for (size_t i = 0; i < some; i++)
            level[from + i] = (int8_t)(answer[i] < 0 ? 0 : scales[ASK_LEVEL].first + answer[i]);
    }
cleanup:
    return status;
}

static wr_status model_refusals(annotator *base, const annotated_turn *turns, size_t n, refusal_kind *kind) {
    wr_status status = WR_OK;
    model_annotator *a = (model_annotator *)base;
    int answer[SLICE];
    for (size_t from = 0; from < n; from += SLICE) {
        const size_t some = n - from < SLICE ? n - from : SLICE;
        TRY(ask_slice(a, ASK_REFUSAL, turns + from, some, answer));
        for (size_t i = 0; i < some; i++) kind[from + i] = answer[i] < 0 ? REFUSAL_NONE : kinds[answer[i]];
    }
cleanup:
    return status;
}

static wr_status model_cosines(annotator *base, const turn_text *x, const turn_text *y, size_t n, double *cosine) {
    return text_vector_cosines(&((model_annotator *)base)->vectors, x, y, n, cosine);
}

static void put_count(json_writer *w, const char *key, size_t n) {
    json_key(w, key);
    json_int(w, (int64_t)n);
}

static void model_counts(const annotator *base, json_writer *w) {
    const model_annotator *a = (const model_annotator *)base;
    put_count(w, "turns", a->asked[ASK_LEVEL]);
    put_count(w, "refusal_checks", a->asked[ASK_REFUSAL]);
    put_count(w, "cached", a->cached);
    put_count(w, "too_long", a->too_long);
    put_count(w, "not_finite", a->not_finite);
    put_count(w, "ties", a->ties);
    put_count(w, "history_dropped", a->history_dropped);
    put_count(w, "clipped", a->clipped);
    put_count(w, "similarity_texts", a->vectors.texts);
    put_count(w, "similarity_shortened", a->vectors.shortened);
    put_count(w, "tokens", a->tokens + a->vectors.tokens);
}

/* --- life ------------------------------------------------------------------------------------------------------------
 */

static void model_annotator_free(annotator *base) {
    model_annotator *a = (model_annotator *)base;
    if (!a) return;
    for (size_t q = 0; q < MODEL_QUESTIONS; q++) {
        model_prompt_free(a->questions[q].prompt);
        token_ids_free(&a->questions[q].lead);
        for (size_t k = 0; k < MOST_ANSWERS; k++) token_ids_free(&a->questions[q].answers[k]);
    }
    for (size_t i = 0; i < SLICE + WAYS; i++) token_ids_free(&a->prompts[i]);
    answer_cache_close(a->cache);
    arena_free(a->record);
    strbuf_free(&a->text);
    prefix_batch_free(&a->packed);
    model_workspace_free(a->work);
    chat_template_free(a->own_chat);
    tokenizer_free(a->own_tokenizer);
    model_free(a->own_model);
    free(a);
}

/* Of everything the answers depend on. A model of no directory is known by its parameters. */
static wr_status take_fingerprint(model_annotator *a) {
    wr_status status = WR_OK;
    token_ids ids = {0};
    size_t clipped;
    const model *m = a->m;
    uint64_t h = hash64(m->parent_hash, strlen(m->parent_hash), 1);
    if (!m->parent_hash[0] && m->params) h = hash64(m->params, m->n_params * sizeof *m->params, h);
    if (m->lora) {
        const trainables t = model_trainables(m);
        h = hash64(t.values, t.n * sizeof *t.values, h);
    }
    h = hash64(tokenizer_hash(a->tok), strlen(tokenizer_hash(a->tok)), h);
    for (size_t q = 0; q < MODEL_QUESTIONS; q++) { /* the prompts, and whatever the chat template puts around them */
        const annotated_turn t = {0};
        const char *text = model_prompt_text(a->questions[q].prompt);
        TRY(encode_once(a, &a->questions[q], &t, 0, &ids, &clipped));
        h = hash64(text, strlen(text), h);
        h = hash64(ids.ids, ids.n * sizeof *ids.ids, h);
    }
    const uint64_t arithmetic[] = {(uint64_t)m->precision, a->calibrate},
                   settings[] = {a->max_length, a->history, a->clip, SIMILARITY_TOKENS};
    a->identity = hash64(arithmetic, sizeof arithmetic, h);
    a->base.fingerprint = hash64(settings, sizeof settings, a->identity);
cleanup:
    token_ids_free(&ids);
    return status;
}

static wr_status check_model(const model *m, const tokenizer *t) {
    if (m->config.head != HEAD_LM)
        return wr_fail(WR_E_MISMATCH, "%s: an annotator answers in words: give it a causal language model, not %s",
                       tokenizer_dir(t), m->config.architecture);
    if (tokenizer_vocab(t) > m->config.V)
        return wr_fail(WR_E_MISMATCH, "%s: tokenizer.json has %zu ids but the model's vocab_size is %zu",
                       tokenizer_dir(t), tokenizer_vocab(t), m->config.V);
    return WR_OK;
}

static wr_status load_question(model_annotator *a, const char *prompts_dir, model_question which) {
    wr_status status = WR_OK;
    question *q = &a->questions[which];
    const annotated_turn nothing = {0};
    size_t clipped;
    TRY(model_prompt_load(prompts_dir, which, &q->prompt));
    TRY(load_answers(a, q, which));
    TRY(encode_once(a, q, &nothing, 0, &a->prompts[0], &clipped));
    const size_t least = a->prompts[0].n + q->longest + 16;
    if (least > a->max_length)
        TRY(wr_fail(
            WR_E_MISMATCH,
            "the prompt of %s alone needs %zu tokens, and %zu are allowed: raise the length or shorten the prompt",
            model_prompt_file(which), least, a->max_length));
cleanup:
    return status;
}

wr_status model_annotator_create(const model *m, const tokenizer *t, const chat_template *chat,
                                 const model_annotator_options *o, annotator **out) {
    wr_status status = WR_OK;
    model_annotator *a = NULL;
    *out = NULL;
    TRY(check_model(m, t));
    TRY_ALLOC(a = mem_calloc(1, sizeof *a));
    a->base = (annotator){.name = "model",
                          .batch = LIKED_BATCH,
                          .levels = model_levels,
                          .refusals = model_refusals,
                          .cosines = model_cosines,
                          .counts = model_counts,
                          .free = model_annotator_free};
    a->m = m, a->tok = t, a->chat = chat;
    a->max_length = o->max_length ? o->max_length : MODEL_ANNOTATOR_LENGTH;
    if (m->config.max_positions && a->max_length > m->config.max_positions) a->max_length = m->config.max_positions;
    a->batch_tokens = o->batch_tokens ? o->batch_tokens : MODEL_ANNOTATOR_BATCH;
    a->history = o->history, a->clip = o->clip;
    a->calibrate = o->calibrate;
    TRY(model_workspace_create(m, &a->work));
    for (model_question q = 0; q < MODEL_QUESTIONS; q++) TRY(load_question(a, o->prompts_dir, q));
    a->vectors = (text_vectors){.m = m,
                                .tok = t,
                                .work = a->work,
                                .packed = &a->packed,
                                .max_tokens = a->batch_tokens,
                                .max_length = a->max_length < SIMILARITY_TOKENS ? a->max_length : SIMILARITY_TOKENS};
    TRY(take_fingerprint(a));
    if (o->cache_dir) {
        TRY_ALLOC(a->record = arena_create());
        TRY(answer_cache_open(o->cache_dir, o->rank, &a->cache));
    }
    *out = &a->base;
    a = NULL;
cleanup:
    model_annotator_free(a ? &a->base : NULL);
    return status;
}

wr_status model_annotator_chat(const char *dir, const tokenizer *t, chat_template **chat) {
    *chat = NULL;
    wr_status status = chat_template_load(dir, NULL, t, chat);
    if (status != WR_E_FORMAT) return status;
    log_warn("%s; the annotator's prompts go as plain text", wr_error());
    return WR_OK;
}

wr_status model_annotator_open(const char *dir, precision p, const model_annotator_options *o, annotator **out) {
    wr_status status = WR_OK;
    model *m = NULL;
    tokenizer *t = NULL;
    chat_template *chat = NULL;
    *out = NULL;
    TRY(tokenizer_load(dir, &t));
    TRY(model_load(dir, &(model_load_options){.head = HEAD_LM, .frozen = true, .precision = p}, &m));
    TRY(model_annotator_chat(dir, t, &chat));
    TRY(model_annotator_create(m, t, chat, o, out));
    model_annotator *a = (model_annotator *)*out;
    a->own_model = m, a->own_tokenizer = t, a->own_chat = chat;
    m = NULL, t = NULL, chat = NULL;
cleanup:
    chat_template_free(chat);
    tokenizer_free(t);
    model_free(m);
    return status;
}
