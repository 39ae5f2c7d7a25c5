/* The tensor table of a model, its parameter buffer and initialisation. */
#include "model/params.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_tensor(model *m, const char *prefix, const char *suffix, size_t rows, size_t cols) {
    tensor_info *t = &m->tensors[m->n_tensors++];
    snprintf(t->name, sizeof t->name, "%s%s", prefix, suffix);
    t->n_dims = cols ? 2 : 1;
    t->dims[0] = rows;
    t->dims[1] = cols ? cols : 1;
    t->offset = m->n_params;
    t->count = t->dims[0] * t->dims[1];
    t->decay = cols != 0;
    m->n_params += t->count;
}

wr_status model_create(const model_config *c, model **out) {
    wr_status status = WR_OK;
    model *m = NULL;
    *out = NULL;
    TRY(model_config_check(c));
    m = mem_calloc(1, sizeof *m);
    TRY_ALLOC(m);
    m->config = *c;
    m->tensors = mem_calloc(c->L * LAYER_KINDS + 3, sizeof *m->tensors);
    TRY_ALLOC(m->tensors);
    add_tensor(m, "model.", "embed_tokens.weight", c->V, c->C);
    for (size_t l = 0; l < c->L; l++) {
        char prefix[40];
        snprintf(prefix, sizeof prefix, "model.layers.%zu.", l);
#define X(kind, suffix, rows, cols) add_tensor(m, prefix, suffix, rows, cols);
        LAYER_TENSORS(X)
#undef X
    }
    add_tensor(m, "model.", "norm.weight", c->C, 0);
    if (c->head == HEAD_LM && !c->tied) add_tensor(m, "", "lm_head.weight", c->V, c->C);
    if (c->head == HEAD_SCORE) add_tensor(m, "", "score.weight", c->n_labels, c->C);
    *out = m;
    m = NULL;
cleanup:
    model_free(m);
    return status;
}

void model_free(model *m) {
    if (!m) return;
    if (!m->params_shared) free(m->params);
    free(m->tensors);
    free(m->template_text);
    free(m);
}

wr_status model_alloc_params(model *m) {
    m->params = mem_aligned(m->n_params, sizeof *m->params);
    m->params_shared = false;
    return m->params ? WR_OK
                     : wr_fail(WR_E_NOMEM, "out of memory: the model's parameters need %zu MiB",
                               m->n_params * sizeof(float) >> 20);
}

size_t offset_embedding(const model *m) { return m->tensors[0].offset; }
size_t offset_layer(const model *m, size_t l, int kind) {
    return m->tensors[1 + l * LAYER_KINDS + (size_t)kind].offset;
}
size_t offset_final_norm(const model *m) { return m->tensors[1 + m->config.L * LAYER_KINDS].offset; }
size_t offset_head(const model *m) {
    const size_t own = 2 + m->config.L * LAYER_KINDS;
    return own < m->n_tensors ? m->tensors[own].offset : offset_embedding(m);
}

wr_status require_lm_head(const model *m) {
    if (m->config.head == HEAD_LM || m->config.tied) return WR_OK;
    return wr_fail(WR_E_MISMATCH,
                   "the model (%s) has no language-model head: next-token probabilities need a ...ForCausalLM model",
                   m->config.architecture);
}

void init_tensor(model *m, size_t i, uint64_t seed) {
    const tensor_info *t = &m->tensors[i];
    float *p = m->params + t->offset;
    double std = m->config.init_std;
    if (t->n_dims == 1) { /* norms */
        for (size_t k = 0; k < t->count; k++) p[k] = 1.0f;
        return;
    }
    /* Matrices that write into the residual stream: 2L of them add up, so each gets 1/sqrt(2L) of the spread. */
    if (i > 0 && i <= m->config.L * LAYER_KINDS) {
        int kind = (int)((i - 1) % LAYER_KINDS);
        if (kind == LAYER_O || kind == LAYER_DOWN) std /= sqrt(2.0 * (double)m->config.L);
    }
    const size_t rows = t->dims[0], cols = t->dims[1];
    /* Keyed by (tensor, row): any number of threads draws the same numbers. */
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        rng g = rng_make(seed, RNG_INIT, i, r, 0);
        for (size_t k = 0; k < cols; k++) p[r * cols + k] = (float)(std * rng_normal(&g));
    }
}

void model_init_params(model *m, uint64_t seed) {
    for (size_t i = 0; i < m->n_tensors; i++) init_tensor(m, i, seed);
}
