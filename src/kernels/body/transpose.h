/* Transposes LANES x LANES reals in registers. */
#ifndef DLCLI_KERNELS_BODY_TRANSPOSE_H
#define DLCLI_KERNELS_BODY_TRANSPOSE_H

#include "kernels/body/conv.h"

#if LANES == 8
#define UPPER_1 0, 8, 2, 10, 4, 12, 6, 14
#define LOWER_1 1, 9, 3, 11, 5, 13, 7, 15
#define UPPER_2 0, 1, 8, 9, 4, 5, 12, 13
#define LOWER_2 2, 3, 10, 11, 6, 7, 14, 15
#define UPPER_4 0, 1, 2, 3, 8, 9, 10, 11
#define LOWER_4 4, 5, 6, 7, 12, 13, 14, 15
#else
#define UPPER_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define LOWER_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define UPPER_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define LOWER_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define UPPER_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define LOWER_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define UPPER_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define LOWER_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#endif

/* In each pair of rows that are `step` apart, swaps the blocks of `step` lanes that lie off the diagonal; UPPER_ and LOWER_ name the lanes. After steps 1, 2, ...
 * LANES / 2 v is transposed. */
#define TRANSPOSE_STEP(v, step) \
    for (int i = 0; i < LANES; i++) { \
        if ((i & step) == 0) { \
            vec a = (v)[i], b = (v)[i + step]; \
            (v)[i] = __builtin_shufflevector(a, b, UPPER_##step); \
            (v)[i + step] = __builtin_shufflevector(a, b, LOWER_##step); \
        } \
    }

INLINE void vec_transpose(vec v[LANES]) {
    UNROLL TRANSPOSE_STEP(v, 1)
    UNROLL TRANSPOSE_STEP(v, 2)
    UNROLL TRANSPOSE_STEP(v, 4)
#if LANES == 16
    UNROLL TRANSPOSE_STEP(v, 8)
#endif
}

#endif
