/* Activations and their derivatives. A span of reals is loaded, transformed in place and stored, so that one set of formulas serves
 * every element type, and the compiler sees that nothing overlaps. */
#include "kernels/body/functions.h"
#include "kernels/body/math.h"

enum { SPAN = 512 };

static const real SELU_SCALE = (real)1.0507009873554804934193349852946, SELU_ALPHA = (real)1.6732632423543772848170429916717;
static const real GELU_C = (real)0.79788456080286535588, GELU_CUBE = (real)0.044715;                   /* GELU_C: sqrt(2 / pi) */

/* Beyond +-`to` the factor of x in x * f(x) is 0 or 1 to the last bit; so -inf gives -0, the limit, and not NaN. */
static inline real above(real x, real to) {
    return x < to ? to : x;
}

static inline real clamp(real x, real from, real to) {
    return x < from ? from : x > to ? to : x;
}

/* tanh(softplus(x)) = n / (n + 2), n = e^x (e^x + 2): no cancellation anywhere. */
static inline real mish_gate(real x) {
    real e = real_exp(x > 20 ? 20 : x), n = e * (e + 2);
    real y = n / (n + 2);
    return x > 20 ? 1 : y;
}

static inline real softplus(real x) {
    return (x > 0 ? x : 0) + real_log1p(real_exp(-real_abs(x)));
}

static inline real gelu_tanh_gate(real x) {
    return real_logistic(2 * GELU_C * (x + GELU_CUBE * x * x * x));
}

/* darknet's "stair": floor(x / 2), with a ramp between odd and even. */
static inline real stair(real x) {
    real floor = real_floor(x), half = real_floor(x * (real)0.5);
    return floor == 2 * half ? half : x - floor + half;
}

static inline real plse(real x) {
    return x < -4 ? (real)0.01 * (x + 4) : x > 4 ? (real)0.01 * (x - 4) + 1 : (real)0.125 * x + (real)0.5;
}

static inline real lhtan(real x) {
    return x < 0 ? (real)0.001 * x : x > 1 ? (real)0.001 * (x - 1) + 1 : x;
}

#define EACH(formula) \
    for (size_t i = 0; i < n; i++) { \
        real v = x[i]; \
        x[i] = (formula); \
    } \
    break

/* Comparisons are the way round that lets a NaN through. */
void K(activate_reals)(enum activation a, real *x, size_t n) {
    switch (a) {
    case ACT_RELU: EACH(v < 0 ? 0 : v);
    case ACT_LEAKY: EACH(v < 0 ? (real)0.1 * v : v);
    case ACT_ELU: EACH(v < 0 ? real_expm1(v) : v);
    case ACT_SELU: EACH(SELU_SCALE * (v < 0 ? SELU_ALPHA * real_expm1(v) : v));
    case ACT_GELU: EACH(above(v, -1000) * real_normal(v).below);
    case ACT_GELU_TANH: EACH(above(v, -1000) * gelu_tanh_gate(v));
    case ACT_SILU: EACH(above(v, -1000) * real_logistic(v));
    case ACT_MISH: EACH(above(v, -1000) * mish_gate(v));
    case ACT_LOGISTIC: EACH(real_logistic(v));
    case ACT_TANH: EACH(real_tanh(v));
    case ACT_HARDTANH: EACH(clamp(v, -1, 1));
    case ACT_SOFTPLUS: EACH(softplus(v));
    case ACT_ABS: EACH(real_abs(v));
    case ACT_HEAVISIDE: EACH(v > 0 ? 1 : v <= 0 ? 0 : v);
    case ACT_SIGN: EACH(v > 0 ? 1 : v < 0 ? -1 : v);
    case ACT_RELU6: EACH(clamp(v, 0, 6));
    case ACT_LOGGY: EACH(real_tanh((real)0.5 * v));
    case ACT_RELIE: EACH(v < 0 ? (real)0.01 * v : v);
    case ACT_PLSE: EACH(plse(v));
    case ACT_LHTAN: EACH(lhtan(v));
    case ACT_RAMP: EACH(v > 0 ? (real)1.1 * v : (real)0.1 * v);
    case ACT_STAIR: EACH(stair(v));
    case ACT_HARD_MISH: EACH(v <= -2 ? 0 : v < 0 ? v * ((real)0.5 * v + 1) : v);
    case ACT_LINEAR:
    case ACT_COUNT: break;
    }
}

/* x * f(x): f + x f'. Far out both are exactly 0 or 1, and inf * 0 must not arise. */
static inline real silu_slope(real x) {
    real s = real_logistic(x);
    return s + clamp(x, -1000, 1000) * s * (1 - s);
}

static inline real mish_slope(real x) {
    real gate = mish_gate(x);
    return gate + clamp(x, -1000, 1000) * real_logistic(x) * (1 - gate) * (1 + gate);
}

