/* model_backward: layers in reverse, activations from the workspace or computed again; norms and SwiGLU are always
 * computed again. */
#include "model/layer.h"

#include "model/weights/params.h"

#include <string.h>

/* Scratch, shared by all layers. Blocks are of LAYER_ROWS rows. `void *`: the model's precision. */
typedef struct backward_buffers {
    void *dqkv;     /* (T, Q) */
    void *datt;     /* (T, H D) */
    void *dact;     /* (block, F) */
    void *norm;     /* (block, C): a norm's output again */
    void *dnorm;    /* (block, C) */
    void *rounded;  /* (block, C): the residual stream's gradient as products read it (bf16) */
    float *partial; /* (ceil(block / NORM_CHUNK), max(C, Q + 2D)) */
    float *dfinal;  /* (T, C), before the layers' turn: shares the memory of dqkv and what follows */
} backward_buffers;

static size_t lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

static wr_status backward_reserve(const model *m, workspace *w, backward_buffers *b) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const size_t act = precision_bytes(m->precision), rows = rows_from(0, w->T), wide = qkv_width(c) + 2 * c->D;
    const size_t sizes[] = {lines(w->T * qkv_width(c) * act), lines(w->T * c->H * c->D * act),
                            lines(rows * c->F * act),         lines(rows * c->C * act),
                            lines(rows * c->C * act),         lines(rows * c->C * act)};
    /* the final norm's gradient needs as many chunks as there are rows */
    const size_t partial = lines((w->T + NORM_CHUNK - 1) / NORM_CHUNK * (c->C > wide ? c->C : wide) * sizeof(float));
    void **const parts[] = {&b->dqkv, &b->datt, &b->dact, &b->norm, &b->dnorm, &b->rounded};
    size_t all = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) all += sizes[i];
    if (all < lines(w->T * c->C * sizeof(float))) all = lines(w->T * c->C * sizeof(float));
    TRY(buffer_need(&w->backward, all + partial));
    char *p = w->backward.data;
    b->partial = (float *)(p + all);
    b->dfinal = (float *)p;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) *parts[i] = p, p += sizes[i];
cleanup:
    return status;
}

/* Where the gradient of a layer's vector goes; NULL: there is none, or it is not trained. */
static float *vector_gradient(const model *m, size_t l, int kind, float *grads) {
    return trains_parameters(m) && index_layer(m, l, kind) != SIZE_MAX ? grads + offset_layer(m, l, kind) : NULL;
}

/* The gradient dx (rows, C) of the residual stream in the model's precision. */
static const void *products_read(const model *m, size_t rows, const float *dx, void *rounded) {
    if (m->precision == PRECISION_F32) return dx;
    kernels()->to_bf16(rows * m->config.C, dx, rounded);
    return rounded;
}

/* x_out = x2 + swiglu(norm(x2) [gate; up]^T) down^T,  x2 = x + att o^T, for rows `first` … of the layer. dx: in, the
 * gradient at x_out; out, at x2, which is also that at x but for what comes through attention. datt is filled. gu is
 * lost. */
static wr_status rest_backward(const model *m, workspace *w, const layer_buffers *x, const backward_buffers *s,
                               size_t l, size_t first, float *dx, float *grads) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const act_kernels *k = &kernels()->act[m->precision];
    const size_t rows = rows_from(first, w->T), C = c->C, HD = c->H * c->D;
    const float *x2 = x->x2 + first * C, *rstd2 = x->rstd2 + first, *norm2 = layer_vector(m, l, LAYER_NORM2);
    void *gu = act_row(m, x->gu, first, 2 * c->F);
    const void *dy = products_read(m, rows, dx, s->rounded);
    TRY(linear_backward_input(m, &w->linear, l, GROUP_DOWN, rows, dy, s->dact));
    k->swiglu_backward(rows, c->F, gu, s->dact, gu);
    TRY(linear_backward_weight(m, &w->linear, l, GROUP_DOWN, rows, dy, s->dact, grads));
    k->rmsnorm_again(rows, C, x2, norm2, rstd2, s->norm);
    TRY(linear_backward_weight(m, &w->linear, l, GROUP_GATE_UP, rows, gu, s->norm, grads));
    TRY(linear_backward_input(m, &w->linear, l, GROUP_GATE_UP, rows, gu, s->dnorm));
    k->rmsnorm_backward(rows, C, s->dnorm, x2, norm2, rstd2, dx, vector_gradient(m, l, LAYER_NORM2, grads), s->partial);

    dy = products_read(m, rows, dx, s->rounded);
    TRY(linear_backward_weight(m, &w->linear, l, GROUP_O, rows, dy, act_row(m, x->att, first, HD), grads));
    TRY(linear_backward_input(m, &w->linear, l, GROUP_O, rows, dy, act_row(m, s->datt, first, HD)));
cleanup:
    return status;
}

