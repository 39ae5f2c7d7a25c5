#!/bin/bash
# A row of a product, computed alone and among others.
. "$(dirname "$0")/common.sh"
grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo || { echo "no AVX2 here, which the kernel asked for needs" && exit 77; }
blas=$(pkg-config --variable=libdir openblas 2>/dev/null) || blas=
for folder in /usr/lib/*/openblas-openmp; do [ ! -e "$folder/libopenblas.so" ] || blas=$folder; done
compile rows "${CC:-gcc}" ${blas:+-I"${blas/\/lib\//\/include\/}" -L"$blas" -Wl,-rpath,"$blas"} -lopenblas <<'C'
#include <cblas.h>
#include <stdio.h>
#include <string.h>

enum { K = 256, N = 64, ROWS = 64 };
static float a[ROWS * K], w[N * K], all[ROWS * N], some[ROWS * N];

static void fill(float *x, int n) {
    for (unsigned i = 0, state = (unsigned)n; i < (unsigned)n; i++) state = state * 1664525u + 1013904223u, x[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
}

static void multiply(int rows, float *out) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, N, K, 1.0f, a, K, w, K, 0.0f, out, N);
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) return puts(openblas_get_config()) < 0;
    fill(a, ROWS * K), fill(w, N * K);
    multiply(ROWS, all);
    for (int rows = 1; rows <= ROWS; rows *= 4) {
        multiply(rows, some);
        printf("first row among %d: %s\n", rows, memcmp(some, all, N * sizeof *all) == 0 ? "same bits" : "other bits");
    }
}
C
export OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1
finding "$(./rows version)" \
    "a row of A·B depends on that row of A and on B: with one thread its bits are the same however many rows are multiplied in one call" \
    "the bits of row 0 change with the number of rows (f32, Haswell kernels, also taken on Zen; Sandybridge's keep them)"
./rows >output
same <<'T'
first row among 1: other bits
first row among 4: other bits
first row among 16: same bits
first row among 64: same bits
T
