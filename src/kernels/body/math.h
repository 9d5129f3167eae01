/* exp, expm1, log, log1p, tanh, logistic and the normal distribution of a `real`, without calls or branches, so that loops over them become vector code.
 *
 * float: reduction and polynomials of our own (minimax fits); errors are relative and hold wherever the result is a normal number:
 * exp, expm1 1.5e-7; tanh, logistic 3e-7; log1p 2e-7; log 2e-7 + 1e-7 absolute near 1; the normal distribution 5e-7 (1 + x^2), and 1.5e-4 where
 * values are bfloat16, whose rounding is up to 3.9e-3. Overflow gives inf, a result below the smallest number 0, NaN stays NaN. double: the C library's. */
#ifndef DLCLI_KERNELS_BODY_MATH_H
#define DLCLI_KERNELS_BODY_MATH_H

#include <math.h>
#include "kernels/kernels.h"
#include "kernels/body/body.h"

#if defined(ELEM_f64)

#define REAL_EPSILON 0x1p-52
static inline double real_exp(double x) { return exp(x); }
static inline double real_expm1(double x) { return expm1(x); }
static inline double real_log(double x) { return log(x); }
static inline double real_log1p(double x) { return log1p(x); }
static inline double real_tanh(double x) { return tanh(x); }
static inline double real_logistic(double x) { return 1 / (1 + exp(-x)); }
static inline double real_sqrt(double x) { return sqrt(x); }
static inline double real_floor(double x) { return floor(x); }
static inline double real_abs(double x) { return fabs(x); }

#else

#define REAL_EPSILON 0x1p-23f

static inline uint32_t real_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float real_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float real_sqrt(float x) { return sqrtf(x); }
static inline float real_floor(float x) { return floorf(x); }
static inline float real_abs(float x) { return fabsf(x); }

/* x = n ln 2 + r, |r| <= ln 2 / 2. n comes out of the sum's own bits: adding 1.5 * 2^23 leaves an integer in the low ones. */
struct real_split { uint32_t n; float r; };
static inline struct real_split real_reduce(float x) {
    const float shift = 12582912.0f;
    float sum = x * 1.44269504f + shift, n = sum - shift;
    return (struct real_split){real_bits(sum) - real_bits(shift), (x - n * 0.693145752f) - n * 1.42860677e-6f};
}

/* exp(r) - 1 for |r| <= ln 2 / 2. */
static inline float real_expm1_small(float r) {
    float q = 0.4999999804f + r * (0.1666653868f + r * (0.04166722127f + r * (0.008367180867f + r * 0.001388239564f)));
    return r + r * r * q;
}

/* 2^n for n in -126..127. */
static inline float real_power_of_2(uint32_t n) {
    return real_of_bits((n + 127) << 23);
}

static inline float real_exp(float x) {
    x = x > 89.0f ? 89.0f : x < -104.0f ? -104.0f : x;
    struct real_split s = real_reduce(x);
    uint32_t half = (uint32_t)((int32_t)s.n >> 1);     /* in two steps: 2^n itself may not be a normal number */
    return (1 + real_expm1_small(s.r)) * real_power_of_2(half) * real_power_of_2(s.n - half);
}

/* Right up to x = 88. */
static inline float real_expm1(float x) {
    x = x > 88.0f ? 88.0f : x < -30.0f ? -30.0f : x;
    struct real_split s = real_reduce(x);
    float power = real_power_of_2(s.n);
    return real_expm1_small(s.r) * power + (power - 1);
}

static inline float real_tanh(float x) {
    float e = real_expm1(2 * (x > 10.0f ? 10.0f : x < -10.0f ? -10.0f : x));
    return e / (e + 2);
}

static inline float real_logistic(float x) {
    return 1 / (1 + real_exp(-x));
}

/* log(1 + x) for 0 <= x <= 1: twice atanh(x / (2 + x)). */
static inline float real_log1p(float x) {
    float s = x / (2 + x), u = s * s;
    float q = 0.3333333781f + u * (0.1999943887f + u * (0.1430844237f + u * (0.1071382912f + u * 0.1215046689f)));
    return 2 * s + 2 * s * u * q;
}

/* x >= 0 and not below the smallest normal number, which counts as 0. */
static inline float real_log(float x) {
    uint32_t bits = real_bits(x), part = (bits - 0x3f3504f3u) & 0xff800000u;       /* mantissa in [sqrt 1/2, sqrt 2) */
    float n = (float)((int32_t)part >> 23), m = real_of_bits(bits - part);
    float s = (m - 1) / (m + 1), u = s * s;
    float log_m = 2 * s + 2 * s * u * (0.3333338988f + u * (0.199885397f + u * 0.1494259353f));
    float y = n * 0.693145752f + (log_m + n * 1.42860677e-6f);
    return x < 1.17549435e-38f ? -INFINITY : x <= 3.40282347e38f ? y : x;
}

#endif

/* The normal distribution: what lies below x, and the density there. */
struct real_normal { real below, density; };

/* Of x >= 0: exp(-x^2 / 2), and what lies above x over that, a polynomial of 1 / (1 + part of x): the form of Abramowitz and Stegun 7.1.26, fitted anew. */
struct real_tail { real power, share; };
#if defined(ELEM_f64)
static inline struct real_tail real_tail(real x) {
    real power = exp(-0.5 * x * x);
    return (struct real_tail){power, power > 0 ? 0.5 * erfc(x * 0.70710678118654752440) / power : 0};
}
#elif defined(ELEM_bf16)
static inline struct real_tail real_tail(float x) {
    const float shift = 12582912.0f;      /* as in real_reduce */
    float y = x * x * -0.72134752f, near = y < -126.0f ? -126.0f : y, sum = near + shift, f = near - (sum - shift);
    float small = 1 + f * (0.6932829618f + f * (0.2422110587f + f * 0.0550089702f));
    float power = real_of_bits(real_bits(small) + (real_bits(sum) << 23)), t = 1 / (1 + 0.25f * x);
    float share = t * (0.1013241783f + t * (0.08071489632f + t * (0.1798419654f + t * (-0.1032322273f + t * 0.2413295805f))));
    return (struct real_tail){y < -126.0f ? 0 : power, share};
}
#else
static inline struct real_tail real_tail(float x) {
    float t = 1 / (1 + 0.282842712f * x);
    float p = 0.2033095857f + t * (0.187830025f + t * (0.09280999903f + t * (0.06909688139f + t * (0.1004428321f
        + t * (-0.1482606435f + t * 0.04288121092f)))));
    return (struct real_tail){real_exp(-0.5f * x * x), 0.5f * t * (0.2256458402f + t * (0.2262443386f + t * p))};
}
#endif

static inline struct real_normal real_normal(real x) {
    struct real_tail tail = real_tail(real_abs(x));
    real beyond = tail.power * tail.share;
    return (struct real_normal){x < 0 ? beyond : 1 - beyond, tail.power * (real)0.39894228040143267794};
}

/* x^p for x >= 0. */
static inline real real_power(real x, real p) {
    return real_exp(p * real_log(x));
}

#endif