/* qkv = rope(norms(norm(x) [q; k; v]^T + bias)), for rows `first` …; dx += the gradient that comes through it. */
static wr_status qkv_backward(const model *m, workspace *w, const layer_buffers *x, const backward_buffers *s, size_t l,
                              size_t first, float *dx, float *grads) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const act_kernels *k = &kernels()->act[m->precision];
    const size_t rows = rows_from(first, w->T), C = c->C;
    const float *x1 = x->x + first * C, *rstd1 = x->rstd1 + first, *norm1 = layer_vector(m, l, LAYER_NORM1);
    void *dqkv = act_row(m, s->dqkv, first, qkv_width(c));
    const qkv_args a = layer_qkv_args(m, l, rows, w->plan.position + first, &w->rope);
    k->qkv_backward(&a, dqkv, x->raw ? act_row(m, x->raw, first, (c->H + c->G) * c->D) : NULL,
                    vector_gradient(m, l, LAYER_Q_NORM, grads), vector_gradient(m, l, LAYER_K_NORM, grads),
                    vector_gradient(m, l, LAYER_Q_BIAS, grads), s->partial);
    k->rmsnorm_again(rows, C, x1, norm1, rstd1, s->norm);
    TRY(linear_backward_weight(m, &w->linear, l, GROUP_QKV, rows, dqkv, s->norm, grads));
    TRY(linear_backward_input(m, &w->linear, l, GROUP_QKV, rows, dqkv, s->dnorm));
    k->rmsnorm_backward(rows, C, s->dnorm, x1, norm1, rstd1, dx, vector_gradient(m, l, LAYER_NORM1, grads), s->partial);
cleanup:
    return status;
}

/* dx (T, C): in, the gradient at the layer's output; out, at its input. */
static wr_status layer_backward(const model *m, const token_batch *batch, workspace *w, const backward_buffers *s,
                                size_t l, float *dx, float *grads) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const act_kernels *k = &kernels()->act[m->precision];
    const size_t HD = c->H * c->D, Q = qkv_width(c);
    float *lse = NULL;
    layer_buffers x = workspace_layer(m, w, l, &lse);
    if (w->recompute) {
        x.x_out = NULL;
        TRY(workspace_layer_forward(m, batch, w, l, &x, lse));
    }
    for (size_t first = 0; first < w->T; first += LAYER_ROWS)
        TRY(rest_backward(m, w, &x, s, l, first, dx + first * c->C, grads));

    workspace_items(m, batch, w, &x, lse);
    for (size_t i = 0; i < batch->B; i++) {
        const size_t first = batch->offsets[i];
        w->plan.grads[i] = (attention_grad){.do_ = act_row(m, s->datt, first, HD),
                                            .dq = act_row(m, s->dqkv, first, Q),
                                            .dk = act_row(m, s->dqkv, 1, first * Q + HD),
                                            .dv = act_row(m, s->dqkv, 1, first * Q + HD + c->G * c->D)};
    }
    const attention_args a = workspace_attention(m, batch, w);
    TRY(buffer_need(&w->attention, k->attention_backward_scratch(&a)));
    k->attention_backward(&a, w->plan.grads, w->attention.data);
    for (size_t first = 0; first < w->T; first += LAYER_ROWS)
        TRY(qkv_backward(m, w, &x, s, l, first, dx + first * c->C, grads));
cleanup:
    return status;
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

static wr_status tell(const model *m, const backward_hook *hook, size_t part) {
    const float_range r = model_part(m, part);
    return hook && r.begin < r.end ? hook->ready(hook->context, part, r) : WR_OK;
}

wr_status model_backward_hooked(const model *m, const token_batch *b, model_workspace *w, float *dhidden, float *grads,
                                const backward_hook *hook) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    backward_buffers s;
    if (!w->kept || b->offsets[b->B] != w->T)
        return wr_fail(WR_E_USAGE, "model_backward: the latest model_forward was of another batch, or did not keep its "
                                   "activations, or has been used");
    TRY(backward_reserve(m, w, &s));
    /* hidden = norm(last_x); the residual stream's gradient then lives in dhidden */
    memcpy(s.dfinal, dhidden, w->T * c->C * sizeof *dhidden);
    memset(dhidden, 0, w->T * c->C * sizeof *dhidden);
    kernels()->act[PRECISION_F32].rmsnorm_backward(
        w->T, c->C, s.dfinal, w->last_x.data, m->weights[index_final_norm(m)], w->final_rstd.data, dhidden,
        trains_parameters(m) ? grads + offset_final_norm(m) : NULL, s.partial);
    TRY(tell(m, hook, c->L + 1));
    for (size_t l = c->L; l-- > 0;) {
        TRY(layer_backward(m, b, w, &s, l, dhidden, grads));
        TRY(tell(m, hook, l + 1));
    }
    if (trains_parameters(m)) embedding_backward(w->T, c->C, b->ids, dhidden, grads + offset_embedding(m));
    TRY(tell(m, hook, 0));
cleanup:
    w->kept = false; /* SwiGLU's backward pass has overwritten gate and up */
    return status;
}

wr_status model_backward(const model *m, const token_batch *b, model_workspace *w, float *dhidden, float *grads) {
    return model_backward_hooked(m, b, w, dhidden, grads, NULL);
}
