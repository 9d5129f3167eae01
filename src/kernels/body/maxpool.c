/* Max pooling (kernels.h): the maximum of each window, and its place for the way back. A NaN wins; of several the last, as in PyTorch. */
#include <math.h>
#include "kernels/body/pool.h"

enum { NOWHERE = 0xffff, COLUMNS = 128 };

struct job { const struct pool *p; const elem *x, *dy; elem *y, *dx; uint16_t *index; const uint16_t *from; int add; };

/* Place in the uncut window of input (0, 0): input (h, w) has place h * size_w + w - origin. */
static int window_origin(const struct pool *p, int oh, int ow) {
    return (oh * p->stride_h - p->pad_top) * p->size_w + ow * p->stride_w - p->pad_left;
}

/* to = mask ? from : to */
#define CHOOSE(to, from, mask, type) ((to) = (type)(((vec_int)(from) & (mask)) | ((vec_int)(to) & ~(mask))))

INLINE void take_larger(vec *best, vec_int *at, const vec *v, int place) {
    vec_int wins = (*v > *best) | (*v != *v);
    CHOOSE(*best, *v, wins, vec);
    CHOOSE(*at, (vec_int){0} + place, wins, vec_int);
}

/* Where the maximum is what a relu made 0, no place gets a gradient. */
INLINE void stop_at_zero(const vec *best, vec_int *at) {
    CHOOSE(*at, (vec_int){0} + NOWHERE, *best <= 0, vec_int);
}

INLINE void store_index(uint16_t *to, const vec_int *at, size_t n) {
    if (n == LANES) {
        vec_store_halves(to, (const vec_word *)at);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint16_t)(*at)[i];
    }
}

/* `pixels` outputs whose windows lie inside the input; x is the first window's corner. With constant sizes the window's loops
 * disappear. */
INLINE void max_run(const struct pool *p, int size_h, int size_w, const elem *x, size_t pixels, elem *y, uint16_t *index) {
    size_t inner = p->inner, line = pool_at(p, 1, 0);
    for (size_t o = 0; o < pixels; o++, x += (size_t)p->stride_w * inner, y += inner) {
        for (size_t i = 0; i < inner; i += LANES) {
            size_t from = pool_vector(inner, i);
            vec best, v;
            vec_int at = {0};
            vec_load(&best, x + from);
            for (int k = 1; k < size_h * size_w; k++) {
                vec_load(&v, x + from + (size_t)(k / size_w) * line + (size_t)(k % size_w) * inner);
                take_larger(&best, &at, &v, k);
            }
            vec_store(y + from, &best);
            if (index != NULL) {
                if (p->relu) {
                    stop_at_zero(&best, &at);
                }
                store_index(index + o * inner + from, &at, LANES);
            }
        }
    }
}

static void max_inside(const struct pool *p, const elem *x, size_t pixels, elem *y, uint16_t *index) {
    if (p->size_h == 2 && p->size_w == 2) {
        index == NULL ? max_run(p, 2, 2, x, pixels, y, NULL) : max_run(p, 2, 2, x, pixels, y, index);
    } else if (p->size_h == 3 && p->size_w == 3) {
        index == NULL ? max_run(p, 3, 3, x, pixels, y, NULL) : max_run(p, 3, 3, x, pixels, y, index);
    } else {
        max_run(p, p->size_h, p->size_w, x, pixels, y, index);
    }
}

/* n <= LANES neighbours' maxima over a window that is cut, perhaps to nothing: that gives 0 from NOWHERE. */
static void max_cut(const struct pool *p, const struct window *w, int origin, const elem *plane, size_t n, elem *y, uint16_t *index) {
    vec best = {0}, v;
    vec_int at = (vec_int){0} + (window_empty(w) ? NOWHERE : w->top * p->size_w + w->left - origin);
    if (!window_empty(w)) {
        vec_load_n(&best, plane + pool_at(p, w->top, w->left), n);
    }
    for (int h = w->top; h < w->bottom; h++) {
        for (int x = w->left; x < w->right; x++) {
            vec_load_n(&v, plane + pool_at(p, h, x), n);
            take_larger(&best, &at, &v, h * p->size_w + x - origin);
        }
    }
    vec_store_n(y, &best, n);
    if (index != NULL) {
        if (p->relu) {
            stop_at_zero(&best, &at);
        }
        store_index(index, &at, n);
    }
}

/* The pixels of row oh that max_run may take. With fewer channels than a vector has lanes it reads and writes into the pixels behind: the last ones
 * are left out, so that what is read is there, and what was written too far is overwritten. */
static struct span whole_run(const struct pool *p, int oh) {
    struct span run = pool_run(p, oh);
    run.end -= p->inner < LANES ? (int)((LANES - 1) / p->inner) : 0;
    return run;
}

