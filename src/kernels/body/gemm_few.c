/* Products of few rows with a transposed matrix, a connected layer's for a picture or two: c[i][j] = sum over p of a[i][p] b[j][p]. Each number
 * of b is used once a row, so reading b is the whole cost: it is read where it lies, once for all rows, and nothing is packed. */
#include "kernels/body/functions.h"

enum { FEW = 4, SUMS = 8 };

struct few { const struct gemm *g; };

/* The sum of a vector's lanes, halves added to halves. */
INLINE real sum_of_lanes(const vec *v) {
    real lane[LANES];
    vec_store_reals(lane, v);
    UNROLL for (int half = LANES / 2; half > 0; half /= 2) {
        UNROLL for (int i = 0; i < half; i++) {
            lane[i] += lane[i + half];
        }
    }
    return lane[0];
}

/* c[i][j] for M rows of a and N columns from j on: S vectors of partial sums each, which are added up at the end. A row alone needs two, so that as many
 * additions are under way as the processor can overlap. */
INLINE void tile(const int M, const int N, const int S, const struct gemm *g, size_t j) {
    const real *a = g->a, *b = (const real *)g->b + j * g->ldb;
    size_t depth = (size_t)g->k, step = (size_t)S * LANES, whole = depth / step * step;
    vec sum[SUMS] = {{0}};
    for (size_t p = 0; p < whole; p += step) {
        UNROLL for (int s = 0; s < S; s++) {
            vec row[FEW];
            UNROLL for (int i = 0; i < M; i++) {
                vec_load_reals(&row[i], a + (size_t)i * g->lda + p + (size_t)s * LANES);
            }
            UNROLL for (int n = 0; n < N; n++) {
                vec column;
                vec_load_reals(&column, b + (size_t)n * g->ldb + p + (size_t)s * LANES);
                UNROLL for (int i = 0; i < M; i++) {
                    sum[(n * M + i) * S + s] += row[i] * column;
                }
            }
        }
    }
    for (size_t p = whole; p < depth; p += LANES) {
        UNROLL for (int n = 0; n < N; n++) {
            vec column;
            vec_load_reals_n(&column, b + (size_t)n * g->ldb + p, body_least(LANES, depth - p));
            UNROLL for (int i = 0; i < M; i++) {
                vec row;
                vec_load_reals_n(&row, a + (size_t)i * g->lda + p, body_least(LANES, depth - p));
                sum[(n * M + i) * S] += row * column;
            }
        }
    }
    UNROLL for (int n = 0; n < N; n++) {
        UNROLL for (int i = 0; i < M; i++) {
            real *c = (real *)g->c + (size_t)i * g->ldc + j + (size_t)n;
            vec total = sum[(n * M + i) * S];
            UNROLL for (int s = 1; s < S; s++) {
                total += sum[(n * M + i) * S + s];
            }
            *c = sum_of_lanes(&total) + (g->add ? *c : 0);
        }
    }
}

#define TILE(m, n, s) static void tile_##m##_##n(const struct gemm *g, size_t j) { tile(m, n, s, g, j); }
TILE(1, 4, 2) TILE(1, 1, 2) TILE(2, 4, 1) TILE(2, 1, 1) TILE(3, 2, 1) TILE(3, 1, 1) TILE(4, 2, 1) TILE(4, 1, 1)

/* For so many rows: what computes `columns` columns, and what computes one. */
static const struct { size_t columns; void (*block)(const struct gemm *g, size_t j), (*one)(const struct gemm *g, size_t j); } tiles[FEW + 1] = {
    [1] = {4, tile_1_4, tile_1_1}, [2] = {4, tile_2_4, tile_2_1}, [3] = {2, tile_3_2, tile_3_1}, [4] = {2, tile_4_2, tile_4_1},
};

static void columns(void *job, size_t begin, size_t end) {
    const struct gemm *g = ((const struct few *)job)->g;
    size_t each = tiles[g->m].columns, last = body_least(end * each, (size_t)g->n);
    for (size_t j = begin * each; j < last; j += each) {
        if (j + each <= last) {
            tiles[g->m].block(g, j);
        } else {
            for (size_t one = j; one < last; one++) {
                tiles[g->m].one(g, one);
            }
        }
    }
}

int K(gemm_few_supports)(const struct gemm *g) {
    return g->m >= 1 && g->m <= FEW && !g->transpose_a && g->transpose_b;
}

void K(gemm_few)(struct threads *t, const struct gemm *g) {
    struct few job = {g};
    size_t each = tiles[g->m].columns, blocks = ((size_t)g->n + each - 1) / each;
    body_split(t, blocks, (size_t)g->n * (size_t)g->k, columns, &job);
}
