/* Frequencies of pixels and of weights to 16-bit numbers (int16.h): their units, rounding, and how they lie: a word is two neighbouring input channels. */
#include <float.h>
#include <math.h>
#include "kernels/body/int16/int16.h"

static const real TINY = 1e-30f;
enum { LARGEST = 32767 };

/* The unit by which `most` becomes `whole`: 0 of what is too small, NaN of what isn't finite. */
static real unit_of(real most, real whole) {
    return !(most <= FLT_MAX) ? NAN : most < TINY ? 0 : most / whole;
}

static real inverse(real unit) {
    return unit > 0 ? 1 / unit : 0;
}

/* The lower halves: round(v * by), ties to even. Adding 1.5 * 2^23 leaves a whole number in the lowest bits. */
INLINE void round_to(const vec *v, const vec *by, vec_word *words) {
    *words = (vec_word)(*v * *by + 0x1.8p23f);
}

/* ---- pixels ---- */

/* v: frequencies [f][width] of the tile. */
static real largest(const struct wino_tile *t, const real *v, int width) {
    vec_int most = {0};
    for (int f = 0; f < WINO_F; f++) {
        for (int c = 0; wino_has(t, f) && c < width; c += LANES) {
            vec some;
            vec_load_reals(&some, v + f * width + c);
            vec_keep_larger(&most, &some);
        }
    }
    return vec_largest(&most);
}

static void quantize(const struct wino_tile *t, const real *v, int width, real unit, real *to, ptrdiff_t step) {
    const vec by = (vec){0} + inverse(unit);
    for (int f = 0; f < WINO_F; f++) {
        uint16_t *halves = (uint16_t *)(void *)(to + f * step);
        for (int c = 0; wino_has(t, f) && c < width; c += LANES) {
            vec some;
            vec_word words;
            vec_load_reals(&some, v + f * width + c);
            round_to(&some, &by, &words);
            vec_store_halves(halves + c, &words);
        }
    }
}

static void input(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step, real *units, ptrdiff_t units_step) {
    const struct wino_numbers *numbers = &OWN(wino_int16);
    real v[WINO_F * INT16_DEPTH];
    for (int part = 0; part < wino_parts(numbers, (int)n); part++, units += units_step) {
        int begin = wino_part(numbers, (int)n, part), first = begin * 2, count = conv_least((int)n, wino_part(numbers, (int)n, part + 1) * 2) - first;
        int width = conv_parts(count, LANES) * LANES;
        K(wino_input)(t, x + first, (size_t)count, v, width);
        *units = unit_of(largest(t, v, width), INT16_MOST);
        quantize(t, v, width, *units, to + begin, step);
    }
}

/* ---- weights ---- */

/* Sums of |frequencies| over a part of the depth, of LANES filters; and the largest of all parts' so far. */
struct sizes { vec sums[WINO_F]; vec_int most_sum, most; };

static void add_row(const struct wino_weights *w, int row, int first, struct sizes *s) {
    real u[WINO_F * LANES];
    K(wino_weights)(w, row, first, u, LANES);
    for (int f = 0; f < WINO_F; f++) {
        vec v;
        vec_load_reals(&v, u + f * LANES);
        vec_keep_larger(&s->most, &v);
        s->sums[f] += (vec)((vec_int)v & INT32_MAX);
    }
}

static void measure(const struct wino_weights *w, int first, real *units) {
    const struct wino_numbers *numbers = &OWN(wino_int16);
    int inputs = wino_inputs(w);
    struct sizes s = {.most = {0}};
    real most[LANES], most_sum[LANES];
    for (int part = 0; part < wino_parts(numbers, inputs); part++) {
        memset(s.sums, 0, sizeof s.sums);
        for (int row = wino_part(numbers, inputs, part) * 2; row < conv_least(inputs, wino_part(numbers, inputs, part + 1) * 2); row++) {
            add_row(w, row, first, &s);
        }
        for (int f = 0; f < WINO_F; f++) {
            vec_keep_larger(&s.most_sum, &s.sums[f]);
        }
    }
    memcpy(most, &s.most, sizeof most);
    memcpy(most_sum, &s.most_sum, sizeof most_sum);
    for (int i = 0; i < LANES; i++) {
        /* Half of DEPTH for what rounding adds at most, the other for the sums' own. */
        real by_sum = unit_of(most_sum[i], INT16_SUM - INT16_DEPTH), by_size = unit_of(most[i], LARGEST);
        units[i] = by_sum < by_size ? by_size : by_sum;
    }
}

static void pack(const struct wino_weights *w, int first, const real *units, int begin, int end, real *to, ptrdiff_t step, ptrdiff_t words_step) {
    real low[WINO_F * LANES], high[WINO_F * LANES] = {0};
    vec by;
    for (int i = 0; i < LANES; i++) {
        by[i] = inverse(units[i]);
    }
    for (int word = begin; word < end; word++) {
        K(wino_weights)(w, 2 * word, first, low, LANES);
        if (2 * word + 1 < wino_inputs(w)) {
            K(wino_weights)(w, 2 * word + 1, first, high, LANES);
        } else {
            memset(high, 0, sizeof high);
        }
        for (int f = 0; f < WINO_F; f++) {
            vec a, b;
            vec_word lower, upper;
            vec_load_reals(&a, low + f * LANES);
            vec_load_reals(&b, high + f * LANES);
            round_to(&a, &by, &lower);
            round_to(&b, &by, &upper);
            lower = (lower & 0xffff) | upper << 16;
            memcpy(to + f * step + word * words_step, &lower, sizeof lower);
        }
    }
}

const struct wino_numbers OWN(wino_int16) = {2, INT16_DEPTH, input, measure, pack, OWN(int16_sums)};
