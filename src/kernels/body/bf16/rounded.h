/* Products of reals that are rounded to bfloat16 on the way, by the processor's own products of such pairs: what recurrent layers and matrix products
 * are made of under `--precision bf16`. Compiled once, as the instruction set `rounded` (see the Makefile), for all tables with such products.
 *
 * A row's pairs of depth are neighbours; a panel's, [pair][ROUNDED_COLUMNS][2]. An odd depth has zeros behind it. */
#ifndef DLCLI_KERNELS_BODY_BF16_ROUNDED_H
#define DLCLI_KERNELS_BODY_BF16_ROUNDED_H

#include "kernels/body/bf16/dot.h"
#include "kernels/body/block.h"

enum { ROUNDED_COLUMNS = BLOCK_VECS * LANES };

/* sums (rows x ROUNDED_COLUMNS, rows `stride` reals apart) = [sums +] a (rows of `pairs` words, `pitch` words apart) times a panel. */
struct rounded_rows {
    size_t rows, pairs, pitch, stride;
    const word_at *a, *panel;
    real *sums;
    int add;
};
void K(rounded_rows)(const struct rounded_rows *r);

/* rows x depth reals, rows `step` apart -> [row][pitch] words. */
void K(rounded_lay)(const real *from, size_t rows, size_t depth, size_t step, word_at *to, size_t pitch);

#endif
