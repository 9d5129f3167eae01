/* Symbols, numbers 0..count-1 written as reals, become vectors: rows of a table, or one-hot. What is no symbol (out of
 * range, not finite) becomes zeros, and its gradient goes nowhere. */
#include "kernels/body/functions.h"

/* The symbol, or `count` where it is none. A whole number is meant; what lies between counts as the one below. */
static size_t symbol_of(const struct lookup *l, size_t row) {
    double x = l->exact != NULL ? (double)l->exact[row] : (double)LOAD((const elem *)l->ids, row);
    return x >= 0 && x < (double)l->count ? (size_t)x : l->count;
}

/* Units are rows. */
static void lookup_range(void *job, size_t begin, size_t end) {
    const struct lookup *l = job;
    const real *table = l->table;
    for (size_t r = begin; r < end; r++) {
        size_t symbol = symbol_of(l, r);
        elem *out = (elem *)l->out + r * l->width;
        for (size_t j = 0; j < l->width; j++) {
            real x = symbol == l->count ? 0 : table == NULL ? (real)(j == symbol) : table[symbol * l->width + j];
            STORE(out, j, x);
        }
    }
}

void K(lookup)(struct threads *t, const struct lookup *l) {
    body_split(t, l->rows, l->rows * l->width, lookup_range, (void *)(uintptr_t)l);
}

/* Units are columns of the table, so that rows of the same symbol are added in their order. */
static void lookup_back_range(void *job, size_t begin, size_t end) {
    const struct lookup *l = job;
    for (size_t r = 0; r < l->rows; r++) {
        size_t symbol = symbol_of(l, r);
        const elem *dout = (const elem *)l->dout + r * l->width;
        real *to = (real *)l->dtable + symbol * l->width;
        for (size_t j = begin; j < end && symbol < l->count; j++) {
            to[j] += LOAD(dout, j);
        }
    }
}

void K(lookup_back)(struct threads *t, const struct lookup *l) {
    body_split(t, l->width, l->rows * l->width, lookup_back_range, (void *)(uintptr_t)l);
}
