#include "data/label/annotate/answers.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What goes through the model: sequence i is ids[i], and neighbours of one group share what they begin with. */
typedef struct sequences {
    size_t n;
    const int32_t **ids;
    size_t *lengths, *group;
} sequences;

static void sequences_free(sequences *s) {
    free(s->ids);
    free(s->lengths);
    free(s->group);
    *s = (sequences){0};
}

static wr_status sequences_create(size_t n, sequences *s) {
    wr_status status = WR_OK;
    *s = (sequences){.n = n};
    TRY_ALLOC(s->ids = mem_calloc(n, sizeof *s->ids));
    TRY_ALLOC(s->lengths = mem_calloc(n, sizeof *s->lengths));
    TRY_ALLOC(s->group = mem_calloc(n, sizeof *s->group));
cleanup:
    if (status < 0) sequences_free(s);
    return status;
}

/* The next forward pass: sequences from … *end-1, of which p says where they lie in *hidden. */
static wr_status forward(const model *m, model_workspace *w, const sequences *s, size_t from, size_t max_tokens,
                         prefix_batch *p, size_t *end, const float **hidden, size_t *tokens) {
    wr_status status = WR_OK;
    *end = prefix_batch_end(s->n, s->ids, s->lengths, s->group, prefix_rule_of(m), from, max_tokens);
    TRY(prefix_batch_build(*end - from, s->ids + from, s->lengths + from, s->group + from, prefix_rule_of(m), p));
    if (tokens) *tokens += p->batch.offsets[p->batch.B];
    TRY(model_forward(m, &p->batch, w, false, hidden));
cleanup:
    return status;
}

/* What sequences the answers need: one a prompt when the prompt's last state says it all, otherwise one a prompt and
 * answer, less the answer's last token. */
typedef struct plan {
    bool single;
    size_t longest; /* answer */
    int32_t *store; /* of the joined sequences; NULL when single */
} plan;

static wr_status join_answers(size_t n, const token_ids *prompts, size_t n_answers, const token_ids *answers, plan *p,
                              sequences *s) {
    wr_status status = WR_OK;
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_answers; k++) total += prompts[i].n + answers[k].n - 1;
    TRY_ALLOC(p->store = mem_realloc(NULL, total + 1, sizeof *p->store));
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n_answers; k++) {
            const size_t q = i * n_answers + k;
            s->ids[q] = p->store + at;
            s->lengths[q] = prompts[i].n + answers[k].n - 1;
            s->group[q] = i;
            memcpy(p->store + at, prompts[i].ids, prompts[i].n * sizeof *p->store);
            if (answers[k].n > 1)
                memcpy(p->store + at + prompts[i].n, answers[k].ids, (answers[k].n - 1) * sizeof *p->store);
            at += s->lengths[q];
        }
    }
cleanup:
    return status;
}

/* Sums for sequences from … end-1 of one forward pass. */
static wr_status sum_answers(const model *m, model_workspace *w, const prefix_batch *p, const float *hidden,
                             const plan *how, const token_ids *prompts, size_t n_answers, const token_ids *answers,
                             size_t from, size_t end, double *logprob) {
    wr_status status = WR_OK;
    const size_t each = how->single ? n_answers : how->longest, room = (end - from) * each;
    size_t n = 0, at = 0, *rows = mem_calloc(room, sizeof *rows);
    int32_t *targets = mem_calloc(room, sizeof *targets);
    float *token = mem_calloc(room, sizeof *token);
    TRY_ALLOC(rows && targets && token);
    for (size_t q = from; q < end; q++) {
        const size_t i = how->single ? q : q / n_answers, first = how->single ? 0 : q % n_answers,
                     last = how->single ? n_answers : first + 1;
        for (size_t k = first; k < last; k++) {
            for (size_t t = 0; t < answers[k].n; t++) {
                rows[n] =
                    prefix_batch_row(p, q - from, prompts[i].n - 1 + t); /* the state before a token predicts it */
                targets[n++] = answers[k].ids[t];
            }
        }
    }
    TRY(lm_logprobs(m, w, hidden, n, rows, targets, token));
    for (size_t q = from; q < end; q++) {
        const size_t first = how->single ? q * n_answers : q, last = how->single ? first + n_answers : q + 1;
        for (size_t k = first; k < last; k++) {
            logprob[k] = 0;
            for (size_t t = 0; t < answers[k % n_answers].n; t++) logprob[k] += (double)token[at++];
        }
    }
cleanup:
    free(rows);
    free(targets);
    free(token);
    return status;
}

