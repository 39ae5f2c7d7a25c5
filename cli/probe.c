#include "cli/machine.h"

#include "base/log.h"
#include "base/mem.h"
#include "model/matmul.h"
#include <omp.h>
#include <stdlib.h>

#define N ((size_t)1024)
#define READ_FLOATS ((size_t)64 << 20)

double probe_gemm_gflops(probe_kind kind, int threads, double seconds) {
    int before = omp_get_max_threads();
    float *x = mem_aligned(3 * N * N, sizeof *x);
    if (!x) {
        return 0;
    }
    float *w = x + N * N, *y = w + N * N;
    for (size_t i = 0; i < 2 * N * N; i++) {
        x[i] = (float)(i % 31) * 0.03125f - 0.5f;
    }
    void (*product)(size_t, size_t, size_t, const float *, const float *, float *) = kind == PROBE_FORWARD ? matmul_xwt : matmul_dx;
    omp_set_num_threads(threads);
    product(N, N, N, x, w, y); /* threads start, pages are touched */
    size_t products = 0;
    double start = clock_seconds(), elapsed;
    do {
        product(N, N, N, x, w, y);
        products++;
        elapsed = clock_seconds() - start;
    } while (elapsed < seconds);
    omp_set_num_threads(before);
    free(x);
    return 2e-9 * (double)(N * N * N) * (double)products / elapsed;
}

double probe_read_gb_per_s(int threads, double seconds) {
    float *x = mem_aligned(READ_FLOATS, sizeof *x);
    if (!x) {
        return 0;
    }
    size_t passes = 0;
    volatile float sink = 0;
    double start = clock_seconds(), elapsed;
    do {
        float sum = 0;
#pragma omp parallel for simd reduction(+ : sum) num_threads(threads) schedule(static)
        for (size_t i = 0; i < READ_FLOATS; i++) {
            sum += x[i];
        }
        sink = sum;
        passes++;
        elapsed = clock_seconds() - start;
    } while (elapsed < seconds);
    (void)sink;
    free(x);
    return 1e-9 * (double)(READ_FLOATS * sizeof *x) * (double)passes / elapsed;
}
