/* The block of sums that a matrix product keeps in registers: BLOCK_ROWS rows by BLOCK_VECS vectors, as many as the instruction set has registers for
 * beside what the innermost loop loads. Convolutions have shapes of their own (conv_shapes.h). */
#ifndef DLCLI_KERNELS_BODY_BLOCK_H
#define DLCLI_KERNELS_BODY_BLOCK_H

#include "kernels/body/body.h"

/* BLOCK_UPTO(what) is what(n) for every n up to BLOCK_ROWS: a block's height must be a constant for its sums to be registers. */
#define BLOCK_UPTO_2(what) what(1) what(2)
#define BLOCK_UPTO_4(what) BLOCK_UPTO_2(what) what(3) what(4)
#define BLOCK_UPTO_6(what) BLOCK_UPTO_4(what) what(5) what(6)
#define BLOCK_UPTO_12(what) BLOCK_UPTO_6(what) what(7) what(8) what(9) what(10) what(11) what(12)
#if defined(ISA_avx512)
#define BLOCK_UPTO BLOCK_UPTO_12
#define BLOCK_ROWS 12
enum { BLOCK_VECS = 2 };
#elif defined(ISA_avx2)
#define BLOCK_UPTO BLOCK_UPTO_6
#define BLOCK_ROWS 6
enum { BLOCK_VECS = 2 };
#elif defined(ELEM_f64)
#define BLOCK_UPTO BLOCK_UPTO_2
#define BLOCK_ROWS 2
enum { BLOCK_VECS = 1 };
#else
#define BLOCK_UPTO BLOCK_UPTO_4
#define BLOCK_ROWS 4
enum { BLOCK_VECS = 1 };
#endif

#endif
