/* conv_winograd: the transforms between pixels, weights and frequencies, LANES channels at a time (conv_winograd.h). Each is its one-dimensional form,
 * applied to the columns and then to the rows. */
#include "kernels/body/conv_winograd.h"

/* B': six pixels, `step` apart, to six frequencies. */
INLINE void input_line(const vec *d, int step, vec *v) {
    vec a = d[4 * step] - 4 * d[2 * step], b = d[3 * step] - 4 * d[step], c = d[4 * step] - d[2 * step], e = 2 * (d[3 * step] - d[step]);
    v[0] = 4 * d[0] - 5 * d[2 * step] + d[4 * step];
    v[1] = a + b;
    v[2] = a - b;
    v[3] = c + e;
    v[4] = c - e;
    v[5] = 4 * d[step] - 5 * d[3 * step] + d[5 * step];
}

/* A': six frequencies to four pixels. */
INLINE void output_line(const vec *m, int step, vec *y) {
    vec s = m[step] + m[2 * step], d = m[step] - m[2 * step], p = m[3 * step] + m[4 * step], q = m[3 * step] - m[4 * step];
    y[0] = m[0] + s + p;
    y[1] = d + 2 * q;
    y[2] = s + 4 * p;
    y[3] = d + 8 * q + m[5 * step];
}

/* A: the gradient of four pixels to that of six frequencies. */
INLINE void gradient_line(const vec *y, int step, vec *m) {
    vec even = y[0] + y[2 * step], odd = y[step] + y[3 * step], far = y[0] + 4 * y[2 * step], off = 2 * y[step] + 8 * y[3 * step];
    m[0] = y[0];
    m[1] = even + odd;
    m[2] = even - odd;
    m[3] = far + off;
    m[4] = far - off;
    m[5] = y[3 * step];
}

/* G: three weights to six frequencies. */
INLINE void weight_line(const vec *g, int step, vec *u) {
    const real sixth = (real)(1.0 / 6), part = (real)(1.0 / 24), twelfth = (real)(1.0 / 12);
    vec s = (g[0] + g[2 * step]) * -sixth, t = g[step] * sixth, p = g[0] * part + g[2 * step] * sixth, q = g[step] * twelfth;
    u[0] = g[0] * (real)0.25;
    u[1] = s - t;
    u[2] = s + t;
    u[3] = p + q;
    u[4] = p - q;
    u[5] = g[2 * step];
}

/* G': the gradient of six frequencies to that of three weights. */
INLINE void weight_back_line(const vec *u, int step, vec *g) {
    const real sixth = (real)(1.0 / 6), part = (real)(1.0 / 24), twelfth = (real)(1.0 / 12);
    vec s = (u[step] + u[2 * step]) * sixth, p = u[3 * step] + u[4 * step];
    g[0] = u[0] * (real)0.25 - s + p * part;
    g[1] = (u[2 * step] - u[step]) * sixth + (u[3 * step] - u[4 * step]) * twelfth;
    g[2] = p * sixth - s + u[5 * step];
}

static int inside(const struct wino_tile *t, int size) {
    return t->row >= 0 && t->col >= 0 && t->row + size <= t->h && t->col + size <= t->w;
}

/* size x size pixels; whole: all of them lie inside, and all lanes are wanted. */
INLINE void load_pixels(const struct wino_tile *t, const elem *x, size_t n, const int size, const int whole, vec *pixels) {
    const elem *at = x + ((ptrdiff_t)t->row * t->w + t->col) * t->channels;
    UNROLL for (int i = 0; i < size; i++) {
        UNROLL for (int j = 0; j < size; j++) {
            const elem *from = at + ((ptrdiff_t)i * t->w + j) * t->channels;
            if (whole) {
                vec_load(&pixels[i * size + j], from);
            } else if (t->row + i >= 0 && t->row + i < t->h && t->col + j >= 0 && t->col + j < t->w) {
                vec_load_n(&pixels[i * size + j], from, n);
            } else {
                pixels[i * size + j] = (vec){0};
            }
        }
    }
}

INLINE void input(const struct wino_tile *t, const elem *x, size_t n, const int whole, real *to, ptrdiff_t step) {
    vec pixels[WINO_F], half[WINO_F], row[WINO_IN];
    load_pixels(t, x, n, WINO_IN, whole, pixels);
    UNROLL for (int j = 0; j < WINO_IN; j++) {
        input_line(pixels + j, WINO_IN, half + j * WINO_IN);
    }
    UNROLL for (int i = 0; i < WINO_IN; i++) {
        input_line(half + i, WINO_IN, row);
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            vec_store_reals(to + (i * WINO_IN + j) * step, &row[j]);
        }
    }
}

void K(wino_input)(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step) {
    if (n == LANES && inside(t, WINO_IN)) {
        input(t, x, n, 1, to, step);
    } else {
        input(t, x, n, 0, to, step);
    }
}

