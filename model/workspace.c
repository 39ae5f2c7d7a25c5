/* Memory of a forward pass: activations of the layers, and how the segments of a batch lie on their paths.
 *
 *     kept        layers  | x qkv raw att gu x2 rstd lse | x qkv … | …  L times; a layer's x_out is the next one's x,
 *                 last_x  the last one's
 *     recompute   inputs  | x | x | … L times, layers: one layer's rest, filled again in the backward pass
 *     neither     layers: one layer's rest; x, x2 and x_out are one buffer, last_x
 *
 * A batch is a forest: segment i continues parent[i]. Its path is the segments from the root down to itself, its
 * tokens' positions go on where the parent's end, and its keys are one span for each segment of the path:
 *
 *     segments  0: prompt   1: reply (parent 0)   2: reply (parent 0)        rows | 0 0 0 0 | 1 1 | 2 2 2 |
 *     spans     0           0 1                   0 2                    position | 0 1 2 3 | 4 5 | 4 5 6 | */
#include "model/layer.h"

#include "base/mem.h"

#include <stdlib.h>

static size_t lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* The next `bytes` of a block, on a cache line; NULL when only measuring. */
typedef struct block {
    char *base;
    size_t used;
} block;
static void *take(block *b, size_t bytes) {
    void *p = b->base ? b->base + b->used : NULL;
    b->used += lines(bytes);
    return p;
}

/* The parts of a layer but for x and scratch. */
static void carve(const model *m, size_t T, bool backward, block *p, layer_buffers *b, float **lse) {
    const model_config *c = &m->config;
    const size_t act = precision_bytes(m->precision);
    b->qkv = take(p, T * qkv_width(c) * act);
    b->raw = backward && c->qk_norm ? take(p, T * (c->H + c->G) * c->D * act) : NULL;
    b->att = take(p, T * c->H * c->D * act);
    b->gu = take(p, T * 2 * c->F * act);
    const bool after = backward && c->norm_place != NORM_BEFORE, both = backward && c->norm_place == NORM_BOTH;
    b->branch1 = after ? take(p, T * c->C * sizeof(float)) : NULL;
    b->branch2 = after ? take(p, T * c->C * sizeof(float)) : NULL;
    b->x2 = backward ? take(p, T * c->C * sizeof(float)) : NULL;
    b->rstd1 = backward ? take(p, T * sizeof(float)) : NULL;
    b->rstd2 = backward ? take(p, T * sizeof(float)) : NULL;
    b->out_rstd1 = both ? take(p, T * sizeof(float)) : b->rstd1;
    b->out_rstd2 = both ? take(p, T * sizeof(float)) : b->rstd2;
    *lse = backward ? take(p, T * c->H * sizeof(float)) : NULL;
}

static size_t layer_bytes(const model *m, size_t T, bool backward) {
    block measured = {NULL, 0};
    layer_buffers b;
    float *lse;
    carve(m, T, backward, &measured, &b, &lse);
    return measured.used;
}

size_t layer_scratch(const model *m, size_t rows, void *memory, layer_buffers *b) {
    const model_config *c = &m->config;
    const size_t act = precision_bytes(m->precision);
    const bool after = c->norm_place != NORM_BEFORE;
    const size_t longest = c->C > (c->H + c->G) * c->D ? c->C : (c->H + c->G) * c->D;
    block p = {memory, 0};
    b->norm = take(&p, rows * c->C * act);
    b->act = take(&p, rows * c->F * act);
    b->branch = after ? take(&p, rows * c->C * sizeof(float)) : NULL;
    b->normed = after ? take(&p, rows * c->C * sizeof(float)) : NULL;
    b->factors = c->norm_from_one ? take(&p, longest * sizeof(float)) : NULL;
    return p.used;
}

/* Kept layers lie one after another, each behind its x. */
layer_buffers workspace_layer(const model *m, const workspace *w, size_t l, float **lse) {
    const model_config *c = &m->config;
    const size_t stream = lines(w->T * c->C * sizeof(float));
    const bool every = w->kept && !w->recompute;
    layer_buffers b = {0};
    block at = {w->layers.data, every ? l * (stream + layer_bytes(m, w->T, true)) : 0};
    if (every) b.x = take(&at, stream);
    carve(m, w->T, w->kept, &at, &b, lse);
    if (w->kept && w->recompute) b.x = (float *)((char *)w->inputs.data + l * stream);
    if (!w->kept)
        b.x = b.x2 = b.x_out = w->last_x.data;
    else if (l + 1 == c->L)
        b.x_out = w->last_x.data;
    else
        b.x_out = (float *)(w->recompute ? (char *)b.x + stream : at.base + at.used);
    layer_scratch(m, LAYER_ROWS, w->scratch.data, &b);
    return b;
}

