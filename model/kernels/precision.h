/* Number formats of the arithmetic: f32, or bf16 with f32 accumulation. LOCAL. */
#ifndef WR_MODEL_KERNELS_PRECISION_H
#define WR_MODEL_KERNELS_PRECISION_H

#include "base/bf16.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What products read and what activations between them are kept in. Sums, softmax, norms, losses, the residual stream
 * and master weights are f32 in both. */
typedef enum precision { PRECISION_F32, PRECISION_BF16, PRECISIONS } precision;

static inline size_t precision_bytes(precision p) { return p == PRECISION_BF16 ? sizeof(bf16) : sizeof(float); }
const char *precision_name(precision p); /* "f32", "bf16" */

/* "f32", "bf16" or "auto": bf16 where the CPU multiplies it in hardware (AVX512_BF16 or AMX, and oneDNN may use it:
 * DNNL_MAX_CPU_ISA), else f32. *why (may be NULL): the reason, for the log. */
wr_status precision_choose(const char *text, precision *out, const char **why);
/* oneDNN has bf16 products for the CPU (AVX-512; else model/kernels/matmul_wide.c), as DNNL_MAX_CPU_ISA allows. */
bool precision_bf16_products(void);

#endif
