/* Matrix products of reals rounded to bfloat16. C is cut into a grid of tiles that depends on the shape alone; of a tile both sides are rounded and packed,
 * DEPTH of k at a time (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008), and its sums are kept beside until they are whole. */
#include "kernels/body/bf16/rounded.h"
#include "kernels/body/functions.h"
#include "kernels/body/gemm_grid.h"
#include "kernels/body/transpose.h"

/* A tile is as large as its sums and both sides fit a second-level cache (430 KB): packing takes the longer beside products that are this fast. */
enum { TILE_M = 192, TILE_N = 256, DEPTH = 256, PITCH = DEPTH / 2, TILES = 16, TILE_LEAST = 96 };

struct room {
    word_at a[TILE_M * PITCH], b[TILE_N * PITCH];
    real sums[TILE_M * TILE_N];
};

struct job {
    const struct gemm *g;
    struct grid grid;
    struct room *rooms;
};

/* ---- packing: lanes are rows of A, or columns of B; reals of a lane are `along` apart in depth, lanes `apart` ---- */

/* A pair of depth of up to LANES neighbouring lanes: words. second: whether the pair has one. */
static void pair_down(const real *from, size_t along, size_t lanes, int second, vec_word *words) {
    elem low[LANES], high[LANES];
    vec v;
    vec_half half;
    vec_load_reals_n(&v, from, lanes);
    vec_store(low, &v);
    vec_load_reals_n(&v, second ? from + along : from, second ? lanes : 0);
    vec_store(high, &v);
    memcpy(&half, low, sizeof half);
    *words = __builtin_convertvector(half, vec_word);
    memcpy(&half, high, sizeof half);
    *words |= __builtin_convertvector(half, vec_word) << 16;
}

/* LANES pairs of depth of LANES lanes, whichever side lies along memory; by_lane: words[lane] has its pairs, else words[pair] its lanes. */
static void square(const real *from, size_t along, size_t apart, size_t lanes, size_t depth, int by_lane, vec_word words[LANES]) {
    vec turned[LANES];
    int lies_by_lane = along == 1;
    for (size_t i = 0; i < LANES; i++) {
        words[i] = (vec_word){0};
        if (lies_by_lane && i < lanes) {
            word_at line[LANES] = {0};
            K(rounded_lay)(from + i * apart, 1, body_least(2 * LANES, depth), apart, line, LANES);
            load_words(&words[i], line);
        } else if (!lies_by_lane && 2 * i < depth) {
            pair_down(from + 2 * i * along, along, lanes, 2 * i + 1 < depth, &words[i]);
        }
    }
    if (lies_by_lane != by_lane) {
        memcpy(turned, words, sizeof turned);
        vec_transpose(turned);
        memcpy(words, turned, sizeof turned);
    }
}

/* Rows of A: [row][PITCH]. */
static void pack_a(const struct gemm *g, size_t row, size_t rows, size_t first, size_t depth, word_at *to) {
    size_t along = g->transpose_a ? g->lda : 1, apart = g->transpose_a ? 1 : g->lda;
    const real *a = (const real *)g->a + row * apart + first * along;
    for (size_t i = 0; i < rows; i += LANES) {
        for (size_t k = 0; k < depth; k += 2 * LANES) {
            vec_word words[LANES];
            square(a + i * apart + k * along, along, apart, body_least(LANES, rows - i), depth - k, 1, words);
            for (size_t lane = 0; lane < LANES && i + lane < rows; lane++) {
                memcpy(to + (i + lane) * PITCH + k / 2, &words[lane], sizeof words[lane]);
            }
        }
    }
}

/* Panels of B: [panel][pair][ROUNDED_COLUMNS]. */
static void pack_b(const struct gemm *g, size_t column, size_t columns, size_t first, size_t depth, word_at *to) {
    size_t along = g->transpose_b ? 1 : g->ldb, apart = g->transpose_b ? g->ldb : 1, pairs = rounded_pairs(depth);
    const real *b = (const real *)g->b + column * apart + first * along;
    for (size_t j = 0; j < columns; j += LANES) {
        word_at *panel = to + j / ROUNDED_COLUMNS * PITCH * ROUNDED_COLUMNS + j % ROUNDED_COLUMNS;
        for (size_t k = 0; k < depth; k += 2 * LANES) {
            vec_word words[LANES];
            square(b + j * apart + k * along, along, apart, body_least(LANES, columns - j), depth - k, 0, words);
            for (size_t i = 0; i < LANES && k / 2 + i < pairs; i++) {
                memcpy(panel + (k / 2 + i) * ROUNDED_COLUMNS, &words[i], sizeof words[i]);
            }
        }
    }
}

/* ---- a tile ---- */

static void multiply_tile(struct room *room, size_t m, size_t n, size_t depth, int add) {
    for (size_t j = 0; j < n; j += ROUNDED_COLUMNS) {
        struct rounded_rows r = {.rows = m, .pairs = rounded_pairs(depth), .pitch = PITCH, .stride = TILE_N, .a = room->a,
            .panel = room->b + j * PITCH, .sums = room->sums + j, .add = add};
        K(rounded_rows)(&r);
    }
}

static void tile_piece(void *arg, int piece, int thread) {
    const struct job *job = arg;
    const struct gemm *g = job->g;
    struct room *room = job->rooms + thread;
    struct tile t = tile_of(g, &job->grid, piece);
    size_t i = (size_t)t.i, j = (size_t)t.j, m = (size_t)t.m, n = (size_t)t.n;
    real *c = (real *)g->c + i * g->ldc + j;
    for (size_t first = 0; first < (size_t)g->k; first += DEPTH) {
        size_t depth = body_least(DEPTH, (size_t)g->k - first);
        pack_a(g, i, m, first, depth, room->a);
        pack_b(g, j, n, first, depth, room->b);
        multiply_tile(room, m, n, depth, first > 0);
    }
    for (size_t row = 0; row < m; row++) {
        for (size_t column = 0; column < n; column++) {
            real sum = g->k > 0 ? room->sums[row * TILE_N + column] : 0, *to = &c[row * g->ldc + column];
            *to = g->add ? *to + sum : sum;
        }
    }
}

size_t K(gemm_scratch)(const struct gemm *g, int threads) {
    (void)g;
    return (size_t)threads * sizeof(struct room);
}

/* Few rows take as long as B takes to come from memory, whatever multiplies. */
void K(gemm)(struct threads *t, const struct gemm *g, void *scratch) {
    struct job job = {g, grid_of(g, TILE_M, TILE_N, TILES, TILE_LEAST), scratch};
    if (K(gemm_few_supports)(g)) {
        K(gemm_few)(t, g);
        return;
    }
    threads_run(t, job.grid.m_tiles * job.grid.n_tiles, tile_piece, &job);
}