activation_sizes activation_sizes_of(const model *m, size_t T, bool keep, bool recompute) {
    const model_config *c = &m->config;
    const size_t stream = lines(T * c->C * sizeof(float));
    const bool every = keep && !recompute;
    return (activation_sizes){.layers = (every ? c->L : 1) * (layer_bytes(m, T, keep) + (every ? stream : 0)),
                              .inputs = keep && recompute ? c->L * stream : 0,
                              .scratch = layer_scratch(m, LAYER_ROWS, NULL, &(layer_buffers){0}),
                              .stream = stream,
                              .final_rstd = T * sizeof(float)};
}

static wr_status reserve_activations(const model *m, workspace *w, size_t T, bool keep) {
    wr_status status = WR_OK;
    const activation_sizes s = activation_sizes_of(m, T, keep, w->recompute);
    TRY(buffer_need(&w->layers, s.layers));
    TRY(buffer_need(&w->inputs, s.inputs));
    TRY(buffer_need(&w->scratch, s.scratch));
    TRY(buffer_need(&w->last_x, s.stream));
    TRY(buffer_need(&w->hidden, s.stream));
    TRY(buffer_need(&w->final_rstd, s.final_rstd));
cleanup:
    return status;
}

static wr_status reserve_plan(segment_plan *p, size_t B, size_t T, size_t spans) {
    wr_status status = WR_OK;
    if (B > p->B_capacity) {
        free(p->items), free(p->grads), free(p->first_span), free(p->path), free(p->first_task);
        p->B_capacity = 0;
        p->items = mem_calloc(B, sizeof *p->items);
        p->grads = mem_calloc(B, sizeof *p->grads);
        p->first_span = mem_calloc(B + 1, sizeof *p->first_span);
        p->path = mem_calloc(B, sizeof *p->path);
        p->first_task = mem_calloc(B + 1, sizeof *p->first_task);
        TRY_ALLOC(p->items && p->grads && p->first_span && p->path && p->first_task);
        p->B_capacity = B;
    }
    if (T > p->T_capacity) {
        free(p->position);
        p->T_capacity = 0;
        p->position = mem_calloc(T, sizeof *p->position);
        TRY_ALLOC(p->position);
        p->T_capacity = T;
    }
    if (spans > p->span_capacity) {
        free(p->spans);
        p->span_capacity = 0;
        p->spans = mem_calloc(spans, sizeof *p->spans);
        TRY_ALLOC(p->spans);
        p->span_capacity = spans;
    }
cleanup:
    return status;
}

static wr_status check_batch(const model *m, const token_batch *b) {
    if (b->B == 0 || b->offsets[0] != 0)
        return wr_fail(WR_E_USAGE, "model_forward: a batch needs segments, from offset 0");
    for (size_t i = 0; i < b->B; i++) {
        if (b->offsets[i + 1] <= b->offsets[i])
            return wr_fail(WR_E_USAGE, "model_forward: segment %zu of the batch is empty", i);
        if (b->parent && (b->parent[i] < -1 || b->parent[i] >= (int32_t)i))
            return wr_fail(WR_E_USAGE, "model_forward: segment %zu continues %d, which is not an earlier segment", i,
                           (int)b->parent[i]);
    }
    if (m->config.D > ATTENTION_D_MAX)
        return wr_fail(WR_E_MISMATCH, "head_dim %zu is above %d, the largest supported", m->config.D, ATTENTION_D_MAX);
    if (!m->weights[0]) return wr_fail(WR_E_USAGE, "model_forward: the model has no weights");
    return WR_OK;
}

wr_status segment_plan_make(const token_batch *b, segment_plan *p, size_t *longest) {
    wr_status status = WR_OK;
    size_t spans = 0;
    *longest = 0;
    TRY(reserve_plan(p, b->B, b->offsets[b->B], 0));
    for (size_t i = 0; i < b->B; i++) {
        const int32_t parent = b->parent ? b->parent[i] : -1;
        const size_t before = parent < 0 ? 0 : p->path[parent], n = b->offsets[i + 1] - b->offsets[i];
        p->items[i].n_spans = 1 + (parent < 0 ? 0 : p->items[parent].n_spans);
        p->first_span[i] = spans;
        spans += p->items[i].n_spans;
        p->path[i] = before + n;
        if (p->path[i] > *longest) *longest = p->path[i];
        for (size_t t = 0; t < n; t++) p->position[b->offsets[i] + t] = (int32_t)(before + t);
    }
    TRY(reserve_plan(p, b->B, b->offsets[b->B], spans));
cleanup:
    return status;
}

void workspace_items(const model *m, const token_batch *b, workspace *w, const layer_buffers *x, float *lse) {
    const model_config *c = &m->config;
    const size_t Q = qkv_width(c), HD = c->H * c->D, GD = c->G * c->D;
    segment_plan *p = &w->plan;
    for (size_t i = 0; i < b->B; i++) {
        const size_t first = b->offsets[i], n = b->offsets[i + 1] - first, above = p->items[i].n_spans - 1;
        kv_span *spans = p->spans + p->first_span[i];
        for (size_t s = 0; s < above; s++) spans[s] = p->spans[p->first_span[b->parent[i]] + s];
        spans[above] = (kv_span){.k = act_row(m, x->qkv, 1, first * Q + HD),
                                 .v = act_row(m, x->qkv, 1, first * Q + HD + GD),
                                 .token_stride = Q,
                                 .head_stride = c->D,
                                 .n = n};
        p->items[i] = (attention_item){.q = act_row(m, x->qkv, first, Q),
                                       .o = act_row(m, x->att, first, HD),
                                       .lse = lse ? lse + first * c->H : NULL,
                                       .n_q = n,
                                       .n_spans = above + 1,
                                       .spans = spans};
    }
}

