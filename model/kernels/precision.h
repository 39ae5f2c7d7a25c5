/* Number formats of the arithmetic: f32, or bf16 with f32 accumulation. LOCAL. */
#ifndef WR_MODEL_KERNELS_PRECISION_H
#define WR_MODEL_KERNELS_PRECISION_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What products read and what activations between them are kept in. Sums, softmax, norms, losses, the residual stream
 * and master weights are f32 in both. */
typedef enum precision { PRECISION_F32, PRECISION_BF16, PRECISIONS } precision;

typedef uint16_t bf16; /* the upper half of a float */

static inline size_t precision_bytes(precision p) { return p == PRECISION_BF16 ? sizeof(bf16) : sizeof(float); }
const char *precision_name(precision p); /* "f32", "bf16" */

static inline float bf16_to_f32(bf16 x) {
    const uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
/* To nearest, ties to even, as the processor's own conversion; NaN stays NaN. */
static inline bf16 bf16_from_f32(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bf16)(bits >> 16 | 0x40);
    return (bf16)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* "f32", "bf16" or "auto": bf16 where the CPU multiplies it in hardware (AVX512_BF16 or AMX, and oneDNN may use it:
 * DNNL_MAX_CPU_ISA), else f32. *why (may be NULL): the reason, for the log. */
wr_status precision_choose(const char *text, precision *out, const char **why);
/* oneDNN has bf16 products for the CPU (AVX-512; else model/kernels/matmul_wide.c), as DNNL_MAX_CPU_ISA allows. */
bool precision_bf16_products(void);

#endif
