/* The vocabulary's head: log-probabilities of given tokens. Logits exist for a block of rows and a block of the
 * vocabulary at a time.
 *
 *     log p(t) = z_t - log sum_v e^z_v,  z = h W^T,  in one pass over blocks of v: with m the maximum so far and
 *     s = sum e^(z - m), a block with maximum m' > m makes it s e^(m - m') + its own sum (Milakov & Gimelshein 2018)
 *     dlogp/dz_v = [v = t] - e^(z_v - lse),  dh += dz W,  dW += dz^T h,  z computed again block by block
 *
 *            V: block ──────>                          memory: rows x columns of one block (32 MiB), and for each
 *     rows | z z z | . . . |                           row maximum, sum and the target's z, then its lse, which the
 *          | z z z | . . . |                           backward pass begins with */
#include "model/layer.h"

#include "base/mem.h"
#include "model/weights/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_FLOATS ((size_t)8 << 20) /* logits at a time: 32 MiB */
#define BLOCK_ROWS ((size_t)4096)

/* Columns of the vocabulary that `rows` rows are multiplied with at a time. Any choice gives the same numbers in f32
 * (softmax_part). */
static size_t block_columns(size_t rows, size_t V) {
    size_t columns = BLOCK_FLOATS / rows / SOFTMAX_COLUMNS * SOFTMAX_COLUMNS;
    if (columns < SOFTMAX_COLUMNS) columns = SOFTMAX_COLUMNS;
    return columns < V ? columns : V;
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

/* Rows of hidden, in the model's precision. */
static void gather_rows(const model *m, size_t n, const float *hidden, const size_t *rows, void *out) {
    const size_t C = m->config.C;
#pragma omp parallel for schedule(static) if (n * C > 65536)
    for (size_t i = 0; i < n; i++) {
        if (m->precision == PRECISION_F32)
            memcpy((float *)out + i * C, hidden + rows[i] * C, C * sizeof(float));
        else
            kernels()->to_bf16(C, hidden + rows[i] * C, (bf16 *)out + i * C);
    }
}

/* dhidden[rows[i]] += d[i], i in order (a row may be listed twice). */
static void scatter_rows(size_t n, size_t C, const float *d, const size_t *rows, float *dhidden) {
    for (size_t i = 0; i < n; i++) {
        float *out = dhidden + rows[i] * C;
#pragma omp simd
        for (size_t k = 0; k < C; k++) out[k] += d[i * C + k];
    }
}

/* logits (n, V) = columns first … of the head's product with the gathered rows, capped where the model says so. */
static wr_status capped_logits(const model *m, workspace *w, size_t n, size_t first, size_t V) {
    wr_status status = WR_OK;
    TRY(linear_head(m, &w->linear, n, first, V, w->gathered.data, w->logits.data));
    if (m->config.final_cap > 0) kernels()->softcap(n * V, (float)m->config.final_cap, w->logits.data);
cleanup:
    return status;
}

/* One row block: row_state holds maximum, sum and picked logit of all n rows, one array after another. */
static wr_status logprob_rows(const model *m, workspace *w, size_t n, const int32_t *targets, float *max, float *sum,
                              float *picked) {
    wr_status status = WR_OK;
    const size_t V = m->config.V, block = block_columns(n, V);
    TRY(buffer_need(&w->logits, n * block * sizeof(float)));
    for (size_t i = 0; i < n; i++) max[i] = -INFINITY, sum[i] = 0.0f, picked[i] = 0.0f;
    for (size_t first = 0; first < V; first += block) {
        const size_t columns = V - first < block ? V - first : block;
        TRY(capped_logits(m, w, n, first, columns));
        kernels()->softmax_part(n, columns, first, w->logits.data, targets, max, sum, picked);
    }
cleanup:
    return status;
}

head_sizes head_sizes_of(const model *m, size_t n) {
    const size_t C = m->config.C, act = precision_bytes(m->precision), block = n < BLOCK_ROWS ? n : BLOCK_ROWS,
                 logits = n ? block * block_columns(block, m->config.V) : 0;
    return (head_sizes){.row_state = n ? (n + 3 * block) * sizeof(float) : 0,
                        .gathered = block * C * act,
                        .logits = logits * sizeof(float),
                        .dlogits = logits * act,
                        .dgathered = block * C * sizeof(float)};
}

wr_status lm_logprobs(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                      const int32_t *targets, float *logprob) {
    wr_status status = WR_OK;
    const size_t block = n < BLOCK_ROWS ? n : BLOCK_ROWS;
    w->head_rows = 0;
    if (n == 0) return WR_OK;
    TRY(require_lm_head(m));
    TRY(check_targets(m, n, targets));
    const head_sizes sizes = head_sizes_of(m, n);
    TRY(buffer_need(&w->row_state, sizes.row_state));
    TRY(buffer_need(&w->gathered, sizes.gathered));
    float *lse = w->row_state.data, *max = lse + n, *sum = max + block, *picked = sum + block;
    for (size_t i = 0; i < n; i += block) {
        const size_t k = n - i < block ? n - i : block;
        gather_rows(m, k, hidden, rows + i, w->gathered.data);
        TRY(logprob_rows(m, w, k, targets + i, max, sum, picked));
        for (size_t r = 0; r < k; r++) {
            const float log_sum = logf(sum[r]);
            lse[i + r] = max[r] + log_sum;
            logprob[i + r] = (picked[r] - max[r]) - log_sum;
        }
    }
    w->head_rows = n;
cleanup:
    return status;
}

wr_status lm_logprobs_backward(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                               const int32_t *targets, const float *dlogprob, float *dhidden, float *grads) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const size_t V = c->V, C = c->C, act = precision_bytes(m->precision), block = n < BLOCK_ROWS ? n : BLOCK_ROWS;
    if (n == 0) return WR_OK;
    if (w->head_rows != n)
        return wr_fail(WR_E_USAGE, "lm_logprobs_backward: the latest lm_logprobs was of %zu rows, not of these %zu",
                       w->head_rows, n);
    const size_t columns = block_columns(block, V);
    const float *lse = w->row_state.data;
    const char *head = m->weights[index_head(m)];
    const head_sizes sizes = head_sizes_of(m, n);
    TRY(buffer_need(&w->logits, sizes.logits));
    TRY(buffer_need(&w->dlogits, sizes.dlogits));
    TRY(buffer_need(&w->gathered, sizes.gathered));
    TRY(buffer_need(&w->dgathered, sizes.dgathered));
    for (size_t i = 0; i < n; i += block) {
        const size_t k = n - i < block ? n - i : block;
        gather_rows(m, k, hidden, rows + i, w->gathered.data);
        for (size_t first = 0; first < V; first += columns) {
            const size_t wide = V - first < columns ? V - first : columns;
            /* logits = h W^T:  dh += dlogits W,  dW += dlogits^T h */
            TRY(capped_logits(m, w, k, first, wide));
            kernels()->act[m->precision].softmax_backward(k, wide, first, w->logits.data, targets + i, lse + i,
                                                          dlogprob + i, w->dlogits.data);
            if (c->final_cap > 0)
                kernels()->act[m->precision].softcap_backward(k * wide, (float)c->final_cap, w->logits.data,
                                                              w->dlogits.data);
            TRY(matmul_dx(w->linear.products, m->precision, k, wide, C, w->dlogits.data, wide, head + first * C * act,
                          w->dgathered.data, true, first > 0));
            if (trains_parameters(m))
                TRY(matmul_dw_add(w->linear.products, m->precision, k, wide, C, w->dlogits.data, wide, w->gathered.data,
                                  grads + offset_head(m) + first * C));
        }
        scatter_rows(k, C, w->dgathered.data, rows + i, dhidden);
    }
cleanup:
    return status;
}