INLINE void gradient(const struct wino_tile *t, const elem *dy, size_t n, const int whole, real *to, ptrdiff_t step) {
    vec pixels[WINO_OUT * WINO_OUT], half[WINO_OUT * WINO_IN], row[WINO_IN];
    load_pixels(t, dy, n, WINO_OUT, whole, pixels);
    UNROLL for (int j = 0; j < WINO_OUT; j++) {
        gradient_line(pixels + j, WINO_OUT, half + j * WINO_IN);
    }
    UNROLL for (int i = 0; i < WINO_IN; i++) {
        gradient_line(half + i, WINO_IN, row);
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            vec_store_reals(to + (i * WINO_IN + j) * step, &row[j]);
        }
    }
}

void K(wino_gradient)(const struct wino_tile *t, const elem *dy, size_t n, real *to, ptrdiff_t step) {
    if (n == LANES && inside(t, WINO_OUT)) {
        gradient(t, dy, n, 1, to, step);
    } else {
        gradient(t, dy, n, 0, to, step);
    }
}

/* A tile's pixels to y, those that lie inside. */
INLINE void store_pixels(const struct wino_tile *t, const vec *pixels, int add, elem *y, size_t n, const int whole) {
    UNROLL for (int i = 0; i < WINO_OUT; i++) {
        UNROLL for (int j = 0; j < WINO_OUT; j++) {
            elem *to = y + ((ptrdiff_t)(t->row + i) * t->w + t->col + j) * t->channels;
            if (!whole && (t->row + i >= t->h || t->col + j >= t->w)) {
                continue;
            }
            vec v = pixels[i * WINO_OUT + j], old;
            if (add) {
                vec_load_n(&old, to, whole ? LANES : n);
                v += old;
            }
            vec_store_n(to, &v, whole ? LANES : n);
        }
    }
}

static void activate(enum activation activation, vec *pixels) {
    real all[WINO_OUT * WINO_OUT * LANES];
    for (int i = 0; i < WINO_OUT * WINO_OUT; i++) {
        vec_store_reals(all + i * LANES, &pixels[i]);
    }
    K(activate_reals)(activation, all, sizeof all / sizeof *all);
    for (int i = 0; i < WINO_OUT * WINO_OUT; i++) {
        vec_load_reals(&pixels[i], all + i * LANES);
    }
}

void K(wino_output)(const struct wino_tile *t, const real *from, ptrdiff_t step, const struct wino_finish *finish, elem *y, size_t n) {
    vec half[WINO_OUT * WINO_IN], pixels[WINO_OUT * WINO_OUT], column[WINO_IN], bias = {0};
    UNROLL for (int j = 0; j < WINO_IN; j++) {
        UNROLL for (int i = 0; i < WINO_IN; i++) {
            vec_load_reals(&column[i], from + (i * WINO_IN + j) * step);
        }
        output_line(column, 1, half + j * WINO_OUT);
    }
    if (finish->bias != NULL) {
        vec_load_reals(&bias, finish->bias);
    }
    UNROLL for (int i = 0; i < WINO_OUT; i++) {
        output_line(half + i, WINO_OUT, pixels + i * WINO_OUT);
        UNROLL for (int j = 0; j < WINO_OUT; j++) {
            pixels[i * WINO_OUT + j] += bias;
        }
    }
    if (finish->activation != ACT_LINEAR) {
        activate(finish->activation, pixels);
    }
    if (n == LANES && inside(t, WINO_OUT)) {
        store_pixels(t, pixels, finish->add, y, n, 1);
    } else {
        store_pixels(t, pixels, finish->add, y, n, 0);
    }
}

enum { TAPS = 3 };

void K(wino_weight)(const vec *taps, real *to, ptrdiff_t step) {
    vec half[TAPS * WINO_IN], row[WINO_IN];
    UNROLL for (int j = 0; j < TAPS; j++) {
        weight_line(taps + j, TAPS, half + j * WINO_IN);
    }
    UNROLL for (int i = 0; i < WINO_IN; i++) {
        weight_line(half + i, WINO_IN, row);
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            vec_store_reals(to + (i * WINO_IN + j) * step, &row[j]);
        }
    }
}

void K(wino_weight_back)(const real *from, ptrdiff_t step, vec *taps) {
    vec half[TAPS * WINO_IN], column[WINO_IN];
    UNROLL for (int j = 0; j < WINO_IN; j++) {
        UNROLL for (int i = 0; i < WINO_IN; i++) {
            vec_load_reals(&column[i], from + (i * WINO_IN + j) * step);
        }
        weight_back_line(column, 1, half + j * TAPS);
    }
    UNROLL for (int i = 0; i < TAPS; i++) {
        weight_back_line(half + i, TAPS, taps + i * TAPS);
    }
}
