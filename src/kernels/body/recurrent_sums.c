/* Sums over rows: the gradients of recurrent layers' biases, and of weights that stand before one-hot vectors. */
#include "kernels/body/functions.h"

struct sums {
    const real *x;
    size_t rows, stride;
    real *to;
};

/* Units are columns; rows are added in their order. */
static void sums_range(void *job, size_t begin, size_t end) {
    enum { SPAN = 64 };
    const struct sums *s = job;
    for (size_t first = begin; first < end; first += SPAN) {
        size_t n = body_least(SPAN, end - first);
        double sum[SPAN] = {0};
        for (size_t r = 0; r < s->rows; r++) {
            const real *x = s->x + r * s->stride + first;
            for (size_t j = 0; j < n; j++) {
                sum[j] += (double)x[j];
            }
        }
        for (size_t j = 0; j < n; j++) {
            s->to[first + j] += (real)sum[j];
        }
    }
}

void K(column_sums)(struct threads *t, size_t rows, size_t columns, size_t stride, const void *x, void *to) {
    struct sums job = {x, rows, stride, to};
    body_split(t, columns, rows * columns, sums_range, &job);
}

/* ---- weights before one-hot vectors ---- */

struct one_hot_sums {
    const real *x;
    const float *ids;
    size_t rows, stride, count;
    real *to;
};

/* Units are columns of x, so that rows of the same symbol are added in their order. */
static void one_hot_range(void *job, size_t begin, size_t end) {
    enum { SPAN = 64 };
    const struct one_hot_sums *s = job;
    for (size_t first = begin; first < end; first += SPAN) {
        size_t n = body_least(SPAN, end - first);
        for (size_t r = 0; r < s->rows; r++) {
            const real *x = s->x + r * s->stride + first;
            float id = s->ids[r];
            for (size_t j = 0; j < n && id >= 0 && (double)id < (double)s->count; j++) {
                s->to[(first + j) * s->count + (size_t)id] += x[j];
            }
        }
    }
}

void K(one_hot_sums)(struct threads *t, size_t rows, size_t columns, size_t stride, const void *x, const float *ids,
                     size_t count, void *to) {
    struct one_hot_sums job = {x, ids, rows, stride, count, to};
    body_split(t, columns, rows * columns, one_hot_range, &job);
}
