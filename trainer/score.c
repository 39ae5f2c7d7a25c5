#include "trainer/score.h"

#include "base/mem.h"
#include "trainer/loss.h"

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
    if (!out->m) TRY(model_load(dir, &(model_load_options){.head = HEAD_NONE}, &out->m));
    const model_config *c = &out->m->config;
    if (c->head != HEAD_SCORE)
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: %s is not a reward model (…ForSequenceClassification); train one with 'train reward'", dir,
                    c->architecture));
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
    int32_t *ids;
    size_t ids_capacity;
    size_t *offsets, *rows; /* (B+1), (B) */
    size_t offsets_capacity, rows_capacity;
    float *logits;
    size_t logits_capacity;
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
    free(s->ids);
    free(s->offsets);
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

/* Scores texts[0 … n-1], which fit together. */
static wr_status score_pack(const reward_model *r, score_scratch *s, size_t n, const token_ids *texts, double *scores,
                            float *logits) {
    wr_status status = WR_OK;
    size_t tokens = 0, K1 = r->m->config.n_labels;
    for (size_t i = 0; i < n; i++) tokens += texts[i].n;
    TRY(mem_reserve((void **)&s->ids, &s->ids_capacity, tokens, sizeof *s->ids));
    TRY(mem_reserve((void **)&s->offsets, &s->offsets_capacity, n + 1, sizeof *s->offsets));
    TRY(mem_reserve((void **)&s->rows, &s->rows_capacity, n, sizeof *s->rows));
    TRY(mem_reserve((void **)&s->logits, &s->logits_capacity, n * K1, sizeof *s->logits));
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        s->offsets[i] = at;
        memcpy(s->ids + at, texts[i].ids, texts[i].n * sizeof *s->ids);
        s->rows[i] = at + score_pool_row(texts[i].ids, texts[i].n, r->m->config.pad_id);
        at += texts[i].n;
    }
    s->offsets[n] = at;
    const float *hidden;
    token_batch batch = {n, s->offsets, s->ids};
    TRY(model_forward(r->m, &batch, s->work, false, &hidden));
    TRY(score_logits(r->m, hidden, n, s->rows, s->logits));
    for (size_t i = 0; i < n; i++) scores[i] = ordinal_score(K1, s->logits + i * K1);
    if (logits) memcpy(logits, s->logits, n * K1 * sizeof *logits);
cleanup:
    return status;
}

wr_status score_ids(const reward_model *r, score_scratch *s, size_t n, const token_ids *texts, size_t max_tokens,
                    double *scores, float *logits) {
    wr_status status = WR_OK;
    size_t K1 = r->m->config.n_labels;
    for (size_t from = 0; from < n;) {
        size_t to = from, tokens = 0;
        for (; to < n && (to == from || tokens + texts[to].n <= max_tokens); to++) {
            if (!texts[to].n) TRY(wr_fail(WR_E_FORMAT, "text %zu to score has no tokens", to));
            tokens += texts[to].n;
        }
        TRY(score_pack(r, s, to - from, texts + from, scores + from, logits ? logits + from * K1 : NULL));
        from = to;
    }
cleanup:
    return status;
}
