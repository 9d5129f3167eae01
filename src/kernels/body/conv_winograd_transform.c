/* conv_winograd: the transforms between pixels, weights and frequencies, LANES channels at a time (conv_winograd.h). Each is its one-dimensional form,
 * applied to the columns and then to the rows. */
#include "kernels/body/conv_winograd.h"
#include "kernels/body/conv_winograd_lines.h"
#include "kernels/body/transpose.h"

/* Before the loop over columns or rows: unrolled, all 36 vectors would want a register at once. */
#if defined(__clang__)
#define ROLL _Pragma("clang loop unroll(disable)")
#else
#define ROLL _Pragma("GCC unroll 1")
#endif

/* A hint, which may point anywhere. */
INLINE void ask(const void *here, ptrdiff_t ahead) {
    __builtin_prefetch((const void *)((uintptr_t)here + (uintptr_t)ahead));
}

/* ---- pixels ---- */

/* A tile's rows, from its first column; a row outside is some other one, behind a mask of zeros. Columns first .. end lie inside; all: everything does.
 * next: bytes to the pixels that come next. */
struct lines { const elem *row[WINO_IN]; vec_int mask[WINO_IN]; ptrdiff_t channels, next; int first, end, all; };

static void lines_make(const struct wino_tile *t, const elem *x, int rows, int columns, struct lines *l) {
    l->channels = t->channels, l->next = t->next * (ptrdiff_t)sizeof *x;
    l->first = conv_most(0, -t->col), l->end = conv_least(columns, t->w - t->col);
    l->all = l->first == 0 && l->end == columns && t->row >= 0 && t->row + rows <= t->h;
    for (int i = 0; i < rows; i++) {
        int row = t->row + i, inside = row >= 0 && row < t->h;
        l->row[i] = x + ((ptrdiff_t)(inside ? row : 0) * t->w + t->col) * t->channels;
        l->mask[i] = (vec_int){0} - inside;
    }
}

/* Column j of n <= LANES channels from c; all: it lies inside, and n is LANES. */
INLINE void load_column(const struct lines *l, const int rows, const int all, int j, ptrdiff_t c, size_t n, vec *d) {
    ptrdiff_t at = j * l->channels + c;
    if (!all && (j < l->first || j >= l->end)) {
        UNROLL for (int i = 0; i < rows; i++) {
            d[i] = (vec){0};
        }
        return;
    }
    UNROLL for (int i = 0; i < rows; i++) {
        ask(l->row[i] + at, l->next);
        vec_load_n(&d[i], l->row[i] + at, all ? LANES : n);
        d[i] = all ? d[i] : (vec)((vec_int)d[i] & l->mask[i]);
    }
}

/* Which of the two, and of which tile. */
enum { PIXELS, GRADIENT };

/* Pixels that a tile's line has. */
INLINE int line_size(const int what, const int is_short) {
    return (what == PIXELS ? WINO_IN : WINO_OUT) - is_short;
}

INLINE void line_to_frequencies(const int what, const int is_short, const vec *from, vec *line) {
    if (what == PIXELS) {
        is_short ? input_line_short(from, 1, line) : input_line(from, 1, line);
    } else {
        is_short ? gradient_line_short(from, 1, line) : gradient_line(from, 1, line);
    }
}

INLINE void transform(const struct lines *l, const int what, const int short_h, const int short_w, const int all, ptrdiff_t c, size_t n, real *to, ptrdiff_t step) {
    vec half[WINO_F], from[WINO_IN], line[WINO_IN];
    ROLL for (int j = 0; j < line_size(what, short_w); j++) {
        load_column(l, line_size(what, short_h), all, j, c, n, from);
        line_to_frequencies(what, short_h, from, line);
        UNROLL for (int i = 0; i < WINO_IN; i++) {
            if (wino_line_has(short_h, i)) {
                half[i * WINO_IN + j] = line[i];
            }
        }
    }
    ROLL for (int i = 0; i < WINO_IN; i++) {
        if (!wino_line_has(short_h, i)) {
            continue;
        }
        UNROLL for (int j = 0; j < line_size(what, short_w); j++) {
            from[j] = half[i * WINO_IN + j];
        }
        line_to_frequencies(what, short_w, from, line);
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            if (wino_line_has(short_w, j)) {
                vec_store_reals(to + (i * WINO_IN + j) * step, &line[j]);
            }
        }
    }
}

