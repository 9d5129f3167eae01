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
/* DEPTH: what is multiplied at a time, so that a panel of it stays in the first-level cache. PITCH: words from row to row. */
enum { ROUNDED_COLUMNS = BLOCK_VECS * LANES, ROUNDED_DEPTH = 256, ROUNDED_PITCH = ROUNDED_DEPTH / 2 };

/* Pairs that a depth takes, filled up. */
static inline size_t rounded_pairs(size_t depth) {
    return (depth + 2 * ROUNDED_UNIT - 1) / (2 * ROUNDED_UNIT) * ROUNDED_UNIT;
}

/* Memory that comes next: `count` stretches, `step` bytes apart, each of 2^lines_log2 lines, two or more. A hint, which may go beyond; count 0: none. */
enum { ROUNDED_LINE = 64 };
struct rounded_ask { uintptr_t from; size_t step, count; int lines_log2; };

static inline size_t rounded_lines(const struct rounded_ask *ask) {
    return ask->count << ask->lines_log2;
}

/* Two neighbouring lines of it, of which `line` is even. */
INLINE void rounded_ask_two(const struct rounded_ask *ask, size_t line) {
    uintptr_t at = ask->from + (line >> ask->lines_log2) * ask->step + (line & (((size_t)1 << ask->lines_log2) - 1)) * ROUNDED_LINE;
    __builtin_prefetch((const void *)at, 0, 2);
    __builtin_prefetch((const void *)(at + ROUNDED_LINE), 0, 2);
}

/* sums (rows x ROUNDED_COLUMNS, rows `stride` reals apart) = [sums +] a (rows of `pairs` words, PITCH apart) times a panel. pairs: whole units. */
struct rounded_rows {
    size_t rows, pairs, stride;
    const word_at *a, *panel;
    real *sums;
    int add;
    struct rounded_ask ask;
};
void K(rounded_rows)(const struct rounded_rows *r);

/* rows x depth reals, rows `step` apart -> [row][PITCH] words, of which rounded_pairs(depth) are written. */
void K(rounded_lay)(const real *from, size_t rows, size_t depth, size_t step, word_at *to);

#endif
