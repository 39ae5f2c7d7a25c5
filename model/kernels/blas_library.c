#include "model/kernels/blas_library.h"

#include "base/shared_library.h"

blas_library openblas;

#define BLAS_ROW(name) {#name, offsetof(blas_library, name)},
static const shared_function functions[] = {BLAS_FUNCTIONS(BLAS_ROW){0}};
static const shared_library file = {.name = "OpenBLAS",
                                    .package = "libopenblas0-openmp",
                                    .files = {"libopenblas.so.0", "libopenblas.so"},
                                    .functions = functions};

wr_status blas_library_load(void) { return shared_library_load(&file, &openblas); }
