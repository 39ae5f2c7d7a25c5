/* A model as a whole, above its parameters and its adapters: what computing reads is made anew from what training
 * changes, and what that is. */
#include "model/model.h"

#include "model/weights/lora.h"
#include "model/weights/params.h"
#include "model/weights/weight_mapping.h"

#include <stdlib.h>
#include <string.h>

void model_free(model *m) {
    if (!m) return;
    if (!m->params_shared) {
        free(m->params);
        free(m->params16);
    }
    lora_free(m->lora);
    weight_mapping_free(m->mapping);
    free(m->weights);
    free(m->tensors);
    free(m->template_text);
    free(m->generation_text);
    free(m);
}

wr_status model_set_precision(model *m, precision p) {
    if (!m->params && p != m->precision)
        return wr_fail(WR_E_USAGE, "a frozen model holds its weights in %s alone and cannot compute in %s",
                       precision_name(m->precision), precision_name(p));
    if (!m->params || m->params_shared) {
        if (p == m->precision) return m->lora ? lora_round(m) : WR_OK;
        return wr_fail(WR_E_USAGE, "the weights are shared with other processes and stay in %s",
                       precision_name(m->precision));
    }
    if (p == PRECISION_BF16) {
        if (!m->params16 && !(m->params16 = params_memory(m, sizeof *m->params16))) return WR_E_NOMEM;
    } else {
        free(m->params16);
        m->params16 = NULL;
    }
    m->precision = p;
    params_round(m);
    bind_weights(m);
    return m->lora ? lora_round(m) : WR_OK;
}

void model_round_weights(model *m) {
    if (m->lora)
        /* the weights below adapters do not change. Its memory is there since model_set_precision: it cannot fail */
        (void)lora_round(m);
    else
        params_round(m);
}

head_own model_own(const model *m) {
    head_own own = m->config.own;
    const float *now = index_own(m) == SIZE_MAX                ? NULL
                       : m->lora && m->lora->score != SIZE_MAX ? m->lora->values + m->lora->own
                                                               : m->weights[index_own(m)];
    if (now) memcpy(own.values, now, own.n * sizeof *now);
    return own;
}

/* --- what is trained ---------------------------------------------------------------------------------------------- */

trainables model_trainables(const model *m) {
    const struct lora *a = m->lora;
    if (a) return (trainables){a->tensors, a->n_tensors, a->n, a->values};
    return (trainables){m->tensors, m->n_tensors, m->n_params, m->params};
}

/* Where the trainables of layer l begin; l = L: those behind the layers. */
static size_t layer_begin(const model *m, size_t l) {
    return m->lora ? m->lora->layer_begin[l] : m->tensors[index_layer_begin(m, l)].offset;
}

size_t model_parts(const model *m) { return m->config.L + 2; }

float_range model_part(const model *m, size_t part) {
    return (float_range){.begin = part == 0 ? 0 : layer_begin(m, part - 1),
                         .end = part == m->config.L + 1 ? model_trainables(m).n : layer_begin(m, part)};
}
