/* model_backward: layers in reverse, activations from the workspace, norms and SwiGLU computed again. */
#include "model/layer.h"

#include "model/matmul.h"
#include "model/params.h"

#include <string.h>

/* Scratch, shared by all layers. */
typedef struct backward_buffers {
    float *dqkv;    /* (T, Q) */
    float *datt;    /* (T, H D) */
    float *dgu;     /* (T, 2F) */
    float *dact;    /* (T, F) */
    float *norm;    /* (T, C): a norm's output again */
    float *dnorm;   /* (T, C) */
    float *partial; /* (ceil(T / NORM_CHUNK), C) */
} backward_buffers;

static wr_status backward_reserve(const model_config *c, workspace *w, backward_buffers *b) {
    wr_status status = WR_OK;
    const size_t T = w->T, attention = T * (qkv_width(c) + c->H * c->D), mlp = T * 3 * c->F;
    const size_t shared = attention > mlp ? attention : mlp; /* the two halves of a layer take turns */
    TRY(float_buffer_need(&w->backward, shared + 2 * T * c->C + (T + NORM_CHUNK - 1) / NORM_CHUNK * c->C));
    float *p = w->backward.data;
    b->dqkv = p, b->datt = p + T * qkv_width(c);
    b->dgu = p, b->dact = p + T * 2 * c->F;
    b->norm = p + shared;
    b->dnorm = b->norm + T * c->C;
    b->partial = b->dnorm + T * c->C;
cleanup:
    return status;
}

/* The output of a norm again: y = w * x * rstd. */
static void norm_again(size_t T, size_t C, const float *x, const float *w, const float *rstd, float *y) {
#pragma omp parallel for schedule(static)
    for (size_t t = 0; t < T; t++)
#pragma omp simd
        for (size_t i = 0; i < C; i++) y[t * C + i] = w[i] * (x[t * C + i] * rstd[t]);
}

/* dx (T, C): in, the gradient at the layer's output; out, at its input. */
static void layer_backward(const model *m, const token_batch *batch, workspace *w, const backward_buffers *s, size_t l,
                           float *dx, float *grads) {
    const model_config *c = &m->config;
    const kernels_table *k = kernels();
    const size_t T = w->T, C = c->C, F = c->F, HD = c->H * c->D, Q = qkv_width(c);
    const layer_buffers x = workspace_layer(m, w, l);
    size_t at[LAYER_KINDS];
    for (int kind = 0; kind < LAYER_KINDS; kind++) at[kind] = offset_layer(m, l, kind);
    const float *p = m->params;

    /* x_out = x2 + swiglu(gu) down^T */
    matmul_dx(T, C, F, dx, p + at[LAYER_DOWN], s->dact);
    k->swiglu_backward(T, F, x.gu, s->dact, s->dgu);
    matmul_dw_add(T, C, F, dx, s->dact, grads + at[LAYER_DOWN]);
    /* gu = norm(x2) [gate; up]^T */
    norm_again(T, C, x.x2, p + at[LAYER_NORM2], x.rstd2, s->norm);
    matmul_dw_add(T, 2 * F, C, s->dgu, s->norm, grads + at[LAYER_GATE]);
    matmul_dx(T, 2 * F, C, s->dgu, p + at[LAYER_GATE], s->dnorm);
    k->rmsnorm_backward(T, C, s->dnorm, x.x2, p + at[LAYER_NORM2], x.rstd2, dx, grads + at[LAYER_NORM2], s->partial);

    /* x2 = x + att o^T */
    matmul_dw_add(T, C, HD, dx, x.att, grads + at[LAYER_O]);
    matmul_dx(T, C, HD, dx, p + at[LAYER_O], s->datt);
    /* att = attention(rope(q), rope(k), v) */
    workspace_items(m, batch, w, l);
    for (size_t i = 0; i < batch->B; i++) {
        float *row = s->dqkv + batch->offsets[i] * Q;
        w->item_grads[i] = (attention_grad){
            .do_ = s->datt + batch->offsets[i] * HD, .dq = row, .dk = row + HD, .dv = row + HD + c->G * c->D};
    }
    const attention_args a = workspace_attention(m, batch, w);
    k->attention_backward(&a, w->item_grads);
    k->rope(T, c->H + c->G, c->D, Q, w->position, w->rope.cosines.data, w->rope.sines.data, -1.0f, s->dqkv);
    /* qkv = norm(x) [q; k; v]^T */
    norm_again(T, C, x.x, p + at[LAYER_NORM1], x.rstd1, s->norm);
    matmul_dw_add(T, Q, C, s->dqkv, s->norm, grads + at[LAYER_Q]);
    matmul_dx(T, Q, C, s->dqkv, p + at[LAYER_Q], s->dnorm);
    k->rmsnorm_backward(T, C, s->dnorm, x.x, p + at[LAYER_NORM1], x.rstd1, dx, grads + at[LAYER_NORM1], s->partial);
}

/* x = table[ids]: dtable[id] += the rows of its tokens, in their order; each thread owns a range of columns. */
static void embedding_backward(size_t T, size_t C, const int32_t *ids, const float *dx, float *dtable) {
    const size_t width = 64;
#pragma omp parallel for schedule(static)
    for (size_t c0 = 0; c0 < C; c0 += width) {
        const size_t c1 = c0 + width < C ? c0 + width : C;
        for (size_t t = 0; t < T; t++) {
            float *d = dtable + (size_t)ids[t] * C;
#pragma omp simd
            for (size_t i = c0; i < c1; i++) d[i] += dx[t * C + i];
        }
    }
}

wr_status model_backward(const model *m, const token_batch *b, model_workspace *w, float *dhidden, float *grads) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const kernels_table *k = kernels();
    backward_buffers s;
    if (!w->kept || b->offsets[b->B] != w->T)
        return wr_fail(
            WR_E_USAGE,
            "model_backward: the latest model_forward was of another batch, or did not keep its activations");
    TRY(backward_reserve(c, w, &s));
    /* hidden = norm(last_x); the residual stream's gradient then lives in dhidden */
    memcpy(s.dnorm, dhidden, w->T * c->C * sizeof *dhidden);
    memset(dhidden, 0, w->T * c->C * sizeof *dhidden);
    k->rmsnorm_backward(w->T, c->C, s.dnorm, w->last_x.data, m->params + offset_final_norm(m), w->final_rstd.data,
                        dhidden, grads + offset_final_norm(m), s.partial);
    for (size_t l = c->L; l-- > 0;) layer_backward(m, b, w, &s, l, dhidden, grads);
    embedding_backward(w->T, c->C, b->ids, dhidden, grads + offset_embedding(m));
cleanup:
    return status;
}