INLINE void transform_channels(const struct wino_tile *t, const int what, const int short_h, const int short_w, const elem *x, size_t n, real *to, ptrdiff_t step) {
    struct lines l;
    size_t c = 0;
    lines_make(t, x, line_size(what, short_h), line_size(what, short_w), &l);
    for (; l.all && c + LANES <= n; c += LANES) {
        transform(&l, what, short_h, short_w, 1, (ptrdiff_t)c, LANES, to + c, step);
    }
    for (; c + LANES <= n; c += LANES) {
        transform(&l, what, short_h, short_w, 0, (ptrdiff_t)c, LANES, to + c, step);
    }
    if (c < n) {
        transform(&l, what, short_h, short_w, 0, (ptrdiff_t)c, n - c, to + c, step);
    }
}

/* A copy for each form of tile. */
#define EACH_FORM(t, call) \
    if ((t)->short_h) { \
        if ((t)->short_w) { call(1, 1); } else { call(1, 0); } \
    } else { \
        if ((t)->short_w) { call(0, 1); } else { call(0, 0); } \
    }

void K(wino_input)(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step) {
#define INPUT(h, w) transform_channels(t, PIXELS, h, w, x, n, to, step)
    EACH_FORM(t, INPUT)
}

void K(wino_gradient)(const struct wino_tile *t, const elem *dy, size_t n, real *to, ptrdiff_t step) {
#define DY(h, w) transform_channels(t, GRADIENT, h, w, dy, n, to, step)
    EACH_FORM(t, DY)
}

/* Sums of a tile's own pixels. */
INLINE void add_pixels(const struct lines *l, const int rows, const int columns, const int all, ptrdiff_t c, size_t n, real *sums) {
    vec sum, d[WINO_OUT];
    vec_load_reals_n(&sum, sums + c, n);
    ROLL for (int j = 0; j < columns; j++) {
        load_column(l, rows, all, j, c, n, d);
        UNROLL for (int i = 0; i < rows; i++) {
            sum += d[i];
        }
    }
    vec_store_reals_n(sums + c, &sum, n);
}

INLINE void add_channels(const struct wino_tile *t, const int rows, const int columns, const elem *dy, size_t n, real *sums) {
    struct lines l;
    lines_make(t, dy, rows, columns, &l);
    for (size_t c = 0; c < n; c += LANES) {
        size_t some = body_least(LANES, n - c);
        if (l.all && some == LANES) {
            add_pixels(&l, rows, columns, 1, (ptrdiff_t)c, LANES, sums);
        } else {
            add_pixels(&l, rows, columns, 0, (ptrdiff_t)c, some, sums);
        }
    }
}

