#include "data/label/annotate/model_question.h"

#include "base/hash.h"
#include "data/label/annotate/answers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const model_scale model_scales[MODEL_QUESTIONS] = {{1, 5}, {0, 3}};

wr_status model_question_encode(model_annotator *a, const question *q, const annotated_turn *t, size_t skip,
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
        TRY(model_question_encode(a, q, t, skip, out, &clipped));
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
wr_status model_question_answers(model_annotator *a, question *q, model_question which) {
    wr_status status = WR_OK;
    q->n = (size_t)model_scales[which].n;
    for (size_t k = 0; k < q->n; k++) {
        const char text[2] = {' ', (char)('0' + model_scales[which].first + (int)k)};
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
                            tokenizer_dir(a->tok), model_scales[which].first + (int)j,
                            model_scales[which].first + (int)k));
        }
    }
cleanup:
    return status;
}

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
        TRY(model_question_encode(a, q, &t, 0, &prompts[i], &clipped));
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
                           which == ASK_LEVEL ? "level" : "refusal", answer, model_scales[which].first + answer);
    return answer_cache_add(a->cache, key, members, (size_t)n);
}

wr_status model_question_ask(model_annotator *a, model_question which, const annotated_turn *turns, size_t n,
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
