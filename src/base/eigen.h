/* eigen: eigenvalues and eigenvectors of small symmetric matrices. */
#ifndef DLCLI_EIGEN_H
#define DLCLI_EIGEN_H

#include <stddef.h>

/* The symmetric n x n matrix `a` (row-major, destroyed) has the eigenvalues `values`, largest first; row i of `vectors`
 * is the i-th's eigenvector, of length 1, its largest component (the first of equals) positive. Jacobi's cyclic method:
 * Golub, Van Loan, "Matrix Computations", 8.5. */
void eigen_symmetric(double *a, size_t n, double *values, double *vectors);

#endif
