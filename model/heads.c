/* Heads: log-probabilities of given tokens, raw logits, reward scores. The (rows, V) logits exist a chunk of rows at a
 * time. */
#include "model/layer.h"

#include "base/mem.h"
#include "model/matmul.h"
#include "model/params.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_FLOATS ((size_t)4 << 20) /* 16 MiB of logits */

static size_t chunk_rows(const model_config *c, size_t n) {
    size_t rows = CHUNK_FLOATS / c->V;
    if (rows < 16) rows = 16;
    return rows < n ? rows : n;
}

static wr_status reserve_chunk(const model *m, workspace *w, size_t n, size_t *rows) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    *rows = chunk_rows(c, n);
    TRY(require_lm_head(m));
    TRY(float_buffer_need(&w->logits, *rows * c->V));
    TRY(float_buffer_need(&w->gathered, *rows * c->C));
    TRY(float_buffer_need(&w->dgathered, *rows * c->C));
cleanup:
    return status;
}

static wr_status check_targets(const model *m, size_t n, const int32_t *targets) {
    for (size_t i = 0; i < n; i++)
        if (targets[i] < 0 || (size_t)targets[i] >= m->config.V)
            return wr_fail(WR_E_MISMATCH,
                           "target token id %d is outside the model's vocabulary of %zu: tokenizer and model do not "
                           "belong together",
                           (int)targets[i], m->config.V);
    return WR_OK;
}

static void gather_rows(size_t n, size_t C, const float *hidden, const size_t *rows, float *out) {
    for (size_t i = 0; i < n; i++) memcpy(out + i * C, hidden + rows[i] * C, C * sizeof *out);
}

/* dhidden[rows[i]] += d[i], i in order (a row may be listed twice). */
static void scatter_rows(size_t n, size_t C, const float *d, const size_t *rows, float *dhidden) {
    for (size_t i = 0; i < n; i++) {
        float *out = dhidden + rows[i] * C;
#pragma omp simd
        for (size_t k = 0; k < C; k++) out[k] += d[i * C + k];
    }
}

wr_status lm_logprobs(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                      const int32_t *targets, float *logprob) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const float *head = m->params + offset_head(m);
    size_t chunk = 0;
    if (n == 0) return WR_OK;
    TRY(check_targets(m, n, targets));
    TRY(reserve_chunk(m, w, n, &chunk));
    for (size_t i = 0; i < n; i += chunk) {
        const size_t k = n - i < chunk ? n - i : chunk;
        gather_rows(k, c->C, hidden, rows + i, w->gathered.data);
        matmul_xwt(k, c->V, c->C, w->gathered.data, head, w->logits.data);
        kernels()->logprob(k, c->V, w->logits.data, targets + i, logprob + i);
    }
cleanup:
    return status;
}

wr_status lm_logprobs_backward(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                               const int32_t *targets, const float *dlogprob, float *dhidden, float *grads) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const float *head = m->params + offset_head(m);
    float *dhead = grads + offset_head(m);
    size_t chunk = 0;
    if (n == 0) return WR_OK;
    TRY(check_targets(m, n, targets));
    TRY(reserve_chunk(m, w, n, &chunk));
    for (size_t i = 0; i < n; i += chunk) {
        const size_t k = n - i < chunk ? n - i : chunk;
        float *logits = w->logits.data;
        gather_rows(k, c->C, hidden, rows + i, w->gathered.data);
        matmul_xwt(k, c->V, c->C, w->gathered.data, head, logits);
        kernels()->logprob_backward(k, c->V, logits, targets + i, dlogprob + i);
        matmul_dx(k, c->V, c->C, logits, head, w->dgathered.data);
        matmul_dw_add(k, c->V, c->C, logits, w->gathered.data, dhead);
        scatter_rows(k, c->C, w->dgathered.data, rows + i, dhidden);
    }
cleanup:
    return status;
}

wr_status lm_logits(const model *m, size_t n, const float *hidden_rows, float *logits) {
    wr_status status = WR_OK;
    TRY(require_lm_head(m));
    matmul_xwt(n, m->config.V, m->config.C, hidden_rows, m->params + offset_head(m), logits);
cleanup:
    return status;
}

static wr_status require_score_head(const model *m) {
    if (m->config.head == HEAD_SCORE) return WR_OK;
    return wr_fail(WR_E_MISMATCH, "the model (%s) has no score head: scores need a ...ForSequenceClassification model",
                   m->config.architecture);
}

/* The score head has a handful of rows (K-1): plain loops, one chain per output. */
wr_status score_logits(const model *m, const float *hidden, size_t n, const size_t *rows, float *logits) {
    wr_status status = WR_OK;
    const size_t C = m->config.C, K = m->config.n_labels;
    const float *head = m->params + offset_head(m);
    TRY(require_score_head(m));
#pragma omp parallel for schedule(static) if (n * K * C > 100000)
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++) {
            const float *h = hidden + rows[i] * C, *wk = head + k * C;
            float s = 0.0f;
#pragma omp simd reduction(+ : s)
            for (size_t j = 0; j < C; j++) s += h[j] * wk[j];
            logits[i * K + k] = s;
        }
cleanup:
    return status;
}

/* logits = h W^T:  dh += dlogits W,  dW += dlogits^T h */
wr_status score_backward(const model *m, const float *hidden, size_t n, const size_t *rows, const float *dlogits,
                         float *dhidden, float *grads) {
    wr_status status = WR_OK;
    const size_t C = m->config.C, K = m->config.n_labels;
    const float *head = m->params + offset_head(m);
    float *dhead = grads + offset_head(m);
    TRY(require_score_head(m));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++) {
            const float d = dlogits[i * K + k], *h = hidden + rows[i] * C, *wk = head + k * C;
            float *dh = dhidden + rows[i] * C, *dw = dhead + k * C;
#pragma omp simd
            for (size_t j = 0; j < C; j++) {
                dh[j] += d * wk[j];
                dw[j] += d * h[j];
            }
        }
cleanup:
    return status;
}
