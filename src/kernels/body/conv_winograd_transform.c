/* conv_winograd: the transforms between pixels, weights and frequencies, LANES channels at a time (conv_winograd.h). Each is its one-dimensional form,
 * applied to the columns and then to the rows. */
#include "kernels/body/conv_winograd.h"

/* Before the loop over columns or rows: unrolled, all 36 vectors would want a register at once. */
#if defined(__clang__)
#define ROLL _Pragma("clang loop unroll(disable)")
#else
#define ROLL _Pragma("GCC unroll 1")
#endif

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

/* ---- pixels ---- */

/* A tile's rows, from its first column; a row outside is some other one, behind a mask of zeros. Columns first .. end lie inside; all: everything does. */
struct lines { const elem *row[WINO_IN]; vec_int mask[WINO_IN]; ptrdiff_t channels; int first, end, all; };

static void lines_make(const struct wino_tile *t, const elem *x, int size, struct lines *l) {
    l->channels = t->channels;
    l->first = conv_most(0, -t->col), l->end = conv_least(size, t->w - t->col);
    l->all = l->first == 0 && l->end == size && t->row >= 0 && t->row + size <= t->h;
    for (int i = 0; i < size; i++) {
        int row = t->row + i, inside = row >= 0 && row < t->h;
        l->row[i] = x + ((ptrdiff_t)(inside ? row : 0) * t->w + t->col) * t->channels;
        l->mask[i] = (vec_int){0} - inside;
    }
}

/* Column j of n <= LANES channels from c; all: it lies inside, and n is LANES. */
INLINE void load_column(const struct lines *l, const int size, const int all, int j, ptrdiff_t c, size_t n, vec *d) {
    ptrdiff_t at = j * l->channels + c;
    if (!all && (j < l->first || j >= l->end)) {
        UNROLL for (int i = 0; i < size; i++) {
            d[i] = (vec){0};
        }
        return;
    }
    UNROLL for (int i = 0; i < size; i++) {
        vec_load_n(&d[i], l->row[i] + at, all ? LANES : n);
        d[i] = all ? d[i] : (vec)((vec_int)d[i] & l->mask[i]);
    }
}

/* size x size pixels to 6x6 frequencies. */
INLINE void transform(const struct lines *l, const int size, const int all, ptrdiff_t c, size_t n, real *to, ptrdiff_t step) {
    vec half[WINO_F], from[WINO_IN], line[WINO_IN];
    ROLL for (int j = 0; j < size; j++) {
        load_column(l, size, all, j, c, n, from);
        if (size == WINO_IN) {
            input_line(from, 1, line);
        } else {
            gradient_line(from, 1, line);
        }
        UNROLL for (int i = 0; i < WINO_IN; i++) {
            half[i * WINO_IN + j] = line[i];
        }
    }
    ROLL for (int i = 0; i < WINO_IN; i++, to += WINO_IN * step) {
        UNROLL for (int j = 0; j < size; j++) {
            from[j] = half[i * WINO_IN + j];
        }
        if (size == WINO_IN) {
            input_line(from, 1, line);
        } else {
            gradient_line(from, 1, line);
        }
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            vec_store_reals(to + j * step, &line[j]);
        }
    }
}

INLINE void transform_channels(const struct wino_tile *t, const int size, const elem *x, size_t n, real *to, ptrdiff_t step) {
    struct lines l;
    size_t c = 0;
    lines_make(t, x, size, &l);
    for (; l.all && c + LANES <= n; c += LANES) {
        transform(&l, size, 1, (ptrdiff_t)c, LANES, to + c, step);
    }
    for (; c + LANES <= n; c += LANES) {
        transform(&l, size, 0, (ptrdiff_t)c, LANES, to + c, step);
    }
    if (c < n) {
        transform(&l, size, 0, (ptrdiff_t)c, n - c, to + c, step);
    }
}

void K(wino_input)(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step) {
    transform_channels(t, WINO_IN, x, n, to, step);
}

void K(wino_gradient)(const struct wino_tile *t, const elem *dy, size_t n, real *to, ptrdiff_t step) {
    transform_channels(t, WINO_OUT, dy, n, to, step);
}

/* ---- frequencies to pixels ---- */

static void activate(enum activation activation, vec *row) {
    real all[WINO_OUT * LANES];
    for (int i = 0; i < WINO_OUT; i++) {
        vec_store_reals(all + i * LANES, &row[i]);
    }
    K(activate_reals)(activation, all, sizeof all / sizeof *all);
    for (int i = 0; i < WINO_OUT; i++) {
        vec_load_reals(&row[i], all + i * LANES);
    }
}

/* A row's pixels to y, `count` of them. */
INLINE void store_row(const vec *row, int count, ptrdiff_t channels, int add, elem *y, size_t n) {
    UNROLL for (int j = 0; j < WINO_OUT; j++) {
        if (j < count) {
            vec v = row[j], old;
            if (add) {
                vec_load_n(&old, y + j * channels, n);
                v += old;
            }
            vec_store_n(y + j * channels, &v, n);
        }
    }
}

INLINE void output(const struct wino_tile *t, const real *from, ptrdiff_t step, const struct wino_finish *finish, const vec *bias, elem *y, size_t n) {
    vec half[WINO_OUT * WINO_IN], line[WINO_IN], pixels[WINO_OUT];
    int rows = conv_least(WINO_OUT, t->h - t->row), columns = conv_least(WINO_OUT, t->w - t->col);
    const vec_int negative = (vec_int){0} - (finish->activation == ACT_RELU);
    ROLL for (int j = 0; j < WINO_IN; j++) {
        UNROLL for (int i = 0; i < WINO_IN; i++) {
            vec_load_reals(&line[i], from + (i * WINO_IN + j) * step);
        }
        output_line(line, 1, pixels);
        UNROLL for (int i = 0; i < WINO_OUT; i++) {
            half[i * WINO_IN + j] = pixels[i];
        }
    }
    ROLL for (int i = 0; i < rows; i++, y += t->w * t->channels) {
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            line[j] = half[i * WINO_IN + j];
        }
        output_line(line, 1, pixels);
        UNROLL for (int j = 0; j < WINO_OUT; j++) {
            pixels[j] += *bias;
            pixels[j] = (vec)((vec_int)pixels[j] & ~((pixels[j] < 0) & negative));
        }
        if (finish->activation != ACT_LINEAR && finish->activation != ACT_RELU) {
            activate(finish->activation, pixels);
        }
        store_row(pixels, columns, t->channels, finish->add, y, n);
    }
}

void K(wino_output)(const struct wino_tile *t, const real *from, ptrdiff_t step, const struct wino_finish *finish, elem *y, size_t n) {
    elem *at = y + ((ptrdiff_t)t->row * t->w + t->col) * t->channels;
    for (size_t c = 0; c < n; c += LANES) {
        size_t some = body_least(LANES, n - c);
        vec bias = {0};
        if (finish->bias != NULL) {
            conv_load(&bias, finish->bias + c, (int)some);
        }
        if (some == LANES) {
            output(t, from + c, step, finish, &bias, at + c, LANES);
        } else {
            output(t, from + c, step, finish, &bias, at + c, some);
        }
    }
}

/* ---- weights ---- */

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
