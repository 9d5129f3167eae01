/* Arrays as pictures: a grid of grey or coloured tiles, each from its least value (black) to its greatest (white):
 * filters, class templates, feature maps. */
#ifndef DLCLI_TILES_H
#define DLCLI_TILES_H

#include "views/canvas.h"

/* rows * columns tiles of channels (1 grey, 3 RGB) x height x width. */
struct tiles {
    const float *values;              /* tile after tile, each C,H,W; borrowed */
    size_t count, columns;            /* columns 0: near a square */
    int channels, height, width;
    size_t together;                  /* so many tiles in a row share their range; 0 or 1: each has its own */
    float least, most;                /* the range of all tiles; most not above least: as `together` says */
    char *const *labels;              /* a label under each tile, or NULL */
    const char *title;                /* or NULL */
};
/* What a canvas of tiles should be filled with: neither black nor white, so that a tile's edge is seen. */
#define TILES_BACKGROUND 0xd5dde8ffu
/* Draws them from (0, y) on; *width grows to what is needed. Returns the y behind them. */
double tiles_draw(const struct tiles *tiles, struct canvas *c, double y, double *width);

#endif