void K(wino_add_pixels)(const struct wino_tile *t, const elem *dy, size_t n, real *sums) {
#define ADD(h, w) add_channels(t, WINO_OUT - (h), WINO_OUT - (w), dy, n, sums)
    EACH_FORM(t, ADD)
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
INLINE void store_row(const vec *row, const int most, int count, ptrdiff_t channels, int add, elem *y, size_t n) {
    UNROLL for (int j = 0; j < most; j++) {
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

INLINE void line_to_pixels(const int is_short, const vec *line, vec *pixels) {
    is_short ? output_line_short(line, 1, pixels) : output_line(line, 1, pixels);
}

INLINE void output(const struct wino_tile *t, const int short_h, const int short_w, const real *from, ptrdiff_t step, const struct wino_finish *finish, const vec *bias, elem *y, size_t n) {
    const int height = WINO_OUT - short_h, width = WINO_OUT - short_w;
    vec half[WINO_OUT * WINO_IN], line[WINO_IN], pixels[WINO_OUT] = {{0}};
    int rows = conv_least(height, t->h - t->row), columns = conv_least(width, t->w - t->col);
    const vec_int negative = (vec_int){0} - (finish->activation == ACT_RELU);
    ROLL for (int j = 0; j < WINO_IN; j++) {
        if (!wino_line_has(short_w, j)) {
            continue;
        }
        UNROLL for (int i = 0; i < WINO_IN; i++) {
            if (wino_line_has(short_h, i)) {
                ask(from + (i * WINO_IN + j) * step, finish->ahead * (ptrdiff_t)sizeof *from);
                vec_load_reals(&line[i], from + (i * WINO_IN + j) * step);
            }
        }
        line_to_pixels(short_h, line, pixels);
        UNROLL for (int i = 0; i < height; i++) {
            half[i * WINO_IN + j] = pixels[i];
        }
    }
    ROLL for (int i = 0; i < rows; i++, y += t->w * t->channels) {
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            if (wino_line_has(short_w, j)) {
                line[j] = half[i * WINO_IN + j];
            }
        }
        line_to_pixels(short_w, line, pixels);
        UNROLL for (int j = 0; j < width; j++) {
            pixels[j] += *bias;
            pixels[j] = (vec)((vec_int)pixels[j] & ~((pixels[j] < 0) & negative));
        }
        if (finish->activation != ACT_LINEAR && finish->activation != ACT_RELU) {
            activate(finish->activation, pixels);
        }
        store_row(pixels, width, columns, t->channels, finish->add, y, n);
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
#define OUTPUT(h, w) some == LANES ? output(t, h, w, from + c, step, finish, &bias, at + c, LANES) : output(t, h, w, from + c, step, finish, &bias, at + c, some)
        EACH_FORM(t, OUTPUT)
    }
}

/* ---- weights ---- */

enum { TAPS = 3, ALL_TAPS = TAPS * TAPS };

/* [tap][lane] */
static void gather(const struct wino_weights *w, int row, int first, vec *taps) {
    int columns = conv_least(LANES, wino_outputs(w) - first), at_once = conv_least(ALL_TAPS, LANES);
    ptrdiff_t apart = ALL_TAPS * (w->back ? 1 : w->conv->c);
    const real *from = w->weight + (w->back ? (ptrdiff_t)row * w->conv->c + first : (ptrdiff_t)first * w->conv->c + row) * ALL_TAPS;
    vec v[LANES], last = {0};
    for (int i = 0; i < LANES; i++) {
        conv_load(&v[i], i < columns ? from + i * apart : from, i < columns ? at_once : 0);
        last[i] = i < columns ? from[i * apart + ALL_TAPS - 1] : 0;
    }
    vec_transpose(v);
    for (int t = 0; t < ALL_TAPS; t++) {
        taps[w->back ? ALL_TAPS - 1 - t : t] = t < at_once ? v[t] : last;
    }
}

static void scale_taps(const struct wino_weights *w, int first, vec *taps) {
    vec scale;
    conv_load(&scale, w->scale + first, wino_outputs(w) - first);
    for (int t = 0; t < ALL_TAPS; t++) {
        taps[t] *= scale;
    }
}

void K(wino_weights)(const struct wino_weights *w, int row, int first, real *to, ptrdiff_t step) {
    vec taps[ALL_TAPS], half[TAPS * WINO_IN], line[WINO_IN];
    gather(w, row, first, taps);
    if (w->scale != NULL) {
        scale_taps(w, first, taps);
    }
    UNROLL for (int j = 0; j < TAPS; j++) {
        weight_line(taps + j, TAPS, half + j * WINO_IN);
    }
    UNROLL for (int i = 0; i < WINO_IN; i++) {
        weight_line(half + i, WINO_IN, line);
        UNROLL for (int j = 0; j < WINO_IN; j++) {
            vec_store_reals(to + (i * WINO_IN + j) * step, &line[j]);
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
