#include "model/weights/weight_mapping.h"

#include <stdlib.h>
#include <string.h>

#define COPY_BLOCK ((size_t)1 << 20)

void weight_mapping_free(weight_mapping *w) {
    if (!w) return;
    for (size_t i = 0; w->files && i < w->n_files; i++) safetensors_close(w->files[i]);
    free(w->files);
    free(w->vectors);
    free(w->image);
    free(w);
}

bool weight_always_f32(const model *m, size_t i) {
    return m->tensors[i].n_dims == 1 || strcmp(m->tensors[i].name, "score.weight") == 0;
}

precision weight_precision(const model *m, size_t i) { return weight_always_f32(m, i) ? PRECISION_F32 : m->precision; }

/* Elements of the f32 tensors before tensor i. */
static size_t vectors_before(const model *m, size_t i) {
    size_t n = 0;
    for (size_t k = 0; k < i; k++)
        if (weight_always_f32(m, k)) n += m->tensors[k].count;
    return n;
}

static size_t params16_at(const model *m) { return (vectors_before(m, m->n_tensors) * sizeof(float) + 63) / 64 * 64; }

size_t weight_image_bytes(const model *m, precision p) {
    const size_t n = m->n_params * precision_bytes(p);
    return p == PRECISION_BF16 ? params16_at(m) + n : n;
}

void *weight_image_at(const model *m, precision p, void *image, size_t i) {
    const tensor_info *t = &m->tensors[i];
    if (p == PRECISION_F32) return (float *)image + t->offset;
    if (weight_always_f32(m, i)) return (float *)image + vectors_before(m, i);
    return (bf16 *)(void *)((char *)image + params16_at(m)) + t->offset;
}

void weight_image_fill(const model *m, void *image) {
    for (size_t i = 0; i < m->n_tensors; i++) {
        const size_t bytes = m->tensors[i].count * precision_bytes(weight_precision(m, i));
        char *to = weight_image_at(m, m->precision, image, i);
        const char *from = m->weights[i];
#pragma omp parallel for schedule(static) if (bytes > COPY_BLOCK)
        for (size_t at = 0; at < bytes; at += COPY_BLOCK)
            memcpy(to + at, from + at, bytes - at < COPY_BLOCK ? bytes - at : COPY_BLOCK);
    }
}

void weight_image_use(model *m, precision p, void *image) {
    m->precision = p;
    m->params_shared = true;
    if (p == PRECISION_F32)
        m->params = image;
    else
        m->params16 = (void *)((char *)image + params16_at(m));
    for (size_t i = 0; i < m->n_tensors; i++) m->weights[i] = weight_image_at(m, p, image, i);
}
