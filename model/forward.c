/* model_forward on packed sequences, and its workspace. */
#include "model/layer.h"

#include "base/mem.h"
#include "model/params.h"

#include <stdlib.h>

/* Floats that backward needs of a layer: x, x2, rstd1, rstd2, qkv, att, lse, gu. Norms and SwiGLU are computed again.
 */
static size_t layer_floats(const model_config *c, size_t T) {
    return T * (2 * c->C + 2 + qkv_width(c) + c->H * c->D + c->H + 2 * c->F);
}

/* Where the parts of a layer lie; the order matches layer_floats. */
static layer_buffers carve(const model_config *c, size_t T, float *p, float **lse) {
    layer_buffers b = {0};
    b.x = p, p += T * c->C;
    b.x2 = p, p += T * c->C;
    b.qkv = p, p += T * qkv_width(c);
    b.att = p, p += T * c->H * c->D;
    b.gu = p, p += T * 2 * c->F;
    b.rstd1 = p, p += T;
    b.rstd2 = p, p += T;
    *lse = p;
    return b;
}

layer_buffers workspace_layer(const model *m, const workspace *w, size_t l) {
    const model_config *c = &m->config;
    const size_t T = w->T;
    float *lse = NULL;
    layer_buffers b = carve(c, T, w->kept ? w->kept_layers.data + l * layer_floats(c, T) : w->kept_layers.data, &lse);
    b.norm = w->once.data;
    b.act = w->once.data + T * c->C;
    if (!w->kept) {
        b.x2 = b.x_out = b.x = w->last_x.data;
    } else if (l + 1 < c->L) {
        b.x_out = w->kept_layers.data + (l + 1) * layer_floats(c, T);
    } else {
        b.x_out = w->last_x.data;
    }
    return b;
}

void workspace_items(const model *m, const token_batch *b, workspace *w, size_t l) {
    const model_config *c = &m->config;
    const size_t T = w->T, Q = qkv_width(c), HD = c->H * c->D;
    float *lse = NULL;
    layer_buffers x = carve(c, T, w->kept ? w->kept_layers.data + l * layer_floats(c, T) : w->kept_layers.data, &lse);
    for (size_t i = 0; i < b->B; i++) {
        const size_t first = b->offsets[i], n = b->offsets[i + 1] - first;
        float *row = x.qkv + first * Q;
        w->items[i] = (attention_item){
            .q = row,
            .o = x.att + first * HD,
            .lse = lse + first * c->H,
            .n_q = n,
            .span = {{.k = row + HD, .v = row + HD + c->G * c->D, .token_stride = Q, .head_stride = c->D, .n = n},
                     {0}}};
    }
}

attention_args workspace_attention(const model *m, const token_batch *b, const workspace *w) {
    const model_config *c = &m->config;
    return (attention_args){.H = c->H,
                            .G = c->G,
                            .D = c->D,
                            .q_stride = qkv_width(c),
                            .o_stride = c->H * c->D,
                            .n_items = b->B,
                            .items = w->items,
                            .first_task = w->first_task};
}

static wr_status check_batch(const model *m, const token_batch *b) {
    if (b->B == 0 || b->offsets[0] != 0)
        return wr_fail(WR_E_USAGE, "model_forward: a batch needs sequences, from offset 0");
    for (size_t i = 0; i < b->B; i++)
        if (b->offsets[i + 1] <= b->offsets[i])
            return wr_fail(WR_E_USAGE, "model_forward: sequence %zu of the batch is empty", i);
    if (m->config.D > ATTENTION_D_MAX)
        return wr_fail(WR_E_MISMATCH, "head_dim %zu is above %d, the largest supported", m->config.D, ATTENTION_D_MAX);
    if (!m->params) return wr_fail(WR_E_USAGE, "model_forward: the model has no parameters");
    return WR_OK;
}

