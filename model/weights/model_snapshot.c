/* The model's struct is copied with its pointers, and those to what training changes are turned to the copy:
 *
 *     all weights trained    params, and in weights[] what the objective has beside the score head, read from there
 *     adapters               lora, with values of its own */
#include "model/weights/model_snapshot.h"

#include "base/mem.h"
#include "model/weights/lora.h"
#include "model/weights/params.h"

#include <stdlib.h>
#include <string.h>

wr_status model_snapshot_take(const model *m, float *values, model_snapshot *out) {
    wr_status status = WR_OK;
    const trainables x = model_trainables(m);
    const size_t own = index_own(m);
    *out = (model_snapshot){.m = *m};
    TRY_ALLOC(out->weights = mem_realloc(NULL, m->n_tensors, sizeof *out->weights));
    mem_copy(values, x.values, x.n * sizeof *x.values);
    memcpy(out->weights, m->weights, m->n_tensors * sizeof *m->weights);
    out->m.weights = out->weights;
    if (m->lora) {
        TRY_ALLOC(out->adapters = mem_calloc(1, sizeof *out->adapters));
        *out->adapters = *m->lora;
        out->adapters->values = values;
        out->m.lora = out->adapters;
    } else {
        out->m.params = values;
        if (own != SIZE_MAX) out->weights[own] = values + m->tensors[own].offset;
    }
cleanup:
    if (status < 0) model_snapshot_free(out);
    return status;
}

void model_snapshot_free(model_snapshot *s) {
    free(s->weights);
    free(s->adapters);
    *s = (model_snapshot){0};
}
