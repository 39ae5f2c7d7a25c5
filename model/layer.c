/* One decoder layer's forward code, the embedding and the rotary table.
 *
 * The residual stream x (T, C) is f32 and goes through two branches, f = attention and f = MLP,
 *     x + f(norm(x))    NORM_BEFORE        x + norm(f(x))    NORM_AFTER        x + norm(f(norm(x)))    NORM_BOTH
 *     attention(u) = softmax(cap(q k^T / sqrt(D))) v o^T,   q, k, v = u [q; k; v]^T (+ bias, norms of heads, RoPE)
 *     mlp(u)       = (silu(u gate^T) * (u up^T)) down^T     (or gelu)
 * Before: the last product of a branch adds to the stream itself, and there is no memory for f. Else f has memory of
 * its own, since its norm needs a whole row. All but attention works row by row, in blocks of LAYER_ROWS:
 *
 *     x ── norm ── qkv ──> attention (all rows) ──> att ── o ──(+)── norm ── gate, up ── SwiGLU ── down ──(+)── x_out
 *     └────────────────────────────────────────────────────────┘└──────────────────────────────────────────┘ */
#include "model/layer.h"

#include "base/mem.h"
#include "model/weights/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows 0 … positions-1 of a table, or of its second part. */
static void fill_rows(const model_config *c, const float *inverse, size_t positions, float *cosines, float *sines) {
    const size_t half = model_config_rotary(c) / 2;
    const float scale = model_config_rope_scale(c);
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            const float angle = (float)p * inverse[i];
            cosines[p * half + i] = cosf(angle) * scale;
            sines[p * half + i] = sinf(angle) * scale;
        }
}

static wr_status table_need(const model_config *c, int table, size_t near, size_t far, buffer *cosines, buffer *sines) {
    wr_status status = WR_OK;
    const size_t half = model_config_rotary(c) / 2, bytes = (near + far) * half * sizeof(float);
    float *inverse = mem_calloc(half, sizeof *inverse);
    TRY_ALLOC(inverse);
    TRY(buffer_need(cosines, bytes));
    TRY(buffer_need(sines, bytes));
    model_config_rope_of(c, table, inverse);
    fill_rows(c, inverse, near, cosines->data, sines->data);
    if (far) {
        model_config_rope_long(c, inverse);
        fill_rows(c, inverse, far, (float *)cosines->data + near * half, (float *)sines->data + near * half);
    }
cleanup:
    free(inverse);
    return status;
}

static int table_count(const model_config *c) { return c->rope_local_theta > 0 ? 2 : 1; }

/* Rows of a table for so many positions. */
typedef struct rope_extent {
    size_t positions, near, far;
} rope_extent;
static rope_extent extent_of(const model_config *c, size_t positions) {
    const size_t limit = model_config_rope_switch(c), most = positions > limit ? SIZE_MAX : limit;
    positions = (positions + 255) / 256 * 256; /* decoding asks for one more each step */
    if (positions > most) positions = most;
    return (rope_extent){positions, positions < limit ? positions : limit, positions > limit ? positions : 0};
}

wr_status rope_tables_need(const model_config *c, rope_tables *r, size_t positions) {
    wr_status status = WR_OK;
    if (positions <= r->positions) return WR_OK;
    const rope_extent e = extent_of(c, positions);
    r->positions = 0;
    r->near = e.near;
    for (int i = 0; i < table_count(c); i++) TRY(table_need(c, i, e.near, e.far, &r->cosines[i], &r->sines[i]));
    r->positions = e.positions;
cleanup:
    return status;
}

size_t rope_tables_size(const model_config *c, size_t positions) {
    const rope_extent e = extent_of(c, positions);
    return 2 * (size_t)table_count(c) * (e.near + e.far) * (model_config_rotary(c) / 2) * sizeof(float);
}

void rope_tables_free(rope_tables *r) {
    for (int i = 0; i < ROPE_TABLES; i++) {
        buffer_free(&r->cosines[i]);
        buffer_free(&r->sines[i]);
    }
    r->positions = 0;
}

size_t rope_tables_bytes(const rope_tables *r) {
    size_t bytes = 0;
    for (int i = 0; i < ROPE_TABLES; i++) bytes += r->cosines[i].bytes + r->sines[i].bytes;
    return bytes;
}

