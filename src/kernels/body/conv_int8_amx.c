/* conv_int8 by AMX: a tile's rows are 16 evenly spaced pixels, its columns 16 filters, its depth 64 bytes. */
#include "kernels/body/conv_int8.h"

#if defined(INT8_CONVOLUTIONS) && defined(ISA_amx)
#define TILES_DOT _tile_dpbusd
#include "kernels/body/tiles.h"

_Static_assert((int)INT8_R == 2 * (int)TILE_ROWS && (int)INT8_N == 2 && (int)INT8_UNIT == (int)TILE_ROWS, "a block is two tiles by two, a unit the depth of a tile");

/* rows, columns: tiles of sums. */
INLINE void block(const int rows, const int columns, const struct int8_tile *t) {
    const ptrdiff_t word = sizeof *t->x, line = columns * TILE_BYTES, apart = t->count > 1 ? (t->pixels[1] - t->pixels[0]) * word : 0;
    struct tiles_depth d = {.b = t->w, .a_second = TILE_ROWS * apart, .a_stride = apart, .b_stride = line, .a_step = TILE_BYTES, .b_step = TILE_ROWS * line,
        .count = t->length / INT8_UNIT};
    tiles_load(rows, columns, t->first ? NULL : t->sum, line);
    for (int i = 0; i < t->run_count; i++) {
        d.a = t->x + t->pixels[0] + t->runs[i];
        tiles_multiply(rows, columns, &d);
        d.b = (const char *)d.b + d.count * d.b_step;
    }
    tiles_store(rows, columns, t->sum, line);
}

static void block_1_1(const struct int8_tile *t) { block(1, 1, t); }
static void block_1_2(const struct int8_tile *t) { block(1, 2, t); }
static void block_2_1(const struct int8_tile *t) { block(2, 1, t); }
static void block_2_2(const struct int8_tile *t) { block(2, 2, t); }

void K(int8_tile)(const struct int8_tile *t) {
    static void (*const works[2][INT8_N])(const struct int8_tile *) = {{block_1_1, block_1_2}, {block_2_1, block_2_2}};
    tiles_begin(t->count);
    works[t->count > TILE_ROWS][t->vectors - 1](t);
    tiles_end();
}

/* As many as are evenly spaced. */
int K(int8_tile_pixels)(const int32_t *pixels, int count) {
    int n = conv_least(2, count);
    while (n < conv_least(INT8_R, count) && pixels[n] - pixels[n - 1] == pixels[1] - pixels[0]) {
        n++;
    }
    return n;
}
#endif
