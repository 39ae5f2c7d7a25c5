/* What a workspace will hold, without making it: the sizes that those who make room ask for, of each buffer the largest
 * of all batches. */
#include "model/layer.h"

#include "model/weights/lora.h"

enum {
    NEED_INPUTS,
    NEED_LAYERS,
    NEED_SCRATCH,
    NEED_HIDDEN,
    NEED_LAST_X,
    NEED_FINAL_RSTD,
    NEED_BACKWARD,
    NEED_ATTENTION,
    NEED_LOGITS,
    NEED_DLOGITS,
    NEED_GATHERED,
    NEED_DGATHERED,
    NEED_ROW_STATE,
    NEED_ROPE,
    NEED_PLAN,
    NEED_ADAPTERS,
    NEED_PRODUCTS,
    NEEDS
};
_Static_assert((int)NEEDS == (int)WORKSPACE_BUFFERS, "buffers of a workspace");

static void at_least(workspace_need *x, int which, size_t bytes) {
    if (x->bytes[which] < bytes) x->bytes[which] = bytes;
}

/* Sums of the gradients of keys and values. */
static size_t attention_bytes(const model *m, const token_batch *b, segment_plan *p) {
    attention_args a = layer_attention(&m->config, 0);
    for (size_t i = 0; i < b->B; i++) p->items[i].n_q = b->offsets[i + 1] - b->offsets[i];
    a.n_items = b->B;
    a.items = p->items;
    a.parent = b->parent;
    a.first_task = p->first_task;
    return kernels()->act[m->precision].attention_backward_scratch(&a);
}

static wr_status product_at_least(precision p, size_t M, size_t N, size_t K, workspace_need *x) {
    size_t bytes;
    const wr_status status = matmul_scratch_bytes(p, M, N, K, &bytes);
    if (status >= 0) at_least(x, NEED_PRODUCTS, bytes);
    return status;
}

static wr_status products_at_least(const model *m, size_t T, size_t head_rows, workspace_need *x) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    const precision p = m->precision;
    const size_t rows = rows_from(0, T), HD = c->H * c->D, rank = m->lora ? m->lora->rank : 0;
    const size_t shapes[][3] = {
        {rows, qkv_width(c), c->C}, {rows, c->C, HD}, {rows, 2 * c->F, c->C}, {rows, c->C, c->F}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        TRY(product_at_least(p, shapes[i][0], shapes[i][1], shapes[i][2], x));
    const head_sizes s = head_sizes_of(m, head_rows);
    if (head_rows && c->C) {
        const size_t block = s.dgathered / sizeof(float) / c->C;
        TRY(product_at_least(p, block, s.logits / sizeof(float) / block, c->C, x));
    }
    at_least(x, NEED_ADAPTERS, 2 * rows * rank * sizeof(float)); /* inner activations, and their gradients */
cleanup:
    return status;
}

wr_status model_workspace_need(const model *m, const token_batch *b, size_t head_rows, bool keep, bool recompute,
                               workspace_need *x) {
    wr_status status = WR_OK;
    segment_plan plan = {0};
    size_t longest;
    const size_t T = b->offsets[b->B];
    TRY(segment_plan_make(b, &plan, &longest));
    const activation_sizes a = activation_sizes_of(m, T, keep, recompute);
    const head_sizes h = head_sizes_of(m, head_rows);
    at_least(x, NEED_INPUTS, a.inputs);
    at_least(x, NEED_LAYERS, a.layers);
    at_least(x, NEED_SCRATCH, a.scratch);
    at_least(x, NEED_HIDDEN, a.stream);
    at_least(x, NEED_LAST_X, a.stream);
    at_least(x, NEED_FINAL_RSTD, a.final_rstd);
    at_least(x, NEED_ROPE, rope_tables_size(&m->config, longest));
    at_least(x, NEED_LOGITS, h.logits);
    at_least(x, NEED_GATHERED, h.gathered);
    at_least(x, NEED_ROW_STATE, h.row_state);
    TRY(products_at_least(m, T, head_rows, x));
    if (keep) {
        at_least(x, NEED_BACKWARD, backward_bytes(m, T));
        at_least(x, NEED_ATTENTION, attention_bytes(m, b, &plan));
        at_least(x, NEED_DLOGITS, h.dlogits);
        at_least(x, NEED_DGATHERED, h.dgathered);
    }
    at_least(x, NEED_PLAN, segment_plan_bytes(&plan));
cleanup:
    segment_plan_free(&plan);
    return status;
}

size_t workspace_need_bytes(const workspace_need *x) {
    size_t bytes = 0;
    for (int i = 0; i < NEEDS; i++) bytes += x->bytes[i] ? buffer_room(x->bytes[i]) : 0;
    return bytes;
}
