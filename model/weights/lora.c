/* Adapters: layout, first values, rounding.
 *
 *     values    | layer 0: q.A q.B v.A v.B … | layer 1: … | … | score head, what its objective has of its own |
 *               f32, what is trained; layer_begin[l]
 *     values16  the same rounded, what products read in bf16
 *
 * B = 0 at first, so that the model begins as its base; A is random, so that B has a gradient. */
#include "model/weights/lora_parts.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const lora_module lora_modules[LORA_MODULE_COUNT] = {
#define X(kind, path) {kind, path},
    LORA_MODULES(X)
#undef X
};

bool lora_module_there(const model *m, size_t k) { return index_layer(m, 0, lora_modules[k].kind) != SIZE_MAX; }

/* As PEFT: `target` is the module's whole name ("model.layers.3.self_attn.q_proj"), or its end after a dot. */
static bool lora_target_matches(size_t layer, const char *path, const char *target, size_t target_length) {
    char name[96];
    const int n = snprintf(name, sizeof name, "model.layers.%zu.%s", layer, path);
    if (target_length == 0 || target_length > (size_t)n) return false;
    const char *end = name + ((size_t)n - target_length);
    return memcmp(end, target, target_length) == 0 && (end == name || end[-1] == '.');
}

/* --- layout ------------------------------------------------------------------------------------------------------- */

static size_t add_tensor(struct lora *a, const char *name, size_t rows, size_t cols) {
    tensor_info *t = &a->tensors[a->n_tensors++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->n_dims = 2;
    t->dims[0] = rows;
    t->dims[1] = cols;
    t->offset = a->n;
    t->count = rows * cols;
    t->decay = true;
    a->n += t->count;
    return t->offset;
}

wr_status lora_create(const model *m, size_t rank, double alpha, const unsigned *layer_targets, struct lora **out) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    char name[sizeof m->tensors[0].name];
    struct lora *a = mem_calloc(1, sizeof *a);
    *out = NULL;
    TRY_ALLOC(a);
    a->rank = rank;
    a->alpha = alpha;
    a->on = true;
    a->score = a->own = SIZE_MAX;
    TRY_ALLOC(a->pairs = mem_calloc(c->L * LAYER_KINDS, sizeof *a->pairs));
    TRY_ALLOC(a->layer_begin = mem_calloc(c->L + 1, sizeof *a->layer_begin));
    a->tensors = mem_calloc(c->L * LORA_MODULE_COUNT * 2 + 2, sizeof *a->tensors);
    TRY_ALLOC(a->tensors);
    for (size_t i = 0; i < c->L * LAYER_KINDS; i++) a->pairs[i] = (lora_pair){SIZE_MAX, SIZE_MAX};
    for (size_t l = 0; l < c->L; l++) {
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++) {
            const int kind = lora_modules[k].kind;
            if (!(layer_targets[l] & LORA_MODULE_BIT(kind))) continue;
            const tensor_info *w = &m->tensors[index_layer(m, l, kind)];
            lora_pair *p = &a->pairs[l * LAYER_KINDS + (size_t)kind];
            a->targets |= LORA_MODULE_BIT(kind);
            snprintf(name, sizeof name, "base_model.model.model.layers.%zu.%s.lora_A.weight", l, lora_modules[k].path);
            p->a = add_tensor(a, name, rank, w->dims[1]);
            snprintf(name, sizeof name, "base_model.model.model.layers.%zu.%s.lora_B.weight", l, lora_modules[k].path);
            p->b = add_tensor(a, name, w->dims[0], rank);
        }
        a->layer_begin[l + 1] = a->n;
    }
    const size_t below = a->n_tensors;
    if (c->head == HEAD_SCORE) a->score = add_tensor(a, "base_model.model.score.weight", c->n_outputs, c->C);
    if (index_own(m) != SIZE_MAX) {
        a->own = add_tensor(a, "wildreward.head", c->own.n, 1);
        a->tensors[a->n_tensors - 1].n_dims = 1;
        a->tensors[a->n_tensors - 1].decay = false;
    }
    for (size_t i = below; i < a->n_tensors; i++) a->tensors[i].score = true;
    *out = a;
    a = NULL;
cleanup:
    lora_free(a);
    return status;
}

wr_status lora_alloc(const model *m, struct lora *a) {
    a->values = mem_aligned(a->n + 1, sizeof *a->values); /* there may be none but on the head */
    if (!a->values) return wr_fail(WR_E_NOMEM, "out of memory: the adapters need %zu MiB", a->n * sizeof(float) >> 20);
    if (a->score != SIZE_MAX)
        memcpy(a->values + a->score, m->weights[index_head(m)], m->tensors[index_head(m)].count * sizeof *a->values);
    if (a->own != SIZE_MAX) memcpy(a->values + a->own, m->weights[index_own(m)], m->config.own.n * sizeof *a->values);
    return WR_OK;
}

