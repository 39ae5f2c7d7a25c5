/* Kernels for AVX-512 with products of pairs of bf16 (flags: Makefile). */
#define ISA(name) name##_avx512bf16
#define ISA_TABLE kernels_avx512bf16
#define ISA_NAME "avx512bf16"
#if defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) &&                   \
    defined(__AVX512VL__) && defined(__AVX512BF16__)
#define ISA_USABLE                                                                                                     \
    (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&  \
     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16"))
#define ISA_BF16_DOT
#else
#define ISA_USABLE false
#endif
#define VW 16
#define MR 8
#include "model/kernels/simd_table.inc"
