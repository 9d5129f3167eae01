/* Products that sum over rows: c[i][j] += sum over p of a[p][i] b[p][j], the gradient of weights over many samples, pixels or steps. Rows are taken
 * some hundreds at a time and copied, neighbours as they lie, into panels that stay in the caches while a block of c is in registers. */
#include "kernels/body/block.h"
#include "kernels/body/gemm_sums.h"

/* The block in registers: ROWS of a's columns by VECS vectors of b's. */
enum { ROWS = BLOCK_ROWS, VECS = BLOCK_VECS };
enum { COLUMNS = VECS * LANES, DEPTH = 192 };

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

size_t K(gemm_sums_bytes)(size_t m, size_t n) {
    size_t reals = round_up(DEPTH * round_up(m, ROWS) + LANES, 64 / sizeof(real)) + DEPTH * round_up(n, COLUMNS);
    return round_up(reals * sizeof(real), 64);
}

/* One row into its panels, `depth` rows of each: zero beyond `count`. Exact where nothing may be written behind a panel's
 * row; else whole vectors, whose surplus the next row overwrites. */
INLINE void copy_row(const real *at, size_t count, size_t depth, size_t width, int exact, real *to) {
    size_t first = 0, vectors = round_up(width, LANES);
    for (; !exact && first + vectors <= count; first += width, to += depth * width) {
        UNROLL for (size_t j = 0; j < vectors; j += LANES) {
            vec v;
            vec_load_reals(&v, at + first + j);
            vec_store_reals(to + j, &v);
        }
    }
    for (; first < count; first += width, to += depth * width) {
        for (size_t lane = 0; lane < width; lane++) {
            to[lane] = first + lane < count ? at[first + lane] : 0;
        }
    }
}

/* to[panel][p][lane] = from[row p][panel * width + lane]. Rows are read whole, and asked for some rows ahead: where they
 * lie 4 KB apart no prefetcher follows, and no cache would hold a column of them. */
INLINE void copy_rows(const real *from, const ptrdiff_t *rows, size_t ld, size_t depth, size_t count, size_t width, real *to) {
    enum { AHEAD = 6, LINE = 64 / sizeof(real) };
    for (size_t p = 0; p < depth; p++, to += width) {
        const real *at = from + (rows == NULL ? (ptrdiff_t)(p * ld) : rows[p]);
        for (size_t j = 0; p + AHEAD < depth && j < count; j += LINE) {
            __builtin_prefetch(from + (rows == NULL ? (ptrdiff_t)((p + AHEAD) * ld) : rows[p + AHEAD]) + j);
        }
        copy_row(at, count, depth, width, p == depth - 1 && width % LANES != 0, to);
    }
}

/* The block at c, of m x n (at most ROWS x COLUMNS), += sum over p of a[p] b[p]. */
static void multiply(const real *a, const real *b, size_t depth, real *c, size_t ldc, size_t m, size_t n) {
    vec sum[ROWS][VECS] = {{{0}}}, row[VECS];
    for (size_t p = 0; p < depth; p++, a += ROWS, b += COLUMNS) {
        UNROLL for (int j = 0; j < VECS; j++) {
            vec_load_reals(&row[j], b + j * LANES);
        }
        UNROLL for (int i = 0; i < ROWS; i++) {
            UNROLL for (int j = 0; j < VECS; j++) {
                sum[i][j] += a[i] * row[j];
            }
        }
    }
    if (m == ROWS && n == COLUMNS) {
        UNROLL for (int i = 0; i < ROWS; i++) {
            UNROLL for (int j = 0; j < VECS; j++) {
                vec old;
                vec_load_reals(&old, c + (size_t)i * ldc + j * LANES);
                old += sum[i][j];
                vec_store_reals(c + (size_t)i * ldc + j * LANES, &old);
            }
        }
        return;
    }
    real block[ROWS * COLUMNS];
    memcpy(block, sum, sizeof block);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            c[i * ldc + j] += block[i * COLUMNS + j];
        }
    }
}

void K(gemm_sums)(const struct gemm_sums *s) {
    real *a = s->room, *b = a + round_up(DEPTH * round_up(s->m, ROWS) + LANES, 64 / sizeof(real));
    for (size_t p = 0; p < s->rows; p += DEPTH) {
        size_t depth = body_least(DEPTH, s->rows - p);
        const real *from = s->b_rows == NULL ? s->b + p * s->ldb : s->b;
        copy_rows(s->a + p * s->lda, NULL, s->lda, depth, s->m, ROWS, a);
        copy_rows(from, s->b_rows == NULL ? NULL : s->b_rows + p, s->ldb, depth, s->n, COLUMNS, b);
        for (size_t j = 0; j < s->n; j += COLUMNS) {
            for (size_t i = 0; i < s->m; i += ROWS) {
                multiply(a + i * depth, b + j * depth, depth, s->c + i * s->ldc + j, s->ldc, body_least(ROWS, s->m - i),
                         body_least(COLUMNS, s->n - j));
            }
        }
    }
}
