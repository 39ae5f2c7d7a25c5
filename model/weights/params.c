/* The tensor table of a model, its parameter buffers and initialisation.
 *
 *     params    | embed_tokens | layer 0: norm, q, k, v, … down | layer 1 | … | norm | lm_head or score |   f32, masters
 *               (behind score what its objective has of its own: biases, thresholds)
 *     params16  the same offsets, bf16                                             (matrices are read, vectors are not)
 *     weights[] one pointer a tensor into either, or into a mapped file: what computing reads */
#include "model/weights/params.h"

#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/kernels.h"
#include "model/weights/family.h"
#include "model/weights/weight_mapping.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)1 << 16) /* elements that a thread converts or clears at a time */

/* --- table -------------------------------------------------------------------------------------------------------- */

static void add_tensor(model *m, const char *prefix, const char *suffix, size_t rows, size_t cols, bool present) {
    if (!present) return;
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

static const char *kind_suffix(const model_config *c, int kind, const char *suffix, char norm[64]) {
    const model_family *f = config_family(c);
    if (suffix) return suffix;
    const char *name = kind == LAYER_NORM1       ? f->attention_norm
                       : kind == LAYER_NORM2     ? f->mlp_norm
                       : kind == LAYER_OUT_NORM1 ? f->attention_out_norm
                                                 : f->mlp_out_norm;
    snprintf(norm, 64, "%s.weight", name ? name : "");
    return norm;
}

wr_status model_create(const model_config *c, model **out) {
    wr_status status = WR_OK;
    model *m = NULL;
    *out = NULL;
    TRY(model_config_check(c));
    m = mem_calloc(1, sizeof *m);
    TRY_ALLOC(m);
    m->config = *c;
    m->tensors = mem_calloc(c->L * LAYER_KINDS + 4, sizeof *m->tensors);
    TRY_ALLOC(m->tensors);
    add_tensor(m, "model.", "embed_tokens.weight", c->V, c->C, true);
    for (size_t l = 0; l < c->L; l++) {
        char prefix[40], norm[64];
        snprintf(prefix, sizeof prefix, "model.layers.%zu.", l);
#define X(kind, suffix, rows, cols, present)                                                                           \
    add_tensor(m, prefix, kind_suffix(c, kind, suffix, norm), rows, cols, present);
        LAYER_TENSORS(X)
#undef X
    }
    add_tensor(m, "model.", "norm.weight", c->C, 0, true);
    add_tensor(m, "", "lm_head.weight", c->V, c->C, c->head == HEAD_LM && !c->tied);
    const size_t below = m->n_tensors;
    add_tensor(m, "", "score.weight", c->n_outputs, c->C, c->head == HEAD_SCORE);
    add_tensor(m, "", "wildreward.head", c->own.n, 0, c->head == HEAD_SCORE && c->own.kind);
    for (size_t i = below; i < m->n_tensors; i++) m->tensors[i].score = true;
    m->weights = mem_calloc(m->n_tensors + 1, sizeof *m->weights); /* room for model_untie */
    TRY_ALLOC(m->weights);
    *out = m;
    m = NULL;
cleanup:
    if (m) free(m->tensors);
    free(m);
    return status;
}

/* Tensors of a layer that the config has, of the kinds before `kind`. */
static size_t kinds_before(const model_config *c, int kind) {
#define X(kind, suffix, rows, cols, present) (present) != 0,
    const bool has[] = {LAYER_TENSORS(X)};
#undef X
    size_t n = 0;
    for (int k = 0; k < kind; k++) n += has[k];
    return n;
}

static bool has_kind(const model_config *c, int kind) { return kinds_before(c, kind + 1) != kinds_before(c, kind); }

size_t index_embedding(const model *m) {
    (void)m;
    return 0;
}
size_t index_layer_begin(const model *m, size_t l) { return 1 + l * kinds_before(&m->config, LAYER_KINDS); }
size_t index_layer(const model *m, size_t l, int kind) {
    const model_config *c = &m->config;
    return has_kind(c, kind) ? index_layer_begin(m, l) + kinds_before(c, kind) : SIZE_MAX;
}
size_t index_final_norm(const model *m) { return index_layer_begin(m, m->config.L); }
size_t index_head(const model *m) {
    const size_t own = index_final_norm(m) + 1;
    return own < m->n_tensors ? own : index_embedding(m);
}
size_t index_own(const model *m) {
    return m->config.head == HEAD_SCORE && m->config.own.kind ? index_head(m) + 1 : SIZE_MAX;
}

size_t offset_embedding(const model *m) { return m->tensors[index_embedding(m)].offset; }
size_t offset_layer(const model *m, size_t l, int kind) {
    const size_t i = index_layer(m, l, kind);
    return i == SIZE_MAX ? SIZE_MAX : m->tensors[i].offset;
}
size_t offset_final_norm(const model *m) { return m->tensors[index_final_norm(m)].offset; }
size_t offset_head(const model *m) { return m->tensors[index_head(m)].offset; }

wr_status require_lm_head(const model *m) {
    /* A score head is where index_head would find the vocabulary's. */
    if (m->config.head == HEAD_LM || (m->config.tied && m->config.head == HEAD_NONE)) return WR_OK;
    return wr_fail(WR_E_MISMATCH,
                   "the model (%s) has no language-model head: next-token probabilities need a ...ForCausalLM model",
                   m->config.architecture);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

void *params_memory(const model *m, size_t size) {
    void *p = aligned_alloc(64, (m->n_params * size + 63) / 64 * 64); /* model_config_check bounds n_params */
    if (!p) wr_fail(WR_E_NOMEM, "out of memory: the model's parameters need %zu MiB", m->n_params * size >> 20);
    return p;
}

wr_status model_alloc_params(model *m) {
    float *p = params_memory(m, sizeof *p);
    if (!p) return WR_E_NOMEM;
        /* A page belongs to the memory of the thread that touches it first: spread as products spread their rows. */
#pragma omp parallel for schedule(static) if (m->n_params > BLOCK)
    for (size_t at = 0; at < m->n_params; at += BLOCK)
        memset(p + at, 0, (m->n_params - at < BLOCK ? m->n_params - at : BLOCK) * sizeof *p);
    if (!m->params_shared) free(m->params);
    m->params = p;
    m->params_shared = false;
    bind_weights(m);
    return WR_OK;
}

void bind_weights(model *m) {
    for (size_t i = 0; i < m->n_tensors; i++) {
        const size_t at = m->tensors[i].offset;
        m->weights[i] = weight_precision(m, i) == PRECISION_BF16 ? (const void *)(m->params16 + at)
                                                                 : (const void *)(m->params + at);
    }
}

void params_round(const model *m) {
    const kernels_table *k = kernels();
    if (m->precision != PRECISION_BF16 || !m->params || m->params_shared) return;
#pragma omp parallel for schedule(static) if (m->n_params > BLOCK)
    for (size_t at = 0; at < m->n_params; at += BLOCK)
        k->to_bf16(m->n_params - at < BLOCK ? m->n_params - at : BLOCK, m->params + at, m->params16 + at);
}

wr_status model_untie(model *m) {
    const size_t old = m->n_params;
    float *params = NULL;
    if (!m->config.tied || m->config.head != HEAD_LM) return WR_OK;
    if (m->params_shared) return wr_fail(WR_E_USAGE, "the weights are shared with other processes and stay tied");
    m->config.tied = false;
    add_tensor(m, "", "lm_head.weight", m->config.V, m->config.C, true);
    if (!m->params) {
        m->weights[index_head(m)] = m->weights[index_embedding(m)];
        return WR_OK;
    }
    params = params_memory(m, sizeof *params);
    bf16 *half = params && m->params16 ? params_memory(m, sizeof *half) : NULL;
    if (!params || (m->params16 && !half)) {
        free(params);
        m->n_tensors--;
        m->n_params = old;
        m->config.tied = true;
        return WR_E_NOMEM;
    }
    memcpy(params, m->params, old * sizeof *params);
    memcpy(params + old, m->params + offset_embedding(m), (m->n_params - old) * sizeof *params);
    free(m->params);
    m->params = params;
    if (half) {
        free(m->params16);
        m->params16 = half;
        params_round(m);
    }
    bind_weights(m);
    return WR_OK;
}

/* --- initialisation ----------------------------------------------------------------------------------------------- */

static bool is_bias(const tensor_info *t) {
    const size_t n = strlen(t->name);
    return n >= 5 && strcmp(t->name + n - 5, ".bias") == 0;
}

/* Matrices that write into the residual stream: 2L of them add up, so each gets 1/sqrt(2L) of the spread. */
static bool writes_residual(const model *m, size_t i) {
    const size_t n = kinds_before(&m->config, LAYER_KINDS), l = (i - 1) / n;
    return i > 0 && l < m->config.L && (i == index_layer(m, l, LAYER_O) || i == index_layer(m, l, LAYER_DOWN));
}

void init_tensor(const model *m, size_t i, uint64_t seed, float *p) {
    const tensor_info *t = &m->tensors[i];
    double std = m->config.init_std;
    if (i == index_own(m)) {
        memcpy(p, m->config.own.values, t->count * sizeof *p);
        return;
    }
    if (t->n_dims == 1) {
        for (size_t k = 0; k < t->count; k++) p[k] = is_bias(t) || m->config.norm_from_one ? 0.0f : 1.0f;
        return;
    }
    if (writes_residual(m, i)) std /= sqrt(2.0 * (double)m->config.L);
    const size_t rows = t->dims[0], cols = t->dims[1];
    /* Keyed by (tensor, row): any number of threads draws the same numbers. */
#pragma omp parallel for schedule(static) if (t->count > BLOCK)
    for (size_t r = 0; r < rows; r++) {
        rng g = rng_make(seed, RNG_INIT, i, r, 0);
        for (size_t k = 0; k < cols; k++) p[r * cols + k] = (float)(std * rng_normal(&g));
    }
}

void model_init_params(model *m, uint64_t seed) {
    for (size_t i = 0; i < m->n_tensors; i++) init_tensor(m, i, seed, m->params + m->tensors[i].offset);
    params_round(m);
}
