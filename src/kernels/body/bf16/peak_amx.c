/* The most products of bfloat16 that AMX can do: tiles alone, no memory (see kernels/body/peak.c). */
#include "kernels/body/bf16/bf16.h"
#define TILES_DOT _tile_dpbf16ps
#include "kernels/body/tiles.h"

double OWN(bf16_peak)(size_t rounds, float *sink) {
    real sums[TILE_ROWS * LANES] = {0};
    tiles_begin(2 * TILE_ROWS);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (size_t r = 0; r < rounds; r++) {      /* four independent sums, 52 cycles each, one begun every 16 */
        TILES_DOT(0, 4, 5);
        TILES_DOT(1, 4, 5);
        TILES_DOT(2, 4, 5);
        TILES_DOT(3, 4, 5);
    }
    _tile_stored(0, sums, TILE_BYTES);
    tiles_end();
    *sink += sums[0];
    return (double)rounds * 4 * 2.0 * TILE_ROWS * LANES * BF16_UNIT;
}
