/* tanh and logistic of a vector, for loops that math.h's scalar forms make too long for a compiler to vectorise. The
 * same reduction and polynomial: relative errors of 3e-7 for float; NaN stays NaN. Beyond 10 tanh is that of 10, beyond
 * 87 logistic is that of 87: within half an ulp of 1, below 2e-38 of 0. double: the C library's. */
#ifndef DLCLI_KERNELS_BODY_VEC_MATH_H
#define DLCLI_KERNELS_BODY_VEC_MATH_H

#include "kernels/body/math.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(ELEM_f64)

INLINE void vec_tanh(vec *x) {
    for (int i = 0; i < LANES; i++) {
        (*x)[i] = real_tanh((*x)[i]);
    }
}

INLINE void vec_logistic(vec *x) {
    for (int i = 0; i < LANES; i++) {
        (*x)[i] = real_logistic((*x)[i]);
    }
}

#else

/* x within -most..most. The instructions for the lesser and the greater give their second operand where one is NaN. */
INLINE void vec_clamp(vec *x, real most) {
    vec high = (vec){0} + most, low = -high;
#if LANES == 8 && defined(__AVX2__)
    *x = (vec)_mm256_max_ps((__m256)low, _mm256_min_ps((__m256)high, (__m256)*x));
#elif LANES == 16 && defined(__AVX512F__)
    *x = (vec)_mm512_max_ps((__m512)low, _mm512_min_ps((__m512)high, (__m512)*x));
#else
    vec_int above = *x > most, below = *x < -most, bits = (vec_int)*x;
    *x = (vec)((above & (vec_int)high) | (below & (vec_int)low) | (bits & ~(above | below)));
#endif
}

/* exp(x) = (1 + small) power, for |x| <= 87. */
INLINE void vec_exp_parts(const vec *x, vec *small, vec *power) {
    const real shift = 12582912.0f; /* as in real_reduce */
    vec sum = *x * 1.44269504f + shift, n = sum - shift, r = (*x - n * 0.693145752f) - n * 1.42860677e-6f;
    vec q = 0.4999999804f + r * (0.1666653868f + r * (0.04166722127f + r * (0.008367180867f + r * 0.001388239564f)));
    *small = r + r * r * q;
    *power = (vec)(((vec_word)sum - (real_bits(shift) - 127)) << 23);
}

INLINE void vec_tanh(vec *x) {
    vec small, power, e;
    vec_clamp(x, 10);
    *x *= 2;
    vec_exp_parts(x, &small, &power);
    e = small * power + (power - 1);
    *x = e / (e + 2);
}

INLINE void vec_logistic(vec *x) {
    vec small, power;
    vec_clamp(x, 87);
    *x = -*x;
    vec_exp_parts(x, &small, &power);
    *x = 1 / (1 + (power + small * power));
}

#endif

#endif
