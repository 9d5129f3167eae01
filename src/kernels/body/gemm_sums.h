/* Sums over rows of outer products (gemm_sums.c), for one thread: what matrix products with a transposed left side, and
 * the weights' gradient of 1x1 convolutions, are made of. */
#ifndef DLCLI_KERNELS_BODY_GEMM_SUMS_H
#define DLCLI_KERNELS_BODY_GEMM_SUMS_H

#include "kernels/body/functions.h"

/* c (m x n, rows ldc apart) += sum over `rows` rows p of a[p][i] b[p][j]. a's rows are lda apart; b's ldb, or row p lies at
 * b + b_rows[p] where b_rows is not NULL. room: gemm_sums_bytes(m, n), 64-aligned. The order of the sums follows from
 * `rows` alone. */
struct gemm_sums {
    size_t rows, m, n, lda, ldb, ldc;
    const real *a, *b;
    const ptrdiff_t *b_rows;
    real *c, *room;
};
void K(gemm_sums)(const struct gemm_sums *s);
size_t K(gemm_sums_bytes)(size_t m, size_t n);

#endif
