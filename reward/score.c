#include "reward/score.h"

#include "base/mem.h"
#include "model/prefix.h"
#include "reward/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static wr_status open_template(const char *dir, const char *template_file, reward_model *r) {
    wr_status status = WR_OK;
    reward_template *recorded = NULL;
    if (r->m->template_text)
        TRY(wr_context(reward_template_from_text(r->m->template_text, &recorded), "%s/template.txt", dir));
    if (template_file) {
        TRY(reward_template_load(template_file, &r->tpl));
        if (recorded && strcmp(reward_template_hash(recorded), reward_template_hash(r->tpl)) != 0)
            TRY(wr_fail(WR_E_MISMATCH,
                        "%s: template hash %s differs from %s, which the reward model %s was trained with; leave "
                        "--template out",
                        template_file, reward_template_hash(r->tpl), reward_template_hash(recorded), dir));
    } else {
        r->tpl = recorded;
        recorded = NULL;
    }
cleanup:
    reward_template_free(recorded);
    return status;
}

wr_status reward_model_open(const char *dir, const char *template_file, size_t max_length, reward_model *out) {
    wr_status status = WR_OK;
    if (!out->m) TRY(model_load(dir, &(model_load_options){.head = HEAD_SCORE}, &out->m));
    const model_config *c = &out->m->config;
    if (c->head != HEAD_SCORE)
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: %s is not a reward model (…ForSequenceClassification); train one with 'train reward'", dir,
                    c->architecture));
    TRY(objective_of_model(c, dir, &out->objective));
    TRY(tokenizer_load(dir, &out->tok));
    if (tokenizer_vocab(out->tok) > c->V)
        TRY(wr_fail(WR_E_MISMATCH, "%s: tokenizer.json has %zu ids but the model's vocab_size is %zu", dir,
                    tokenizer_vocab(out->tok), c->V));
    TRY(open_template(dir, template_file, out));
    out->max_length = max_length ? max_length : c->max_positions ? c->max_positions : 4096;
cleanup:
    if (status < 0) reward_model_close(out);
    return status;
}

void reward_model_close(reward_model *r) {
    model_free(r->m);
    tokenizer_free(r->tok);
    reward_template_free(r->tpl);
    *r = (reward_model){0};
}

struct score_scratch {
    model_workspace *work;
    prefix_batch packed;
    size_t room;                    /* texts the arrays below have room for */
    const int32_t **ids;            /* (n) */
    size_t *lengths, *group, *rows; /* (n) */
    float *logits;                  /* (n, N) */
};

wr_status score_scratch_create(const reward_model *r, score_scratch **out) {
    *out = mem_calloc(1, sizeof **out);
    if (!*out) return wr_fail(WR_E_NOMEM, "out of memory for scoring");
    wr_status status = model_workspace_create(r->m, &(*out)->work);
    if (status < 0) {
        score_scratch_free(*out);
        *out = NULL;
    }
    return status;
}

void score_scratch_free(score_scratch *s) {
    if (!s) return;
    model_workspace_free(s->work);
    prefix_batch_free(&s->packed);
    free(s->ids);
    free(s->lengths);
    free(s->group);
    free(s->rows);
    free(s->logits);
    free(s);
}

size_t score_pool_row(const int32_t *ids, size_t n, int32_t pad_id) {
    size_t last = n - 1;
    if (pad_id < 0) return last;
    while (last > 0 && ids[last] == pad_id) last--;
    return ids[last] == pad_id ? n - 1 : last;
}

static wr_status grow(void *array, size_t count, size_t size) {
    void **p = array, *grown = mem_realloc(*p, count, size);
    if (!grown) return WR_E_NOMEM;
    *p = grown;
    return WR_OK;
}

static wr_status reserve(score_scratch *s, size_t n, size_t N) {
    wr_status status = WR_OK;
    if (n <= s->room) return WR_OK;
    TRY(grow(&s->ids, n, sizeof *s->ids));
    TRY(grow(&s->lengths, n, sizeof *s->lengths));
    TRY(grow(&s->group, n, sizeof *s->group));
    TRY(grow(&s->rows, n, sizeof *s->rows));
    TRY(grow(&s->logits, n, N * sizeof *s->logits));
    s->room = n;
cleanup:
    return status;
}

/* Scores texts from … end-1, which fit together. */
static wr_status score_pack(const reward_model *r, score_scratch *s, size_t from, size_t end) {
    wr_status status = WR_OK;
    const size_t n = end - from;
    const float *hidden;
    TRY(prefix_batch_build(n, s->ids + from, s->lengths + from, s->group + from, PREFIX_MIN_SHARED, &s->packed));
    for (size_t i = 0; i < n; i++)
        s->rows[from + i] = prefix_batch_row(
            &s->packed, i, score_pool_row(s->ids[from + i], s->lengths[from + i], r->m->config.pad_id));
    TRY(model_forward(r->m, &s->packed.batch, s->work, false, &hidden));
    TRY(score_logits(r->m, hidden, n, s->rows + from, s->logits + from * r->objective.outputs));
cleanup:
    return status;
}

wr_status score_ids(const reward_model *r, score_scratch *s, size_t n, const token_ids *texts, size_t max_tokens,
                    double *scores, float *logits) {
    wr_status status = WR_OK;
    const size_t N = r->objective.outputs;
    TRY(reserve(s, n, N));
    for (size_t i = 0; i < n; i++) {
        if (!texts[i].n) TRY(wr_fail(WR_E_FORMAT, "text %zu to score has no tokens", i));
        s->ids[i] = texts[i].ids;
        s->lengths[i] = texts[i].n;
    }
    TRY(prefix_groups(n, s->ids, s->lengths, PREFIX_MIN_SHARED, s->group));
    for (size_t from = 0, end; from < n; from = end) {
        end = prefix_batch_end(n, s->ids, s->lengths, s->group, PREFIX_MIN_SHARED, from, max_tokens);
        TRY(score_pack(r, s, from, end));
    }
    for (size_t i = 0; i < n; i++) {
        scores[i] = r->objective.kind->score(&r->objective, s->logits + i * N);
        for (size_t k = 0; k < N; k++) /* an infinite one alone would pass for a score */
            if (!isfinite(s->logits[i * N + k])) scores[i] = NAN;
    }
    if (logits && n) memcpy(logits, s->logits, n * N * sizeof *logits);
cleanup:
    return status;
}
