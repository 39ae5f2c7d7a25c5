/* model_backward: layers in reverse, activations from the workspace or computed again; norms and SwiGLU are always
 * computed again.
 *
 * One buffer dx (T, C), the caller's dhidden, is the gradient of the residual stream all the way down. A branch
 * x + f(norm(x)) leaves it in place and adds what comes through f; for each product y = u W^T,
 *     du = dy W        dW += dy^T u
 * and for a norm y = w x r, r = (mean x^2 + eps)^-1/2,
 *     dx += r (w dy) - x r^3 / C sum(w dy x)        dw += sum over rows of dy x r
 *
 *     MLP        dx ─ down ─ SwiGLU ─ gate, up ─ norm ─(+)─ dx       block of rows after block of rows
 *     attention  dx ─ o ──> datt, then all rows: dq, dk, dv from q, k, v, lse ──> RoPE, norms, bias ─ qkv ─ norm ─(+)─ dx
 *
 * Kept from forward: x, qkv, att, gate and up, x2, rstd, lse. gate and up become their own gradients in place, which is
 * why a forward pass serves one backward pass. */
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
    float *branch;  /* (block, C) f32, not with NORM_BEFORE: the gradient at a branch, before its norm */
    float *partial; /* (ceil(block / NORM_CHUNK), max(C, qkv_sums)) */
    float *dfinal;  /* (T, C), before the layers' turn: shares the memory of dqkv and what follows */
} backward_buffers;

static size_t lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

enum { PARTS = 7 };

/* Of the first PARTS buffers, one after another; they share their memory with dfinal. */
static size_t part_sizes(const model *m, size_t T, size_t sizes[PARTS]) {
    const model_config *c = &m->config;
    const size_t act = precision_bytes(m->precision), rows = rows_from(0, T), dfinal = lines(T * c->C * sizeof(float)),
                 of[PARTS] = {lines(T * qkv_width(c) * act),
                              lines(T * c->H * c->D * act),
                              lines(rows * c->F * act),
                              lines(rows * c->C * act),
                              lines(rows * c->C * act),
                              lines(rows * c->C * act),
                              c->norm_place != NORM_BEFORE ? lines(rows * c->C * sizeof(float)) : 0};
    size_t all = 0;
    for (size_t i = 0; i < PARTS; i++) all += sizes[i] = of[i];
    return all < dfinal ? dfinal : all;
}

/* The final norm's gradient needs as many chunks as there are rows. */
static size_t partial_size(const model *m, size_t T) {
    const size_t C = m->config.C, wide = qkv_sums(&m->config);
    return lines((T + NORM_CHUNK - 1) / NORM_CHUNK * (C > wide ? C : wide) * sizeof(float));
}

size_t backward_bytes(const model *m, size_t T) {
    size_t sizes[PARTS];
    return part_sizes(m, T, sizes) + partial_size(m, T);
}

static wr_status backward_reserve(const model *m, workspace *w, backward_buffers *b) {
    wr_status status = WR_OK;
    size_t sizes[PARTS];
    void *branch = NULL,
         **const parts[PARTS] = {&b->dqkv, &b->datt, &b->dact, &b->norm, &b->dnorm, &b->rounded, &branch};
    TRY(buffer_need(&w->backward, backward_bytes(m, w->T)));
    char *p = w->backward.data;
    b->partial = (float *)(p + part_sizes(m, w->T, sizes));
    b->dfinal = (float *)p;
    for (size_t i = 0; i < PARTS; i++) *parts[i] = p, p += sizes[i];
    b->branch = branch;
cleanup:
    return status;
}

/* Where the gradient of a layer's vector goes; NULL: there is none, or it is not trained. */
static float *vector_gradient(const model *m, size_t l, int kind, float *grads) {
    return trains_parameters(m) && index_layer(m, l, kind) != SIZE_MAX ? grads + offset_layer(m, l, kind) : NULL;
}

/* The rows of one norm in one layer. */
typedef struct norm_rows {
    size_t l, rows;
    int kind;                       /* LAYER_NORM1, LAYER_NORM2 */
    const float *x, *rstd;          /* the stream that goes into the branch, of its norm */
    const float *branch, *out_rstd; /* what comes out of it, but with NORM_BEFORE */
    float *factors;                 /* scratch */
} norm_rows;

