/* W += s B A for every adapter, and the score head as it was trained: the model then computes the same numbers without
 * adapters, to rounding (one sum is split otherwise). */
#include "model/weights/lora_parts.h"

#include "base/mem.h"
#include "model/kernels/matmul.h"

#include <stdlib.h>
#include <string.h>

wr_status lora_merge(model *m) {
    wr_status status = WR_OK;
    struct lora *a = m->lora;
    matmul *products = NULL;
    float *delta = NULL;
    size_t largest = 0;
    if (!a) return WR_OK;
    if (!m->params || m->params_shared)
        return wr_fail(WR_E_USAGE, "adapters cannot be merged into a model that was loaded frozen");
    const float scale = (float)(a->alpha / (double)a->rank);
    for (size_t k = 0; k < LORA_MODULE_COUNT; k++) {
        if (!lora_module_there(m, k)) continue;
        const size_t count = m->tensors[index_layer(m, 0, lora_modules[k].kind)].count;
        if (count > largest) largest = count;
    }
    TRY(matmul_create(&products));
    delta = mem_aligned(largest, sizeof *delta);
    TRY_ALLOC(delta);
    for (size_t l = 0; l < m->config.L; l++)
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++) {
            const lora_pair *p = &a->pairs[l * LAYER_KINDS + (size_t)lora_modules[k].kind];
            if (p->a == SIZE_MAX) continue;
            const tensor_info *t = &m->tensors[index_layer(m, l, lora_modules[k].kind)];
            float *w = m->params + t->offset;
            TRY(matmul_dx(products, PRECISION_F32, t->dims[0], a->rank, t->dims[1], a->values + p->b, a->rank,
                          a->values + p->a, delta, true, false));
#pragma omp parallel for schedule(static)
            for (size_t i = 0; i < t->count; i++) w[i] += scale * delta[i];
        }
    if (a->score != SIZE_MAX) {
        const tensor_info *t = &m->tensors[index_head(m)];
        memcpy(m->params + t->offset, a->values + a->score, t->count * sizeof *m->params);
    }
    if (a->own != SIZE_MAX)
        memcpy(m->params + m->tensors[index_own(m)].offset, a->values + a->own, m->config.own.n * sizeof *m->params);
    m->lora = NULL;
    lora_free(a);
    model_round_weights(m);
cleanup:
    matmul_free(products);
    free(delta);
    return status;
}
