/* y = x W^T + s (x A^T) B^T, s = alpha / rank; A and B only where the layer has an adapter (LoRA).
 *
 *     q, k, v of a layer are one group: one product with [Wq; Wk; Wv] wherever the three lie one after another
 *     (group_parts), and an adapter each on its own columns of y; stored as one matrix, they have one adapter
 *     forward    u = s x A^T (T, rank)     y += u B^T
 *     backward   du = s dy B (T, rank)     dx = dy W + du A     dB += dy^T u     dA += du^T x
 *
 * Gradients of weights go to the parameters, or with adapters to those alone, and W stays as it is. */
#include "model/linear.h"

#include "base/mem.h"
#include "model/kernels/kernels.h"
#include "model/weights/lora.h"
#include "model/weights/params.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 3 /* linear layers of a group */

typedef struct group_kinds {
    int n, kinds[PARTS_MAX];
} group_kinds;

/* The linear layers of a group: several, or the one that holds all of their rows. */
static const group_kinds *kinds_of(const model *m, linear_group g) {
    static const group_kinds kinds[2][LINEAR_GROUPS] = {{[GROUP_QKV] = {3, {LAYER_Q, LAYER_K, LAYER_V}},
                                                         [GROUP_O] = {1, {LAYER_O}},
                                                         [GROUP_GATE_UP] = {2, {LAYER_GATE, LAYER_UP}},
                                                         [GROUP_DOWN] = {1, {LAYER_DOWN}}},
                                                        {[GROUP_QKV] = {1, {LAYER_QKV}},
                                                         [GROUP_O] = {1, {LAYER_O}},
                                                         [GROUP_GATE_UP] = {1, {LAYER_GATE_UP}},
                                                         [GROUP_DOWN] = {1, {LAYER_DOWN}}}};
    return &kinds[m->config.fused][g];
}

/* A run of neighbouring linear layers whose weights lie one after another. */
typedef struct part {
    size_t first, n; /* columns of Y */
    const void *W;
} part;

static size_t group_parts(const model *m, size_t l, linear_group g, part parts[PARTS_MAX]) {
    size_t count = 0, column = 0;
    const group_kinds *group = kinds_of(m, g);
    for (int i = 0; i < group->n; i++) {
        const size_t index = index_layer(m, l, group->kinds[i]);
        const tensor_info *t = &m->tensors[index];
        const char *W = m->weights[index];
        part *last = count ? &parts[count - 1] : NULL;
        if (last && (const char *)last->W + last->n * t->dims[1] * precision_bytes(m->precision) == W)
            last->n += t->dims[0];
        else
            parts[count++] = (part){column, t->dims[0], W};
        column += t->dims[0];
    }
    return count;
}

/* N and K of a group's product. */
static size_t group_width(const model_config *c, linear_group g) {
    const size_t widths[LINEAR_GROUPS] = {(c->H + 2 * c->G) * c->D, c->C, 2 * c->F, c->C};
    return widths[g];
}
static size_t group_depth(const model_config *c, linear_group g) {
    const size_t depths[LINEAR_GROUPS] = {c->C, c->H * c->D, c->C, c->F};
    return depths[g];
}

bool trains_parameters(const model *m) { return m->lora == NULL; }

wr_status linear_create(linear_context *c) {
    *c = (linear_context){0};
    return matmul_create(&c->products);
}

static void free_packed(linear_context *c) {
    for (size_t i = 0; c->packed && i < c->n_packed; i++) packed_matrix_free(c->packed[i]);
    free(c->packed);
    c->packed = NULL;
    c->n_packed = 0;
}

void linear_free(linear_context *c) {
    free_packed(c);
    matmul_free(c->products);
    buffer_free(&c->u);
    buffer_free(&c->du);
    *c = (linear_context){0};
}

size_t linear_bytes(const linear_context *c) {
    return c->u.bytes + c->du.bytes + (c->products ? matmul_bytes(c->products) : 0);
}

/* --- packed weights ----------------------------------------------------------------------------------------------- */

static packed_matrix **packed_slot(const linear_context *c, size_t l, linear_group g, size_t i) {
    return &c->packed[(l * LINEAR_GROUPS + (size_t)g) * PARTS_MAX + i];
}

static wr_status pack(linear_context *c, packed_matrix **slot, size_t N, size_t K, const void *W) {
    wr_status status = WR_OK;
    if (!*slot) TRY(packed_matrix_create(c->products, N, K, slot));
    TRY(packed_matrix_fill(c->products, *slot, W));
cleanup:
    return status;
}

