/* The block of sums that a matrix product keeps in registers: BLOCK_ROWS rows by BLOCK_VECS vectors, as many as the instruction set has registers for
 * beside what the innermost loop loads. Convolutions have shapes of their own (conv_shapes.h). */
#ifndef DLCLI_KERNELS_BODY_BLOCK_H
#define DLCLI_KERNELS_BODY_BLOCK_H

#include "kernels/body/body.h"

#if defined(ISA_avx512)
enum { BLOCK_ROWS = 12, BLOCK_VECS = 2 };
#elif defined(ISA_avx2)
enum { BLOCK_ROWS = 6, BLOCK_VECS = 2 };
#elif defined(ELEM_f64)
enum { BLOCK_ROWS = 2, BLOCK_VECS = 1 };
#else
enum { BLOCK_ROWS = 4, BLOCK_VECS = 1 };
#endif

#endif
