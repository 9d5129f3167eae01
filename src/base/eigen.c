/* Jacobi's method (eigen.h): rotations, each of which makes one element off the diagonal zero, until all of them are. */
#include "base/eigen.h"

#include <math.h>
#include <string.h>

enum { MOST_SWEEPS = 64 };   /* about ten are needed; quadratic convergence */

static void rotate(double *a, double *b, double cosine, double sine) {
    double x = *a, y = *b;
    *a = cosine * x - sine * y;
    *b = sine * x + cosine * y;
}

/* Makes a[p][q] zero. */
static void turn(double *a, size_t n, double *vectors, size_t p, size_t q) {
    double off = a[p * n + q];
    if (off == 0) {
        return;
    }
    double theta = (a[q * n + q] - a[p * n + p]) / (2 * off);
    double tangent = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    double cosine = 1 / sqrt(tangent * tangent + 1), sine = tangent * cosine;
    for (size_t i = 0; i < n; i++) {
        rotate(&a[i * n + p], &a[i * n + q], cosine, sine);
    }
    for (size_t i = 0; i < n; i++) {
        rotate(&a[p * n + i], &a[q * n + i], cosine, sine);
        rotate(&vectors[p * n + i], &vectors[q * n + i], cosine, sine);
    }
    a[p * n + q] = a[q * n + p] = 0;
}

static double squares_off(const double *a, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            sum += a[i * n + j] * a[i * n + j];
        }
    }
    return sum;
}

static void swap_rows(double *values, double *vectors, size_t n, size_t i, size_t j) {
    double value = values[i];
    values[i] = values[j];
    values[j] = value;
    for (size_t k = 0; k < n; k++) {
        double x = vectors[i * n + k];
        vectors[i * n + k] = vectors[j * n + k];
        vectors[j * n + k] = x;
    }
}

static void sort(double *values, double *vectors, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t largest = i;
        for (size_t j = i + 1; j < n; j++) {
            largest = values[j] > values[largest] ? j : largest;
        }
        if (largest != i) {
            swap_rows(values, vectors, n, i, largest);
        }
    }
}

static void sign(double *vector, size_t n) {
    size_t largest = 0;
    for (size_t i = 1; i < n; i++) {
        largest = fabs(vector[i]) > fabs(vector[largest]) ? i : largest;
    }
    double by = vector[largest] < 0 ? -1 : 1;
    for (size_t i = 0; i < n; i++) {
        vector[i] *= by;
    }
}

void eigen_symmetric(double *a, size_t n, double *values, double *vectors) {
    memset(vectors, 0, n * n * sizeof *vectors);
    double whole = 0;
    for (size_t i = 0; i < n; i++) {
        vectors[i * n + i] = 1;
        whole += a[i * n + i] * a[i * n + i];
    }
    whole += 2 * squares_off(a, n);
    for (int sweep = 0; sweep < MOST_SWEEPS && squares_off(a, n) > whole * 1e-32; sweep++) {
        for (size_t p = 0; p < n; p++) {
            for (size_t q = p + 1; q < n; q++) {
                turn(a, n, vectors, p, q);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = a[i * n + i];
    }
    sort(values, vectors, n);
    for (size_t i = 0; i < n; i++) {
        sign(vectors + i * n, n);
    }
}
