/* What all 8-bit products share: how numbers become whole ones, and the instruction: four bytes a lane with VNNI, else two int16. */
#ifndef DLCLI_KERNELS_BODY_INT8_H
#define DLCLI_KERNELS_BODY_INT8_H

#include <math.h>
#include "kernels/body/body.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Numbers of a 32-bit lane. */
#if defined(ISA_vnni) || defined(ISA_amx)
enum { INT8_GROUP = 4 };
typedef int8_t int8_weight;
typedef uint8_t int8_input;
#else
enum { INT8_GROUP = 2 };
typedef int16_t int8_weight, int8_input;
#endif

/* Of a filter's or a unit's weights: the largest becomes 127. */
INLINE float int8_scale(const float *weight, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fabsf(weight[i]) > most ? fabsf(weight[i]) : most;
    }
    return most > 0 ? most / 127 : 1;
}

/* A float becomes round(x * by), within low..high, moved up by zero. */
struct int8_quantum { float by, low, high; int zero; };

/* The lower parts of n <= LANES words. */
INLINE void int8_put(int8_input *to, const vec_word *words, size_t n) {
#if defined(BODY_AVX512)
    if (INT8_GROUP == 4) {
        _mm_mask_storeu_epi8(to, vec_first(n), _mm512_cvtepi32_epi8((__m512i)*words));
    } else {
        _mm256_mask_storeu_epi16(to, vec_first(n), _mm512_cvtepi32_epi16((__m512i)*words));
    }
#else
    if (INT8_GROUP == 2 && n == LANES) {
        vec_store_halves((uint16_t *)(void *)to, words);
        return;
    }
    for (size_t l = 0; l < n; l++) {
        to[l] = (int8_input)(*words)[l];
    }
#endif
}

/* Adding 1.5 * 2^23 rounds to the nearest whole number, ties to even, and leaves it in the lowest bits. A NaN becomes the least. */
INLINE void int8_quantize(const struct int8_quantum *q, const real *x, size_t n, int8_input *to) {
    const real magic = 0x1.8p23f + (real)q->zero;
    const vec least = (vec){0} + q->low, most = (vec){0} + q->high;
    for (size_t k = 0; k < n; k += LANES) {
        size_t some = body_least(LANES, n - k);
        vec v;
        vec_load_reals_n(&v, x + k, some);
        v *= q->by;
        vec_int above = v > least, below;
        v = (vec)(((vec_int)v & above) | ((vec_int)least & ~above));
        below = v < most;
        v = (vec)(((vec_int)v & below) | ((vec_int)most & ~below)) + magic;
        int8_put(to + k, (const vec_word *)&v, some);
    }
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