void lora_free(struct lora *a) {
    if (!a) return;
    free(a->pairs);
    free(a->layer_begin);
    free(a->tensors);
    free(a->values);
    free(a->values16);
    free(a->ends[0]);
    free(a->ends[1]);
    free(a);
}

/* --- fresh adapters ----------------------------------------------------------------------------------------------- */

/* Kinds named by a comma-separated list of module names or their ends. */
static wr_status parse_targets(const model *m, const char *list, unsigned *mask) {
    unsigned there = 0;
    *mask = 0;
    for (size_t k = 0; k < LORA_MODULE_COUNT; k++)
        if (lora_module_there(m, k)) there |= LORA_MODULE_BIT(lora_modules[k].kind);
    if (!list || strcmp(list, "all-linear") == 0) {
        *mask = there;
        return WR_OK;
    }
    for (const char *word = list;;) {
        const size_t n = strcspn(word, ",");
        unsigned found = 0;
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++)
            if (lora_target_matches(0, lora_modules[k].path, word, n)) found |= LORA_MODULE_BIT(lora_modules[k].kind);
        found &= there;
        if (!found)
            return wr_fail(WR_E_USAGE,
                           "LoRA target \"%.*s\" is not a linear layer; there are %s, o_proj, %s, down_proj, and "
                           "all-linear",
                           (int)n, word, m->config.fused ? "qkv_proj" : "q_proj, k_proj, v_proj",
                           m->config.fused ? "gate_up_proj" : "gate_proj, up_proj");
        *mask |= found;
        if (!word[n]) return WR_OK;
        word += n + 1;
    }
}

static void init_a(struct lora *a, const tensor_info *t, size_t index, uint64_t seed) {
    const size_t rows = t->dims[0], cols = t->dims[1];
    const double bound = 1 / sqrt((double)cols);
    float *p = a->values + t->offset;
    for (size_t r = 0; r < rows; r++) {
        rng g = rng_make(seed, RNG_INIT, index, r, 1); /* 1: not the numbers of the model's own tensors */
        for (size_t k = 0; k < cols; k++) p[r * cols + k] = (float)(bound * (2 * rng_uniform(&g) - 1));
    }
}

/* The table of fresh adapters for m. */
static wr_status make_fresh(const model *m, const lora_options *o, struct lora **out) {
    wr_status status = WR_OK;
    unsigned mask, *layer_targets = NULL;
    *out = NULL;
    if (m->lora) return wr_fail(WR_E_USAGE, "the model has adapters already");
    if (o->rank == 0) return wr_fail(WR_E_USAGE, "the rank of LoRA adapters must be at least 1");
    if (!(o->alpha > 0) || !isfinite(o->alpha)) return wr_fail(WR_E_USAGE, "LoRA's alpha must be a positive number");
    TRY(parse_targets(m, o->targets, &mask));
    layer_targets = mem_calloc(m->config.L, sizeof *layer_targets);
    TRY_ALLOC(layer_targets);
    for (size_t l = 0; l < m->config.L; l++) layer_targets[l] = mask;
    TRY(lora_create(m, o->rank, o->alpha, layer_targets, out));
cleanup:
    free(layer_targets);
    return status;
}

wr_status lora_attach_shape(model *m, const lora_options *o) {
    struct lora *a = NULL;
    const wr_status status = make_fresh(m, o, &a);
    if (status >= 0) m->lora = a;
    return status;
}

wr_status lora_attach(model *m, const lora_options *o) {
    wr_status status = WR_OK;
    struct lora *a = NULL;
    TRY(make_fresh(m, o, &a));
    TRY(lora_alloc(m, a));
    for (size_t i = 0; i < a->n_tensors; i++)
        if (a->tensors[i].offset != a->score && strstr(a->tensors[i].name, ".lora_A."))
            init_a(a, &a->tensors[i], i, o->seed);
    m->lora = a;
    TRY(lora_round(m));
cleanup:
    if (status < 0 && a && m->lora == a) m->lora = NULL;
    if (status < 0) lora_free(a);
    return status;
}

wr_status lora_round(model *m) {
    struct lora *a = m->lora;
    if (!a) return WR_OK;
    if (m->precision != PRECISION_BF16) {
        free(a->values16);
        a->values16 = NULL;
        return WR_OK;
    }
    if (!a->values16) a->values16 = mem_aligned(a->n + 1, sizeof *a->values16);
    if (!a->values16)
        return wr_fail(WR_E_NOMEM, "out of memory: the rounded adapters need %zu MiB", a->n * sizeof(bf16) >> 20);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < a->n; i++) a->values16[i] = bf16_from_f32(a->values[i]);
    return WR_OK;
}
