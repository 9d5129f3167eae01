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

/* LANES of them, in the lowest bits. Adding 1.5 * 2^23 rounds to the nearest whole number, ties to even. A NaN becomes the least. */
INLINE void int8_round(const struct int8_quantum *q, vec *v) {
    const real magic = 0x1.8p23f + (real)q->zero;
    const vec least = (vec){0} + (magic + q->low), most = (vec){0} + (magic + q->high), moved = *v * q->by + magic;
#if defined(BODY_AVX512)
    *v = (vec)_mm512_min_ps(_mm512_max_ps((__m512)moved, (__m512)least), (__m512)most);    /* of a NaN and another the second */
#else
    vec_int above = moved > least, below;
    *v = (vec)(((vec_int)moved & above) | ((vec_int)least & ~above));
    below = *v < most;
    *v = (vec)(((vec_int)*v & below) | ((vec_int)most & ~below));
#endif
}

/* x: n elems, or reals. */
INLINE void int8_quantize_any(const int reals, const struct int8_quantum *q, const void *x, size_t n, int8_input *to) {
    for (size_t k = 0; k < n; k += LANES) {
        size_t some = body_least(LANES, n - k);
        vec v;
        if (reals) {
            vec_load_reals_n(&v, (const real *)x + k, some);
        } else {
            vec_load_n(&v, (const elem *)x + k, some);
        }
        int8_round(q, &v);
        int8_put(to + k, (const vec_word *)&v, some);
    }
}

INLINE void int8_quantize(const struct int8_quantum *q, const elem *x, size_t n, int8_input *to) {
    int8_quantize_any(0, q, x, n, to);
}

INLINE void int8_quantize_reals(const struct int8_quantum *q, const real *x, size_t n, int8_input *to) {
    int8_quantize_any(1, q, x, n, to);
}

/* sum += the products of x's words with w's, lane by lane. */
INLINE void dot_words(vec_int *sum, const vec_int *x, const vec_int *w) {
#if defined(ISA_vnni) && defined(__AVX512VNNI__)
    *sum = (vec_int)_mm512_dpbusd_epi32((__m512i)*sum, (__m512i)*x, (__m512i)*w);
#elif defined(ISA_vnni)
    for (int l = 0; l < LANES; l++) {   /* the same in any other code: what its tests run where there is no VNNI */
        for (int i = 0; i < 4; i++) {
            (*sum)[l] += (int32_t)((uint32_t)(*x)[l] >> 8 * i & 255) * (int8_t)((uint32_t)(*w)[l] >> 8 * i & 255);
        }
    }
#elif defined(__AVX512BW__)
    *sum += (vec_int)_mm512_madd_epi16((__m512i)*x, (__m512i)*w);
#elif defined(__AVX2__) && LANES == 8
    *sum += (vec_int)_mm256_madd_epi16((__m256i)*x, (__m256i)*w);
#else
    for (int l = 0; l < LANES; l++) {
        (*sum)[l] += (int16_t)((*x)[l] & 0xffff) * (int16_t)((*w)[l] & 0xffff) + ((*x)[l] >> 16) * ((*w)[l] >> 16);
    }
#endif
}

/* The same word of x in all lanes. */
INLINE void dot(vec_int *sum, int32_t x, const int32_t *w) {
    vec_int each = (vec_int){0} + x, words;
    memcpy(&words, w, sizeof words);
    dot_words(sum, &each, &words);
}

#endif