/* Of the branch's input norm, or of its output norm. */
static void norm_backward(const model *m, precision p, const norm_rows *n, bool out, const void *dy, float *dx,
                          float *grads, float *partial) {
    const int kind = out ? branch_out_norm(&m->config, n->kind) : n->kind;
    kernels()->act[p].rmsnorm_backward(n->rows, m->config.C, dy, out ? n->branch : n->x,
                                       norm_factors(m, index_layer(m, n->l, kind), n->factors),
                                       out ? n->out_rstd : n->rstd, dx, vector_gradient(m, n->l, kind, grads), partial);
}

/* From the gradient dx at the sum of stream and branch to that at the branch's last product, in the model's
 * precision. */
static const void *branch_output_backward(const model *m, const backward_buffers *s, const norm_rows *n,
                                          const float *dx, float *grads) {
    if (m->config.norm_place == NORM_BEFORE) return stream_input(m, n->rows, dx, s->rounded);
    memset(s->branch, 0, n->rows * m->config.C * sizeof *s->branch);
    norm_backward(m, PRECISION_F32, n, true, dx, s->branch, grads, s->partial);
    return stream_input(m, n->rows, s->branch, s->rounded);
}

/* What the branch read, again. */
static const void *branch_input_again(const model *m, const backward_buffers *s, const norm_rows *n) {
    if (m->config.norm_place == NORM_AFTER) return stream_input(m, n->rows, n->x, s->norm);
    kernels()->act[m->precision].rmsnorm_again(
        n->rows, m->config.C, n->x, norm_factors(m, index_layer(m, n->l, n->kind), n->factors), n->rstd, s->norm);
    return s->norm;
}

/* dx += what comes through the branch, from s->dnorm, the gradient at what it read. */
static void branch_input_backward(const model *m, const backward_buffers *s, const norm_rows *n, float *dx,
                                  float *grads) {
    const size_t count = n->rows * m->config.C;
    if (m->config.norm_place != NORM_AFTER) {
        norm_backward(m, m->precision, n, false, s->dnorm, dx, grads, s->partial);
    } else if (m->precision == PRECISION_F32) {
        stream_add(count, s->dnorm, dx);
    } else {
        kernels()->to_f32(count, s->dnorm, s->branch);
        stream_add(count, s->branch, dx);
    }
}

/* x_out = x2 + swiglu(norm(x2) [gate; up]^T) down^T,  x2 = x + att o^T (the norm of each branch before or after it),
 * for rows `first` … of the layer. dx: in, the gradient at x_out; out, at x2, which is also that at x but for what
 * comes through attention. datt is filled. gu is lost. */
