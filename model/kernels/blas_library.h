/* OpenBLAS, loaded when it is first needed (base/shared_library.h). LOCAL. */
#ifndef WR_MODEL_KERNELS_BLAS_LIBRARY_H
#define WR_MODEL_KERNELS_BLAS_LIBRARY_H

#include "base/status.h"

#include <cblas.h>

#define BLAS_FUNCTIONS(X)                                                                                              \
    X(cblas_sgemm)                                                                                                     \
    X(openblas_get_config)                                                                                             \
    X(openblas_get_corename)                                                                                           \
    X(openblas_get_num_threads)                                                                                        \
    X(openblas_set_num_threads)

/* What cblas.h calls f is openblas.f here. */
typedef struct blas_library {
#define BLAS_MEMBER(name) __typeof__(name) *name;
    BLAS_FUNCTIONS(BLAS_MEMBER)
#undef BLAS_MEMBER
} blas_library;

/* Filled by blas_library_load(). */
extern blas_library openblas;
/* WR_E_FAILED: it is not there, or lacks a function. */
wr_status blas_library_load(void);

#endif
