/* AMX: eight tiles of 16 rows of 64 bytes, used here as sums (0 to 3: a block of 2 x 2 tiles), rows of A (4, 5) and columns of B (6, 7). Sums are floats or
 * int32, A's rows 32 bfloat16 or 64 bytes of depth, B's rows a word of depth, two bfloat16 or four bytes, for each of 16 columns. Tiles are configured and
 * given up around every use, so that other threads' switches don't carry them. Who includes this says by TILES_DOT what multiplies: _tile_dpbf16ps or
 * _tile_dpbusd, 16 cycles for a tile's product. */
#ifndef DLCLI_KERNELS_BODY_TILES_H
#define DLCLI_KERNELS_BODY_TILES_H

#include <immintrin.h>
#include "kernels/body/body.h"

enum { TILE_ROWS = 16, TILE_BYTES = 64 };
struct tile_config { uint8_t palette, start_row, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; };

/* rows: of the block (1 to 2 * TILE_ROWS): its last tile has those that are left, so that nothing behind them is read or written. What the compiler has not
 * written yet, tiles would not find: it does not see that they read memory. */
INLINE void tiles_begin(int rows) {
    uint8_t first = (uint8_t)(rows < TILE_ROWS ? rows : TILE_ROWS), second = (uint8_t)(rows > TILE_ROWS ? rows - TILE_ROWS : first);
    struct tile_config config = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {first, first, second, second, first, second, 16, 16}};
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
    __asm__ volatile("" ::: "memory");
}

INLINE void tiles_end(void) {
    _tile_release();
}

/* Sums of a block of rows x columns tiles, whose rows lie `stride` bytes apart. from NULL: zeros. */
INLINE void tiles_load(const int rows, const int columns, const void *from, ptrdiff_t stride) {
    if (from == NULL) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    const char *first = from, *second = first + TILE_ROWS * stride;
    _tile_loadd(0, first, stride);
    if (columns > 1) {
        _tile_loadd(1, first + TILE_BYTES, stride);
    }
    if (rows > 1) {
        _tile_loadd(2, second, stride);
        if (columns > 1) {
            _tile_loadd(3, second + TILE_BYTES, stride);
        }
    }
}

INLINE void tiles_store(const int rows, const int columns, void *to, ptrdiff_t stride) {
    char *first = to, *second = first + TILE_ROWS * stride;
    _tile_stored(0, first, stride);
    if (columns > 1) {
        _tile_stored(1, first + TILE_BYTES, stride);
    }
    if (rows > 1) {
        _tile_stored(2, second, stride);
        if (columns > 1) {
            _tile_stored(3, second + TILE_BYTES, stride);
        }
    }
}

/* `count` tiles of depth of both operands, strides and steps from one to the next in bytes; a's second sixteen rows are `a_second` behind the first. */
struct tiles_depth { const void *a, *b; ptrdiff_t a_second, a_stride, b_stride, a_step, b_step; int count; };

/* The block's sums += a b. The 4 KB of four tiles of operands have the 64 cycles of four products to come. */
INLINE void tiles_multiply(const int rows, const int columns, const struct tiles_depth *d) {
    const char *a = d->a, *b = d->b;
    for (int i = d->count; i > 0; i--, a += d->a_step, b += d->b_step) {
        _tile_loadd(6, b, d->b_stride);
        _tile_loadd(4, a, d->a_stride);
        TILES_DOT(0, 4, 6);
        if (columns > 1) {
            _tile_loadd(7, b + TILE_BYTES, d->b_stride);
            TILES_DOT(1, 4, 7);
        }
        if (rows > 1) {
            _tile_loadd(5, a + d->a_second, d->a_stride);
            TILES_DOT(2, 5, 6);
            if (columns > 1) {
                TILES_DOT(3, 5, 7);
            }
        }
    }
}

#endif
