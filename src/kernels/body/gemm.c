/* Matrix products of reals. A few rows are gemm_few.c's. Else C is cut into a grid of tiles that depends on the shape alone; a tile is computed by
 * one thread, by OpenBLAS (float, where it can be loaded) or by our own loops: panels of A and B are packed so that the innermost loop reads memory
 * in order and keeps a small block of C in registers (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008). */
#include <limits.h>
#include "kernels/body/block.h"
#include "kernels/body/gemm_grid.h"
#include "kernels/body/gemm_sums.h"

/* The block in registers is ROWS x VECS vectors; a tile of our own at most TILE_M x TILE_N, taken DEPTH steps of k at a time. */
enum { ROWS = BLOCK_ROWS, VECS = BLOCK_VECS };
enum { COLUMNS = VECS * LANES, TILE_M = 120, TILE_N = 256, DEPTH = 256, TILES = 64, TILE_LEAST = 32 };

/* Tiles of products over many rows are larger: both sides are copied, once a tile. Base vectors leave such products to OpenBLAS. */
#if defined(ISA_base)
enum { SUMS_ROWS = INT_MAX };
#else
enum { SUMS_ROWS = 512 };
#endif
enum { SUMS_M = 128, SUMS_N = 256, SUMS_TILES = 16, SUMS_LEAST = 96 };

struct job { const struct gemm *g; struct grid grid; char *scratch; };

/* ---- our own ---- */

/* to[panel][p][lane] = from[(panel * width + lane) * item + p * step], zero for lanes at `count` and beyond. */
static void pack(const real *from, size_t count, size_t depth, size_t item, size_t step, size_t width, real *to) {
    for (size_t first = 0; first < count; first += width, to += depth * width) {
        size_t lanes = body_least(width, count - first);
        for (size_t lane = 0; lane < width; lane++) {
            const real *at = from + (first + lane) * item;
            for (size_t p = 0; p < depth; p++) {
                to[p * width + lane] = lane < lanes ? at[p * step] : 0;
            }
        }
    }
}

/* The same where lanes lie side by side (item 1): rows are copied. */
static void pack_rows(const real *from, size_t count, size_t depth, size_t step, size_t width, real *to) {
    for (size_t first = 0; first < count; first += width, to += depth * width) {
        size_t lanes = body_least(width, count - first);
        for (size_t p = 0; p < depth; p++) {
            for (size_t lane = 0; lane < width; lane++) {
                to[p * width + lane] = lane < lanes ? from[first + lane + p * step] : 0;
            }
        }
    }
}

static void pack_a(const struct gemm *g, const struct tile *t, size_t p, size_t depth, real *to) {
    const real *a = g->a;
    if (g->transpose_a) {
        pack_rows(a + p * g->lda + (size_t)t->i, (size_t)t->m, depth, g->lda, ROWS, to);
    } else {
        pack(a + (size_t)t->i * g->lda + p, (size_t)t->m, depth, g->lda, 1, ROWS, to);
    }
}

static void pack_b(const struct gemm *g, const struct tile *t, size_t p, size_t depth, real *to) {
    const real *b = g->b;
    if (g->transpose_b) {
        pack(b + (size_t)t->j * g->ldb + p, (size_t)t->n, depth, g->ldb, 1, COLUMNS, to);
    } else {
        pack_rows(b + p * g->ldb + (size_t)t->j, (size_t)t->n, depth, g->ldb, COLUMNS, to);
    }
}

/* block (ROWS x COLUMNS) = sum over p of a[p] b[p]. */
static void multiply(const real *a, const real *b, size_t depth, real *block) {
    vec sum[ROWS][VECS] = {{{0}}}, row[VECS];
    for (size_t p = 0; p < depth; p++, a += ROWS, b += COLUMNS) {
        UNROLL
        for (int j = 0; j < VECS; j++) {
            vec_load_reals(&row[j], b + j * LANES);
        }
        UNROLL
        for (int i = 0; i < ROWS; i++) {
            UNROLL
            for (int j = 0; j < VECS; j++) {
                sum[i][j] += a[i] * row[j];
            }
        }
    }
    UNROLL
    for (int i = 0; i < ROWS; i++) {
        UNROLL
        for (int j = 0; j < VECS; j++) {
            vec_store_reals(block + (i * VECS + j) * LANES, &sum[i][j]);
        }
    }
}

/* C's block of m x n at c += block. */
static void add_block(const real *block, size_t m, size_t n, real *c, size_t ldc) {
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            c[i * ldc + j] += block[i * COLUMNS + j];
        }
    }
}

static void tile_step(const struct gemm *g, const struct tile *t, size_t depth, const real *a, const real *b) {
    real block[ROWS * COLUMNS], *c = g->c;
    size_t m = (size_t)t->m, n = (size_t)t->n;
    for (size_t j = 0; j < n; j += COLUMNS) {
        for (size_t i = 0; i < m; i += ROWS) {
            multiply(a + i * depth, b + j * depth, depth, block);
            add_block(block, body_least(ROWS, m - i), body_least(COLUMNS, n - j), c + ((size_t)t->i + i) * g->ldc + (size_t)t->j + j, g->ldc);
        }
    }
}

