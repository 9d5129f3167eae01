/* conv_winograd: convolutions of 3x3, stride 1, of LAYOUT_NHWC with fewer multiplications. An output tile of 4x4 is made of 6x6 products a channel
 * in place of 16 x 9: F(4x4, 3x3) over the points 0, +-1, +-2 and infinity (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
 * Where a map's side is no multiple of 4, some tiles are 3 high or wide (conv_winograd_grid.h).
 *
 *     y = A' [(G g G') * (B' x B)] A        gradient of g = G' [sum over tiles (A dy A') * (B' x B)] G
 *
 * The 36 products at a place of the 6x6 ("frequency") over channels and tiles are a matrix product of their own, on conv_nhwc's tiles. The gradient
 * of x is the same walk with turned weights. Parts: the transforms (conv_winograd_transform.c), the walk over outputs (conv_winograd.c), the
 * gradient of the weights (conv_winograd_weight.c).
 *
 * conv_winograd takes what gains over a product of as wide vectors; conv_winograd_large what gains over one that is twice as fast. */
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

/* What happens to a tile of the output: y = act(A' from A + bias), or y += it. bias: reals of the n channels, or NULL. ahead: how many reals on the
 * frequencies lie that become pixels next, and are asked for meanwhile. */
struct wino_finish { const real *bias; enum activation activation; int add; ptrdiff_t ahead; };
void K(wino_output)(const struct wino_tile *t, const real *from, ptrdiff_t step, const struct wino_finish *finish, elem *y, size_t n);

/* The 3x3 weights of LANES channels -> frequencies; and the gradient's way back. */
void K(wino_weight)(const vec *taps, real *to, ptrdiff_t step);
void K(wino_weight_back)(const real *from, ptrdiff_t step, vec *taps);

size_t K(wino_weight_scratch)(const struct conv *conv, int batch, int threads);
void K(wino_backward_weight)(const struct conv_call *call);

#endif
