#include "model/weights/lora_ends.h"

#include "base/mem.h"
#include "model/kernels/kernels.h"
#include "model/kernels/matmul.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "base_model.model."

/* Names in PEFT's file (0.21.2). Under an adapter, the matrix itself is base_layer; PEFT adds it whenever it thinks
 * that it may have changed. */
static const struct {
    const char *a, *b, *whole, *base;
} names[ENDS] = {
    [END_EMBEDDING] = {PREFIX "model.embed_tokens.lora_embedding_A", PREFIX "model.embed_tokens.lora_embedding_B",
                       PREFIX "model.embed_tokens.weight", PREFIX "model.embed_tokens.base_layer.weight"},
    [END_HEAD] = {PREFIX "lm_head.lora_A.weight", PREFIX "lm_head.lora_B.weight", PREFIX "lm_head.weight",
                  PREFIX "lm_head.base_layer.weight"},
};

static wr_status take(const safetensors *s, const char *name, bool needed, size_t rows, size_t cols,
                      const st_tensor **out) {
    const st_tensor *t = *out = safetensors_find(s, name);
    if (!t) return needed ? wr_fail(WR_E_FORMAT, "tensor \"%s\" is missing", name) : WR_OK;
    if (t->n_dims == 2 && t->dims[0] == rows && t->dims[1] == cols) return WR_OK;
    return wr_fail(
        WR_E_MISMATCH,
        "tensor \"%s\" has shape (%zu, %zu), but with this model and adapter_config.json it must be (%zu, %zu)", name,
        t->n_dims > 0 ? t->dims[0] : 0, t->n_dims > 1 ? t->dims[1] : 0, rows, cols);
}

static wr_status find_end(const model *m, const safetensors *s, const lora_plan *plan, int which, lora_ends *out) {
    wr_status status = WR_OK;
    const size_t V = m->config.V, C = m->config.C;
    const lora_share *share = which == END_HEAD ? &plan->head : &plan->embedding;
    const bool saved = which == END_HEAD ? plan->head_saved : plan->embedding_saved;
    lora_end *e = &out->end[which];
    const st_tensor *base = NULL;
    if (share->rank) {
        TRY(take(s, names[which].a, true, share->rank, which == END_HEAD ? C : V, &e->a));
        TRY(take(s, names[which].b, true, which == END_HEAD ? V : C, share->rank, &e->b));
        TRY(take(s, names[which].base, false, V, C, &base));
    }
    TRY(take(s, names[which].whole, saved, V, C, &e->whole));
    if (base && e->whole)
        TRY(wr_fail(WR_E_FORMAT, "tensor \"%s\" is there beside \"%s\": which of them counts is not known",
                    names[which].whole, names[which].base));
    if (base) e->whole = base;
    out->n_found += (e->a != NULL) + (e->b != NULL) + (e->whole != NULL);
cleanup:
    return status;
}

static bool same_bytes(const st_tensor *a, const st_tensor *b) {
    return a->dtype == b->dtype && a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

wr_status lora_ends_find(const model *m, const safetensors *s, const lora_plan *plan, lora_ends *out) {
    wr_status status = WR_OK;
    *out = (lora_ends){0};
    TRY(find_end(m, s, plan, END_EMBEDDING, out));
    if (m->config.head == HEAD_LM) TRY(find_end(m, s, plan, END_HEAD, out));
    const st_tensor *embedding = out->end[END_EMBEDDING].whole, *head = out->end[END_HEAD].whole;
    /* PEFT reads both into the one matrix, the later over the earlier. */
    if (m->config.tied && embedding && head && !plan->embedding_saved && !plan->head_saved &&
        !same_bytes(embedding, head))
        TRY(wr_fail(WR_E_FORMAT, "tensors \"%s\" and \"%s\" differ, but are one matrix in this model",
                    names[END_EMBEDDING].whole, names[END_HEAD].whole));
cleanup:
    return status;
}

bool lora_ends_know(const lora_ends *e, const st_tensor *t) {
    for (int i = 0; i < ENDS; i++)
        if (t == e->end[i].a || t == e->end[i].b || t == e->end[i].whole) return true;
    return false;
}

/* --- folding -------------------------------------------------------------------------------------------------------
 */

static wr_status to_f32(const st_tensor *t, const char *name, float **out) {
    wr_status status = WR_OK;
    const size_t n = t->dims[0] * t->dims[1];
    *out = mem_aligned(n, sizeof **out);
    TRY_ALLOC(*out);
    TRY(st_tensor_to_f32(t, *out));
    for (size_t i = 0; i < n; i++)
        if (!isfinite((*out)[i])) TRY(wr_fail(WR_E_FORMAT, "tensor \"%s\" holds NaN or infinity", name));
cleanup:
    return status;
}

static void transpose(float *x, size_t rows, size_t cols, float *out) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) out[c * rows + r] = x[r * cols + c];
}

