/* Element by element: fill, add, scale, conversions, rectangular copies, and the bias with its gradient. */
#include "kernels/body/functions.h"
#include "kernels/body/moments.h"

struct fill { elem *x; real value; };

static void fill_range(void *job, size_t begin, size_t end) {
    const struct fill *j = job;
    elem value, *x = j->x;
    STORE(&value, 0, j->value);
    for (size_t i = begin; i < end; i++) {
        x[i] = value;
    }
}

void K(fill)(struct threads *t, void *x, size_t n, double value) {
    struct fill job = {x, (real)value};
    body_split(t, n, n, fill_range, &job);
}

struct pair { const void *x; void *y; };

static void add_range(void *job, size_t begin, size_t end) {
    const struct pair *j = job;
    const elem *x = j->x;
    elem *y = j->y;
    for (size_t i = begin; i < end; i++) {
        STORE(y, i, LOAD(y, i) + LOAD(x, i));
    }
}

void K(add)(struct threads *t, const void *x, void *y, size_t n) {
    struct pair job = {x, y};
    body_split(t, n, n, add_range, &job);
}

static void scale_range(void *job, size_t begin, size_t end) {
    const struct fill *j = job;
    elem *x = j->x;
    for (size_t i = begin; i < end; i++) {
        STORE(x, i, LOAD(x, i) * j->value);
    }
}

void K(scale)(struct threads *t, void *x, size_t n, double by) {
    struct fill job = {x, (real)by};
    body_split(t, n, n, scale_range, &job);
}

static void from_f32_range(void *job, size_t begin, size_t end) {
    const struct pair *j = job;
    const float *x = j->x;
    elem *y = j->y;
    for (size_t i = begin; i < end; i++) {
        STORE(y, i, x[i]);
    }
}

void K(from_f32)(struct threads *t, const float *x, void *y, size_t n) {
    struct pair job = {x, y};
    body_split(t, n, n, from_f32_range, &job);
}

static void to_f32_range(void *job, size_t begin, size_t end) {
    const struct pair *j = job;
    const elem *x = j->x;
    float *y = j->y;
    for (size_t i = begin; i < end; i++) {
        y[i] = (float)LOAD(x, i);
    }
}

void K(to_f32)(struct threads *t, const void *x, float *y, size_t n) {
    struct pair job = {x, y};
    body_split(t, n, n, to_f32_range, &job);
}

/* ---- rectangular copies ---- */

struct copy_job { const struct copy *c; const elem *x; elem *y; };

static void copy_row(const elem *x, elem *y, size_t n, int add) {
    if (!add) {
        memcpy(y, x, n * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        STORE(y, i, LOAD(y, i) + LOAD(x, i));
    }
}

/* Units are elements, so that a few long rows are shared among threads too. */
static void copy_range(void *job, size_t begin, size_t end) {
    const struct copy_job *j = job;
    const struct copy *c = j->c;
    size_t row = begin / c->row_elems, at = begin % c->row_elems;
    for (size_t left = end - begin; left > 0; row++, at = 0) {
        size_t n = body_least(left, c->row_elems - at);
        copy_row(j->x + row * c->from_stride + at, j->y + row * c->to_stride + at, n, c->add);
        left -= n;
    }
}

void K(copy)(struct threads *t, const struct copy *c, const void *x, void *y) {
    struct copy_job job = {c, x, y};
    body_split(t, c->rows * c->row_elems, c->rows * c->row_elems, copy_range, &job);
}

/* ---- bias ---- */

enum { SPAN = 512 };
struct bias { struct view v; const real *bias; enum activation a; elem *y; };

/* span[i] = y[i] + bias of its channel, for n elements from position `at`. */
static void bias_span(const struct bias *j, size_t at, size_t n, real *span) {
    size_t channels = j->v.channels, inner = j->v.inner;
    for (size_t done = 0, run; done < n; done += run) {
        size_t place = at + done, c = place / inner % channels;
        const elem *y = j->y + place;
        real *to = span + done;
        run = body_least(n - done, inner == 1 ? channels - c : inner - place % inner);
        if (inner == 1) {
            const real *bias = j->bias + c;
            for (size_t i = 0; i < run; i++) {
                to[i] = LOAD(y, i) + bias[i];
            }
        } else {
            real bias = j->bias[c];
            for (size_t i = 0; i < run; i++) {
                to[i] = LOAD(y, i) + bias;
            }
        }
    }
}

static void bias_range(void *job, size_t begin, size_t end) {
    const struct bias *j = job;
    real span[SPAN];
    for (size_t at = begin; at < end; at += SPAN) {
        size_t n = body_least(SPAN, end - at);
        elem *y = j->y + at;
        bias_span(j, at, n, span);
        K(activate_reals)(j->a, span, n);
        for (size_t i = 0; i < n; i++) {
            STORE(y, i, span[i]);
        }
    }
}

void K(bias)(struct threads *t, struct view v, const void *bias, enum activation a, void *y) {
    struct bias job = {v, bias, a, y};
    size_t n = v.outer * v.channels * v.inner;
    body_split(t, n, n, bias_range, &job);
}

void K(bias_back)(struct threads *t, struct view v, const void *dy, void *dbias, void *scratch) {
    const struct channel_sum *sum = K(channel_sums)(t, &v, dy, NULL, NULL, NULL, scratch);
    real *to = dbias;
    for (size_t c = 0; c < v.channels; c++) {
        to[c] += (real)sum[c].dy;
    }
}
