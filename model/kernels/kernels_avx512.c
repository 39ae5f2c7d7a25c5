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
#define LANES(f, d)                                                                                                    \
    f(0, d), f(1, d), f(2, d), f(3, d), f(4, d), f(5, d), f(6, d), f(7, d), f(8, d), f(9, d), f(10, d), f(11, d),      \
        f(12, d), f(13, d), f(14, d), f(15, d)
#include "model/kernels/simd_table.inc"
