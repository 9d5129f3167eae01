/* tanh and logistic of a vector, for loops that math.h's scalar forms make too long for a compiler to vectorise. The
 * same reduction and polynomial: relative errors of 3e-7 for float; NaN stays NaN. Beyond 10 tanh is that of 10, beyond
 * 87 logistic is that of 87: within half an ulp of 1, below 2e-38 of 0. double: the C library's. */
#ifndef DLCLI_KERNELS_BODY_VEC_MATH_H
#define DLCLI_KERNELS_BODY_VEC_MATH_H

#include "kernels/body/math.h"

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

/* x within -most..most. */
INLINE void vec_clamp(vec *x, real most) {
    vec_int above = *x > most, below = *x < -most, bits = (vec_int)*x;
    vec high = (vec){0} + most, low = -high;
    *x = (vec)((above & (vec_int)high) | (below & (vec_int)low) | (bits & ~(above | below)));
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
