/* Kernels for AVX-512 F/BW/DQ/VL (flags: Makefile). */
#define ISA(name) name##_avx512
#define ISA_TABLE kernels_avx512
#define ISA_NAME "avx512"
#if defined(__x86_64__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) &&                   \
    defined(__AVX512VL__)
#define ISA_USABLE                                                                                                     \
    (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&  \
     __builtin_cpu_supports("avx512vl"))
#else
#define ISA_USABLE false
#endif
#define VW 16
#define MR 8
#include "model/kernels/simd_table.inc"
