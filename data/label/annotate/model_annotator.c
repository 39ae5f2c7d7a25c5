#include "data/label/annotate/model_annotator.h"

#include "base/hash.h"
#include "base/log.h"
#include "data/label/annotate/model_question.h"

#include <stdlib.h>
#include <string.h>

static const refusal_kind kinds[] = {REFUSAL_FALSE, REFUSAL_JUSTIFIED, REFUSAL_NONE};

static wr_status model_levels(annotator *base, const annotated_turn *turns, size_t n, int8_t *level) {
    wr_status status = WR_OK;
    model_annotator *a = (model_annotator *)base;
    int answer[SLICE];
    for (size_t from = 0; from < n; from += SLICE) {
        const size_t some = n - from < SLICE ? n - from : SLICE;
        TRY(model_question_ask(a, ASK_LEVEL, turns + from, some, answer));
        for (size_t i = 0; i < some; i++)
            level[from + i] = (int8_t)(answer[i] < 0 ? 0 : model_scales[ASK_LEVEL].first + answer[i]);
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
        TRY(model_question_ask(a, ASK_REFUSAL, turns + from, some, answer));
        for (size_t i = 0; i < some; i++) kind[from + i] = answer[i] < 0 ? REFUSAL_NONE : kinds[answer[i]];
    }
cleanup:
    return status;
}

static wr_status model_cosines(annotator *base, const turn_text *x, const turn_text *y, size_t n, double *cosine) {
    return text_vector_cosines(&((model_annotator *)base)->vectors, x, y, n, cosine);
}

static void model_counts(const annotator *base, json_writer *w) {
    const model_annotator *a = (const model_annotator *)base;
    json_member_count(w, "turns", a->asked[ASK_LEVEL]);
    json_member_count(w, "refusal_checks", a->asked[ASK_REFUSAL]);
    json_member_count(w, "cached", a->cached);
    json_member_count(w, "too_long", a->too_long);
    json_member_count(w, "not_finite", a->not_finite);
    json_member_count(w, "ties", a->ties);
    json_member_count(w, "history_dropped", a->history_dropped);
    json_member_count(w, "clipped", a->clipped);
    json_member_count(w, "similarity_texts", a->vectors.texts);
    json_member_count(w, "similarity_shortened", a->vectors.shortened);
    json_member_count(w, "tokens", a->tokens + a->vectors.tokens);
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
        TRY(model_question_encode(a, &a->questions[q], &t, 0, &ids, &clipped));
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
    TRY(model_question_answers(a, q, which));
    TRY(model_question_encode(a, q, &nothing, 0, &a->prompts[0], &clipped));
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
