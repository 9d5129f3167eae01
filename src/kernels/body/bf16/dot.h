/* A dot product of pairs of bfloat16 in each 32-bit lane: AVX512-BF16's vdpbf16ps, or what it does written in C. */
#ifndef DLCLI_KERNELS_BODY_BF16_DOT_H
#define DLCLI_KERNELS_BODY_BF16_DOT_H

#include "kernels/body/body.h"
#if defined(__AVX512BF16__)
#include <immintrin.h>
#else
#include <float.h>
#endif

typedef uint32_t word_at __attribute__((may_alias));

#if !defined(__AVX512BF16__)
/* What the tests run where there is no such instruction: what it does, numbers too small to be normal taken for zeros and all. A product of two bfloat16
 * is exact in a float, so that it makes no difference whether it is rounded before it is added. */
static inline void flush(vec *v) {
    vec_int sign = (vec_int)*v & INT32_MIN;
    vec size = (vec)((vec_int)*v & INT32_MAX);
    vec_int small = size < FLT_MIN;
    *v = (vec)(((vec_int)*v & ~small) | (sign & small));
}

static inline void fused(vec *sum, const vec_word *a, const vec_word *b) {
    vec x = (vec)*a, y = (vec)*b;
    flush(&x), flush(&y);
    *sum += x * y;
    flush(sum);
}
#endif

/* sum += the pair x, the same in all lanes, times w's: its upper numbers first. */
INLINE void dot(vec *sum, uint32_t x, const vec_word *w) {
#if defined(__AVX512BF16__)
    *sum = (vec)_mm512_dpbf16_ps((__m512)*sum, (__m512bh)_mm512_set1_epi32((int)x), (__m512bh)*w);
#else
    vec_word pair = x - (vec_word){0};
    vec_word pair_low = pair << 16, pair_high = pair & 0xffff0000u, w_low = *w << 16, w_high = *w & 0xffff0000u;
    fused(sum, &pair_high, &w_high);
    fused(sum, &pair_low, &w_low);
#endif
}

INLINE void load_words(vec_word *v, const word_at *from) {
    memcpy(v, from, sizeof *v);
}

/* 2 * LANES numbers rounded to bfloat16, those of `low` first. The processor's own way makes zeros of what is too small to be normal, as dot() does. */
INLINE void round_both(const vec *low, const vec *high, vec_word *words) {
#if defined(__AVX512BF16__)
    *words = (vec_word)_mm512_cvtne2ps_pbh((__m512)*high, (__m512)*low);
#else
    elem elems[2 * LANES];
    vec_store(elems, low);
    vec_store(elems + LANES, high);
    memcpy(words, elems, sizeof *words);
#endif
}

/* The same, low[i] and high[i] to word i. */
INLINE void round_pairs(const vec *low, const vec *high, vec_word *words) {
#if defined(__AVX512BF16__)
    const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    *words = (vec_word)_mm512_permutexvar_epi16(pairs, (__m512i)_mm512_cvtne2ps_pbh((__m512)*high, (__m512)*low));
#else
    elem lower[LANES], upper[LANES];
    vec_store(lower, low);
    vec_store(upper, high);
    for (int i = 0; i < LANES; i++) {
        (*words)[i] = (uint32_t)upper[i] << 16 | lower[i];
    }
#endif
}

#endif
