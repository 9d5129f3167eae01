/* conv_winograd: convolutions of 3x3, stride 1, of LAYOUT_NHWC with fewer multiplications. An output tile of 4x4 is made of 6x6 products a channel
 * in place of 16 x 9: F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). The points are 0, +-2/3, +-3/2 and
 * infinity: sums are half as far off as of +-1, +-2 (of such choices: Alam, Anderson, Barabasz and Gregg, "Winograd Convolution for Deep Neural Networks:
 * Efficient Point Selection", 2022). Where a map's side is no multiple of 4, some tiles are 3 high or wide (conv_winograd_grid.h).
 *
 *     y = A' [(G g G') * (B' x B)] A        gradient of g = G' [sum over tiles (A dy A') * (B' x B)] G
 *
 * The 36 products at a place of the 6x6 ("frequency") over channels and tiles are a matrix product of their own. The gradient of x is the same walk
 * with turned weights. Parts: the transforms (conv_winograd_transform.c), the walk over outputs (conv_winograd.c), the gradient of the weights
 * (conv_winograd_weight.c); the products of reals of both, on conv_nhwc's tiles (conv_winograd_reals.c), of 16-bit numbers (int16/), of bfloat16 (bf16/winograd.c).
 *
 * conv_winograd takes what gains over a product of as wide vectors; bf16/winograd.c what gains over one that is twice as fast. */
#ifndef DLCLI_KERNELS_BODY_CONV_WINOGRAD_H
#define DLCLI_KERNELS_BODY_CONV_WINOGRAD_H

#include "kernels/body/conv_nhwc.h"
#include "kernels/body/conv_winograd_grid.h"

enum {
    WINO_SKEW = 16,        /* reals between frequencies besides: 36 streams a power of two apart would fight for one set of a cache */
};

/* to[f * step + c] = B' x B of the n channels at x (the image's first pixel), for the frequencies that the tile has; pixels outside are zeros, and what
 * fills up the last vector. */
void K(wino_input)(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step);
/* The same for A dy A' of the tile's own pixels, 4x4 or fewer. */
void K(wino_gradient)(const struct wino_tile *t, const elem *dy, size_t n, real *to, ptrdiff_t step);
/* sums[c] += those pixels of it. */
void K(wino_add_pixels)(const struct wino_tile *t, const elem *dy, size_t n, real *sums);

/* What happens to a tile of the output: y = act(A' from A + bias), or y += it. bias: reals of the n channels, or NULL. ahead: how many reals on the
 * frequencies lie that become pixels next, and are asked for meanwhile. */
struct wino_finish { const real *bias; enum activation activation; int add; ptrdiff_t ahead; };
void K(wino_output)(const struct wino_tile *t, const real *from, ptrdiff_t step, const struct wino_finish *finish, elem *y, size_t n);

/* The gradient's way back: frequencies of LANES channels -> 3x3 weights. */
void K(wino_weight_back)(const real *from, ptrdiff_t step, vec *taps);

/* ---- forward, and the gradient of x: which numbers frequencies are multiplied in ---- */

/* Weights as the network keeps them, [k][c][3][3], times a scale a filter unless that is NULL; back: turned by 180 degrees, from k channels to c. */
struct wino_weights { const struct conv *conv; int back; const real *weight, *scale; };
static inline int wino_inputs(const struct wino_weights *w) {
    return w->back ? w->conv->k : w->conv->c;
}

static inline int wino_outputs(const struct wino_weights *w) {
    return w->back ? w->conv->c : w->conv->k;
}

/* to[f * step + lane]: frequencies between input channel `row` and LANES output channels from `first` on; zeros where there are fewer. */
void K(wino_weights)(const struct wino_weights *w, int row, int first, real *to, ptrdiff_t step);

/* Sums of a frequency over a part of the depth, of neighbouring tiles x `vectors` of channels: sum[tile][vectors * LANES], set (first) or added to.
 * x: words [tile][pitch]; w: [word][vectors * LANES]. Units: what the tiles' and the channels' numbers are times, unless they are reals. next: so many
 * words will be read next, and are asked for meanwhile; or NULL. */
