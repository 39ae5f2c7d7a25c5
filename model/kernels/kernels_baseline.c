/* Kernels for any CPU: vectors of 4 floats, which the compiler maps to what the target has. */
#define ISA(name) name##_baseline
#define ISA_TABLE kernels_baseline
#define ISA_NAME "baseline"
#define ISA_USABLE true
#define VW 4
#define MR 4
#include "model/kernels/simd_table.inc"