wr_status linear_pack(const model *m, linear_context *c) {
    wr_status status = WR_OK;
    const model_config *k = &m->config;
    part parts[PARTS_MAX];
    if (!c->packed) {
        c->n_packed = k->L * LINEAR_GROUPS * PARTS_MAX + 1;
        c->packed = mem_calloc(c->n_packed, sizeof *c->packed);
        TRY_ALLOC(c->packed);
    }
    for (size_t l = 0; l < k->L; l++)
        for (linear_group g = 0; g < LINEAR_GROUPS; g++) {
            const size_t n = group_parts(m, l, g, parts);
            for (size_t i = 0; i < n; i++)
                TRY(pack(c, packed_slot(c, l, g, i), parts[i].n, group_depth(k, g), parts[i].W));
        }
    if (k->head == HEAD_LM || (k->tied && k->head == HEAD_NONE))
        TRY(pack(c, &c->packed[c->n_packed - 1], k->V, k->C, m->weights[index_head(m)]));
cleanup:
    if (status < 0) free_packed(c);
    return status;
}

/* --- adapters ----------------------------------------------------------------------------------------------------- */

/* A and B of linear layer `kind` in the model's precision; NULL: it has none. */
static const lora_pair *adapter(const model *m, size_t l, int kind, const void **A, const void **B) {
    if (!m->lora || !m->lora->on) return NULL;
    const lora_pair *p = &m->lora->pairs[l * LAYER_KINDS + (size_t)kind];
    if (p->a == SIZE_MAX) return NULL;
    const bool half = m->precision == PRECISION_BF16;
    *A = half ? (const void *)(m->lora->values16 + p->a) : m->lora->values + p->a;
    *B = half ? (const void *)(m->lora->values16 + p->b) : m->lora->values + p->b;
    return p;
}

static float adapter_scale(const model *m) { return (float)(m->lora->alpha / (double)m->lora->rank); }

static void scale_in_place(precision p, size_t n, float scale, void *x) {
    if (p == PRECISION_F32) {
        float *f = x;
#pragma omp simd
        for (size_t i = 0; i < n; i++) f[i] *= scale;
    } else {
        bf16 *h = x;
        for (size_t i = 0; i < n; i++) h[i] = bf16_from_f32(scale * bf16_to_f32(h[i]));
    }
}

/* u (T, rank) = s X A^T */
static wr_status adapter_inner(const model *m, linear_context *c, size_t T, size_t K, const void *X, const void *A) {
    wr_status status = WR_OK;
    const size_t r = m->lora->rank;
    TRY(buffer_need(&c->u, T * r * sizeof(float)));
    TRY(matmul_xwt(c->products, m->precision, T, r, K, X, K, A, c->u.data, r, false, false));
    scale_in_place(m->precision, T * r, adapter_scale(m), c->u.data);
cleanup:
    return status;
}

/* du (T, rank) = s dY B */
static wr_status adapter_inner_gradient(const model *m, linear_context *c, size_t T, size_t N, const void *dY,
                                        size_t ldy, const void *B) {
    wr_status status = WR_OK;
    const size_t r = m->lora->rank;
    TRY(buffer_need(&c->du, T * r * sizeof(float)));
    TRY(matmul_dx(c->products, m->precision, T, N, r, dY, ldy, B, c->du.data, false, false));
    scale_in_place(m->precision, T * r, adapter_scale(m), c->du.data);
cleanup:
    return status;
}

typedef struct columns {
    size_t first, n;
} columns;
static columns kind_columns(const model *m, size_t l, linear_group g, int i) {
    columns c = {0, 0};
    for (int k = 0; k <= i; k++) {
        c.first += c.n;
        c.n = m->tensors[index_layer(m, l, kinds_of(m, g)->kinds[k])].dims[0];
    }
    return c;
}