attention_args workspace_attention(const model *m, const token_batch *b, const workspace *w, size_t l) {
    attention_args a = layer_attention(&m->config, l);
    a.n_items = b->B;
    a.items = w->plan.items;
    a.parent = b->parent;
    a.first_task = w->plan.first_task;
    return a;
}

/* With LONGROPE a sequence's length decides by what all of its tokens are turned, so that a segment serves sequences of
 * one kind: longer than the original length, or not. position becomes the row of the rotary table. */
static wr_status choose_rows(const model *m, const token_batch *b, workspace *w) {
    const size_t limit = model_config_rope_switch(&m->config);
    const segment_plan *p = &w->plan;
    size_t *reach = p->first_task; /* the longest path that the segment is part of */
    if (limit == SIZE_MAX) return WR_OK;
    for (size_t i = 0; i < b->B; i++) reach[i] = p->path[i];
    for (size_t i = b->B; i-- > 0;)
        if (b->parent && b->parent[i] >= 0 && reach[i] > reach[b->parent[i]]) reach[b->parent[i]] = reach[i];
    for (size_t i = 0; i < b->B; i++) {
        const bool far = reach[i] > limit;
        if (b->parent && b->parent[i] >= 0 && far != (reach[b->parent[i]] > limit))
            return wr_fail(WR_E_USAGE,
                           "model_forward: segment %zu and another one that continues %d lie on both sides of the "
                           "model's original_max_position_embeddings (%zu)",
                           i, (int)b->parent[i], limit);
        for (size_t t = b->offsets[i]; t < b->offsets[i + 1]; t++)
            p->position[t] += (int32_t)rope_first_row(&w->rope, far);
    }
    return WR_OK;
}

wr_status workspace_prepare(const model *m, const token_batch *b, workspace *w, bool keep) {
    wr_status status = WR_OK;
    size_t longest = 0;
    w->kept = false;
    w->head_rows = 0;
    TRY(check_batch(m, b));
    TRY(segment_plan_make(b, &w->plan, &longest));
    TRY(reserve_activations(m, w, b->offsets[b->B], keep));
    TRY(rope_tables_need(&m->config, &w->rope, longest));
    TRY(choose_rows(m, b, w));
    w->T = b->offsets[b->B];
    w->kept = keep;
cleanup:
    return status;
}

wr_status model_workspace_create(const model *m, model_workspace **out) {
    wr_status status = WR_OK;
    (void)m; /* every buffer is sized at the first batch */
    workspace *w = mem_calloc(1, sizeof *w);
    *out = NULL;
    TRY_ALLOC(w);
    TRY(linear_create(&w->linear));
    *out = w;
    w = NULL;
cleanup:
    model_workspace_free(w);
    return status;
}

void segment_plan_free(segment_plan *p) {
    free(p->items), free(p->grads), free(p->spans), free(p->first_span), free(p->path);
    free(p->first_task), free(p->position);
    *p = (segment_plan){0};
}

size_t segment_plan_bytes(const segment_plan *p) {
    return p->B_capacity * (sizeof *p->items + sizeof *p->grads + 3 * sizeof(size_t)) +
           p->T_capacity * sizeof *p->position + p->span_capacity * sizeof *p->spans;
}

#define BUFFERS(w)                                                                                                     \
    {                                                                                                                  \
        &(w)->inputs, &(w)->layers, &(w)->scratch, &(w)->hidden, &(w)->final_rstd, &(w)->last_x, &(w)->backward,       \
            &(w)->attention, &(w)->logits, &(w)->dlogits, &(w)->gathered, &(w)->dgathered, &(w)->row_state             \
    }

void model_workspace_free(model_workspace *w) {
    if (!w) return;
    buffer *const buffers[] = BUFFERS(w);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) buffer_free(buffers[i]);
    linear_free(&w->linear);
    rope_tables_free(&w->rope);
    segment_plan_free(&w->plan);
    free(w);
}

size_t model_workspace_bytes(const model_workspace *w) {
    const buffer *const buffers[] = BUFFERS(w);
    size_t bytes = linear_bytes(&w->linear) + rope_tables_bytes(&w->rope);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) bytes += buffers[i]->bytes;
    return bytes + segment_plan_bytes(&w->plan);
}

void model_workspace_fix_tiles(model_workspace *w, bool on) { matmul_fix_tiles(w->linear.products, on); }

void model_workspace_recompute(model_workspace *w, bool on) {
    if (w->recompute != on) w->kept = false;
    w->recompute = on;
}
