/* Matrix products of reals rounded to bfloat16. C is cut into a grid of tiles that depends on the shape alone; of a tile both sides are rounded and packed,
 * DEPTH of k at a time (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008), and its sums are kept beside until they are whole. */
#include "kernels/body/bf16/rounded.h"
#include "kernels/body/functions.h"
#include "kernels/body/gemm_grid.h"
#include "kernels/body/transpose.h"

/* A tile is as large as its sums and both sides fit a second-level cache (430 KB): packing takes the longer beside products that are this fast. */
enum { TILE_M = 192, TILE_N = 256, DEPTH = ROUNDED_DEPTH, PITCH = ROUNDED_PITCH, TILES = 16, TILE_LEAST = 96 };

struct room {
    word_at a[TILE_M * PITCH], b[ROUNDED_COLUMNS * PITCH];    /* of B a panel */
    real sums[TILE_M * TILE_N];
};

struct job {
    const struct gemm *g;
    struct grid grid;
    struct room *rooms;
};

/* ---- packing: lanes are rows of A, or columns of B; reals of a lane are `along` apart in depth, lanes `apart` ---- */

/* LANES pairs of depth of a lane that lies along memory. */
INLINE void pairs_along(const real *from, size_t depth, vec_word *words) {
    vec low, high;
    vec_load_reals_n(&low, from, body_least(LANES, depth));
    vec_load_reals_n(&high, from + LANES, depth > LANES ? body_least(LANES, depth - LANES) : 0);
    round_both(&low, &high, words);
}

/* A pair of depth, `along` apart, of up to LANES neighbouring lanes. second: whether the pair has one. */
INLINE void pairs_across(const real *from, size_t along, size_t lanes, int second, vec_word *words) {
    vec low, high = {0};
    vec_load_reals_n(&low, from, lanes);
    if (second) {
        vec_load_reals_n(&high, from + along, lanes);
    }
    round_pairs(&low, &high, words);
}

/* Lanes of one side of a product, and of their depth what begins at `from`. */
struct side { const real *from; size_t along, apart, lanes, depth; };

/* `lanes` of a matrix's lanes, from `lane`, and `depth` of its depth, from k. turned: lanes lie along memory. */
static struct side side_of(const void *matrix, size_t ld, int turned, size_t lane, size_t lanes, size_t k, size_t depth) {
    size_t along = turned ? ld : 1, apart = turned ? 1 : ld;
    return (struct side){(const real *)matrix + lane * apart + k * along, along, apart, lanes, depth};
}

/* Of LANES lanes: words[lane] has its pairs. */
INLINE void square_along(const struct side *s, size_t lanes, size_t depth, vec_word words[LANES]) {
    UNROLL for (size_t i = 0; i < LANES; i++) {
        words[i] = (vec_word){0};
        if (i < lanes) {
            pairs_along(s->from + i * s->apart, depth, &words[i]);
        }
    }
}

/* words[pair] has its lanes. */
INLINE void square_across(const struct side *s, size_t lanes, size_t depth, vec_word words[LANES]) {
    UNROLL for (size_t i = 0; i < LANES; i++) {
        words[i] = (vec_word){0};
        if (2 * i < depth) {
            pairs_across(s->from + 2 * i * s->along, s->along, lanes, 2 * i + 1 < depth, &words[i]);
        }
    }
}

/* LANES pairs of depth from k of LANES lanes from `lane`, zeros behind where there are fewer. by_lane: words[lane] has its pairs, else words[pair] its lanes.
 * Whole squares have their own copies, without conditions. */
static void square(const struct side *side, size_t lane, size_t k, int by_lane, vec_word words[LANES]) {
    struct side s = {side->from + lane * side->apart + k * side->along, side->along, side->apart, side->lanes - lane, side->depth - k};
    int lies_by_lane = s.along == 1, whole = s.lanes >= LANES && s.depth >= 2 * LANES;
    size_t lanes = body_least(LANES, s.lanes), depth = body_least(2 * LANES, s.depth);
    if (whole && lies_by_lane) {
        square_along(&s, LANES, 2 * LANES, words);
    } else if (lies_by_lane) {
        square_along(&s, lanes, depth, words);
    } else if (whole) {
        square_across(&s, LANES, 2 * LANES, words);
    } else {
        square_across(&s, lanes, depth, words);
    }
    if (lies_by_lane != by_lane) {
        vec turned[LANES];
        memcpy(turned, words, sizeof turned);
        vec_transpose(turned);
        memcpy(words, turned, sizeof turned);
    }
}

/* Rows of A: [row][PITCH]. */
static void pack_a(const struct side *a, word_at *to) {
    for (size_t i = 0; i < a->lanes; i += LANES) {
        for (size_t k = 0; k < a->depth; k += 2 * LANES) {
            vec_word words[LANES];
            square(a, i, k, 1, words);
            for (size_t lane = 0; lane < LANES && i + lane < a->lanes; lane++) {
                memcpy(to + (i + lane) * PITCH + k / 2, &words[lane], sizeof words[lane]);
            }
        }
    }
}

