/* What this machine is and can do, for doctor. LOCAL. */
#ifndef WR_CLI_MACHINE_H
#define WR_CLI_MACHINE_H

#include "base/strbuf.h"
#include <stddef.h>
#include <stdint.h>

void machine_cpu_model(strbuf *out);    /* "AMD EPYC 9654 96-Core Processor" */
void machine_cpu_features(strbuf *out); /* "avx2 fma avx512f avx512_bf16 amx_bf16", or "none of …" */
int machine_cores(void);                /* that this process may run on */
uint64_t machine_shm_bytes(void);       /* size of /dev/shm, 0 = none */
uint64_t machine_memlock_bytes(void);   /* limit on locked memory, UINT64_MAX = none */

/* Probes of `seconds` each with `threads` OpenMP threads. 0 when memory is short. */
/* matmul_xwt, matmul_dx of model/kernels/matmul.h */
typedef enum probe_kind { PROBE_FORWARD, PROBE_BACKWARD } probe_kind;
double probe_gemm_gflops(probe_kind kind, int threads, double seconds); /* f32, (1024, 1024) each */
double probe_read_gb_per_s(int threads, double seconds);                /* summing 256 MiB of floats */

#endif
