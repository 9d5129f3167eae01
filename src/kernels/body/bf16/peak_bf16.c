/* The most products of bfloat16 that AVX512-BF16 can do: independent sums in registers, no memory (see kernels/body/peak.c). */
#include <immintrin.h>
#include "kernels/body/bf16/bf16.h"

double OWN(bf16_peak)(size_t rounds, float *sink) {
    enum { SUMS = 16 };       /* two a cycle, some six cycles each */
    __m512 sums[SUMS];
    __m512bh factor = (__m512bh)_mm512_set1_epi32((int)*sink);
    for (int i = 0; i < SUMS; i++) sums[i] = _mm512_set1_ps(*sink + (float)i);
    for (size_t r = 0; r < rounds; r++)
        UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm512_dpbf16_ps(sums[i], factor, factor);
    for (int i = 0; i < SUMS; i++) *sink += _mm512_reduce_add_ps(sums[i]) * 1e-30f;
    return (double)rounds * SUMS * 2.0 * 32;
}
