/* The recurrent cells' matrix product (cells.h) in pairs of bfloat16: states and gradients are rounded here, once for all panels; weights were when they
 * were packed. */
#include "kernels/body/bf16/rounded.h"
#include "kernels/body/cells.h"

void K(cell_multiply)(const struct cell_product *p) {
    _Alignas(64) word_at rows[CELL_SPAN * ROUNDED_PITCH];
    for (size_t first = 0; first < p->depth; first += ROUNDED_DEPTH) {
        size_t depth = body_least(ROUNDED_DEPTH, p->depth - first);
        K(rounded_lay)(p->a + first, p->rows, depth, p->lda, rows);
        for (size_t panel = 0; panel < p->panels; panel++) {
            const char *b = (const char *)p->b + panel * cell_panel(p->depth) + cell_panel(first);
            struct rounded_rows r = {.rows = p->rows,
                                     .pairs = rounded_pairs(depth),
                                     .stride = p->stride,
                                     .a = rows,
                                     .panel = (const word_at *)(const void *)b,
                                     .sums = p->sums + panel * CELL_UNITS,
                                     .add = p->add || first > 0};
            K(rounded_rows)(&r);
        }
    }
}
