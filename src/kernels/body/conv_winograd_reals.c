/* conv_winograd: frequencies that are reals, multiplied on conv_nhwc's tiles. */
#include "kernels/body/conv_winograd.h"

/* ---- forward, and the gradient of x ---- */

static void input(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step, real *units, ptrdiff_t units_step) {
    (void)units, (void)units_step;
    K(wino_input)(t, x, n, to, step);
}

static void pack(const struct wino_weights *w, int first, const real *units, int begin, int end, real *to, ptrdiff_t step, ptrdiff_t words_step) {
    (void)units;
    for (int row = begin; row < end; row++) {
        K(wino_weights)(w, row, first, to + row * words_step, step);
    }
}

static void sums(const struct wino_sums *s) {
    int rows = conv_parts(s->tiles, NHWC_R), width = s->vectors * LANES;
    struct pixel pixels[NHWC_R];
    struct run run = {0, 0, s->length};
    struct nhwc_tile t = {.w = s->w, .pixels = pixels, .runs = &run, .run_count = 1, .first = s->first};
    for (int r = 0; r < NHWC_R; r++) {
        pixels[r] = (struct pixel){r * s->pitch, 0};
    }
    nhwc_ask(&t, s->next, s->next_count, rows, run.length);
    for (int i = 0; i < rows; i++) {
        int from = conv_part(s->tiles, rows, i), count = conv_part(s->tiles, rows, i + 1) - from;
        t.x = s->x + from * s->pitch;
        t.partial = s->sum + (ptrdiff_t)from * width;
        K(nhwc_tiles)[count - 1][s->vectors - 1](&t);
        nhwc_asked(&t, run.length);
    }
}

const struct wino_numbers K(wino_reals) = {1, NHWC_DEPTH, input, NULL, pack, sums};

/* ---- the gradient of the weights: frequencies lie [tile][width] ---- */

/* Number `c` of tile i, of the first frequency. */
static real *number(const struct wino_frequencies *f, int i, int c) {
    return (real *)(void *)f->at + (ptrdiff_t)i * f->width + c;
}

static ptrdiff_t step(const struct wino_frequencies *f) {
    return f->step / (ptrdiff_t)sizeof(real);
}

static void lay_x(const struct wino_tiles *t, int channel, size_t n, const struct wino_frequencies *to, int i) {
    K(wino_input)(&t->tile[0], t->image[0] + channel, n, number(to, i, 0), step(to));
}

static void lay_dy(const struct wino_tiles *t, int channel, size_t n, const struct wino_frequencies *to, int i) {
    K(wino_gradient)(&t->tile[0], t->image[0] + channel, n, number(to, i, 0), step(to));
}

static void multiply(const struct wino_product *p) {
    int width = p->x->width, rows = conv_parts(p->count, NHWC_R);
    struct stretch all = {p->tiles.begin, p->tiles.begin, p->tiles.end - p->tiles.begin};
    struct nhwc_sums s = {.x = number(p->x, 0, 0) + p->f * step(p->x), .stretches = &all, .count = 1, .x_step = 1, .dy_step = p->dy->width, .add = p->add, .sum_m = width};
    for (int i = 0; i < rows; i++) {
        int k = conv_part(p->count, rows, i), m = conv_part(p->count, rows, i + 1) - k;
        s.dy = number(p->dy, 0, k) + p->f * step(p->dy);
        s.sum = p->sum + (ptrdiff_t)k * width;
        K(nhwc_gradients)[m - 1][width / LANES - 1](&s);
    }
}

const struct wino_products K(wino_products) = {1, 64, sizeof(real), lay_x, lay_dy, multiply};

/* ---- the way ---- */

static const struct wino_numbers *const numbers = &K(wino_reals);

static const struct wino_products *products_of(const struct conv *c) {
    (void)c;
    return &K(wino_products);
}

#include "kernels/body/conv_winograd_way.h"

static int supports(const struct conv *c, int batch, int training) {
    return K(wino_worth)(c, batch, 16, training ? 32 : 12, 1.6);
}

const struct conv_kernel K(conv_winograd) = WINO_WAY("winograd", supports);
