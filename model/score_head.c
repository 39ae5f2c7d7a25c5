/* The score head: one logit a threshold, class or model, of the hidden state that it is pooled at.
 *
 *     plain        z_k = h . w_k + bias            a row of W for each logit
 *     biases       z_k = s + a_k,  s = h . w       one row, shared: whatever it learns, logits of one text keep the
 *                                                  order of their biases (CORAL, Cao, Mirjalili, Raschka 2020)
 *     thresholds   z_k = s - theta_k,  theta_1 = a_1,  theta_k = theta_(k-1) + softplus(a_k)
 *
 * Backward, with d_k = dL/dz_k:  ds = sum_k d_k,  dh += ds w,  dw += ds h;  da_k = d_k for biases; for thresholds
 * dtheta_k = -d_k, and a_j moves all thetas from the j-th on: da_j = softplus'(a_j) sum_(k >= j) dtheta_k. */
#include "model/layer.h"

#include "base/logistic.h"
#include "model/weights/lora.h"
#include "model/weights/objective_record.h"
#include "model/weights/params.h"

static wr_status require_score_head(const model *m) {
    if (m->config.head == HEAD_SCORE) return WR_OK;
    return wr_fail(WR_E_MISMATCH,
                   "the model (%s) has no score head: a reward model is a ...ForSequenceClassification model",
                   m->config.architecture);
}

/* The score head, which adapters carry a copy of: trained whole beside them. NULL gradient: it is not trained. */
static const float *score_head(const model *m, float *grads, float **gradient) {
    const bool own = m->lora && m->lora->score != SIZE_MAX;
    if (gradient) *gradient = own ? grads + m->lora->score : trains_parameters(m) ? grads + offset_head(m) : NULL;
    return own ? m->lora->values + m->lora->score : m->weights[index_head(m)];
}

/* What is added to s in each of the n logits. */
static void offsets_of(const head_own *own, float bias, float *add) {
    double theta[HEAD_OWN_MAX];
    if (own->kind == HEAD_OWN_THRESHOLDS) head_own_thresholds(own, theta);
    for (unsigned k = 0; k < own->n; k++)
        add[k] = own->kind == HEAD_OWN_THRESHOLDS ? (float)-theta[k] : own->values[k] + bias;
}

wr_status score_logits(const model *m, const float *hidden, size_t n, const size_t *rows, float *logits) {
    wr_status status = WR_OK;
    const size_t C = m->config.C, R = m->config.n_outputs, N = config_logits(&m->config);
    float add[HEAD_OWN_MAX] = {0};
    TRY(require_score_head(m));
    const float *head = score_head(m, NULL, NULL);
    const head_own own = model_own(m);
    offsets_of(&own, m->config.score_bias, add);
#pragma omp parallel for schedule(static) if (n * R * C > 100000)
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < R; k++) {
            const float *h = hidden + rows[i] * C, *wk = head + k * C;
            float s = 0.0f;
#pragma omp simd reduction(+ : s)
            for (size_t j = 0; j < C; j++) s += h[j] * wk[j];
            if (own.kind)
                for (size_t l = 0; l < N; l++) logits[i * N + l] = s + add[l];
            else
                logits[i * N + k] = s + m->config.score_bias;
        }
cleanup:
    return status;
}

/* Gradient of a, of the logits' dz (n, own->n). */
static void own_backward(const head_own *own, size_t n, const float *dz, float *grad) {
    double below = 0; /* of thresholds: sum of dtheta from here to the last */
    for (size_t k = own->n; k-- > 0;) {
        double d = 0;
        for (size_t i = 0; i < n; i++) d += (double)dz[i * own->n + k];
        below -= d;
        if (own->kind == HEAD_OWN_THRESHOLDS) d = below * (k ? sigmoid((double)own->values[k]) : 1);
        grad[k] += (float)d;
    }
}

static float sum_of(size_t n, const float *x) {
    float s = 0;
    for (size_t k = 0; k < n; k++) s += x[k];
    return s;
}

wr_status score_backward(const model *m, const float *hidden, size_t n, const size_t *rows, const float *dlogits,
                         float *dhidden, float *grads) {
    wr_status status = WR_OK;
    const size_t C = m->config.C, R = m->config.n_outputs, N = config_logits(&m->config);
    float *dhead = NULL;
    TRY(require_score_head(m));
    const float *head = score_head(m, grads, &dhead);
    const head_own own = model_own(m);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < R; k++) {
            const float d = own.kind ? sum_of(N, dlogits + i * N) : dlogits[i * N + k];
            const float *h = hidden + rows[i] * C, *wk = head + k * C;
            float *dh = dhidden + rows[i] * C;
#pragma omp simd
            for (size_t j = 0; j < C; j++) dh[j] += d * wk[j];
            if (!dhead) continue;
            float *dw = dhead + k * C;
#pragma omp simd
            for (size_t j = 0; j < C; j++) dw[j] += d * h[j];
        }
    if (dhead && own.kind) own_backward(&own, n, dlogits, dhead + R * C); /* it lies behind the head */
cleanup:
    return status;
}