static wr_status check_tokens(size_t n, const token_ids *texts, const char *what) {
    for (size_t i = 0; i < n; i++)
        if (texts[i].n == 0) return wr_fail(WR_E_FORMAT, "%s %zu has no tokens", what, i);
    return WR_OK;
}

wr_status answer_logprobs(const model *m, model_workspace *w, prefix_batch *packed, size_t n, const token_ids *prompts,
                          size_t n_answers, const token_ids *answers, size_t max_tokens, double *logprob,
                          size_t *tokens) {
    wr_status status = WR_OK;
    sequences s = {0};
    plan p = {.single = true, .longest = 1};
    const float *hidden;
    if (n == 0 || n_answers == 0) return WR_OK;
    TRY(check_tokens(n, prompts, "prompt"));
    TRY(check_tokens(n_answers, answers, "answer"));
    for (size_t k = 0; k < n_answers; k++)
        if (answers[k].n > p.longest) p.longest = answers[k].n;
    p.single = p.longest == 1;
    TRY(sequences_create(p.single ? n : n * n_answers, &s));
    if (p.single) {
        for (size_t i = 0; i < n; i++) s.ids[i] = prompts[i].ids, s.lengths[i] = prompts[i].n;
        TRY(prefix_groups(n, s.ids, s.lengths, prefix_rule_of(m), s.group));
    } else {
        TRY(join_answers(n, prompts, n_answers, answers, &p, &s));
    }
    for (size_t from = 0, end; from < s.n; from = end) {
        TRY(forward(m, w, &s, from, max_tokens, packed, &end, &hidden, tokens));
        TRY(sum_answers(m, w, packed, hidden, &p, prompts, n_answers, answers, from, end, logprob));
    }
cleanup:
    free(p.store);
    sequences_free(&s);
    return status;
}

wr_status mean_pooled_states(const model *m, model_workspace *w, prefix_batch *packed, size_t n, const token_ids *texts,
                             size_t max_tokens, float *pooled, size_t *tokens) {
    wr_status status = WR_OK;
    sequences s = {0};
    const size_t C = m->config.C;
    const float *hidden;
    double *sum = NULL;
    if (n == 0) return WR_OK;
    TRY(check_tokens(n, texts, "text"));
    TRY(sequences_create(n, &s));
    TRY_ALLOC(sum = mem_calloc(C, sizeof *sum));
    for (size_t i = 0; i < n; i++) s.ids[i] = texts[i].ids, s.lengths[i] = texts[i].n;
    TRY(prefix_groups(n, s.ids, s.lengths, prefix_rule_of(m), s.group));
    for (size_t from = 0, end; from < n; from = end) {
        TRY(forward(m, w, &s, from, max_tokens, packed, &end, &hidden, tokens));
        for (size_t i = from; i < end; i++) {
            memset(sum, 0, C * sizeof *sum);
            for (size_t t = 0; t < texts[i].n; t++) {
                const float *h = hidden + prefix_batch_row(packed, i - from, t) * C;
                for (size_t c = 0; c < C; c++) sum[c] += (double)h[c];
            }
            for (size_t c = 0; c < C; c++) pooled[i * C + c] = (float)(sum[c] / (double)texts[i].n);
        }
    }
cleanup:
    free(sum);
    sequences_free(&s);
    return status;
}
