/* Per-channel statistics of a tensor in any layout: mean and variance (Welford's, merged as by Chan, Golub and LeVeque, 1979), and the sums
 * that gradients need. Missing samples of a lanes layout count nothing. Pieces add into arrays of their own, which are merged in order. */
#ifndef DLCLI_KERNELS_BODY_MOMENTS_H
#define DLCLI_KERNELS_BODY_MOMENTS_H

#include "kernels/body/body.h"

/* n values, their mean, and the sum of the squares of their distances from it. */
struct channel_moment { double n, mean, m2; };

/* moment[c] for all channels; `scratch` has channel_scratch bytes and moment points into it. */
const struct channel_moment *K(channel_moments)(struct threads *t, const struct view *v, const elem *x, void *scratch);

/* A relu behind a batch norm, seen from its input: dy counts only where (x - mean[c]) * a[c] + b[c] > 0. */
struct channel_gate { const real *a, *b; };

/* Sums over a channel of dy, and of dy * (x - mean[c]) where x is not NULL. gate: NULL, or what closes dy (x is given then). */
struct channel_sum { double dy, dy_x; };
const struct channel_sum *K(channel_sums)(struct threads *t, const struct view *v, const elem *dy, const elem *x, const real *mean,
    const struct channel_gate *gate, void *scratch);

size_t K(channel_scratch)(const struct view *v);

#endif
