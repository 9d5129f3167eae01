/* The parts of conv_lanes: tiles of sums in registers (conv_lanes_tile.c), the walk over outputs (conv_lanes.c), the gradient of the
 * weights (conv_lanes_weight.c). */
#ifndef DLCLI_KERNELS_BODY_CONV_LANES_H
#define DLCLI_KERNELS_BODY_CONV_LANES_H

#include "kernels/body/conv.h"

/* Outputs of `M` channels at `P` places: sums over c channels, kh rows and kw columns of taps. Strides are in reals. Places are x_p apart in x
 * (neighbours in a row, or the same place of several blocks). The weights of a tap are M neighbours. y = activation(sum + bias), or y += sum.
 * All that `tiles` times, x and y moving on by x_tile and y_tile. */
struct lanes_tile {
    const real *x, *w;
    int c, kh, kw, tiles;
    ptrdiff_t x_c, x_h, x_w, x_p, x_tile, w_c, w_h, w_w;
    const real *bias;
    enum activation activation;
    int add;
    elem *y;
    ptrdiff_t y_m, y_p, y_tile;
};
typedef void lanes_tile_work(const struct lanes_tile *t);

#if CONV_SUMS == 24
enum { LANES_M = 8, LANES_P = 8 };
#elif CONV_SUMS == 12
enum { LANES_M = 6, LANES_P = 8 };
#else
enum { LANES_M = 3, LANES_P = 6 };
#endif

/* The most places a tile of m channels takes. */
static inline int lanes_places(int m) {
    return conv_least(LANES_P, CONV_SUMS / m);
}

/* [m - 1][p - 1], m <= LANES_M, p <= lanes_places(m). */
extern lanes_tile_work *const K(lanes_tiles)[LANES_M][LANES_P];

/* Gradients of M x N weights: sum[i * sum_m + j * sum_n] += over blocks, rows and columns of places, dy of channel i times x of column j. */
struct lanes_sums {
    const real *x, *dy;
    int blocks, rows, cols;
    ptrdiff_t x_block, x_row, x_col, x_n, dy_block, dy_row, dy_col, dy_m;
    vec *sum;
    ptrdiff_t sum_m, sum_n;
};
typedef void lanes_sums_work(const struct lanes_sums *s);
enum { LANES_N = 4 };

static inline int lanes_columns(int m) {
    return conv_least(LANES_N, CONV_SUMS / m);
}

extern lanes_sums_work *const K(lanes_gradients)[LANES_M][LANES_N];

/* The same of N neighbouring taps, x_n being x_col: the columns of one place are those of the place before but for one. Sums, N columns and dy fill 32
 * registers; with 16 of them, and vectors that are half as long, nothing was gained. */
#if CONV_SUMS == 24
enum { LANES_TAPS = 7 };
#define LANES_EACH_TAPS {7, 7, 7, 5, 4, 4, 3, 3}
#else
enum { LANES_TAPS = 1 };
#define LANES_EACH_TAPS {1, 1, 1, 1, 1, 1}
#endif

static inline int lanes_taps(int m) {
    static const int most[] = LANES_EACH_TAPS;
    return most[m - 1];
}

extern lanes_sums_work *const K(lanes_neighbours)[LANES_M][LANES_TAPS];

#if defined(ELEM_bf16)
/* Places begin..end of map `channel` of a block's samples: to[place - begin][LANES], of numbers that nobody rounded (call->exact). Lanes beyond the batch
 * are 0. */
void K(lanes_exact)(const struct conv_call *call, int block, int channel, ptrdiff_t begin, ptrdiff_t end, real *to);
#endif

/* out[i] = sum of the lanes of v[i], n of them. */
void K(lanes_reduce)(const vec *v, size_t n, real *out);

/* Is it a connected layer: one position, and a kernel as large as the input? */
static inline int lanes_is_connected(const struct conv *c) {
    return c->groups == 1 && c->oh == 1 && c->ow == 1 && c->size_h == c->h && c->size_w == c->w && c->pad_top == 0 && c->pad_left == 0
        && (c->h == 1 || c->dilation_h == 1) && (c->w == 1 || c->dilation_w == 1);
}

/* Is the layer for lanes? Thin ones are, where the batch fills them (blocks must be full, or many): vectors are full whatever the number of channels.
 * Measured: up to WIDE channels on both sides as fast as conv_nhwc or faster; beyond, x no longer stays in the first-level cache. But 3x3 kernels from THIN
 * channels on are conv_winograd's, 1.2 to 1.8 times as fast, and with a stride stand between such, where turning x and back would cost more than is gained.
 * A connected layer is asked only where its input lies in lanes already; a large one is for conv_nhwc, whose weights are read in longer rows. */
static inline int lanes_fit(const struct conv *c, int batch) {
    enum { THIN = 16, WIDE = 48, CONNECTED = 1 << 20, MANY = 4 };
    int filled = batch >= LANES && (batch % LANES == 0 || batch >= MANY * LANES), in = c->c / c->groups, out = c->k / c->groups;
    if (lanes_is_connected(c)) {
        return filled && (double)in * out * c->size_h * c->size_w <= CONNECTED;
    }
    return filled && in <= WIDE && out <= WIDE && (in < THIN || out < THIN || c->size_h != 3 || c->size_w != 3);
}

/* conv_lanes_connected.c: the weights' gradient of a connected layer. */
size_t K(lanes_connected_scratch)(int threads);
void K(lanes_connected_weight)(const struct conv_call *call);

size_t K(lanes_weight_scratch)(const struct conv *conv, int batch, int threads);
void K(lanes_backward_weight)(const struct conv_call *call);

#endif
