#include "cli/machine.h"

#include "base/log.h"
#include "base/mem.h"
#include "model/kernels/matmul.h"
#include <omp.h>
#include <stdlib.h>

#define N ((size_t)1024)
#define READ_FLOATS ((size_t)64 << 20)

static wr_status product(matmul *context, probe_kind kind, const float *x, const float *w, float *y) {
    return kind == PROBE_FORWARD ? matmul_xwt(context, PRECISION_F32, N, N, N, x, N, w, y, N, true, false)
                                 : matmul_dx(context, PRECISION_F32, N, N, N, x, N, w, y, true, false);
}

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
    matmul *context = NULL;
    omp_set_num_threads(threads);
    /* The first one: threads start, pages are touched. */
    bool ok = matmul_create(&context) >= 0 && product(context, kind, x, w, y) >= 0;
    size_t products = 0;
    double start = clock_seconds(), elapsed = 0;
    while (ok && elapsed < seconds) {
        ok = product(context, kind, x, w, y) >= 0;
        products++;
        elapsed = clock_seconds() - start;
    }
    omp_set_num_threads(before);
    matmul_free(context);
    free(x);
    return ok ? 2e-9 * (double)(N * N * N) * (double)products / elapsed : 0;
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
