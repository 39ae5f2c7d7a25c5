/* One decoder layer's forward code, the embedding and the rotary table. */
#include "model/layer.h"

#include "base/mem.h"
#include "model/weights/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

wr_status rope_table_need(const model_config *c, rope_table *r, size_t positions) {
    wr_status status = WR_OK;
    const size_t half = c->D / 2;
    float *inverse = NULL;
    if (positions <= r->positions) return WR_OK;
    positions = (positions + 255) / 256 * 256; /* decoding asks for one more each step */
    inverse = mem_calloc(half, sizeof *inverse);
    TRY_ALLOC(inverse);
    model_config_rope(c, inverse);
    TRY(buffer_need(&r->cosines, positions * half * sizeof(float)));
    TRY(buffer_need(&r->sines, positions * half * sizeof(float)));
    float *cosines = r->cosines.data, *sines = r->sines.data;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            const float angle = (float)p * inverse[i];
            cosines[p * half + i] = cosf(angle);
            sines[p * half + i] = sinf(angle);
        }
    r->positions = positions;
cleanup:
    if (status < 0) r->positions = 0;
    free(inverse);
    return status;
}

void rope_table_free(rope_table *r) {
    buffer_free(&r->cosines);
    buffer_free(&r->sines);
    r->positions = 0;
}

size_t qkv_width(const model_config *c) { return (c->H + 2 * c->G) * c->D; }

const float *layer_vector(const model *m, size_t l, int kind) {
    const size_t index = index_layer(m, l, kind);
    return index == SIZE_MAX ? NULL : m->weights[index];
}

/* The biases of q, k and v lie one after another, in the parameters and wherever vectors are copied to
 * (bind_weights). */
qkv_args layer_qkv_args(const model *m, size_t l, size_t T, const int32_t *position, const rope_table *r) {
    const model_config *c = &m->config;
    return (qkv_args){.T = T,
                      .H = c->H,
                      .G = c->G,
                      .D = c->D,
                      .bias = layer_vector(m, l, LAYER_Q_BIAS),
                      .q_norm = layer_vector(m, l, LAYER_Q_NORM),
                      .k_norm = layer_vector(m, l, LAYER_K_NORM),
                      .eps = (float)c->norm_eps,
                      .position = position,
                      .cosines = r->cosines.data,
                      .sines = r->sines.data};
}

wr_status layer_qkv(const model *m, linear_context *linear, size_t l, size_t T, const int32_t *position,
                    const rope_table *r, const layer_buffers *b) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const act_kernels *k = &kernels()->act[m->precision];
    const float *norm = layer_vector(m, l, LAYER_NORM1);
    for (size_t first = 0; first < T; first += LAYER_ROWS) {
        const size_t rows = rows_from(first, T);
        void *qkv = act_row(m, b->qkv, first, qkv_width(c));
        k->rmsnorm(rows, c->C, (float)c->norm_eps, b->x + first * c->C, norm, b->norm,
                   b->rstd1 ? b->rstd1 + first : NULL);
        TRY(linear_forward(m, linear, l, GROUP_QKV, rows, b->norm, qkv, false, false));
        const qkv_args a = layer_qkv_args(m, l, rows, position + first, r);
        k->qkv(&a, qkv, b->raw ? act_row(m, b->raw, first, (c->H + c->G) * c->D) : NULL);
    }
cleanup:
    return status;
}

/* n floats; what a block of rows hands on is larger than one core's cache. */
static void copy_stream(size_t n, const float *from, float *to) {
    enum { PIECE = 1 << 14 };
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) memcpy(to + i, from + i, (n - i < PIECE ? n - i : PIECE) * sizeof *to);
}

wr_status layer_rest(const model *m, linear_context *linear, size_t l, size_t T, const layer_buffers *b) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const size_t C = c->C;
    const act_kernels *k = &kernels()->act[m->precision];
    const float *norm = layer_vector(m, l, LAYER_NORM2);
    for (size_t first = 0; first < T; first += LAYER_ROWS) {
        const size_t rows = rows_from(first, T);
        float *x2 = b->x2 + first * C;
        void *gu = act_row(m, b->gu, first, 2 * c->F);
        if (b->x2 != b->x) copy_stream(rows * C, b->x + first * C, x2);
        TRY(linear_forward(m, linear, l, GROUP_O, rows, act_row(m, b->att, first, c->H * c->D), x2, true, true));
        k->rmsnorm(rows, C, (float)c->norm_eps, x2, norm, b->norm, b->rstd2 ? b->rstd2 + first : NULL);
        TRY(linear_forward(m, linear, l, GROUP_GATE_UP, rows, b->norm, gu, false, false));
        if (!b->x_out) continue;
        float *x_out = b->x_out + first * C;
        k->swiglu(rows, c->F, gu, b->act);
        if (b->x_out != b->x2) copy_stream(rows * C, x2, x_out);
        TRY(linear_forward(m, linear, l, GROUP_DOWN, rows, b->act, x_out, true, true));
    }
cleanup:
    return status;
}

wr_status embed_tokens(const model *m, size_t T, const int32_t *ids, float *x) {
    const size_t C = m->config.C;
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
    }
    return WR_OK;
}
