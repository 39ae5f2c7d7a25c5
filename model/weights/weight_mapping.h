/* Weights of a frozen model, which have no f32 masters: safetensors files that are computed from where they lie, or one
 * image of all weights in the precision of the products. LOCAL.
 *
 * Image: in f32, params. In bf16, the f32 tensors (norms, biases, score head) one after another, then, aligned,
 * params16:
 *   | norm, bias, … score (f32) | pad | all tensors at their table offsets (bf16) |
 * It may lie in memory that several processes share. */
#ifndef WR_MODEL_WEIGHTS_WEIGHT_MAPPING_H
#define WR_MODEL_WEIGHTS_WEIGHT_MAPPING_H

#include "model/model.h"
#include "model/weights/safetensors.h"

typedef struct weight_mapping {
    safetensors **files; /* (n_files), kept open while weights point into them */
    size_t n_files;
    /* all that is not a matrix, in table order (the biases of q, k and v are one vector to the kernels) */
    float *vectors;
    void *image; /* NULL, or an image this model owns */
} weight_mapping;

/* NULL is fine. */
void weight_mapping_free(weight_mapping *w);

/* Is tensor i a vector or the score head? Computing reads those in f32, whatever m->precision is. */
bool weight_always_f32(const model *m, size_t i);
/* What computing reads tensor i in. */
precision weight_precision(const model *m, size_t i);

/* Bytes of the image of a model of this table that computes in p. */
size_t weight_image_bytes(const model *m, precision p);
/* Fills an image (64-byte aligned) in m's precision with what m computes from. */
void weight_image_fill(const model *m, void *image);
/* m (a table without parameters) computes in p from the image, which stays the caller's. */
void weight_image_use(model *m, precision p, void *image);
/* Where tensor i lies in an image of precision p. */
void *weight_image_at(const model *m, precision p, void *image, size_t i);

#endif