static void max_row(const struct pool *p, const elem *plane, int oh, elem *y, uint16_t *index) {
    size_t inner = p->inner;
    struct span run = whole_run(p, oh);
    for (int ow = 0; ow < p->ow; ow++) {
        size_t pixel = (size_t)ow * inner;
        if (ow == run.first && run.end > run.first) {
            size_t corner = pool_at(p, oh * p->stride_h - p->pad_top, ow * p->stride_w - p->pad_left);
            max_inside(p, plane + corner, (size_t)(run.end - run.first), y + pixel, index == NULL ? NULL : index + pixel);
            ow = run.end - 1;
            continue;
        }
        struct window w = window_at(p, oh, ow);
        for (size_t i = 0; i < inner; i += LANES) {
            size_t from = pool_vector(inner, i);
            max_cut(p, &w, window_origin(p, oh, ow), plane + from, body_least(LANES, inner - from), y + pixel + from, index == NULL ? NULL : index + pixel + from);
        }
    }
}

/* ---- inner 1 (NCHW): along the row ---- */

/* The outputs `from`..`to`-1 of a row whose column kw of the window lies inside the input. */
static struct span columns_inside(const struct pool *p, int kw) {
    int last = p->w - 1 + p->pad_left - kw, first = pool_most(0, p->pad_left - kw);
    return (struct span){(first + p->stride_w - 1) / p->stride_w, last < 0 ? 0 : last / p->stride_w + 1};
}

/* best[i], at[i]: improved by x[i * step]. */
INLINE void max_along(const elem *x, size_t n, size_t step, int place, real *restrict best, int *restrict at) {
    for (size_t i = 0; i < n; i++) {
        real v = LOAD(x, i * step);
        int wins = v > best[i] || v != v || at[i] == NOWHERE;
        best[i] = wins ? v : best[i];
        at[i] = wins ? place : at[i];
    }
}

static void max_column(const elem *x, size_t n, size_t step, int place, real *best, int *at) {
    step == 1 ? max_along(x, n, 1, place, best, at) : step == 2 ? max_along(x, n, 2, place, best, at) : max_along(x, n, step, place, best, at);
}

/* Outputs from..to-1 of a row, COLUMNS at most. */
static void max_columns(const struct pool *p, const elem *plane, int oh, int from, int to, elem *y, uint16_t *index) {
    struct window w = window_at(p, oh, 0);
    real best[COLUMNS] = {0};
    int at[COLUMNS], top = oh * p->stride_h - p->pad_top;
    for (int i = 0; i < to - from; i++) {
        at[i] = NOWHERE;
    }
    for (int k = (w.top - top) * p->size_w; k < (w.bottom - top) * p->size_w; k++) {
        struct span s = columns_inside(p, k % p->size_w);
        s = (struct span){pool_most(s.first, from), pool_least(s.end, to)};
        if (s.first < s.end) {
            const elem *x = plane + pool_at(p, top + k / p->size_w, s.first * p->stride_w - p->pad_left + k % p->size_w);
            max_column(x, (size_t)(s.end - s.first), (size_t)p->stride_w, k, best + (s.first - from), at + (s.first - from));
        }
    }
    for (int i = 0; i < to - from; i++) {
        STORE(y, from + i, best[i]);
    }
    for (int i = 0; index != NULL && i < to - from; i++) {
        index[from + i] = (uint16_t)(p->relu && best[i] <= 0 ? NOWHERE : at[i]);
    }
}

static void maxpool_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    const struct pool *p = j->p;
    for (size_t u = begin; u < end; u++) {
        const elem *x = j->x + u / (size_t)p->oh * pool_plane(p);
        int oh = (int)(u % (size_t)p->oh);
        elem *y = j->y + u * pool_row(p);
        uint16_t *index = j->index == NULL ? NULL : j->index + u * pool_row(p);
        if (p->inner > 1) {
            max_row(p, x, oh, y, index);
        }
        for (int from = 0; p->inner == 1 && from < p->ow; from += COLUMNS) {
            max_columns(p, x, oh, from, pool_least(from + COLUMNS, p->ow), y, index);
        }
    }
}

void K(maxpool)(struct threads *t, const struct pool *p, const void *x, void *y, uint16_t *index) {
    struct job job = {.p = p, .x = x, .y = y, .index = index};
    body_split(t, p->planes * (size_t)p->oh, pool_work(p), maxpool_range, &job);
}

/* ---- gradient ---- */

INLINE void load_index(vec_int *at, const uint16_t *from, size_t n) {
    if (n == LANES) {
        vec_load_halves((vec_word *)at, from);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        (*at)[i] = from[i];
    }
}

/* Adds n <= LANES neighbours' gradients to the places of the window, all but one of them 0. */
INLINE void spread(elem *to, size_t n, const vec *g, const vec_int *at, int place, int set) {
    vec v = {0};
    if (!set) {
        vec_load_n(&v, to, n);
    }
    v += (vec)((*at == place) & (vec_int)*g);
    vec_store_n(to, &v, n);
}

