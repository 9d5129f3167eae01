/* The parts of conv_nhwc: tiles of sums in registers (conv_nhwc_tile.c), the walk over outputs (conv_nhwc.c; of few pixels
 * conv_nhwc_few.c), the packed weights (conv_nhwc_pack.c), the gradient of the weights (conv_nhwc_weight.c, of 1x1 kernels conv_pointwise.c). */
#ifndef DLCLI_KERNELS_BODY_CONV_NHWC_H
#define DLCLI_KERNELS_BODY_CONV_NHWC_H

#include "kernels/body/conv_shapes.h"

/* A tile: NHWC_R rows (pixels, or channels of dy) by NHWC_N vectors of neighbouring channels, or NHWC_THIN rows by one. */
enum { NHWC_R = CONV_TILE_R, NHWC_N = CONV_TILE_N, NHWC_THIN = CONV_THIN_R };
enum { NHWC_DEPTH = 256 };      /* rows of a panel that fill half of the first-level cache, and stay there while tiles pass by */

/* Channels of one group, cut into panels of up to NHWC_N vectors; the last vector is filled up with zeros. */
struct panels { int channels, vectors, count; };
static inline struct panels panels_of(int channels) {
    int vectors = conv_parts(channels, LANES);
    return (struct panels){channels, vectors, conv_parts(vectors, NHWC_N)};
}

/* Where panel i begins, in channels, and how many vectors wide it is. */
static inline int panel_begin(const struct panels *p, int i) {
    return conv_part(p->vectors, p->count, i) * LANES;
}

static inline int panel_vectors(const struct panels *p, int i) {
    return conv_part(p->vectors, p->count, i + 1) - conv_part(p->vectors, p->count, i);
}

/* `length` neighbouring reals at x from a pixel, against as many rows of a panel of packed weights from row w. */
struct run { ptrdiff_t x, w; int length; };
struct pixel { ptrdiff_t x, y; };       /* offsets of a pixel's input and output */

/* Sums of R pixels x N vectors of channels over some runs. `first`: from bias (or 0), else from `partial`, [row][N * LANES]; `last`: to y, else to
 * `partial`. rows: which row of it is each pixel's; NULL: one after the other. columns: channels of the panel that exist; bias has zeros behind them.
 * ask: what will be read after the tiles at hand, asked of the second-level cache meanwhile, ask_step bytes further at each weight; or NULL. */
struct nhwc_tile {
    const real *x, *w;
    const struct pixel *pixels;
    const int *rows;
    const struct run *runs;
    int run_count, first, last, columns, add;
    enum activation activation;
    const real *bias;
    real *partial;
    elem *y;
    const char *ask;
    ptrdiff_t ask_step;
};
typedef void nhwc_tile_work(const struct nhwc_tile *t);
extern nhwc_tile_work *const K(nhwc_tiles)[NHWC_THIN][NHWC_N];

/* Has `tiles` tiles, each of `length` weights a channel, ask for the `count` reals at `next` while they work, an even step at each weight; NULL: for
 * nothing. Then, after each of them: goes on with the next one's share. */
static inline void nhwc_ask(struct nhwc_tile *t, const real *next, int count, int tiles, int length) {
    t->ask = (const char *)next;
    t->ask_step = (ptrdiff_t)((size_t)count * sizeof(real)) / conv_most(1, tiles * length);
}

static inline void nhwc_asked(struct nhwc_tile *t, int length) {
    t->ask = t->ask == NULL ? NULL : t->ask + t->ask_step * length;
}

/* `count` places: x advances by x_step places each, dy by one. */
struct stretch { int x, dy, count; };

/* Gradients of M channels of y x N vectors of x: sum[m * sum_m + i] (set, or added to) over stretches of dy, [place][M], times x, [place][N * LANES].
 * dy_step: reals between dy's places. */
struct nhwc_sums {
    const real *x, *dy;
    const struct stretch *stretches;
    int count, x_step, add;
    ptrdiff_t dy_step;
    real *sum;
    ptrdiff_t sum_m;
};
typedef void nhwc_sums_work(const struct nhwc_sums *s);
extern nhwc_sums_work *const K(nhwc_gradients)[NHWC_R][NHWC_N];

/* Packed weights of one direction, reals: [group][panel of out channels][tap][in channel][N * LANES]; backward the taps are reversed, so that those that
 * meet neighbours in dy are neighbours. */
size_t K(nhwc_packed_reals)(const struct conv *conv, int back);
size_t K(nhwc_packed_bytes)(const struct conv *conv, int training);
void K(nhwc_pack)(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads);

/* conv_nhwc_few.c: forward, for calls of few pixels. Scratch: of any batch up to this one. */
int K(nhwc_is_few)(const struct conv *c, int batch);
size_t K(nhwc_few_scratch)(const struct conv *c, int batch, int threads);
void K(nhwc_few)(const struct conv_call *call);

/* conv_pointwise.c: the gradient of the weights for 1x1 kernels. */
int K(pointwise_supports)(const struct conv *c);
size_t K(pointwise_scratch)(const struct conv *conv, int batch, int threads);
void K(pointwise_backward_weight)(const struct conv_call *call);

size_t K(nhwc_weight_scratch)(const struct conv *conv, int batch, int threads);
void K(nhwc_backward_weight)(const struct conv_call *call);

#endif
