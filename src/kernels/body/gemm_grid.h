/* The grid of tiles that C of a matrix product is cut into: it depends on the shape alone, so that a team of any size gives the same bits. */
#ifndef DLCLI_KERNELS_BODY_GEMM_GRID_H
#define DLCLI_KERNELS_BODY_GEMM_GRID_H

#include "kernels/body/body.h"

struct grid { int m, n, m_tiles, n_tiles; };     /* extents of a tile, and how many */

static inline int grid_parts(int extent, int tile) {
    return (extent + tile - 1) / tile;
}

/* Halves the longer side of the tiles (at most most_m x most_n, a side not below `least`) until there are `tiles`, or no piece is worth more than 4 million
 * multiply-adds, since packing is paid once a tile; then each side is a multiple of 8. */
static inline struct grid grid_of(const struct gemm *g, int most_m, int most_n, int tiles, int least) {
    double wanted = (double)g->m * (double)g->n * (double)g->k / 4e6;
    int m = g->m < most_m ? g->m : most_m, n = g->n < most_n ? g->n : most_n;
    while (grid_parts(g->m, m) * grid_parts(g->n, n) < tiles && grid_parts(g->m, m) * grid_parts(g->n, n) < wanted && (m > least || n > least)) {
        *(m > n ? &m : &n) = ((m > n ? m : n) / 2 + 7) / 8 * 8;
    }
    return (struct grid){m, n, grid_parts(g->m, m), grid_parts(g->n, n)};
}

/* The part of C that one piece computes. */
struct tile { int i, j, m, n; };

static inline struct tile tile_of(const struct gemm *g, const struct grid *grid, int piece) {
    int i = piece / grid->n_tiles * grid->m, j = piece % grid->n_tiles * grid->n, m = g->m - i, n = g->n - j;
    return (struct tile){i, j, m < grid->m ? m : grid->m, n < grid->n ? n : grid->n};
}

#endif