/* As max_run; whole: inner holds whole vectors. set: no two windows share a place, and nothing is to be added to. */
INLINE void back_run(const struct pool *p, int size_h, int size_w, int whole, const elem *dy, const uint16_t *index, size_t pixels, elem *dx, int set) {
    size_t inner = p->inner, line = pool_at(p, 1, 0);
    for (size_t o = 0; o < pixels; o++, dx += (size_t)p->stride_w * inner, dy += inner, index += inner) {
        for (size_t i = 0; i < inner; i += LANES) {
            size_t n = whole ? LANES : body_least(LANES, inner - i);
            vec g;
            vec_int at = {0};
            vec_load_n(&g, dy + i, n);
            load_index(&at, index + i, n);
            for (int k = 0; k < size_h * size_w; k++) {
                spread(dx + i + (size_t)(k / size_w) * line + (size_t)(k % size_w) * inner, n, &g, &at, k, set);
            }
        }
    }
}

static void back_inside(const struct pool *p, const elem *dy, const uint16_t *index, size_t pixels, elem *dx, int set) {
    int whole = p->inner % LANES == 0;
    if (whole && p->size_h == 2 && p->size_w == 2) {
        set ? back_run(p, 2, 2, 1, dy, index, pixels, dx, 1) : back_run(p, 2, 2, 1, dy, index, pixels, dx, 0);
    } else if (whole) {
        back_run(p, p->size_h, p->size_w, 1, dy, index, pixels, dx, set);
    } else {
        back_run(p, p->size_h, p->size_w, 0, dy, index, pixels, dx, set);
    }
}

static void back_cut(const struct pool *p, const struct window *w, int origin, const elem *dy, const uint16_t *index, elem *plane) {
    for (size_t i = 0; i < p->inner; i += LANES) {
        size_t n = body_least(LANES, p->inner - i);
        vec g;
        vec_int at = {0};
        vec_load_n(&g, dy + i, n);
        load_index(&at, index + i, n);
        for (int h = w->top; h < w->bottom; h++) {
            for (int x = w->left; x < w->right; x++) {
                spread(plane + pool_at(p, h, x) + i, n, &g, &at, h * p->size_w + x - origin, 0);
            }
        }
    }
}

/* inner 1: one gradient goes to one place. */
static void scatter(const struct pool *p, int oh, int ow, const elem *dy, const uint16_t *index, elem *plane) {
    int k = *index;
    if (k != NOWHERE) {
        elem *to = plane + pool_at(p, oh * p->stride_h - p->pad_top + k / p->size_w, ow * p->stride_w - p->pad_left + k % p->size_w);
        STORE(to, 0, LOAD(to, 0) + LOAD(dy, 0));
    }
}

static void back_row(const struct job *j, int oh, const elem *dy, const uint16_t *index, elem *dx) {
    const struct pool *p = j->p;
    int set = !j->add && p->stride_h >= p->size_h && p->stride_w >= p->size_w;
    struct span run = p->inner == 1 ? (struct span){0, 0} : pool_run(p, oh);
    for (int ow = 0; ow < p->ow; ow++) {
        size_t pixel = (size_t)ow * p->inner;
        struct window w = window_at(p, oh, ow);
        if (p->inner == 1) {
            scatter(p, oh, ow, dy + pixel, index + pixel, dx);
        } else if (ow == run.first && run.end > run.first) {
            back_inside(p, dy + pixel, index + pixel, (size_t)(run.end - run.first), dx + pool_at(p, w.top, w.left), set);
            ow = run.end - 1;
        } else {
            back_cut(p, &w, window_origin(p, oh, ow), dy + pixel, index + pixel, dx);
        }
    }
}

/* Units are planes: rows of windows may overlap. */
static void maxpool_back_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    const struct pool *p = j->p;
    for (size_t u = begin; u < end; u++) {
        elem *dx = j->dx + u * pool_plane(p);
        int cleared = j->add ? p->h : 0;
        for (int oh = 0; oh < p->oh; oh++) {
            size_t row = (u * (size_t)p->oh + (size_t)oh) * pool_row(p);
            pool_clear(p, dx, &cleared, pool_least(p->h, oh * p->stride_h - p->pad_top + p->size_h));
            back_row(j, oh, j->dy + row, j->from + row, dx);
        }
        pool_clear(p, dx, &cleared, p->h);
    }
}

void K(maxpool_back)(struct threads *t, const struct pool *p, const uint16_t *index, const void *dy, void *dx, int add) {
    struct job job = {.p = p, .dy = dy, .dx = dx, .from = index, .add = add};
    body_split(t, p->planes, pool_work(p), maxpool_back_range, &job);
}
