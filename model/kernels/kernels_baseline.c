/* Kernels for any CPU: vectors of 4 floats, which the compiler maps to what the target has. */
#define ISA(name) name##_baseline
#define ISA_TABLE kernels_baseline
#define ISA_NAME "baseline"
#define ISA_USABLE true
#define VW 4
#define MR 4
#define LANES(f, d) f(0, d), f(1, d), f(2, d), f(3, d)
#include "model/kernels/simd_table.inc"
