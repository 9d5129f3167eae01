/* Products of rounded reals (rounded.h) by AMX: up to two tiles of sixteen rows by the two tiles of columns of a panel (product_amx.c has the reckoning). */
#include "kernels/body/bf16/rounded.h"
#include "kernels/body/bf16/tiles.h"

enum { COLUMN_TILES = 2 };
_Static_assert(COLUMN_TILES * LANES == (int)ROUNDED_COLUMNS, "a panel is two tiles wide");
_Static_assert((int)ROUNDED_UNIT == (int)TILE_ROWS, "a unit is the depth of a tile");

/* Sums 0 and 1 are of the first rows, 2 and 3 of the second. */
INLINE void sums_begin(const int tiles, const struct rounded_rows *r, const real *from) {
    ptrdiff_t stride = (ptrdiff_t)(r->stride * sizeof *from);
    const real *second = from + TILE_ROWS * r->stride;
    if (!r->add) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    _tile_loadd(0, from, stride);
    _tile_loadd(1, from + LANES, stride);
    if (tiles > 1) {
        _tile_loadd(2, second, stride);
        _tile_loadd(3, second + LANES, stride);
    }
}

INLINE void sums_end(const int tiles, const struct rounded_rows *r, real *to) {
    ptrdiff_t stride = (ptrdiff_t)(r->stride * sizeof *to);
    real *second = to + TILE_ROWS * r->stride;
    _tile_stored(0, to, stride);
    _tile_stored(1, to + LANES, stride);
    if (tiles > 1) {
        _tile_stored(2, second, stride);
        _tile_stored(3, second + LANES, stride);
    }
}

/* tiles: of rows, from `row` on. */
INLINE void block(const int tiles, const struct rounded_rows *r, size_t row) {
    const word_at *a = r->a + row * r->pitch, *b = r->panel;
    ptrdiff_t a_stride = (ptrdiff_t)(r->pitch * sizeof *a), b_stride = (ptrdiff_t)(ROUNDED_COLUMNS * sizeof *b);
    real *sums = r->sums + row * r->stride;
    sums_begin(tiles, r, sums);
    for (size_t k = 0; k < r->pairs; k += ROUNDED_UNIT, a += ROUNDED_UNIT, b += ROUNDED_UNIT * ROUNDED_COLUMNS) {
        _tile_loadd(6, b, b_stride);
        _tile_loadd(7, b + LANES, b_stride);
        _tile_loadd(4, a, a_stride);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (tiles > 1) {
            _tile_loadd(5, a + TILE_ROWS * r->pitch, a_stride);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    sums_end(tiles, r, sums);
}

/* Rows that fill no tile have tiles of their own height: the sums behind them are not ours. */
void K(rounded_rows)(const struct rounded_rows *r) {
    size_t whole = r->rows / TILE_ROWS * TILE_ROWS, row = 0;
    if (whole > 0) {
        tiles_begin(TILE_ROWS);
        for (; row + 2 * TILE_ROWS <= whole; row += 2 * TILE_ROWS) {
            block(2, r, row);
        }
        if (row < whole) {
            block(1, r, row);
        }
    }
    if (whole < r->rows) {
        tiles_begin((int)(r->rows - whole));
        block(1, r, whole);
    }
    tiles_end();
}