size_t qkv_width(const model_config *c) { return (c->H + 2 * c->G) * c->D; }
size_t qkv_sums(const model_config *c) {
    const size_t norms = c->qk_norm == QK_NORM_ALL ? c->H + c->G : 2;
    return qkv_width(c) + norms * c->D;
}

const float *norm_factors(const model *m, size_t index, float *factors) {
    if (index == SIZE_MAX) return NULL;
    const float *w = m->weights[index];
    if (!m->config.norm_from_one) return w;
    for (size_t i = 0; i < m->tensors[index].count; i++) factors[i] = 1.0f + w[i];
    return factors;
}

attention_args layer_attention(const model_config *c, size_t l) {
    return (attention_args){.H = c->H,
                            .G = c->G,
                            .D = c->D,
                            .q_stride = qkv_width(c),
                            .o_stride = c->H * c->D,
                            .window = layer_window(c, l),
                            .scale = c->query_scale > 0 ? (float)(1 / sqrt(c->query_scale)) : 0,
                            .softcap = (float)c->attention_cap};
}

/* The biases of q, k and v lie one after another, in the parameters and wherever vectors are copied to
 * (bind_weights). */
qkv_args layer_qkv_args(const model *m, size_t l, size_t T, const int32_t *position, const rope_tables *r,
                        float *factors) {
    const model_config *c = &m->config;
    const size_t bias = index_layer(m, l, LAYER_Q_BIAS);
    const size_t q_norm = c->qk_norm == QK_NORM_ALL ? c->H * c->D : c->D;
    const int table = c->layers[l].rope == LAYER_ROPE_NONE ? -1 : (uint8_t)c->layers[l].rope;
    return (qkv_args){.T = T,
                      .H = c->H,
                      .G = c->G,
                      .D = c->D,
                      .bias = bias == SIZE_MAX ? NULL : m->weights[bias],
                      .q_norm = norm_factors(m, index_layer(m, l, LAYER_Q_NORM), factors),
                      .k_norm = norm_factors(m, index_layer(m, l, LAYER_K_NORM), factors ? factors + q_norm : NULL),
                      .norm_all = c->qk_norm == QK_NORM_ALL,
                      .eps = (float)c->norm_eps,
                      .position = position,
                      .unturned = c->D - model_config_rotary(c),
                      .cosines = table < 0 ? NULL : r->cosines[table].data,
                      .sines = table < 0 ? NULL : r->sines[table].data};
}

/* n floats; what a block of rows hands on is larger than one core's cache. */
static void copy_stream(size_t n, const float *from, float *to) {
    enum { PIECE = 1 << 14 };
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) memcpy(to + i, from + i, (n - i < PIECE ? n - i : PIECE) * sizeof *to);
}

/* x += y */
void stream_add(size_t n, const float *y, float *x) {
#pragma omp parallel for simd schedule(static) if (n > 65536)
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

static float *rows_at(float *p, size_t first) { return p ? p + first : NULL; }

const void *stream_input(const model *m, size_t rows, const float *x, void *rounded) {
    if (m->precision == PRECISION_F32) return x;
    kernels()->to_bf16(rows * m->config.C, x, rounded);
    return rounded;
}

/* What a branch reads: the stream after the branch's norm, or as it is. */
static const void *branch_input(const model *m, size_t l, int norm, size_t rows, const float *x, const layer_buffers *b,
                                float *rstd) {
    const model_config *c = &m->config;
    if (c->norm_place == NORM_AFTER) return stream_input(m, rows, x, b->norm);
    kernels()->act[m->precision].rmsnorm(rows, c->C, (float)c->norm_eps, x,
                                         norm_factors(m, index_layer(m, l, norm), b->factors), b->norm, rstd);
    return b->norm;
}

int branch_out_norm(const model_config *c, int norm) {
    if (c->norm_place != NORM_BOTH) return norm;
    return norm == LAYER_NORM1 ? LAYER_OUT_NORM1 : LAYER_OUT_NORM2;
}

/* x (rows, C) += the branch's last product, of `in`, or its norm. kept: where the product stays for the backward pass;
 * NULL: nowhere. */
static wr_status branch_output(const model *m, linear_context *linear, size_t l, linear_group g, int norm, size_t rows,
                               const void *in, const layer_buffers *b, float *kept, float *rstd, float *x) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    if (c->norm_place == NORM_BEFORE) return linear_forward(m, linear, l, g, rows, in, x, true, true);
    float *branch = kept ? kept : b->branch;
    TRY(linear_forward(m, linear, l, g, rows, in, branch, true, false));
    kernels()->act[PRECISION_F32].rmsnorm(rows, c->C, (float)c->norm_eps, branch,
                                          norm_factors(m, index_layer(m, l, branch_out_norm(c, norm)), b->factors),
                                          b->normed, rstd);
    if (x) stream_add(rows * c->C, b->normed, x);
cleanup:
    return status;
}