/* W (V, C) += scale B A. Of an embedding A is (rank, V) and B (C, rank), and the product the other way round. */
static wr_status add_update(const model *m, const lora_end *e, int which, double scale, float *W) {
    wr_status status = WR_OK;
    const size_t V = m->config.V, C = m->config.C, rank = e->a->dims[0];
    float *a = NULL, *b = NULL, *left = NULL, *right = NULL, *delta = NULL;
    matmul *products = NULL;
    TRY(to_f32(e->a, names[which].a, &a));
    TRY(to_f32(e->b, names[which].b, &b));
    delta = mem_aligned(V * C, sizeof *delta);
    TRY_ALLOC(delta);
    if (which == END_EMBEDDING) {
        left = mem_aligned(V * rank, sizeof *left);
        right = mem_aligned(rank * C, sizeof *right);
        TRY_ALLOC(left);
        TRY_ALLOC(right);
        transpose(a, rank, V, left);
        transpose(b, C, rank, right);
    }
    TRY(matmul_create(&products));
    TRY(matmul_dx(products, PRECISION_F32, V, rank, C, left ? left : b, rank, right ? right : a, delta, true, false));
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < V * C; i++) W[i] += (float)scale * delta[i];
cleanup:
    matmul_free(products);
    free(a);
    free(b);
    free(left);
    free(right);
    free(delta);
    return status;
}

/* Makes W (V, C; f32) what tensor i of m's table computes with. */
static wr_status set_weight(model *m, size_t i, const float *W, void **keep) {
    const size_t n = m->tensors[i].count;
    if (m->params) {
        memcpy(m->params + m->tensors[i].offset, W, n * sizeof *W);
        return WR_OK;
    }
    void *own = mem_aligned(n, precision_bytes(m->precision));
    if (!own) return WR_E_NOMEM;
    if (m->precision == PRECISION_BF16)
        kernels()->to_bf16(n, W, own);
    else
        memcpy(own, W, n * sizeof *W);
    free(*keep);
    *keep = own;
    m->weights[i] = own;
    return WR_OK;
}

static void get_weight(const model *m, size_t i, float *out) {
    const size_t n = m->tensors[i].count;
    if (m->params)
        memcpy(out, m->params + m->tensors[i].offset, n * sizeof *out);
    else if (m->precision == PRECISION_F32)
        memcpy(out, m->weights[i], n * sizeof *out);
    else
        for (size_t k = 0; k < n; k++) out[k] = bf16_to_f32(((const bf16 *)m->weights[i])[k]);
}

static wr_status fold_end(model *m, const lora_plan *plan, const lora_end *e, int which, struct lora *keep) {
    wr_status status = WR_OK;
    const size_t i = which == END_HEAD ? index_head(m) : index_embedding(m);
    float *W = NULL;
    if (!e->a && !e->whole) return WR_OK;
    if (e->whole)
        TRY(to_f32(e->whole, names[which].whole, &W));
    else {
        W = mem_aligned(m->tensors[i].count, sizeof *W);
        TRY_ALLOC(W);
        get_weight(m, i, W);
    }
    if (e->a) TRY(add_update(m, e, which, which == END_HEAD ? plan->head.scale : plan->embedding.scale, W));
    TRY(set_weight(m, i, W, &keep->ends[which]));
cleanup:
    free(W);
    return status;
}

wr_status lora_ends_fold(model *m, const lora_plan *plan, const lora_ends *e, struct lora *keep) {
    wr_status status = WR_OK;
    lora_ends own = *e;
    const lora_end *embedding = &own.end[END_EMBEDDING];
    lora_end *head = &own.end[END_HEAD];
    if (e->n_found == 0) return WR_OK;
    if (m->params_shared)
        return wr_fail(WR_E_USAGE, "adapters on the embedding or the head cannot be put on shared weights");
    keep->folded = true;
    if (m->config.tied && m->config.head == HEAD_LM) {
        /* A whole matrix that is not the adapter's own is the shared one's: it counts for both ends. */
        const st_tensor *shared = embedding->whole && !plan->embedding_saved ? embedding->whole
                                  : head->whole && !plan->head_saved         ? head->whole
                                                                             : NULL;
        if (shared && !embedding->whole) own.end[END_EMBEDDING].whole = shared;
        if (shared && !head->whole) head->whole = shared;
        if (embedding->a || head->a || embedding->whole || head->whole) TRY(model_untie(m));
    }
    TRY(fold_end(m, plan, embedding, END_EMBEDDING, keep));
    if (m->config.head == HEAD_LM) TRY(fold_end(m, plan, head, END_HEAD, keep));
    model_round_weights(m);
cleanup:
    return status;
}
