/* Sums over rows: the gradients of recurrent layers' biases, and of weights that stand before one-hot vectors. Work is cut into
 * spans of columns, so that a column's rows are added in their order; what a span reads of the next rows is asked for
 * ahead, since rows lie too far apart for any prefetcher. */
#include "kernels/body/functions.h"

enum { SPAN = 64, AHEAD = 8, LINE = 64 / sizeof(real) };

struct sums {
    const real *x;
    size_t rows, columns, stride;
    const float *ids;
    size_t count;
    real *to, *also;
};

static size_t spans_of(size_t columns) {
    return (columns + SPAN - 1) / SPAN;
}

/* Columns `first` on of row r, n of them. */
static inline const real *row_at(const struct sums *s, size_t r, size_t first, size_t n) {
    const real *x = s->x + r * s->stride + first;
    for (size_t j = 0; r + AHEAD < s->rows && j < n; j += LINE) {
        __builtin_prefetch(x + AHEAD * s->stride + j);
    }
    return x;
}

static void add_sums(real *to, size_t first, size_t n, const double *sum) {
    for (size_t j = 0; j < n && to != NULL; j++) {
        to[first + j] += (real)sum[j];
    }
}

/* Units are spans. */
static void sums_range(void *job, size_t begin, size_t end) {
    const struct sums *s = job;
    for (size_t first = begin * SPAN; first < body_least(end * SPAN, s->columns); first += SPAN) {
        size_t n = body_least(SPAN, s->columns - first);
        double sum[SPAN] = {0};
        for (size_t r = 0; r < s->rows; r++) {
            const real *x = row_at(s, r, first, n);
            for (size_t j = 0; j < n; j++) {
                sum[j] += (double)x[j];
            }
        }
        add_sums(s->to, first, n, sum);
        add_sums(s->also, first, n, sum);
    }
}

void K(column_sums)(struct threads *t, size_t rows, size_t columns, size_t stride, const void *x, void *to, void *also) {
    struct sums job = {.x = x, .rows = rows, .columns = columns, .stride = stride, .to = to, .also = also};
    if (to != NULL || also != NULL) {
        body_split(t, spans_of(columns), rows * columns, sums_range, &job);
    }
}

/* ---- weights before one-hot vectors ---- */

static void one_hot_range(void *job, size_t begin, size_t end) {
    const struct sums *s = job;
    for (size_t first = begin * SPAN; first < body_least(end * SPAN, s->columns); first += SPAN) {
        size_t n = body_least(SPAN, s->columns - first);
        for (size_t r = 0; r < s->rows; r++) {
            const real *x = row_at(s, r, first, n);
            float id = s->ids[r];
            int is_one = id >= 0 && (double)id < (double)s->count;
            real *to = s->to + first * s->count + (is_one ? (size_t)id : 0);
            for (size_t j = 0; j < n && is_one; j++) {
                to[j * s->count] += x[j];
            }
        }
    }
}

void K(one_hot_sums)(struct threads *t, size_t rows, size_t columns, size_t stride, const void *x, const float *ids,
                     size_t count, void *to) {
    struct sums job = {.x = x, .rows = rows, .columns = columns, .stride = stride, .ids = ids, .count = count, .to = to};
    body_split(t, spans_of(columns), rows * columns, one_hot_range, &job);
}
