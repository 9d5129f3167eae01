/* Products of reals that are rounded to bfloat16 on the way, by the processor's own products of such pairs: what recurrent layers and matrix products
 * are made of under `--precision bf16`. Compiled once a kind of product, as the instruction sets `roundedbf16` and `roundedamx` (see the Makefile).
 *
 * A row's pairs of depth are neighbours; a panel's, [pair][ROUNDED_COLUMNS][2]. Depth comes in units of ROUNDED_UNIT pairs, which zeros fill up. */
#ifndef DLCLI_KERNELS_BODY_BF16_ROUNDED_H
#define DLCLI_KERNELS_BODY_BF16_ROUNDED_H

#include "kernels/body/bf16/dot.h"
#include "kernels/body/block.h"

#if defined(ISA_amx)
enum { ROUNDED_UNIT = 16 };
#else
enum { ROUNDED_UNIT = 1 };
#endif
enum { ROUNDED_COLUMNS = BLOCK_VECS * LANES };

/* Pairs that a depth takes, filled up. */
static inline size_t rounded_pairs(size_t depth) {
    return (depth + 2 * ROUNDED_UNIT - 1) / (2 * ROUNDED_UNIT) * ROUNDED_UNIT;
}

/* sums (rows x ROUNDED_COLUMNS, rows `stride` reals apart) = [sums +] a (rows of `pairs` words, `pitch` words apart) times a panel. pairs: whole units. */
struct rounded_rows {
    size_t rows, pairs, pitch, stride;
    const word_at *a, *panel;
    real *sums;
    int add;
};
void K(rounded_rows)(const struct rounded_rows *r);

/* rows x depth reals, rows `step` apart -> [row][pitch] words, of which rounded_pairs(depth) are written. */
void K(rounded_lay)(const real *from, size_t rows, size_t depth, size_t step, word_at *to, size_t pitch);

#endif
