/* Pooling and local response normalization, in all layouts, against their definitions in double. */
#include "kernels_fixture.h"

struct geometry { size_t n; int c, h, w, size_h, size_w, stride_h, stride_w, top, left, bottom, right; };

static const struct geometry cases[] = {
    {9, 6, 28, 28, 2, 2, 2, 2, 0, 0, 0, 0}, {3, 5, 7, 9, 3, 3, 2, 2, 0, 0, 0, 0}, {2, 20, 6, 5, 3, 2, 1, 1, 1, 1, 1, 0}, {17, 3, 5, 5, 2, 2, 2, 2, 0, 0, 1, 1},
    {1, 33, 8, 8, 8, 8, 8, 8, 0, 0, 0, 0}, {4, 9, 6, 7, 2, 3, 3, 4, 0, 1, 0, 1}, {8, 16, 13, 13, 3, 3, 2, 2, 1, 1, 1, 1}, {5, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {3, 2, 9, 300, 3, 3, 1, 2, 1, 1, 1, 1}, {2, 17, 33, 33, 3, 3, 1, 1, 1, 1, 1, 1}, {3, 2, 4, 4, 2, 2, 3, 3, 0, 0, 3, 3},
};
enum { CASES = sizeof cases / sizeof *cases };

/* One case in one layout: the call, the shapes, and numbers. */
struct run { const struct geometry *g; struct dims in, out; struct pool p; double *x, *y, *dy, *dx; int *at; };

static int out_size(int in, int size, int stride, int before, int after) {
    return (in + before + after - size) / stride + 1;
}

static struct run run_make(struct bench *b, const struct geometry *g, enum layout layout) {
    int oh = out_size(g->h, g->size_h, g->stride_h, g->top, g->bottom), ow = out_size(g->w, g->size_w, g->stride_w, g->left, g->right);
    struct run r = {.g = g, .in = {layout, g->n, (size_t)g->c, (size_t)g->h, (size_t)g->w}, .out = {layout, g->n, (size_t)g->c, (size_t)oh, (size_t)ow}};
    struct view v = dims_view(b, &r.in);
    r.p = (struct pool){.planes = layout == LAYOUT_NHWC ? g->n : v.outer * v.channels, .inner = layout == LAYOUT_NHWC ? v.channels : (size_t)v.lanes,
        .h = g->h, .w = g->w, .oh = oh, .ow = ow, .size_h = g->size_h, .size_w = g->size_w, .stride_h = g->stride_h, .stride_w = g->stride_w,
        .pad_top = g->top, .pad_left = g->left, .pad_bottom = g->bottom, .pad_right = g->right};
    r.x = tensor_random(b, &r.in, 1);
    r.dy = tensor_random(b, &r.out, 1);
    r.dx = tensor_random(b, &r.in, 1);
    r.y = doubles(dims_count(&r.out));
    r.at = mem_need(dims_count(&r.out), sizeof *r.at);
    return r;
}

static void run_free(struct run *r) {
    free(r->x);
    free(r->y);
    free(r->dy);
    free(r->dx);
    free(r->at);
}

/* Calls visit for each input under each output's window. */
typedef void visit(struct run *r, size_t out, size_t in, int place, double divisor);

static void windows(struct run *r, visit *each) {
    const struct pool *p = &r->p;
    for (size_t out = 0; out < dims_count(&r->out); out++) {
        int ow = (int)(out % (size_t)p->ow), oh = (int)(out / (size_t)p->ow % (size_t)p->oh), inside = 0, padded = 0;
        size_t plane = out / (size_t)(p->ow * p->oh);
        for (int pass = 0; pass < 2; pass++) {
            for (int k = 0; k < p->size_h * p->size_w; k++) {
                int h = oh * p->stride_h - p->pad_top + k / p->size_w, w = ow * p->stride_w - p->pad_left + k % p->size_w;
                int here = h >= 0 && h < p->h && w >= 0 && w < p->w;
                inside += pass == 0 && here;
                padded += pass == 0 && h < p->h + p->pad_bottom && w < p->w + p->pad_right;
                if (pass == 1 && here) {
                    each(r, out, (plane * (size_t)p->h + (size_t)h) * (size_t)p->w + (size_t)w, k, p->count_include_pad ? padded : inside);
                }
            }
        }
    }
}

static void visit_max(struct run *r, size_t out, size_t in, int place, double divisor) {
    (void)divisor;
    if (r->at[out] < 0 || r->x[in] > r->y[out] || isnan(r->x[in])) {       /* of several NaNs the last, as in PyTorch */
        r->y[out] = r->x[in];
        r->at[out] = place;
    }
}

static void visit_max_back(struct run *r, size_t out, size_t in, int place, double divisor) {
    (void)divisor;
    r->dx[in] += place == r->at[out] ? r->dy[out] : 0;
}

/* The relu before it has a slope of 0 where it gave 0; a NaN has one of 1. */
static void stop_at_zero(struct run *r) {
    for (size_t i = 0; i < dims_count(&r->out); i++) {
        r->at[i] = r->y[i] <= 0 ? -1 : r->at[i];
    }
}

static void visit_average(struct run *r, size_t out, size_t in, int place, double divisor) {
    (void)place;
    r->y[out] += r->x[in] / divisor;
}

static void visit_average_back(struct run *r, size_t out, size_t in, int place, double divisor) {
    (void)place;
    r->dx[in] += r->dy[out] / divisor;
}

static void clear(double *x, size_t n) {
    memset(x, 0, n * sizeof *x);
}

static void check_max_case(struct bench *b, const struct geometry *g, enum layout layout, int add, int nan, int relu) {
    struct run r = run_make(b, g, layout);
    r.p.relu = relu;
    for (size_t i = 0; relu && i < dims_count(&r.in); i++) {      /* whole windows of zeros among them */
        r.x[i] = r.x[i] < 0.5 ? 0 : r.x[i];
    }
    for (size_t i = 0; nan && i < dims_count(&r.in); i += 7) {
        r.x[i] = i % 2 == 0 ? (double)NAN : -(double)INFINITY;
    }
    for (size_t i = 0; i < dims_count(&r.out); i++) {
        r.at[i] = -1;
    }
    void *x = tensor_put(b, &r.in, r.x, 0), *y = elems_empty(b, dims_stored(b, &r.out)), *dy = tensor_put(b, &r.out, r.dy, 0), *dx = tensor_put(b, &r.in, r.dx, 0);
    uint16_t *index = mem_aligned(dims_stored(b, &r.out) * sizeof *index);
    if (!add) {
        clear(r.dx, dims_count(&r.in));
    }
    windows(&r, visit_max);
    if (relu) {
        stop_at_zero(&r);
    }
    windows(&r, visit_max_back);
    b->k->maxpool(b->team, &r.p, x, y, index);
    tensor_compare(b, "maxpool", &r.out, y, r.y, 0);
    bench_seen(b, index, dims_stored(b, &r.out) * sizeof *index);
    b->k->maxpool_back(b->team, &r.p, index, dy, dx, add);
    tensor_compare(b, "maxpool_back", &r.in, dx, r.dx, 4 * tolerance(b->k));
    tensor_missing_are(b, &r.in, dx, 0);
    memset(y, 0, dims_stored(b, &r.out) * dtype_size(b->k->dtype));
    b->k->maxpool(b->team, &r.p, x, y, NULL);
    tensor_compare(b, "maxpool without index", &r.out, y, r.y, 0);
    free(x);
    free(y);
    free(dy);
    free(dx);
    free(index);
    run_free(&r);
}

static void check_max(struct bench *b) {
    for (int i = 0; i < CASES * LAYOUT_COUNT * 8; i += CASE_STEP) {
        int way = i / CASES / LAYOUT_COUNT;
        check_max_case(b, &cases[i % CASES], (enum layout)(i / CASES % LAYOUT_COUNT), way % 2, way / 2 % 2, way / 4);
    }
}

static void check_average_case(struct bench *b, const struct geometry *g, enum layout layout, int add, int count_include_pad) {
    struct run r = run_make(b, g, layout);
    r.p.count_include_pad = count_include_pad;
    void *x = tensor_put(b, &r.in, r.x, 0), *y = elems_empty(b, dims_stored(b, &r.out)), *dy = tensor_put(b, &r.out, r.dy, 0), *dx = tensor_put(b, &r.in, r.dx, 0);
    if (!add) {
        clear(r.dx, dims_count(&r.in));
    }
    windows(&r, visit_average);
    windows(&r, visit_average_back);
    b->k->avgpool(b->team, &r.p, x, y);
    tensor_compare(b, "avgpool", &r.out, y, r.y, tolerance(b->k));
    b->k->avgpool_back(b->team, &r.p, dy, dx, add);
    tensor_compare(b, "avgpool_back", &r.in, dx, r.dx, 4 * tolerance(b->k));
    tensor_missing_are(b, &r.in, dx, 0);
    free(x);
    free(y);
    free(dy);
    free(dx);
    run_free(&r);
}

static void check_average(struct bench *b) {
    for (int i = 0; i < CASES * LAYOUT_COUNT * 4; i += CASE_STEP) {
        check_average_case(b, &cases[i % CASES], (enum layout)(i / CASES % LAYOUT_COUNT), i / CASES / LAYOUT_COUNT % 2, i / CASES / LAYOUT_COUNT / 2);
    }
}

static void test_pools(void **state) {
    (void)state;
    bench_all(check_max);
    bench_all(check_average);
}

/* ---- local response normalization ---- */

/* S of channel c at one place; x has `step` elements from channel to channel. */
static double denominator(const struct lrn *l, const double *x, int c, int channels, size_t step) {
    double sum = 0;
    for (int i = c - l->size / 2; i <= c + (l->size - 1) / 2; i++) {
        sum += i < 0 || i >= channels ? 0 : x[(size_t)i * step] * x[(size_t)i * step];
    }
    return l->k + l->alpha * sum;
}

static void lrn_place(const struct lrn *l, const double *x, const double *dy, int channels, size_t step, double *y, double *dx) {
    for (int c = 0; c < channels; c++) {
        size_t at = (size_t)c * step;
        double s = denominator(l, x, c, channels, step), scale = pow(s, -l->beta), factor = 2 * l->alpha * l->beta * dy[at] * x[at] * scale / s;
        y[at] = x[at] * scale;
        dx[at] += dy[at] * scale;
        for (int i = c - l->size / 2; i <= c + (l->size - 1) / 2; i++) {
            if (i >= 0 && i < channels) {
                dx[(size_t)i * step] -= factor * x[(size_t)i * step];
            }
        }
    }
}

static void check_lrn_case(struct bench *b, const struct lrn *l, struct dims d, int add) {
    double *x = tensor_random(b, &d, 2), *dy = tensor_random(b, &d, 1), *dx = tensor_random(b, &d, 1), *y = doubles(dims_count(&d));
    void *px = tensor_put(b, &d, x, 0), *pdy = tensor_put(b, &d, dy, 0), *pdx = tensor_put(b, &d, dx, 0), *py = elems_empty(b, dims_stored(b, &d));
    size_t pixels = d.h * d.w;
    if (!add) {
        clear(dx, dims_count(&d));
    }
    for (size_t i = 0; i < d.n * pixels; i++) {
        size_t at = i / pixels * d.c * pixels + i % pixels;
        lrn_place(l, x + at, dy + at, (int)d.c, pixels, y + at, dx + at);
    }
    b->k->lrn(b->team, l, dims_view(b, &d), px, py);
    tensor_compare(b, "lrn", &d, py, y, tolerance(b->k));
    b->k->lrn_back(b->team, l, dims_view(b, &d), px, pdy, pdx, add);
    tensor_compare(b, "lrn_back", &d, pdx, dx, tolerance(b->k));
    tensor_missing_are(b, &d, pdx, 0);
    free(x);
    free(dy);
    free(dx);
    free(y);
    free(px);
    free(pdy);
    free(pdx);
    free(py);
}

static void check_lrn(struct bench *b) {
    static const struct lrn kinds[] = {{5, 1e-1, 0.75, 1}, {4, 0.3, 0.5, 2}, {1, 0.2, 1, 1}, {63, 0.01, 0.75, 1}, {3, 1e-4, 0.75, 1}};
    static const struct dims shapes[] = {{0, 3, 96, 5, 7}, {0, 9, 3, 4, 4}, {0, 2, 700, 1, 3}, {0, 1, 4000, 1, 1}, {0, 17, 130, 2, 2}};
    for (size_t i = 0; i < 5 * 5 * LAYOUT_COUNT; i += CASE_STEP) {
        struct dims d = shapes[i % 5];
        d.layout = (enum layout)(i / 25);
        check_lrn_case(b, &kinds[i / 5 % 5], d, (int)(i % 2));
    }
}

static void test_lrn(void **state) {
    (void)state;
    bench_all(check_lrn);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pools), cmocka_unit_test(test_lrn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
