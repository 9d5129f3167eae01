/* Average pooling (kernels.h). */
#include "kernels/body/pool.h"

struct job { const struct pool *p; const elem *x, *dy; elem *y, *dx; int add; };

/* What a window's sum is divided by: as PyTorch counts, the padding (but not what lies beyond it) counts where it is asked for. */
static real divisor(const struct pool *p, int oh, int ow, const struct window *w) {
    if (p->sums) {
        return 1;
    }
    if (!p->count_include_pad) {
        return (real)((w->bottom - w->top) * (w->right - w->left));
    }
    int top = oh * p->stride_h - p->pad_top, left = ow * p->stride_w - p->pad_left;
    return (real)((pool_least(top + p->size_h, p->h + p->pad_bottom) - top) * (pool_least(left + p->size_w, p->w + p->pad_right) - left));
}

/* `pixels` outputs whose windows have size_h x size_w inside; x is the first one's corner. whole: inner holds whole vectors. */
INLINE void average_run(const struct pool *p, int size_h, int size_w, int whole, const elem *x, size_t pixels, real by, elem *y) {
    size_t inner = p->inner, line = pool_at(p, 1, 0);
    for (size_t o = 0; o < pixels; o++, x += (size_t)p->stride_w * inner, y += inner) {
        for (size_t i = 0; i < inner; i += LANES) {
            size_t from = whole ? i : pool_vector(inner, i), n = whole ? LANES : body_least(LANES, inner - from);
            vec sum = {0}, v;
            for (int k = 0; k < size_h * size_w; k++) {
                vec_load_n(&v, x + from + (size_t)(k / size_w) * line + (size_t)(k % size_w) * inner, n);
                sum += v;
            }
            sum /= by;
            vec_store_n(y + from, &sum, n);
        }
    }
}

static void average(const struct pool *p, int size_h, int size_w, const elem *x, size_t pixels, real by, elem *y) {
    int whole = p->inner % LANES == 0;
    if (whole && size_h == 2 && size_w == 2) {
        average_run(p, 2, 2, 1, x, pixels, by, y);
    } else if (whole) {
        average_run(p, size_h, size_w, 1, x, pixels, by, y);
    } else {
        average_run(p, size_h, size_w, 0, x, pixels, by, y);
    }
}

static void average_row(const struct pool *p, const elem *plane, int oh, elem *y) {
    struct span run = pool_run(p, oh);
    for (int ow = 0; ow < p->ow; ow++) {
        struct window w = window_at(p, oh, ow);
        real by = divisor(p, oh, ow, &w);
        int inside = ow == run.first && run.end > run.first, pixels = inside ? run.end - run.first : 1;
        if (window_empty(&w)) {
            memset(y + (size_t)ow * p->inner, 0, p->inner * sizeof *y);
        } else {
            average(p, w.bottom - w.top, w.right - w.left, plane + pool_at(p, w.top, w.left), (size_t)pixels, by, y + (size_t)ow * p->inner);
        }
        ow += pixels - 1;
    }
}

static void avgpool_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    for (size_t u = begin; u < end; u++) {
        average_row(j->p, j->x + u / (size_t)j->p->oh * pool_plane(j->p), (int)(u % (size_t)j->p->oh), j->y + u * pool_row(j->p));
    }
}

void K(avgpool)(struct threads *t, const struct pool *p, const void *x, void *y) {
    struct job job = {.p = p, .x = x, .y = y};
    body_split(t, p->planes * (size_t)p->oh, pool_work(p), avgpool_range, &job);
}

/* ---- gradient ---- */

INLINE void back_run(const struct pool *p, int size_h, int size_w, int whole, const elem *dy, size_t pixels, real by, elem *dx) {
    size_t inner = p->inner, line = pool_at(p, 1, 0);
    for (size_t o = 0; o < pixels; o++, dx += (size_t)p->stride_w * inner, dy += inner) {
        for (size_t i = 0; i < inner; i += LANES) {
            size_t n = whole ? LANES : body_least(LANES, inner - i);
            vec g, v;
            vec_load_n(&g, dy + i, n);
            g /= by;
            for (int k = 0; k < size_h * size_w; k++) {
                elem *to = dx + i + (size_t)(k / size_w) * line + (size_t)(k % size_w) * inner;
                vec_load_n(&v, to, n);
                v += g;
                vec_store_n(to, &v, n);
            }
        }
    }
}

static void back(const struct pool *p, int size_h, int size_w, const elem *dy, size_t pixels, real by, elem *dx) {
    int whole = p->inner % LANES == 0;
    if (whole && size_h == 2 && size_w == 2) {
        back_run(p, 2, 2, 1, dy, pixels, by, dx);
    } else if (whole) {
        back_run(p, size_h, size_w, 1, dy, pixels, by, dx);
    } else {
        back_run(p, size_h, size_w, 0, dy, pixels, by, dx);
    }
}

static void back_row(const struct pool *p, int oh, const elem *dy, elem *plane) {
    struct span run = pool_run(p, oh);
    for (int ow = 0; ow < p->ow; ow++) {
        struct window w = window_at(p, oh, ow);
        real by = divisor(p, oh, ow, &w);
        int inside = ow == run.first && run.end > run.first, pixels = inside ? run.end - run.first : 1;
        if (!window_empty(&w)) {
            back(p, w.bottom - w.top, w.right - w.left, dy + (size_t)ow * p->inner, (size_t)pixels, by, plane + pool_at(p, w.top, w.left));
        }
        ow += pixels - 1;
    }
}

/* Units are planes: rows of windows may overlap. */
static void avgpool_back_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    const struct pool *p = j->p;
    for (size_t u = begin; u < end; u++) {
        elem *dx = j->dx + u * pool_plane(p);
        int cleared = j->add ? p->h : 0;
        for (int oh = 0; oh < p->oh; oh++) {
            pool_clear(p, dx, &cleared, pool_least(p->h, oh * p->stride_h - p->pad_top + p->size_h));
            back_row(p, oh, j->dy + (u * (size_t)p->oh + (size_t)oh) * pool_row(p), dx);
        }
        pool_clear(p, dx, &cleared, p->h);
    }
}

void K(avgpool_back)(struct threads *t, const struct pool *p, const void *dy, void *dx, int add) {
    struct job job = {.p = p, .dy = dy, .dx = dx, .add = add};
    body_split(t, p->planes, pool_work(p), avgpool_back_range, &job);
}
