/* AMX: eight tiles of 16 rows of 64 bytes, used here as sums (0 to 3: rows x columns of a block of 32 x 32), rows of A (4, 5) and columns of B (6, 7). Sums are
 * floats, A's rows 32 numbers of depth, B's rows a pair of depth for each of 16 columns. Tiles are configured and given up around every use, so that
 * other threads' switches don't carry them. */
#ifndef DLCLI_KERNELS_BODY_TILES_H
#define DLCLI_KERNELS_BODY_TILES_H

#include <immintrin.h>
#include "kernels/body/bf16/bf16.h"

enum { TILE_ROWS = 16, TILE_BYTES = 64 };
struct tile_config { uint8_t palette, start_row, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; };

/* rows: of A's tiles, and so of sums (1..TILE_ROWS). What the compiler has not written yet, tiles would not find: it does not see that they read memory. */
INLINE void tiles_begin(int rows) {
    uint8_t n = (uint8_t)rows;
    struct tile_config config = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {n, n, n, n, n, n, 16, 16}};
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
    __asm__ volatile("" ::: "memory");
}

INLINE void tiles_end(void) {
    _tile_release();
}

#endif
