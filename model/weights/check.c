/* The first number of a buffer that is none. */
#include "model/model.h"

const tensor_info *first_nonfinite(const tensor_info *tensors, size_t n_tensors, const float *values, size_t *index) {
    for (size_t t = 0; t < n_tensors; t++) {
        const float *p = values + tensors[t].offset;
        size_t first = SIZE_MAX;
#pragma omp parallel for schedule(static) reduction(min : first) if (tensors[t].count > 1 << 14)
        for (size_t i = 0; i < tensors[t].count; i++) {
            uint32_t bits;
            memcpy(&bits, p + i, sizeof bits);
            if ((bits & 0x7f800000u) == 0x7f800000u && i < first) first = i;
        }
        if (first == SIZE_MAX) continue;
        if (index) *index = first;
        return &tensors[t];
    }
    return NULL;
}