wr_status layer_qkv(const model *m, linear_context *linear, size_t l, size_t T, const int32_t *position,
                    const rope_tables *r, const layer_buffers *b) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const act_kernels *k = &kernels()->act[m->precision];
    for (size_t first = 0; first < T; first += LAYER_ROWS) {
        const size_t rows = rows_from(first, T);
        void *qkv = act_row(m, b->qkv, first, qkv_width(c));
        const void *in = branch_input(m, l, LAYER_NORM1, rows, b->x + first * c->C, b, rows_at(b->rstd1, first));
        TRY(linear_forward(m, linear, l, GROUP_QKV, rows, in, qkv, false, false));
        const qkv_args a = layer_qkv_args(m, l, rows, position + first, r, b->factors);
        k->qkv(&a, qkv, b->raw ? act_row(m, b->raw, first, (c->H + c->G) * c->D) : NULL);
    }
cleanup:
    return status;
}

wr_status layer_rest(const model *m, linear_context *linear, size_t l, size_t T, const layer_buffers *b) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const size_t C = c->C;
    const act_kernels *k = &kernels()->act[m->precision];
    const bool after = c->norm_place != NORM_BEFORE;
    for (size_t first = 0; first < T; first += LAYER_ROWS) {
        const size_t rows = rows_from(first, T);
        float *x2 = b->x2 + first * C;
        void *gu = act_row(m, b->gu, first, 2 * c->F);
        if (b->x2 != b->x) copy_stream(rows * C, b->x + first * C, x2);
        TRY(branch_output(m, linear, l, GROUP_O, LAYER_NORM1, rows, act_row(m, b->att, first, c->H * c->D), b,
                          rows_at(b->branch1, first * C), rows_at(b->out_rstd1, first), x2));
        const void *in = branch_input(m, l, LAYER_NORM2, rows, x2, b, rows_at(b->rstd2, first));
        TRY(linear_forward(m, linear, l, GROUP_GATE_UP, rows, in, gu, false, false));
        if (!b->x_out && !after) continue; /* computed again for the backward pass, which has all it needs */
        (c->gate == GATE_GELU ? k->geglu : k->swiglu)(rows, c->F, gu, b->act);
        float *x_out = rows_at(b->x_out, first * C);
        if (x_out && b->x_out != b->x2) copy_stream(rows * C, x2, x_out);
        TRY(branch_output(m, linear, l, GROUP_DOWN, LAYER_NORM2, rows, b->act, b, rows_at(b->branch2, first * C),
                          rows_at(b->out_rstd2, first), x_out));
    }
cleanup:
    return status;
}

/* Rounded as the weights are, as transformers' buffer is when the model is loaded in their type. */
float embedding_scale(const model *m) {
    const float scale = (float)sqrt((double)m->config.C);
    if (!m->config.scaled_embedding) return 1.0f;
    return m->precision == PRECISION_BF16 ? bf16_to_f32(bf16_from_f32(scale)) : scale;
}

wr_status embed_tokens(const model *m, size_t T, const int32_t *ids, float *x) {
    const size_t C = m->config.C;
    const float scale = embedding_scale(m);
    const void *table = m->weights[index_embedding(m)];
    for (size_t t = 0; t < T; t++)
        if (ids[t] < 0 || (size_t)ids[t] >= m->config.V)
            return wr_fail(
                WR_E_MISMATCH,
                "token id %d at position %zu is outside the model's vocabulary of %zu: tokenizer and model do "
                "not belong together",
                (int)ids[t], t, m->config.V);
#pragma omp parallel for schedule(static) if (T * C > 65536)
    for (size_t t = 0; t < T; t++) {
        const void *row = act_row(m, table, (size_t)ids[t], C);
        if (m->precision == PRECISION_BF16)
            for (size_t i = 0; i < C; i++) x[t * C + i] = bf16_to_f32(((const bf16 *)row)[i]);
        else
            memcpy(x + t * C, row, C * sizeof *x);
        if (m->config.scaled_embedding)
            for (size_t i = 0; i < C; i++) x[t * C + i] *= scale;
    }
    return WR_OK;
}
