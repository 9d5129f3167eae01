/* The block of sums that a matrix product keeps in registers: BLOCK_ROWS rows by BLOCK_VECS vectors, as many as the instruction set has registers for
 * beside what the innermost loop loads. Convolutions have shapes of their own (conv_shapes.h). */
#ifndef DLCLI_KERNELS_BODY_BLOCK_H
#define DLCLI_KERNELS_BODY_BLOCK_H

#include "kernels/body/body.h"

#if defined(ISA_avx512)
#define BLOCK_ROWS 12
enum { BLOCK_VECS = 2 };
#elif defined(ISA_avx2)
#define BLOCK_ROWS 6
enum { BLOCK_VECS = 2 };
#elif defined(ELEM_f64)
#define BLOCK_ROWS 2
enum { BLOCK_VECS = 1 };
#else
#define BLOCK_ROWS 4
enum { BLOCK_VECS = 1 };
#endif

#endif
