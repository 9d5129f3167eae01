/* Convolutions channels last whose products are the processor's own of bfloat16, added up in float32. Compiled once per kind of product (see the Makefile's
 * `bf16` and `amx`): AVX512-BF16 multiplies a pair of numbers in each 32-bit lane and adds them to the lane's sum; AMX does the same for tiles of 16 x 32 by
 * 32 x 16 numbers. K(...) are the functions of the instruction set that they belong to, OWN(...) those of the products.
 *
 * Depth comes in units (a pair; a tile's 32 numbers), which channels, and places where they are the depth, are filled up to with zeros. The other
 * operand's rows are pairs of depth: [depth / 2][width][2], which is what both kinds want.
 *
 * conv.c: the walk over an output, chunk.c: a chunk of it; pack.c: the weights; weight.c: their gradient; lay_out.c: copies of x and dy as the products read them; product_*.c:
 * the innermost loops; store.c: what becomes of sums. winograd.c: where fewer products of floats are faster. */
#ifndef DLCLI_KERNELS_BODY_BF16_H
#define DLCLI_KERNELS_BODY_BF16_H

#include "kernels/body/conv.h"

/* UNIT: of depth. R: rows of a block of sums (places, or channels of dy), at most; M: rows that are taken together in any case. N: vectors of LANES columns,
 * at most. DEPTH: of a block of packed weights, N * LANES * DEPTH * 2 bytes: half of the first-level cache. */
#if defined(ISA_amx)
enum { BF16_UNIT = 32, BF16_R = 32, BF16_M = 16, BF16_N = 2, BF16_DEPTH = 512 };
#else
enum { BF16_UNIT = 2, BF16_R = 8, BF16_M = 8, BF16_N = 3, BF16_DEPTH = 256 };
#endif

static inline int bf16_up(int n, int unit) {
    return conv_parts(n, unit) * unit;
}

/* Channels as vectors, the last filled up, and these as panels of up to N. */
static inline int bf16_vectors(int channels) {
    return conv_parts(channels, LANES);
}

static inline int bf16_panels(int channels) {
    return conv_parts(bf16_vectors(channels), BF16_N);
}

/* The first channel of panel i; of one beyond the last: where that ends. */
static inline int bf16_panel(int channels, int i) {
    return conv_part(bf16_vectors(channels), bf16_panels(channels), i) * LANES;
}

/* ---- thin inputs ---- */

/* Channels too few to fill a depth: a row of taps counts as channels, (tap, channel). x is laid out so once for each column of the output; forward and
 * the gradient of the weights then walk a convolution whose kernel is one column wide. The gradient of x is that of the layer itself. */
enum { BF16_THIN = 16, BF16_FLAT = 256 };       /* most channels of a layer, most of a row of taps */
static inline int bf16_is_flat(const struct conv *c) {
    return c->groups == 1 && c->c < BF16_THIN && c->size_w > 1 && c->size_w * c->c <= BF16_FLAT;
}

static inline struct conv bf16_walked(const struct conv *c) {
    struct conv walked = *c;
    if (bf16_is_flat(c)) {
        walked.c = c->size_w * c->c, walked.w = c->ow, walked.size_w = walked.stride_w = walked.dilation_w = 1, walked.pad_left = 0;
    }
    return walked;
}

/* ---- how x (backward dy) is laid out to be read ---- */

/* Columns of all rows: those that lie `step` apart, as neighbouring outputs read them, are neighbours; `left` columns of zeros before the map's first and as
 * many behind as any tap reaches; none of either where `w` says that taps outside are left out. */
struct bf16_map { struct axis h, w; int left, step, every, columns; };
struct bf16_map OWN(bf16_map)(const struct conv *c, int back, int padded);

/* Where column `at` of the map (of w: 0 is the first of the zeros) lies in a row. */
static inline int bf16_column(const struct bf16_map *m, int at) {
    return at % m->step * m->every + at / m->step;
}

/* Rows of x that rows begin..end of the output read. */
struct range OWN(bf16_rows_read)(const struct axis *h, int begin, int end);

