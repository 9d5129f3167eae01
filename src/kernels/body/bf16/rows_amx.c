/* Products of rounded reals (rounded.h) by AMX: up to two tiles of sixteen rows by the two tiles of columns of a panel. */
#include "kernels/body/bf16/rounded.h"
#define TILES_DOT _tile_dpbf16ps
#include "kernels/body/tiles.h"

_Static_assert(2 * LANES == (int)ROUNDED_COLUMNS && (int)ROUNDED_UNIT == (int)TILE_ROWS, "a panel is two tiles wide, a unit the depth of a tile");

/* tiles: of rows, from `row` on. */
INLINE void block(const int tiles, const struct rounded_rows *r, size_t row) {
    const word_at *a = r->a + row * ROUNDED_PITCH;
    real *sums = r->sums + row * r->stride;
    ptrdiff_t pitch = (ptrdiff_t)(ROUNDED_PITCH * sizeof *a), stride = (ptrdiff_t)(r->stride * sizeof *sums), line = ROUNDED_COLUMNS * (ptrdiff_t)sizeof *r->panel;
    struct tiles_depth d = {.a = a, .b = r->panel, .a_second = TILE_ROWS * pitch, .a_stride = pitch, .b_stride = line, .a_step = TILE_BYTES, .b_step = TILE_ROWS * line,
        .count = (int)(r->pairs / ROUNDED_UNIT)};
    tiles_load(tiles, 2, r->add ? sums : NULL, stride);
    tiles_multiply(tiles, 2, &d);
    tiles_store(tiles, 2, sums, stride);
}

/* Each block asks for its share of what comes next before its tiles are loaded. */
void K(rounded_rows)(const struct rounded_rows *r) {
    size_t lines = rounded_lines(&r->ask), blocks = (r->rows + 2 * TILE_ROWS - 1) / (2 * TILE_ROWS), share = (lines + 2 * blocks - 1) / (2 * blocks) * 2, line = 0;
    for (size_t row = 0; row < r->rows; row += 2 * TILE_ROWS) {
        size_t count = body_least(2 * TILE_ROWS, r->rows - row);
        for (size_t end = line + share; line < end && line < lines; line += 2) {
            rounded_ask_two(&r->ask, line);
        }
        tiles_begin((int)count);
        if (count > TILE_ROWS) {
            block(2, r, row);
        } else {
            block(1, r, row);
        }
    }
    tiles_end();
}