/* A panel of B, from column j: [pair][ROUNDED_COLUMNS]. */
static void pack_panel(const struct side *b, size_t j, word_at *to) {
    size_t end = body_least(b->lanes, j + ROUNDED_COLUMNS);
    for (size_t lane = j; lane < end; lane += LANES) {
        for (size_t k = 0; k < b->depth; k += 2 * LANES) {
            size_t pairs = body_least(LANES, rounded_pairs(b->depth) - k / 2);
            vec_word words[LANES];
            square(b, lane, k, 0, words);
            for (size_t i = 0; i < pairs; i++) {
                memcpy(to + (k / 2 + i) * ROUNDED_COLUMNS + (lane - j), &words[i], sizeof words[i]);
            }
        }
    }
}

enum { DEPTH_LOG2 = 4, COLUMNS_LOG2 = 1 };     /* lines of a row */

/* What packing the panel from column j will read. */
static struct rounded_ask panel_ask(const struct side *b, size_t j) {
    _Static_assert(DEPTH * sizeof(real) == ROUNDED_LINE << DEPTH_LOG2 && ROUNDED_COLUMNS * sizeof(real) == ROUNDED_LINE << COLUMNS_LOG2, "whole lines");
    uintptr_t from = (uintptr_t)(b->from + j * b->apart);
    return b->along == 1 ? (struct rounded_ask){from, b->apart * sizeof(real), body_least(ROUNDED_COLUMNS, b->lanes - j), DEPTH_LOG2}
                         : (struct rounded_ask){from, b->along * sizeof(real), b->depth, COLUMNS_LOG2};
}

/* ---- a tile ---- */

struct tile_work { const struct gemm *g; struct room *room; size_t i, j, m, n; };

static struct side rows_of(const struct tile_work *t, size_t first) {
    const struct gemm *g = t->g;
    return side_of(g->a, g->lda, g->transpose_a, t->i, t->m, first, body_least(DEPTH, (size_t)g->k - first));
}

static struct side columns_of(const struct tile_work *t, size_t first) {
    const struct gemm *g = t->g;
    return side_of(g->b, g->ldb, !g->transpose_b, t->j, t->n, first, body_least(DEPTH, (size_t)g->k - first));
}

/* DEPTH of k. A panel is packed when its turn has come; while it is multiplied, the next is asked for. */
static void multiply_depth(const struct tile_work *t, size_t first, real *sums, size_t stride, int add) {
    struct side a = rows_of(t, first), b = columns_of(t, first);
    struct room *room = t->room;
    pack_a(&a, room->a);
    for (size_t j = 0; j < t->n; j += ROUNDED_COLUMNS) {
        struct rounded_rows r = {.rows = t->m, .pairs = rounded_pairs(b.depth), .stride = stride, .a = room->a, .panel = room->b,
            .sums = sums + j, .add = add};
        if (sums != room->sums) {
            r.ask = (struct rounded_ask){(uintptr_t)(sums + j) + BLOCK_ROWS * stride * sizeof(real), stride * sizeof(real), t->m, COLUMNS_LOG2};
        } else if (j + ROUNDED_COLUMNS < t->n) {
            r.ask = panel_ask(&b, j + ROUNDED_COLUMNS);
        } else if (first + DEPTH < (size_t)t->g->k) {
            struct side next = columns_of(t, first + DEPTH);
            r.ask = panel_ask(&next, 0);
        }
        pack_panel(&b, j, room->b);
        K(rounded_rows)(&r);
    }
}

/* A row's sums. k may be 0. */
static void store_sums(const struct gemm *g, const real *sums, size_t n, real *to) {
    const vec zeros = {0};
    for (size_t column = 0; column < n; column += LANES) {
        size_t some = body_least(LANES, n - column);
        vec sum = zeros, old = zeros;
        if (g->k > 0) {
            vec_load_reals_n(&sum, sums + column, some);
        }
        if (g->add) {
            vec_load_reals_n(&old, to + column, some);
        }
        sum += old;
        vec_store_reals_n(to + column, &sum, some);
    }
}

static void tile_piece(void *arg, int piece, int thread) {
    const struct job *job = arg;
    const struct gemm *g = job->g;
    struct room *room = job->rooms + thread;
    struct tile at = tile_of(g, &job->grid, piece);
    struct tile_work t = {g, room, (size_t)at.i, (size_t)at.j, (size_t)at.m, (size_t)at.n};
    real *c = (real *)g->c + t.i * g->ldc + t.j;
    if (g->k > 0 && g->k <= DEPTH && t.n % ROUNDED_COLUMNS == 0) {
        multiply_depth(&t, 0, c, g->ldc, g->add);
        return;
    }
    for (size_t first = 0; first < (size_t)g->k; first += DEPTH) {
        multiply_depth(&t, first, room->sums, TILE_N, first > 0);
    }
    for (size_t row = 0; row < t.m; row++) {
        store_sums(g, room->sums + row * TILE_N, t.n, c + row * g->ldc);
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