static size_t packed_bytes(void) {
    size_t plain = (size_t)(TILE_M * DEPTH + TILE_N * DEPTH) * sizeof(real), sums = K(gemm_sums_bytes)(SUMS_M, SUMS_N);
    return plain > sums ? plain : sums;
}

static void plain_piece(void *arg, int piece, int thread) {
    const struct job *job = arg;
    const struct gemm *g = job->g;
    struct tile t = tile_of(g, &job->grid, piece);
    real *a = (real *)(void *)(job->scratch + (size_t)thread * packed_bytes()), *b = a + TILE_M * DEPTH, *c = g->c;
    for (size_t i = 0; !g->add && i < (size_t)t.m; i++) {
        memset(c + ((size_t)t.i + i) * g->ldc + (size_t)t.j, 0, (size_t)t.n * sizeof *c);
    }
    for (size_t p = 0; p < (size_t)g->k; p += DEPTH) {
        size_t depth = body_least(DEPTH, (size_t)g->k - p);
        pack_a(g, &t, p, depth, a);
        pack_b(g, &t, p, depth, b);
        tile_step(g, &t, depth, a, b);
    }
}

size_t K(gemm_scratch)(const struct gemm *g, int threads) {
    (void)g;
    return (size_t)threads * packed_bytes();
}

void K(gemm_plain)(struct threads *t, const struct gemm *g, void *scratch) {
    struct job job = {g, grid_of(g, TILE_M, TILE_N, TILES, TILE_LEAST), scratch};
    threads_run(t, job.grid.m_tiles * job.grid.n_tiles, plain_piece, &job);
}

/* ---- sums over rows, A transposed ---- */

static void sums_piece(void *arg, int piece, int thread) {
    const struct job *job = arg;
    const struct gemm *g = job->g;
    struct tile t = tile_of(g, &job->grid, piece);
    struct gemm_sums s = {
        .rows = (size_t)g->k, .m = (size_t)t.m, .n = (size_t)t.n, .lda = g->lda, .ldb = g->ldb, .ldc = g->ldc,
        .a = (const real *)g->a + t.i, .b = (const real *)g->b + t.j, .c = (real *)g->c + (size_t)t.i * g->ldc + (size_t)t.j,
        .room = (real *)(void *)(job->scratch + (size_t)thread * packed_bytes()),
    };
    for (size_t i = 0; !g->add && i < s.m; i++) {
        memset(s.c + i * s.ldc, 0, s.n * sizeof *s.c);
    }
    K(gemm_sums)(&s);
}

static int gemm_by_sums(struct threads *t, const struct gemm *g, void *scratch) {
    struct job job = {g, grid_of(g, SUMS_M, SUMS_N, SUMS_TILES, SUMS_LEAST), scratch};
    if (!g->transpose_a || g->transpose_b || g->k < SUMS_ROWS) {
        return 0;
    }
    threads_run(t, job.grid.m_tiles * job.grid.n_tiles, sums_piece, &job);
    return 1;
}

/* ---- OpenBLAS ---- */

#if !defined(ELEM_f64)

static void blas_piece(void *arg, int piece, int thread) {
    const struct job *job = arg;
    const struct gemm *g = job->g;
    struct tile t = tile_of(g, &job->grid, piece);
    size_t i = (size_t)t.i, j = (size_t)t.j;
    const float *a = (const float *)g->a + (g->transpose_a ? i : i * g->lda), *b = (const float *)g->b + (g->transpose_b ? j * g->ldb : j);
    (void)thread;
    blas_sgemm(g->transpose_a, g->transpose_b, t.m, t.n, g->k, a, g->lda, b, g->ldb, g->add, (float *)g->c + i * g->ldc + j, g->ldc);
}

/* 0 where it is not for OpenBLAS. */
static int gemm_blas(struct threads *t, const struct gemm *g) {
    struct job job = {g, grid_of(g, INT_MAX, INT_MAX, TILES, TILE_LEAST), NULL};
    if (g->k == 0 || g->lda > INT_MAX || g->ldb > INT_MAX || g->ldc > INT_MAX || !blas_ready()) {
        return 0;
    }
    threads_run(t, job.grid.m_tiles * job.grid.n_tiles, blas_piece, &job);
    return 1;
}

#else

static int gemm_blas(struct threads *t, const struct gemm *g) {
    (void)t;
    (void)g;
    return 0;
}

#endif

void K(gemm)(struct threads *t, const struct gemm *g, void *scratch) {
    if (K(gemm_few_supports)(g)) {
        K(gemm_few)(t, g);
    } else if (!gemm_by_sums(t, g, scratch) && !gemm_blas(t, g)) {
        K(gemm_plain)(t, g, scratch);
    }
}
