/* Windows of pooling, and the walk over rows of outputs that all four passes share. Inside a row the pixels whose windows lie wholly inside the
 * input make one run, which a pass can do without looking at edges; the others it does one by one. */
#ifndef DLCLI_KERNELS_BODY_POOL_H
#define DLCLI_KERNELS_BODY_POOL_H

#include "kernels/body/functions.h"

static inline int pool_most(int a, int b) {
    return a > b ? a : b;
}

static inline int pool_least(int a, int b) {
    return a < b ? a : b;
}

/* The part of a window that lies inside the input: rows top..bottom-1, columns left..right-1; empty where it lies in the padding. */
struct window { int top, bottom, left, right; };

static inline struct window window_at(const struct pool *p, int oh, int ow) {
    int top = oh * p->stride_h - p->pad_top, left = ow * p->stride_w - p->pad_left;
    return (struct window){pool_most(top, 0), pool_least(top + p->size_h, p->h), pool_most(left, 0), pool_least(left + p->size_w, p->w)};
}

static inline int window_empty(const struct window *w) {
    return w->top >= w->bottom || w->left >= w->right;
}

/* The outputs o = first..end-1 whose windows lie inside 0..extent-1. */
struct span { int first, end; };

static inline struct span pool_inside(int extent, int outputs, int size, int stride, int pad) {
    int first = (pad + stride - 1) / stride, last = extent + pad - size;
    int end = last < 0 ? 0 : pool_least(last / stride + 1, outputs);
    return (struct span){pool_least(first, end), end};
}

/* Those of row oh: none where the row's windows hang over the top or the bottom. */
static inline struct span pool_run(const struct pool *p, int oh) {
    int top = oh * p->stride_h - p->pad_top;
    struct span none = {0, 0};
    return top < 0 || top + p->size_h > p->h ? none : pool_inside(p->w, p->ow, p->size_w, p->stride_w, p->pad_left);
}

/* Element (h, w) of a plane. */
static inline size_t pool_at(const struct pool *p, int h, int w) {
    return ((size_t)h * (size_t)p->w + (size_t)w) * p->inner;
}

static inline size_t pool_plane(const struct pool *p) {
    return pool_at(p, p->h, 0);
}

static inline size_t pool_row(const struct pool *p) {
    return (size_t)p->ow * p->inner;
}

/* What decides the number of pieces. */
static inline size_t pool_work(const struct pool *p) {
    return p->planes * pool_plane(p);
}

/* Where the vector at `i` of a pixel begins: the last overlaps the one before rather than fall short, where inner holds one at all. For passes
 * that write each place once. */
static inline size_t pool_vector(size_t inner, size_t i) {
    return i + LANES <= inner || inner < LANES ? i : inner - LANES;
}

/* Zeroes rows *done..to-1 of a plane of gradients that are to be set: just before they are first added to. */
static inline void pool_clear(const struct pool *p, elem *dx, int *done, int to) {
    if (to > *done) {
        memset(dx + pool_at(p, *done, 0), 0, pool_at(p, to - *done, 0) * sizeof *dx);
        *done = to;
    }
}

#endif