static wr_status rest_backward(const model *m, workspace *w, const layer_buffers *x, const backward_buffers *s,
                               size_t l, size_t first, float *dx, float *grads) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const act_kernels *k = &kernels()->act[m->precision];
    const size_t rows = rows_from(first, w->T), C = c->C, HD = c->H * c->D;
    const bool after = c->norm_place != NORM_BEFORE;
    const norm_rows mlp = {.l = l,
                           .rows = rows,
                           .kind = LAYER_NORM2,
                           .x = x->x2 + first * C,
                           .rstd = x->rstd2 + first,
                           .branch = after ? x->branch2 + first * C : NULL,
                           .out_rstd = x->out_rstd2 + first,
                           .factors = x->factors};
    const norm_rows attention = {.l = l,
                                 .rows = rows,
                                 .kind = LAYER_NORM1,
                                 .branch = after ? x->branch1 + first * C : NULL,
                                 .out_rstd = x->out_rstd1 + first,
                                 .factors = x->factors};
    void *gu = act_row(m, x->gu, first, 2 * c->F);
    const void *dy = branch_output_backward(m, s, &mlp, dx, grads);
    TRY(linear_backward_input(m, &w->linear, l, GROUP_DOWN, rows, dy, s->dact));
    (c->gate == GATE_GELU ? k->geglu_backward : k->swiglu_backward)(rows, c->F, gu, s->dact, gu);
    TRY(linear_backward_weight(m, &w->linear, l, GROUP_DOWN, rows, dy, s->dact, grads));
    const void *in = branch_input_again(m, s, &mlp);
    TRY(linear_backward_weight(m, &w->linear, l, GROUP_GATE_UP, rows, gu, in, grads));
    TRY(linear_backward_input(m, &w->linear, l, GROUP_GATE_UP, rows, gu, s->dnorm));
    branch_input_backward(m, s, &mlp, dx, grads);

    dy = branch_output_backward(m, s, &attention, dx, grads);
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
    const norm_rows attention = {.l = l,
                                 .rows = rows,
                                 .kind = LAYER_NORM1,
                                 .x = x->x + first * C,
                                 .rstd = x->rstd1 + first,
                                 .factors = x->factors};
    void *dqkv = act_row(m, s->dqkv, first, qkv_width(c));
    const qkv_args a = layer_qkv_args(m, l, rows, w->plan.position + first, &w->rope, x->factors);
    k->qkv_backward(&a, dqkv, x->raw ? act_row(m, x->raw, first, (c->H + c->G) * c->D) : NULL,
                    vector_gradient(m, l, LAYER_Q_NORM, grads), vector_gradient(m, l, LAYER_K_NORM, grads),
                    vector_gradient(m, l, LAYER_Q_BIAS, grads), s->partial);
    const void *in = branch_input_again(m, s, &attention);
    TRY(linear_backward_weight(m, &w->linear, l, GROUP_QKV, rows, dqkv, in, grads));
    TRY(linear_backward_input(m, &w->linear, l, GROUP_QKV, rows, dqkv, s->dnorm));
    branch_input_backward(m, s, &attention, dx, grads);
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
    const attention_args a = workspace_attention(m, batch, w, l);
    TRY(buffer_need(&w->attention, k->attention_backward_scratch(&a)));
    k->attention_backward(&a, w->plan.grads, w->attention.data);
    for (size_t first = 0; first < w->T; first += LAYER_ROWS)
        TRY(qkv_backward(m, w, &x, s, l, first, dx + first * c->C, grads));
cleanup:
    return status;
}

/* x = scale table[ids]: dtable[id] += the rows of its tokens, in their order; each thread owns a range of columns. */
static void embedding_backward(size_t T, size_t C, const int32_t *ids, float scale, const float *dx, float *dtable) {
    const size_t width = 64;
#pragma omp parallel for schedule(static)
    for (size_t c0 = 0; c0 < C; c0 += width) {
        const size_t c1 = c0 + width < C ? c0 + width : C;
        for (size_t t = 0; t < T; t++) {
            float *d = dtable + (size_t)ids[t] * C;
#pragma omp simd
            for (size_t i = c0; i < c1; i++) d[i] += scale * dx[t * C + i];
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
    float *lse, *const factors = workspace_layer(m, w, 0, &lse).factors;
    /* hidden = norm(last_x); the residual stream's gradient then lives in dhidden */
    memcpy(s.dfinal, dhidden, w->T * c->C * sizeof *dhidden);
    memset(dhidden, 0, w->T * c->C * sizeof *dhidden);
    kernels()->act[PRECISION_F32].rmsnorm_backward(
        w->T, c->C, s.dfinal, w->last_x.data, norm_factors(m, index_final_norm(m), factors), w->final_rstd.data,
        dhidden, trains_parameters(m) ? grads + offset_final_norm(m) : NULL, s.partial);
    TRY(tell(m, hook, c->L + 1));
    for (size_t l = c->L; l-- > 0;) {
        TRY(layer_backward(m, b, w, &s, l, dhidden, grads));
        TRY(tell(m, hook, l + 1));
    }
    if (trains_parameters(m))
        embedding_backward(w->T, c->C, b->ids, embedding_scale(m), dhidden, grads + offset_embedding(m));
    TRY(tell(m, hook, 0));
cleanup:
    w->kept = false; /* SwiGLU's backward pass has overwritten gate and up */
    return status;
}

wr_status model_backward(const model *m, const token_batch *b, model_workspace *w, float *dhidden, float *grads) {
    return model_backward_hooked(m, b, w, dhidden, grads, NULL);
}