struct wino_sums { const real *x, *w, *x_units, *w_units; ptrdiff_t pitch; int tiles, length, vectors, first; real *sum; const real *next; int next_count; };

/* Numbers lie in words as large as a real, of `together` neighbouring input channels; words beyond the last channel's are zeros. `depth`: channels whose
 * sums are made at a time.
 * input: frequencies of a tile's n channels to[f * step + word], and their units, units[part of the depth * units_step].
 * measure: units of LANES output channels from `first` on; NULL where numbers need none.
 * pack: of these channels' weights, words begin .. end - 1 of the depth, to[f * step + word * words_step + lane]. */
struct wino_numbers {
    int together, depth;
    void (*input)(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step, real *units, ptrdiff_t units_step);
    void (*measure)(const struct wino_weights *w, int first, real *units);
    void (*pack)(const struct wino_weights *w, int first, const real *units, int begin, int end, real *to, ptrdiff_t step, ptrdiff_t words_step);
    void (*multiply)(const struct wino_sums *s);
};
extern const struct wino_numbers K(wino_reals);

/* Parts of the depth, whole vectors of channels; in words, where part i begins. */
static inline int wino_parts(const struct wino_numbers *numbers, int channels) {
    return conv_parts(channels, numbers->depth);
}

static inline int wino_part(const struct wino_numbers *numbers, int channels, int i) {
    int vectors = conv_part(conv_parts(channels, LANES), wino_parts(numbers, channels), i);
    return conv_least(vectors * LANES / numbers->together, conv_parts(channels, numbers->together));
}

/* ---- the gradient of the weights: how frequencies lie, and are multiplied ---- */

enum { WINO_TOGETHER = 2 };                      /* tiles laid out at a time, at most */

/* Tiles that are neighbours in a block, and the images that they are of. */
struct wino_tiles { int count; struct wino_tile tile[WINO_TOGETHER]; const elem *image[WINO_TOGETHER]; };

/* Frequencies of `room` tiles by `width` channels, whole vectors, as a struct wino_products lays them out; each `step` bytes from the one before. */
struct wino_frequencies { char *at; int room, width; ptrdiff_t step; };

/* sum[k][x->width] of frequency f, set or added to: over a range of tiles, dy's first `count` channels (sums of whole vectors may be written) times x. */
struct wino_product { const struct wino_frequencies *x, *dy; int f; struct range tiles; int count, add; real *sum; };

/* together: tiles that lie together, which a block's are filled up to. size: of a number, in bytes. side: channels of a rectangle of weights, whose
 * products should take longer than its transforms. lay_x, lay_dy: n channels from `channel` of tiles i.. of a block. */
struct wino_products {
    int together, side;
    size_t size;
    void (*lay_x)(const struct wino_tiles *t, int channel, size_t n, const struct wino_frequencies *to, int i);
    void (*lay_dy)(const struct wino_tiles *t, int channel, size_t n, const struct wino_frequencies *to, int i);
    void (*multiply)(const struct wino_product *p);
};
extern const struct wino_products K(wino_products);

size_t K(wino_weight_scratch)(const struct conv *conv, int batch, int threads, const struct wino_products *products);
void K(wino_backward_weight)(const struct conv_call *call, const struct wino_products *products);

/* ---- what ways to convolve are made of ---- */

/* Of any batch up to this one; products: of training, else NULL. */
size_t K(wino_scratch)(const struct conv *c, int batch, int threads, const struct wino_numbers *numbers, const struct wino_products *products);
size_t K(wino_packed_bytes)(const struct conv *c, int training, const struct wino_numbers *numbers);
void K(wino_pack)(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads, const struct wino_numbers *numbers);
void K(wino_forward)(const struct conv_call *call, const struct wino_numbers *numbers);
void K(wino_backward_data)(const struct conv_call *call, const struct wino_numbers *numbers);

/* Whether products are few enough to pay for the transforms, of pixels (channels) and of weights (tiles). channels: at least, on both sides;
 * tiles: of the batch, at least; gain: nominal products for each one of these, at least. */
int K(wino_worth)(const struct conv *c, int batch, int channels, int tiles, double gain);

#endif