/* Element `i` of an array of the model's precision. */
static const void *at(const model *m, const void *p, size_t i) {
    return (const char *)p + i * precision_bytes(m->precision);
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

wr_status linear_forward(const model *m, linear_context *c, size_t l, linear_group g, size_t T, const void *X, void *Y,
                         bool y_f32, bool add) {
    wr_status status = WR_OK;
    const size_t N = group_width(&m->config, g), K = group_depth(&m->config, g), r = m->lora ? m->lora->rank : 0;
    const size_t y_bytes = y_f32 ? sizeof(float) : precision_bytes(m->precision);
    part parts[PARTS_MAX];
    const size_t n = group_parts(m, l, g, parts);
    for (size_t i = 0; i < n; i++) {
        void *to = (char *)Y + parts[i].first * y_bytes;
        if (c->packed && T <= PACKED_ROWS_MAX)
            TRY(matmul_xwt_packed(c->products, T, *packed_slot(c, l, g, i), X, K, to, N, y_f32, add));
        else
            TRY(matmul_xwt(c->products, m->precision, T, parts[i].n, K, X, K, parts[i].W, to, N, y_f32, add));
    }
    const group_kinds *group = kinds_of(m, g);
    for (int i = 0; i < group->n; i++) {
        const void *A, *B;
        if (!adapter(m, l, group->kinds[i], &A, &B)) continue;
        const columns y = kind_columns(m, l, g, i);
        TRY(adapter_inner(m, c, T, K, X, A)); /* y += u B^T */
        TRY(matmul_xwt(c->products, m->precision, T, y.n, r, c->u.data, r, B, (char *)Y + y.first * y_bytes, N, y_f32,
                       true));
    }
cleanup:
    return status;
}

wr_status linear_head(const model *m, linear_context *c, size_t n, size_t first, size_t V, const void *X, float *Y) {
    const size_t C = m->config.C;
    if (c->packed && n <= PACKED_ROWS_MAX && first == 0 && V == m->config.V)
        return matmul_xwt_packed(c->products, n, c->packed[c->n_packed - 1], X, C, Y, V, true, false);
    return matmul_xwt(c->products, m->precision, n, V, C, X, C, at(m, m->weights[index_head(m)], first * C), Y, V, true,
                      false);
}

/* --- backward: y = x W^T + s (x A^T) B^T -------------------------------------------------------------------------- */

/* dx = dy W + (s dy B) A */
wr_status linear_backward_input(const model *m, linear_context *c, size_t l, linear_group g, size_t T, const void *dY,
                                void *dX) {
    wr_status status = WR_OK;
    const size_t N = group_width(&m->config, g), K = group_depth(&m->config, g), r = m->lora ? m->lora->rank : 0;
    part parts[PARTS_MAX];
    const size_t n = group_parts(m, l, g, parts);
    for (size_t i = 0; i < n; i++)
        TRY(matmul_dx(c->products, m->precision, T, parts[i].n, K, at(m, dY, parts[i].first), N, parts[i].W, dX, false,
                      i > 0));
    const group_kinds *group = kinds_of(m, g);
    for (int i = 0; i < group->n; i++) {
        const void *A, *B;
        if (!adapter(m, l, group->kinds[i], &A, &B)) continue;
        const columns y = kind_columns(m, l, g, i);
        TRY(adapter_inner_gradient(m, c, T, y.n, at(m, dY, y.first), N, B));
        TRY(matmul_dx(c->products, m->precision, T, r, K, c->du.data, r, A, dX, false, true));
    }
cleanup:
    return status;
}

/* dW += dy^T x, or dB += dy^T (s x A^T), dA += (s dy B)^T x */
wr_status linear_backward_weight(const model *m, linear_context *c, size_t l, linear_group g, size_t T, const void *dY,
                                 const void *X, float *grads) {
    wr_status status = WR_OK;
    const size_t N = group_width(&m->config, g), K = group_depth(&m->config, g), r = m->lora ? m->lora->rank : 0;
    if (trains_parameters(m)) /* gradients of a group always lie one after another */
        return matmul_dw_add(c->products, m->precision, T, N, K, dY, N, X,
                             grads + offset_layer(m, l, kinds_of(m, g)->kinds[0]));
    const group_kinds *group = kinds_of(m, g);
    for (int i = 0; i < group->n; i++) {
        const void *A, *B;
        const lora_pair *p = adapter(m, l, group->kinds[i], &A, &B);
        if (!p) continue;
        const columns y = kind_columns(m, l, g, i);
        const void *dy = at(m, dY, y.first);
        TRY(adapter_inner(m, c, T, K, X, A));
        TRY(matmul_dw_add(c->products, m->precision, T, y.n, r, dy, N, c->u.data, grads + p->b));
        TRY(adapter_inner_gradient(m, c, T, y.n, dy, N, B));
        TRY(matmul_dw_add(c->products, m->precision, T, r, K, c->du.data, r, X, grads + p->a));
    }
cleanup:
    return status;
}
