/* conv_winograd: which tiles an output is cut into, and how they are taken together.
 *
 * A side of 7 pixels is a tile of 4 and one of 3, which needs five of the six points (F(3, 3), without the point -3/2): 121 products a channel in place of
 * 144; a side of 13 is 4 + 3 + 3 + 3. As its points are among the others', its weights are the same, and a frequency's product merely leaves
 * out the tiles that don't have it. So that the others lie side by side, a block's tiles come in four classes, by the frequencies that they have:
 *
 *     4 rows x 3 columns | 4 x 4 | 3 x 4 | 3 x 3      those of the point -3/2 in rows: the first two; in columns: the middle two; in both: the second */
#ifndef DLCLI_KERNELS_BODY_CONV_WINOGRAD_GRID_H
#define DLCLI_KERNELS_BODY_CONV_WINOGRAD_GRID_H

#include "kernels/body/conv.h"

enum {
    WINO_OUT = 4, WINO_IN = 6, WINO_F = WINO_IN * WINO_IN,
    WINO_LEFT_OUT = 4,     /* the frequency of an axis that a tile of 3 is without */
    WINO_CLASSES = 4,
};

/* One tile of an image of NHWC: its pixels row.., col.. (which may lie outside), `channels` apart; whether it is of 3 rows, of 3 columns. next: how many
 * numbers on the pixels lie that will be read next, and are asked for meanwhile. */
struct wino_tile { int h, w, row, col, short_h, short_w; ptrdiff_t channels, next; };

/* An axis: tiles of 4, then tiles of 3. */
struct wino_axis { int large, small; };

/* The least products; of equal ones, the fewest tiles. */
static inline struct wino_axis wino_axis(int extent) {
    struct wino_axis best = {conv_parts(extent, WINO_OUT), 0};
    for (int small = 1; small < WINO_OUT; small++) {
        struct wino_axis a = {conv_parts(conv_most(0, extent - (WINO_OUT - 1) * small), WINO_OUT), small};
        if (WINO_IN * a.large + (WINO_IN - 1) * a.small < WINO_IN * best.large + (WINO_IN - 1) * best.small) {
            best = a;
        }
    }
    return best;
}

static inline int wino_axis_tiles(int extent) {
    struct wino_axis a = wino_axis(extent);
    return a.large + a.small;
}

static inline int wino_axis_products(int extent) {
    struct wino_axis a = wino_axis(extent);
    return WINO_IN * a.large + (WINO_IN - 1) * a.small;
}

/* Blocks: the tiles of `together` samples, cut into `cuts` parts. each: tiles of a sample; block: of the largest block. */
struct wino_grid { struct wino_axis h, w; int batch, each, together, cuts, blocks, block; };

static inline void wino_grid_cut(struct wino_grid *g, int together, int most) {
    g->together = together;
    g->cuts = conv_parts(g->each * together, most + most / 16);
    g->block = conv_parts(g->each * together, g->cuts);
}

/* Blocks of as nearly `most` tiles as some few samples together give. */
static inline struct wino_grid wino_grid(int h, int w, int batch, int most) {
    enum { FEW = 4 };
    struct wino_grid g = {.h = wino_axis(h), .w = wino_axis(w), .batch = batch, .each = wino_axis_tiles(h) * wino_axis_tiles(w)};
    struct wino_grid other = g;
    for (int together = 1; together <= conv_least(batch, conv_most(FEW, most / g.each)); together++) {
        wino_grid_cut(&other, together, most);
        g = other.block > g.block ? other : g;
    }
    wino_grid_cut(&g, conv_parts(batch, conv_parts(batch, g.together)), most);
    g.blocks = conv_parts(batch, g.together) * g.cuts;
    return g;
}

/* Samples sample.., of whose tiles, class by class, begin .. end - 1 are the block's. ends: of the classes. */
struct wino_block { int sample, begin, tiles, ends[WINO_CLASSES]; };

static inline struct wino_block wino_block(const struct wino_grid *g, int index) {
    struct wino_block b = {.sample = index / g->cuts * g->together};
    int samples = conv_least(g->together, g->batch - b.sample), all = g->each * samples;
    const int counts[] = {g->h.large * g->w.small, g->h.large * g->w.large, g->h.small * g->w.large, g->h.small * g->w.small};
    for (int i = 0, end = 0; i < WINO_CLASSES; i++) {
        end += counts[i] * samples;
        b.ends[i] = end;
    }
    b.begin = conv_part(all, g->cuts, index % g->cuts);
    b.tiles = conv_part(all, g->cuts, index % g->cuts + 1) - b.begin;
    return b;
}

/* 1 where a line of such a tile, or a tile, has the frequency. */
static inline int wino_line_has(int is_short, int frequency) {
    return !is_short || frequency != WINO_LEFT_OUT;
}

static inline int wino_has(const struct wino_tile *t, int f) {
    return wino_line_has(t->short_h, f / WINO_IN) && wino_line_has(t->short_w, f % WINO_IN);
}

/* The block's tiles that have frequency f, counted from its first. */
static inline struct range wino_having(const struct wino_block *b, int f) {
    int rows = f / WINO_IN == WINO_LEFT_OUT, columns = f % WINO_IN == WINO_LEFT_OUT;
    int begin = columns ? b->ends[0] : 0, end = b->ends[rows ? 1 : columns ? 2 : 3];
    begin = conv_most(0, begin - b->begin), end = conv_least(b->tiles, end - b->begin);
    return (struct range){begin, conv_most(begin, end)};
}

/* The block's tile i on an image like `image`, moved up and left by the padding; which sample's it is. */
static inline struct wino_tile wino_tile(const struct wino_grid *g, const struct wino_block *b, int i, const struct wino_tile *image, int pad_h, int pad_w, int *sample) {
    struct wino_tile t = *image;
    int at = b->begin + i, class = 0;
    while (at >= b->ends[class]) {
        class++;
    }
    t.short_h = class >= 2, t.short_w = class == 0 || class == 3;
    int columns = t.short_w ? g->w.small : g->w.large, each = (t.short_h ? g->h.small : g->h.large) * columns;
    at -= class > 0 ? b->ends[class - 1] : 0;
    *sample = b->sample + at / each;
    int row = at % each / columns, column = at % columns;
    t.row = (t.short_h ? WINO_OUT * g->h.large + (WINO_OUT - 1) * row : WINO_OUT * row) - pad_h;
    t.col = (t.short_w ? WINO_OUT * g->w.large + (WINO_OUT - 1) * column : WINO_OUT * column) - pad_w;
    return t;
}

static inline ptrdiff_t wino_corner(const struct wino_tile *t, int sample) {
    return (((ptrdiff_t)sample * t->h + t->row) * t->w + t->col) * t->channels;
}

/* The same, of a tile whose pixels are read: the next one's are asked for. */
static inline struct wino_tile wino_tile_read(const struct wino_grid *g, const struct wino_block *b, int i, const struct wino_tile *image, int pad_h, int pad_w, int *sample) {
    int other;
    struct wino_tile t = wino_tile(g, b, i, image, pad_h, pad_w, sample), next = wino_tile(g, b, i + 1 < b->tiles ? i + 1 : i, image, pad_h, pad_w, &other);
    t.next = wino_corner(&next, other) - wino_corner(&t, *sample);
    return t;
}

#endif
