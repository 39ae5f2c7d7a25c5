#include "reward/score.h"

#include "base/mem.h"
#include "model/prefix.h"
#include "model/prefix_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct score_scratch {
    model_workspace *work;
    prefix_tree packed;
    size_t room;            /* texts the arrays below have room for */
    const int32_t **ids;    /* (n) */
    size_t *lengths, *rows; /* (n) */
    float *logits;          /* (n, N) */
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
    prefix_tree_free(&s->packed);
    free(s->ids);
    free(s->lengths);
    free(s->rows);
    free(s->logits);
    free(s);
}

size_t score_pool_row(const int32_t *ids, size_t n, int32_t pad_id) {
    size_t last = n - 1;
    if (pad_id < 0) return last;
    while (last > 0 && ids[last] == pad_id) last--;
    return last;
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
    TRY(grow(&s->rows, n, sizeof *s->rows));
    TRY(grow(&s->logits, n, N * sizeof *s->logits));
    s->room = n;
cleanup:
    return status;
}

/* Scores the texts from `from` on that fit together; *end: behind them. */
static wr_status score_pack(const reward_model *r, score_scratch *s, size_t from, size_t n, size_t max_tokens,
                            size_t *end) {
    wr_status status = WR_OK;
    const float *hidden;
    TRY(prefix_tree_build(n - from, s->ids + from, s->lengths + from, prefix_rule_of(r->m), max_tokens, &s->packed));
    const size_t count = s->packed.n;
    for (size_t i = 0; i < count; i++)
        s->rows[from + i] =
            prefix_tree_row(&s->packed, i, score_pool_row(s->ids[from + i], s->lengths[from + i], r->m->config.pad_id));
    TRY(model_forward(r->m, &s->packed.batch, s->work, false, &hidden));
    TRY(score_logits(r->m, hidden, count, s->rows + from, s->logits + from * config_logits(&r->m->config)));
    *end = from + count;
cleanup:
    return status;
}

wr_status score_ids(const reward_model *r, score_scratch *s, size_t n, const token_ids *texts, size_t max_tokens,
                    double *scores, float *logits) {
    wr_status status = WR_OK;
    const size_t N = config_logits(&r->m->config);
    TRY(reserve(s, n, N));
    for (size_t i = 0; i < n; i++) {
        if (!texts[i].n) TRY(wr_fail(WR_E_FORMAT, "text %zu to score has no tokens", i));
        s->ids[i] = texts[i].ids;
        s->lengths[i] = texts[i].n;
    }
    for (size_t at = 0; at < n;) TRY(score_pack(r, s, at, n, max_tokens, &at));
    for (size_t i = 0; i < n; i++) {
        scores[i] = r->rule->score(N, s->logits + i * N);
        for (size_t k = 0; k < N; k++) /* an infinite one alone would pass for a score */
            if (!isfinite(s->logits[i * N + k])) scores[i] = NAN;
    }
    if (logits && n) memcpy(logits, s->logits, n * N * sizeof *logits);
cleanup:
    return status;
}
