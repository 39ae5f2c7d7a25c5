/* Names of the number formats, and which one this CPU is fast in. */
#include "model/kernels/precision.h"

#include "model/kernels/onednn_library.h"

const char *precision_name(precision p) { return p == PRECISION_BF16 ? "bf16" : "f32"; }

/* Every bit of a level's mask must be there: AVX2 with VNNI sorts above AVX-512 as a number. */
static bool has(dnnl_cpu_isa_t level) { return (onednn.dnnl_get_effective_cpu_isa() & level) == level; }

bool precision_bf16_products(void) { return onednn_library_load() >= 0 && has(dnnl_cpu_isa_avx512_core); }
/* The CPU multiplies bf16 itself (AVX512_BF16, AMX), as DNNL_MAX_CPU_ISA allows. */
static bool precision_bf16_hardware(void) { return has(dnnl_cpu_isa_avx512_core_bf16); }

wr_status precision_choose(const char *text, precision *out, const char **why) {
    const char *ignored;
    if (!why) why = &ignored;
    if (strcmp(text, "f32") == 0) {
        *out = PRECISION_F32;
        *why = "asked for";
        return WR_OK;
    }
    const wr_status status = onednn_library_load();
    if (status < 0) return wr_context(status, "--precision %s", text);
    const bool hardware = precision_bf16_hardware();
    if (strcmp(text, "bf16") == 0) {
        *out = PRECISION_BF16;
        *why = hardware ? "asked for" : "asked for, though this CPU has no bf16 instructions: slower than f32";
        return WR_OK;
    }
    if (strcmp(text, "auto") != 0) return wr_fail(WR_E_USAGE, "--precision %s: give f32, bf16 or auto", text);
    *out = hardware ? PRECISION_BF16 : PRECISION_F32;
    *why = !hardware                           ? "the CPU has no bf16 instructions, or DNNL_MAX_CPU_ISA forbids them"
           : has(dnnl_cpu_isa_avx512_core_amx) ? "the CPU has AMX"
                                               : "the CPU has AVX512_BF16";
    return WR_OK;
}
