/* What the files of the recurrent cells share: recurrent.c walks over the steps, cells_pack.c packs the weights,
 * cells_product.c multiplies with them (bf16/cells_product.c where there are products of bfloat16, cells_product_int8.c where there are those of bytes: then
 * all of these are compiled with -DROUNDED or -DQUANTIZED), cells_unit.c is the arithmetic of the gates. */
#ifndef DLCLI_KERNELS_BODY_CELLS_H
#define DLCLI_KERNELS_BODY_CELLS_H

#include "kernels/body/block.h"
#include "kernels/body/functions.h"
#if defined(ROUNDED)
#include "kernels/body/bf16/rounded.h"
#endif

/* Weights lie in panels of CELL_UNITS units, which CELL_VECS vectors hold; CELL_ROWS samples at once fill the registers. */
enum { CELL_ROWS = BLOCK_ROWS, CELL_VECS = BLOCK_VECS };
enum { CELL_UNITS = CELL_VECS * LANES, CELL_GATES = 4 };
/* Samples that one panel of weights serves while it is in the first-level cache. */
enum { CELL_SPAN = 48 };

/* Gates of a kind of cell. */
static inline size_t cell_gates(enum cell_kind kind) {
    return kind == CELL_LSTM ? 4 : kind == CELL_GRU ? 3 : 1;
}

/* Panels that hold all units. */
static inline size_t cell_panels(size_t hidden) {
    return (hidden + CELL_UNITS - 1) / CELL_UNITS;
}

/* Rows that a panel of `depth` has: of bfloat16 (bf16/rounded.h), and of bytes, they are filled up to a unit. Its bytes; behind 8-bit weights, words of four of
 * depth, stand its units' scales and sums. */
static inline size_t cell_depth(size_t depth) {
#if defined(ROUNDED)
    return 2 * rounded_pairs(depth);
#elif defined(QUANTIZED)
    return (depth + 3) / 4 * 4;
#else
    return depth;
#endif
}

static inline size_t cell_panel(size_t depth) {
#if defined(ROUNDED)
    return cell_depth(depth) * CELL_UNITS * sizeof(elem);
#elif defined(QUANTIZED)
    return (cell_depth(depth) + sizeof(real) + sizeof(int32_t)) * CELL_UNITS;
#else
    return cell_depth(depth) * CELL_UNITS * sizeof(real);
#endif
}

/* Samples' rows as they are multiplied, where that isn't as they are: quantized once for all panels. a: of which, or NULL; first: from which column on. */
#if defined(QUANTIZED)
enum { CELL_READY_ROWS = 1, CELL_DEPTH = 512 };     /* of a row, quantized at a time */
struct cell_rows { const real *a; size_t first; real scales[CELL_SPAN]; _Alignas(64) uint8_t bytes[CELL_SPAN * CELL_DEPTH]; };
#else
enum { CELL_READY_ROWS = 0 };
struct cell_rows { const real *a; };
#endif

#if defined(QUANTIZED)
struct cell_scales { real *scale; int32_t *sum; };
static inline struct cell_scales cell_scales(const void *panel, size_t depth) {
    char *behind = (char *)(uintptr_t)panel + cell_depth(depth) * CELL_UNITS;
    return (struct cell_scales){(real *)(void *)behind, (int32_t *)(void *)(behind + CELL_UNITS * sizeof(real))};
}
#endif

/* On the way back gates that are multiplied together: gru's third, whose product with the state has a gradient of its own, comes behind the others.
 * Bytes of a panel. */
static inline size_t cell_together(enum cell_kind kind) {
    return kind == CELL_GRU ? 2 : cell_gates(kind);
}

static inline size_t cell_panel_back(enum cell_kind kind, size_t hidden) {
    return cell_panel(cell_together(kind) * hidden) + cell_panel((cell_gates(kind) - cell_together(kind)) * hidden);
}

/* What cells_pack makes: a part for the inputs, one for the state, one for the way back. */
struct cell_packed {
    size_t input, state, back, all;     /* bytes: where they begin, and in all */
};
struct cell_packed K(cell_packed)(const struct cell_weights *w);
size_t K(cells_packed)(const struct cell_weights *w);
void K(cells_pack)(struct threads *t, const struct cell_weights *w, void *packed);

/* sums (rows x panels x CELL_UNITS, rows `stride` reals apart) = [sums +] a (rows x depth, lda apart) times each of
 * `panels` panels of depth x CELL_UNITS, one behind the other at b, as cells_pack makes them. Each sum runs over k from first to last.
 * next: weights that will be multiplied with after these, asked for meanwhile. as: what the same rows became for the panel before. */
struct cell_product {
    size_t rows, panels, depth, lda, stride;
    const real *a;
    struct cell_rows *as;
    const void *b, *next;
    real *sums;
    int add;
};
void K(cell_multiply)(const struct cell_product *p);

/* Units of one sample, n of a panel. Gates of `gates`, input, bias_ih, bias_hh lie `stride` reals apart; of products
 * CELL_UNITS: sums with the input and the state, but that gru's third with the input, if it is there, is the fourth.
 * input: products with the input that aren't in products; NULL: none. gates, extra NULL: not kept. out, dout NULL:
 * nothing is put out. */
struct cell_part {
    enum cell_kind kind;
    size_t n, stride;
    int ended, hold;                    /* the sequence has ended; it puts out its state, else zeros */
    int has_fourth;
    real *gates, *extra, *h, *c, *dh, *dc;
    const real *products, *input, *bias_ih, *bias_hh, *h_before, *c_before;
    elem *out;
    const elem *dout;
};
/* A step: gates (their values), h, c, extra, out are written. */
void K(cell_forward)(const struct cell_part *p);
/* And back: products (of one gate) are what comes to h through the step after's gates, dh what passes them by. gates,
 * extra become the gradients of their sums, dh and dc what passes by to the step before. */
void K(cell_backward)(const struct cell_part *p);

#endif
