/* conv_winograd: the gradient of the weights, with products of reals on conv_nhwc's tiles. Frequencies lie [tile][width]. */
#include "kernels/body/conv_winograd.h"

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
