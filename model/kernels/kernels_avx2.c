/* Kernels for AVX2 + FMA (flags: Makefile). */
#define ISA(name) name##_avx2
#define ISA_TABLE kernels_avx2
#define ISA_NAME "avx2"
#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)
#define ISA_USABLE (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#else
#define ISA_USABLE false
#endif
#define VW 8
#define MR 6
#include "model/kernels/simd_table.inc"
