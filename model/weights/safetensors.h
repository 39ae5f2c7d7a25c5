/* The safetensors file format: validated header, mapped data; writer. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_SAFETENSORS_H
#define WR_MODEL_WEIGHTS_SAFETENSORS_H

#include "model/kernels/precision.h"

typedef enum st_dtype { ST_F32, ST_F16, ST_BF16, ST_I64, ST_OTHER } st_dtype;
typedef struct st_tensor {
    const char *name;
    st_dtype dtype;
    int n_dims;
    size_t dims[8];
    const void *data;
    size_t bytes;
} st_tensor;

typedef struct safetensors safetensors;
/* Header checked whole: bounds, overlaps, holes, duplicates, size = dims x dtype; errors name file and tensor. */
wr_status safetensors_open(const char *path, safetensors **out);
void safetensors_close(safetensors *s);
size_t safetensors_count(const safetensors *s);
const st_tensor *safetensors_at(const safetensors *s, size_t i);
const st_tensor *safetensors_find(const safetensors *s, const char *name);
/* Converts F32/F16/BF16 data. out: (elements). */
wr_status st_tensor_to_f32(const st_tensor *t, float *out);
wr_status st_tensor_to_bf16(const st_tensor *t, bf16 *out);
/* Is there a NaN or an infinity in F32/F16/BF16 data? *index: of the first. */
bool st_tensor_has_nonfinite(const st_tensor *t, size_t *index);

/* Writes all tensors (F32, BF16, I64) at once under a temporary name, fsync, rename. metadata: NULL-terminated key,
 * value list or NULL. */
wr_status safetensors_write(const char *path, const st_tensor *tensors, size_t n, const char *const *metadata);
/* The same, with F32 and BF16 data converted to `stored` (ST_F32 or ST_BF16). */
wr_status safetensors_write_as(const char *path, const st_tensor *tensors, size_t n, st_dtype stored,
                               const char *const *metadata);

#endif
