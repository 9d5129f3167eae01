/* What all 8-bit products share: the scale of weights, and the instruction: four bytes a lane with VNNI, else two int16. */
#ifndef DLCLI_KERNELS_BODY_INT8_DOT_H
#define DLCLI_KERNELS_BODY_INT8_DOT_H

#include <math.h>
#include "kernels/body/body.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Of a filter's or a unit's weights: the largest becomes 127. */
INLINE float int8_scale(const float *weight, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fabsf(weight[i]) > most ? fabsf(weight[i]) : most;
    }
    return most > 0 ? most / 127 : 1;
}

/* sum += the products of x's word, the same in all lanes, with w's. */
INLINE void dot(vec_int *sum, int32_t x, const int32_t *w) {
#if defined(ISA_vnni) && defined(__AVX512VNNI__)
    *sum = (vec_int)_mm512_dpbusd_epi32((__m512i)*sum, _mm512_set1_epi32(x), _mm512_loadu_si512(w));
#elif defined(ISA_vnni)
    for (int l = 0; l < LANES; l++) {   /* the same in any other code: what its tests run where there is no VNNI */
        for (int i = 0; i < 4; i++) {
            (*sum)[l] += (int32_t)((uint32_t)x >> 8 * i & 255) * (int8_t)((uint32_t)w[l] >> 8 * i & 255);
        }
    }
#elif defined(__AVX512BW__)
    *sum += (vec_int)_mm512_madd_epi16(_mm512_set1_epi32(x), _mm512_loadu_si512(w));
#elif defined(__AVX2__) && LANES == 8
    *sum += (vec_int)_mm256_madd_epi16(_mm256_set1_epi32(x), _mm256_loadu_si256((const __m256i *)(const void *)w));
#else
    for (int l = 0; l < LANES; l++) {
        (*sum)[l] += (int16_t)(x & 0xffff) * (int16_t)(w[l] & 0xffff) + (x >> 16) * (w[l] >> 16);
    }
#endif
}

#endif
