/* What all 8-bit products share: how numbers become whole ones, and the instruction: a 32-bit lane holds four bytes, the inputs' without a sign. */
#ifndef DLCLI_KERNELS_BODY_INT8_H
#define DLCLI_KERNELS_BODY_INT8_H

#include <math.h>
#include "kernels/body/body.h"

/* Numbers of a 32-bit lane. */
enum { INT8_GROUP = 4 };
typedef int8_t int8_weight;
typedef uint8_t int8_input;

/* Without VNNI and AMX sums of two neighbours' products pass through 16 bits, in which pmaddubsw saturates: then no two weights of a lane's halves
 * may be more than 128 together, so that 255 times that is less than 2^15. */
#if (defined(ISA_avx2) || defined(ISA_avx512)) && !defined(ISA_vnni) && !defined(ISA_amx)
#define INT8_NARROW 1
#else
#define INT8_NARROW 0
#endif

/* What becomes 127 of a filter's or a unit's weights, [channels][taps], whose neighbouring channels are a lane's: the largest; or, where sums are narrow,
 * the largest sum of two neighbours with the same sign, of which rounding leaves at most 128. */
INLINE float int8_scale(const float *weight, size_t channels, size_t taps) {
    float most = 0;
    for (size_t c = 0; c < channels; c++) {
        const float *some = weight + c * taps, *beside = INT8_NARROW && c % 2 == 1 ? some - taps : NULL;
        for (size_t t = 0; t < taps; t++) {
            float size = fabsf(some[t]), sum = beside != NULL ? fabsf(some[t] + beside[t]) : 0;
            size = sum > size ? sum : size;
            most = size > most ? size : most;
        }
    }
    return most > 0 ? most / 127 : 1;
}

/* A float becomes round(x * by), within low..high, moved up by zero. */
struct int8_quantum { float by, low, high; int zero; };

/* The lowest bytes of n <= LANES words. */
INLINE void int8_put(int8_input *to, const vec_word *words, size_t n) {
#if defined(BODY_AVX512)
    _mm_mask_storeu_epi8(to, vec_first(n), _mm512_cvtepi32_epi8((__m512i)*words));
#else
    int8_input bytes[LANES];
    int8_input *all = n == LANES ? to : bytes;
#if defined(__AVX2__) && LANES == 8
    const __m256i lowest = _mm256_set1_epi32(0x0c080400), halves = _mm256_setr_epi32(0, 4, 0, 0, 0, 0, 0, 0);
    __m256i packed = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8((__m256i)*words, lowest), halves);
    _mm_storel_epi64((__m128i *)(void *)all, _mm256_castsi256_si128(packed));
#else
    for (size_t l = 0; l < LANES; l++) {
        all[l] = (int8_input)(*words)[l];
    }
#endif
    if (all != to) {
        memcpy(to, bytes, n);
    }
#endif
}

/* LANES of them, in the lowest bits. Adding 1.5 * 2^23 rounds to the nearest whole number, ties to even. A NaN becomes the least. */
INLINE void int8_round(const struct int8_quantum *q, vec *v) {
    const real magic = 0x1.8p23f + (real)q->zero;
    const vec least = (vec){0} + (magic + q->low), most = (vec){0} + (magic + q->high), moved = *v * q->by + magic;
#if defined(BODY_AVX512)
    *v = (vec)_mm512_min_ps(_mm512_max_ps((__m512)moved, (__m512)least), (__m512)most);    /* of a NaN and another the second */
#elif defined(__AVX2__) && LANES == 8
    *v = (vec)_mm256_min_ps(_mm256_max_ps((__m256)moved, (__m256)least), (__m256)most);
#else
    vec_int above = moved > least, below;
    *v = (vec)(((vec_int)moved & above) | ((vec_int)least & ~above));
    below = *v < most;
    *v = (vec)(((vec_int)*v & below) | ((vec_int)most & ~below));
#endif
}

/* x: n elems, or reals. */
INLINE void int8_quantize_any(const int reals, const struct int8_quantum *q, const void *x, size_t n, int8_input *to) {
    size_t k = 0;
    vec v;
    for (; k + LANES <= n; k += LANES) {
        if (reals) {
            vec_load_reals(&v, (const real *)x + k);
        } else {
            vec_load(&v, (const elem *)x + k);
        }
        int8_round(q, &v);
        int8_put(to + k, (const vec_word *)&v, LANES);
    }
    if (k < n) {
        if (reals) {
            vec_load_reals_n(&v, (const real *)x + k, n - k);
        } else {
            vec_load_n(&v, (const elem *)x + k, n - k);
        }
        int8_round(q, &v);
        int8_put(to + k, (const vec_word *)&v, n - k);
    }
}

INLINE void int8_quantize(const struct int8_quantum *q, const elem *x, size_t n, int8_input *to) {
    int8_quantize_any(0, q, x, n, to);
}

INLINE void int8_quantize_reals(const struct int8_quantum *q, const real *x, size_t n, int8_input *to) {
    int8_quantize_any(1, q, x, n, to);
}

/* sum += the products of x's bytes with w's, lane by lane. */
INLINE void dot_words(vec_int *sum, const vec_int *x, const vec_int *w) {
#if defined(ISA_vnni) && defined(__AVX512VNNI__)
    *sum = (vec_int)_mm512_dpbusd_epi32((__m512i)*sum, (__m512i)*x, (__m512i)*w);
#elif INT8_NARROW && defined(__AVX512BW__)
    *sum += (vec_int)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)*x, (__m512i)*w), _mm512_set1_epi16(1));
#elif INT8_NARROW && defined(__AVX2__) && LANES == 8
    *sum += (vec_int)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)*x, (__m256i)*w), _mm256_set1_epi16(1));
#else
    for (int i = 0; i < INT8_GROUP; i++) {      /* the same in any other code: what tests run where there is no VNNI */
        *sum += ((*x >> 8 * i) & 255) * ((vec_int)((vec_word)*w << (24 - 8 * i)) >> 24);
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
