/* One decoder layer's forward code, the embedding and the rotary table. */
#include "model/layer.h"

#include "base/mem.h"
#include "model/matmul.h"
#include "model/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

wr_status float_buffer_need(float_buffer *b, size_t count) {
    if (count <= b->capacity) return WR_OK;
    free(b->data);
    *b = (float_buffer){0};
    b->data = mem_aligned(count, sizeof *b->data);
    if (!b->data)
        return wr_fail(WR_E_NOMEM, "out of memory: %zu MiB of activations could not be had",
                       count * sizeof(float) >> 20);
    b->capacity = count;
    return WR_OK;
}

void float_buffer_free(float_buffer *b) {
    free(b->data);
    *b = (float_buffer){0};
}

wr_status rope_table_need(const model_config *c, rope_table *r, size_t positions) {
    wr_status status = WR_OK;
    const size_t half = c->D / 2;
    if (positions <= r->positions) return WR_OK;
    positions = (positions + 255) / 256 * 256; /* decoding asks for one more each step */
    TRY(float_buffer_need(&r->cosines, positions * half));
    TRY(float_buffer_need(&r->sines, positions * half));
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            const float inverse_frequency = 1.0f / powf((float)c->rope_theta, (float)(2 * i) / (float)c->D);
            const float angle = (float)p * inverse_frequency;
            r->cosines.data[p * half + i] = cosf(angle);
            r->sines.data[p * half + i] = sinf(angle);
        }
    r->positions = positions;
cleanup:
    if (status < 0) r->positions = 0;
    return status;
}

void rope_table_free(rope_table *r) {
    float_buffer_free(&r->cosines);
    float_buffer_free(&r->sines);
    r->positions = 0;
}

size_t qkv_width(const model_config *c) { return (c->H + 2 * c->G) * c->D; }

void layer_qkv(const model *m, size_t l, size_t T, const int32_t *position, const rope_table *r,
               const layer_buffers *b) {
    const model_config *c = &m->config;
    const kernels_table *k = kernels();
    const float *w = m->params;
    k->rmsnorm(T, c->C, (float)c->norm_eps, b->x, w + offset_layer(m, l, LAYER_NORM1), b->norm, b->rstd1);
    /* q_proj, k_proj and v_proj lie one after another: one product */
    matmul_xwt(T, qkv_width(c), c->C, b->norm, w + offset_layer(m, l, LAYER_Q), b->qkv);
    k->rope(T, c->H + c->G, c->D, qkv_width(c), position, r->cosines.data, r->sines.data, 1.0f, b->qkv);
}

void layer_rest(const model *m, size_t l, size_t T, const layer_buffers *b) {
    const model_config *c = &m->config;
    const kernels_table *k = kernels();
    const float *w = m->params;
    if (b->x2 != b->x) memcpy(b->x2, b->x, T * c->C * sizeof *b->x);
    matmul_xwt_add(T, c->C, c->H * c->D, b->att, w + offset_layer(m, l, LAYER_O), b->x2);
    k->rmsnorm(T, c->C, (float)c->norm_eps, b->x2, w + offset_layer(m, l, LAYER_NORM2), b->norm, b->rstd2);
    matmul_xwt(T, 2 * c->F, c->C, b->norm, w + offset_layer(m, l, LAYER_GATE), b->gu); /* gate_proj and up_proj */
    k->swiglu(T, c->F, b->gu, b->act);
    if (b->x_out != b->x2) memcpy(b->x_out, b->x2, T * c->C * sizeof *b->x2);
    matmul_xwt_add(T, c->C, c->F, b->act, w + offset_layer(m, l, LAYER_DOWN), b->x_out);
}

wr_status embed_tokens(const model *m, size_t T, const int32_t *ids, float *x) {
    const size_t C = m->config.C;
    const float *table = m->params + offset_embedding(m);
    for (size_t t = 0; t < T; t++)
        if (ids[t] < 0 || (size_t)ids[t] >= m->config.V)
            return wr_fail(WR_E_MISMATCH,
                           "token id %d at position %zu is outside the model's vocabulary of %zu: tokenizer and model "
                           "do not belong together",
                           (int)ids[t], t, m->config.V);
    for (size_t t = 0; t < T; t++) memcpy(x + t * C, table + (size_t)ids[t] * C, C * sizeof *x);
    return WR_OK;
}
