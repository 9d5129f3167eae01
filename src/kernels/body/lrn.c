/* Local response normalization across channels (Krizhevsky, Sutskever and Hinton, 2012): y = x S^-beta, S = k + alpha * sum of x^2 over
 * the `size` channels around.
 *
 * A tile of channels x columns is copied into a small array with zeros where there is no channel. A step of one channel is then a step
 * of `width` in the array, for both kinds of view: columns side by side (inner > 1), or channels side by side and one column. */
#include <math.h>
#include "kernels/body/functions.h"
#include "kernels/body/math.h"

enum { TILE = 2048, COLUMNS = 16 };

struct job { const struct lrn *l; struct view v; const elem *x, *dy; elem *to; int add; };

/* Channels first..first + rows - 1 of `width` columns; `margin` channels on both sides are read, not written. */
struct tile { size_t width, margin, rows; ptrdiff_t first; };

static size_t tile_elems(const struct tile *t) {
    return (t->rows + 2 * t->margin) * t->width;
}

/* Element of channel `first - margin + r`, column 0, or NULL. `at` is the first column of channel 0. */
static const elem *tile_row(const struct job *j, const struct tile *t, const elem *at, size_t r) {
    ptrdiff_t c = t->first - (ptrdiff_t)t->margin + (ptrdiff_t)r;
    return c < 0 || c >= (ptrdiff_t)j->v.channels ? NULL : at + (size_t)c * j->v.inner;
}

static void tile_load(const struct job *j, const struct tile *t, const elem *at, real *to) {
    if (j->v.inner == 1) {
        size_t before = (size_t)(t->first < (ptrdiff_t)t->margin ? (ptrdiff_t)t->margin - t->first : 0), n = tile_elems(t);
        size_t from = (size_t)(t->first + (ptrdiff_t)before - (ptrdiff_t)t->margin), count = body_least(n - before, j->v.channels - from);
        memset(to, 0, n * sizeof *to);
        for (size_t i = 0; i < count; i++) {
            to[before + i] = LOAD(at, from + i);
        }
        return;
    }
    for (size_t r = 0; r < t->rows + 2 * t->margin; r++) {
        const elem *row = tile_row(j, t, at, r);
        for (size_t i = 0; i < t->width; i++) {
            to[r * t->width + i] = row == NULL ? 0 : LOAD(row, i);
        }
    }
}

static void tile_store(const struct job *j, const struct tile *t, elem *at, const real *from) {
    elem *to = at + (size_t)t->first * j->v.inner;
    size_t step = j->v.inner == 1 ? t->rows : t->width, skip = j->v.inner == 1 ? t->rows : j->v.inner;
    for (size_t done = 0; done < t->rows * t->width; done += step, to += skip) {
        for (size_t i = 0; i < step; i++) {
            STORE(to, i, (j->add ? LOAD(to, i) : 0) + from[done + i]);
        }
    }
}

/* sum[i] = x[i - before * width] + ... + x[i + after * width], i in from..to-1. */
static void window_sum(const real *restrict x, real *restrict sum, size_t from, size_t to, size_t before, size_t after, size_t width) {
    memset(sum + from, 0, (to - from) * sizeof *sum);
    for (size_t d = 0; d <= before + after; d++) {
        const real *at = x + d * width - before * width;
        for (size_t i = from; i < to; i++) {
            sum[i] += at[i];
        }
    }
}

/* S of elements from..to-1. */
static void denominators(const struct lrn *l, const real *x, real *s, size_t from, size_t to, size_t width) {
    real squares[TILE], alpha = (real)l->alpha, k = (real)l->k;
    size_t before = (size_t)l->size / 2, after = (size_t)(l->size - 1) / 2;
    for (size_t i = from - before * width; i < to + after * width; i++) {
        squares[i] = x[i] * x[i];
    }
    window_sum(squares, s, from, to, before, after, width);
    for (size_t i = from; i < to; i++) {
        s[i] = k + alpha * s[i];
    }
}

static void tile_forward(const struct job *j, const struct tile *t, size_t at) {
    real x[TILE], s[TILE], beta = (real)j->l->beta;
    size_t from = t->margin * t->width, to = from + t->rows * t->width;
    tile_load(j, t, j->x + at, x);
    denominators(j->l, x, s, from, to, t->width);
    for (size_t i = from; i < to; i++) {
        s[i] = x[i] * real_power(s[i], -beta);
    }
    tile_store(j, t, j->to + at, s + from);
}

/* dx = dy S^-beta - 2 alpha beta x * (sum of dy x S^(-beta-1) over the channels whose window holds this one). */
static void tile_backward(const struct job *j, const struct tile *t, size_t at) {
    real x[TILE], dy[TILE], s[TILE], sum[TILE], beta = (real)j->l->beta, factor = (real)(2 * j->l->alpha * j->l->beta);
    size_t before = (size_t)j->l->size / 2, after = (size_t)(j->l->size - 1) / 2, width = t->width;
    size_t from = t->margin * width, to = from + t->rows * width, wide_from = from - after * width, wide_to = to + before * width;
    tile_load(j, t, j->x + at, x);
    tile_load(j, t, j->dy + at, dy);
    denominators(j->l, x, s, wide_from, wide_to, width);
    for (size_t i = wide_from; i < wide_to; i++) {
        real scale = real_power(s[i], -beta), g = dy[i];
        dy[i] = g * scale;
        s[i] = g == 0 ? 0 : g * x[i] * scale / s[i];
    }
    window_sum(s, sum, from, to, after, before, width);
    for (size_t i = from; i < to; i++) {
        sum[i] = dy[i] - factor * x[i] * sum[i];
    }
    tile_store(j, t, j->to + at, sum + from);
}

static void columns_of(const struct job *j, size_t unit) {
    size_t inner = j->v.inner, chunks = (inner + COLUMNS - 1) / COLUMNS, column = unit % chunks * COLUMNS;
    size_t at = unit / chunks * j->v.channels * inner + column;
    struct tile t = {.width = body_least(COLUMNS, inner - column), .margin = (size_t)j->l->size - 1};
    size_t most = TILE / t.width - 2 * t.margin;
    for (size_t c = 0; c < j->v.channels; c += most) {
        t.first = (ptrdiff_t)c;
        t.rows = body_least(most, j->v.channels - c);
        j->dy == NULL ? tile_forward(j, &t, at) : tile_backward(j, &t, at);
    }
}

static void lrn_range(void *job, size_t begin, size_t end) {
    for (size_t unit = begin; unit < end; unit++) {
        columns_of(job, unit);
    }
}

static void lrn_run(struct threads *t, struct job *j) {
    size_t chunks = (j->v.inner + COLUMNS - 1) / COLUMNS;
    body_split(t, j->v.outer * chunks, 4 * j->v.outer * j->v.channels * j->v.inner, lrn_range, j);
}

void K(lrn)(struct threads *t, const struct lrn *l, struct view v, const void *x, void *y) {
    struct job job = {.l = l, .v = v, .x = x, .to = y};
    lrn_run(t, &job);
}

void K(lrn_back)(struct threads *t, const struct lrn *l, struct view v, const void *x, const void *dy, void *dx, int add) {
    struct job job = {.l = l, .v = v, .x = x, .dy = dy, .to = dx, .add = add};
    lrn_run(t, &job);
}