static wr_status reserve_plan(workspace *w, size_t B, size_t T) {
    wr_status status = WR_OK;
    if (B > w->B_capacity) {
        free(w->items);
        free(w->item_grads);
        free(w->first_task);
        w->B_capacity = 0;
        w->items = mem_calloc(B, sizeof *w->items);
        w->item_grads = mem_calloc(B, sizeof *w->item_grads);
        w->first_task = mem_calloc(B + 1, sizeof *w->first_task);
        TRY_ALLOC(w->items && w->item_grads && w->first_task);
        w->B_capacity = B;
    }
    if (T > w->T_capacity) {
        free(w->position);
        w->T_capacity = 0;
        w->position = mem_calloc(T, sizeof *w->position);
        TRY_ALLOC(w->position);
        w->T_capacity = T;
    }
cleanup:
    return status;
}

wr_status model_forward(const model *m, const token_batch *b, model_workspace *w, bool keep, const float **hidden) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    size_t longest = 0;
    w->kept = false;
    TRY(check_batch(m, b));
    const size_t T = b->offsets[b->B];
    TRY(reserve_plan(w, b->B, T));
    TRY(float_buffer_need(&w->kept_layers, (keep ? c->L : 1) * layer_floats(c, T)));
    TRY(float_buffer_need(&w->once, T * (c->C + c->F)));
    TRY(float_buffer_need(&w->last_x, T * c->C));
    TRY(float_buffer_need(&w->hidden, T * c->C));
    TRY(float_buffer_need(&w->final_rstd, T));
    for (size_t i = 0; i < b->B; i++) {
        const size_t n = b->offsets[i + 1] - b->offsets[i];
        if (n > longest) longest = n;
        for (size_t t = 0; t < n; t++) w->position[b->offsets[i] + t] = (int32_t)t;
    }
    TRY(rope_table_need(c, &w->rope, longest));
    w->T = T;
    w->kept = keep;
    TRY(embed_tokens(m, T, b->ids, workspace_layer(m, w, 0).x));
    for (size_t l = 0; l < c->L; l++) {
        const layer_buffers x = workspace_layer(m, w, l);
        layer_qkv(m, l, T, w->position, &w->rope, &x);
        workspace_items(m, b, w, l);
        const attention_args a = workspace_attention(m, b, w);
        kernels()->attention(&a);
        layer_rest(m, l, T, &x);
    }
    kernels()->rmsnorm(T, c->C, (float)c->norm_eps, w->last_x.data, m->params + offset_final_norm(m), w->hidden.data,
                       w->final_rstd.data);
    *hidden = w->hidden.data;
cleanup:
    if (status < 0) w->kept = false;
    return status;
}

wr_status model_workspace_create(const model *m, model_workspace **out) {
    (void)m; /* every buffer is sized at the first batch */
    *out = mem_calloc(1, sizeof **out);
    return *out ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
}

void model_workspace_free(model_workspace *w) {
    if (!w) return;
    float_buffer_free(&w->kept_layers);
    float_buffer_free(&w->once);
    float_buffer_free(&w->hidden);
    float_buffer_free(&w->final_rstd);
    float_buffer_free(&w->last_x);
    float_buffer_free(&w->backward);
    float_buffer_free(&w->logits);
    float_buffer_free(&w->gathered);
    float_buffer_free(&w->dgathered);
    rope_table_free(&w->rope);
    free(w->items);
    free(w->item_grads);
    free(w->first_task);
    free(w->position);
    free(w);
}

size_t model_workspace_bytes(const model_workspace *w) {
    return sizeof(float) * (w->kept_layers.capacity + w->once.capacity + w->hidden.capacity + w->final_rstd.capacity +
                            w->last_x.capacity + w->backward.capacity + w->logits.capacity + w->gathered.capacity +
                            w->dgathered.capacity + w->rope.cosines.capacity + w->rope.sines.capacity) +
           w->B_capacity * (sizeof *w->items + sizeof *w->item_grads + sizeof *w->first_task) +
           w->T_capacity * sizeof(int32_t);
}