static inline real gelu_slope(real x) {
    struct real_normal normal = real_normal(x);
    return normal.below + clamp(x, -1000, 1000) * normal.density;
}

static inline real gelu_tanh_slope(real x) {
    real near = clamp(x, -50, 50), gate = gelu_tanh_gate(x);
    return gate + near * 2 * gate * (1 - gate) * GELU_C * (1 + 3 * GELU_CUBE * near * near);
}

static void constant(real *x, size_t n, real value) {
    for (size_t i = 0; i < n; i++) {
        x[i] = value;
    }
}

/* x becomes the derivative: from the output for the kinds that activation_by_output names, else from the input. */
static void slope(enum activation a, real *x, size_t n) {
    switch (a) {
    case ACT_LINEAR: constant(x, n, 1); break;
    case ACT_RELU: EACH(v <= 0 ? 0 : 1);
    case ACT_LEAKY: EACH(v <= 0 ? (real)0.1 : 1);
    case ACT_ELU: EACH(v < 0 ? v + 1 : 1);
    case ACT_SELU: EACH(v <= 0 ? v + SELU_SCALE * SELU_ALPHA : SELU_SCALE);
    case ACT_GELU: EACH(gelu_slope(v));
    case ACT_GELU_TANH: EACH(gelu_tanh_slope(v));
    case ACT_SILU: EACH(silu_slope(v));
    case ACT_MISH: EACH(mish_slope(v));
    case ACT_LOGISTIC: EACH(v * (1 - v));
    case ACT_TANH: EACH((1 - v) * (1 + v));
    case ACT_HARDTANH: EACH(v > -1 && v < 1 ? 1 : 0);
    case ACT_SOFTPLUS: EACH(-real_expm1(-v));
    case ACT_ABS: EACH(v > 0 ? 1 : v < 0 ? -1 : 0);
    case ACT_HEAVISIDE:
    case ACT_SIGN: constant(x, n, 0); break;
    case ACT_RELU6: EACH(v > 0 && v < 6 ? 1 : 0);
    case ACT_LOGGY: EACH((real)0.5 * (1 - v) * (1 + v));
    case ACT_RELIE: EACH(v <= 0 ? (real)0.01 : 1);
    case ACT_PLSE: EACH(v < 0 || v >= 1 ? (real)0.01 : (real)0.125);
    case ACT_LHTAN: EACH(v > 0 && v < 1 ? 1 : (real)0.001);
    case ACT_RAMP: EACH(v > 0 ? (real)1.1 : (real)0.1);
    case ACT_STAIR: EACH(real_floor(v) == v ? 0 : 1);
    case ACT_HARD_MISH: EACH(v <= -2 ? 0 : v < 0 ? v + 1 : 1);
    case ACT_COUNT: break;
    }
}

struct activate { enum activation a; const elem *x; elem *y; };

static void activate_range(void *job, size_t begin, size_t end) {
    const struct activate *j = job;
    real span[SPAN];
    for (size_t at = begin; at < end; at += SPAN) {
        size_t n = body_least(SPAN, end - at);
        const elem *x = j->x + at;
        elem *y = j->y + at;
        for (size_t i = 0; i < n; i++) {
            span[i] = LOAD(x, i);
        }
        K(activate_reals)(j->a, span, n);
        for (size_t i = 0; i < n; i++) {
            STORE(y, i, span[i]);
        }
    }
}

void K(activate)(struct threads *t, enum activation a, const void *x, void *y, size_t n) {
    struct activate job = {a, x, y};
    if (a != ACT_LINEAR || x != y) {
        body_split(t, n, n, activate_range, &job);
    }
}

struct activate_back { enum activation a; const elem *from, *dy; elem *dx; int add; };

/* dx = [dx +] dy * slope. */
static void chain(const real *slopes, const elem *dy, elem *dx, size_t n, int add) {
    real span[SPAN];
    for (size_t i = 0; i < n; i++) {
        span[i] = slopes[i] * LOAD(dy, i);
    }
    if (add) {
        for (size_t i = 0; i < n; i++) {
            STORE(dx, i, LOAD(dx, i) + span[i]);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            STORE(dx, i, span[i]);
        }
    }
}

static void activate_back_range(void *job, size_t begin, size_t end) {
    const struct activate_back *j = job;
    real slopes[SPAN] = {0};
    for (size_t at = begin; at < end; at += SPAN) {
        size_t n = body_least(SPAN, end - at);
        for (size_t i = 0; j->from != NULL && i < n; i++) {
            slopes[i] = LOAD(j->from, at + i);
        }
        slope(j->a, slopes, n);
        chain(slopes, j->dy + at, j->dx + at, n, j->add);
    }
}

void K(activate_back)(struct threads *t, enum activation a, const void *x, const void *y, const void *dy, void *dx, size_t n, int add) {
    struct activate_back job = {a, activation_by_output(a) ? y : x, dy, dx, add};
    body_split(t, n, n, activate_back_range, &job);
}