/* Some samples and rows of a tensor channels last, and `channels` of its channels: from + n * sample + (row * columns + column) * pitch. flat: NULL,
 * or the layer whose rows of taps are the channels, of which those from `first` on are meant, and whose output's columns the columns. ahead: from a pixel to what comes after all of these, to be asked for; 0: nothing. */
struct bf16_part { const elem *from; ptrdiff_t sample; int samples, row, row_end, columns, pitch, channels; const struct conv *flat; int first; ptrdiff_t ahead; };

/* Its first row -> [column][sample][depth]. */
void OWN(bf16_lay_row)(const struct bf16_map *m, const struct bf16_part *part, int depth, elem *to);
/* Its first row -> [column][pair of samples][width][2]; an odd last sample has zeros beside it. */
void OWN(bf16_lay_pairs)(const struct bf16_map *m, const struct bf16_part *part, int width, elem *to);

/* ---- products ---- */

/* `length` (whole units) of depth at x from a place, against as many rows of a panel of packed weights from row w. */
struct bf16_run { ptrdiff_t x, w; int length; };
/* Up to R neighbouring places: where the first's x lies; its number among the outputs' places. */
struct bf16_strip { ptrdiff_t x; int place, count; };

/* Where finished sums go: y + places[i], plus bias, through the activation; or added to what is there. columns: channels that exist. */
struct bf16_store { elem *y; const ptrdiff_t *places; const real *bias; int columns, add; enum activation activation; };

/* Sums of places x panel over some runs. first: from 0, else from `partial`, [strip][R][vectors * LANES]; last: to the store, else to `partial`. Places of a
 * strip are `pitch` apart; x can be read for R places from any strip's first. */
struct bf16_block {
    const elem *x, *w;
    ptrdiff_t pitch;
    const struct bf16_run *runs;
    const struct bf16_strip *strips;
    int run_count, strip_count, vectors, first, last;
    real *partial;
    struct bf16_store store;
};
void OWN(bf16_block)(const struct bf16_block *b);

/* sums: [count][width] reals of places `place` on. */
void OWN(bf16_store)(const struct bf16_store *s, int place, int count, int width, real *sums);

/* `count` places from x and dy on; whole units. */
struct bf16_stretch { int x, dy, count; };

/* Gradients: sum[channel of dy][vectors * LANES], set or added to, over stretches of dy times x, [pair of places][vectors * LANES][2]. rows: channels of
 * dy; sums of whole Ms of them are written. */
struct bf16_sums {
    const elem *x, *dy;
    const struct bf16_stretch *stretches;
    int count, rows, dy_places, vectors, add;         /* dy_places: of a tile */
    real *sum;
};
void OWN(bf16_gradient)(const struct bf16_sums *s);
/* dy as bf16_gradient reads it: [tile of M channels][row][column, sample], samples filled up to pairs, and each row's places to a unit. */
void OWN(bf16_lay_dy)(const struct bf16_part *part, elem *to);
static inline int bf16_dy_row(int columns, int samples) {
    return bf16_up(columns * bf16_up(samples, 2), BF16_UNIT);
}

/* ---- parts of the way ---- */

/* Packed weights, elems: those that forward walks; in training also those of the gradient of x, for which those of the layer itself are packed first where
 * it is flat. Each [group][panel of out channels][tap][in channels, a unit's multiple][width], pairs of in channels interleaved;
 * backward the taps are reversed, so that those that meet neighbours in dy are neighbours. */
size_t OWN(bf16_back_at)(const struct conv *c);       /* where the gradient of x finds its own */
size_t OWN(bf16_packed_bytes)(const struct conv *c, int training);
void OWN(bf16_pack)(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads);

size_t OWN(bf16_weight_scratch)(const struct conv *c, int batch, int threads);
void OWN(bf16_backward_weight)(const struct conv_call *call);

double OWN(bf16_peak)(size_t rounds, float *sink);
extern const struct conv_kernel OWN(conv), OWN(conv_winograd);

#endif
