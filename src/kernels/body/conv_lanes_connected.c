/* conv_lanes: gradients of a connected layer's weights. Each is a sum over samples alone, so vectors over samples would have to be added up across their
 * lanes for every single weight. Instead x is transposed, some inputs at a time, and vectors run over inputs: a tile is M outputs x N vectors of inputs, and
 * its sums go straight onto dweight, which a piece has to itself. */
#include "kernels/body/conv_lanes.h"
#include "kernels/body/conv_shapes.h"
#include "kernels/body/transpose.h"

enum { CONNECTED_SAMPLES = 128, CONNECTED_BLOCKS = CONNECTED_SAMPLES / LANES };      /* taken at a time: x of them fits the first-level cache */

enum { CONNECTED_M = CONV_TILE_R, CONNECTED_N = CONV_TILE_N };

/* sum[m * sum_m + i] += over blocks and lanes: dy[block * dy_block + m * LANES + lane] * x[(block * LANES + lane) * N * LANES + i]. */
struct tile {
    const real *x, *dy;
    int blocks;
    ptrdiff_t dy_block;
    real *sum;
    ptrdiff_t sum_m;
};
typedef void tile_work(const struct tile *t);

INLINE void tile(const int M, const int N, const struct tile *t) {
    vec sum[CONV_SUMS];
    UNROLL for (int i = 0; i < M * N; i++) {
        vec_load_reals(&sum[i], t->sum + i / N * t->sum_m + i % N * LANES);
    }
    const real *x = t->x;
    for (int b = 0; b < t->blocks; b++) {
        const real *dy = t->dy + b * t->dy_block;
        for (int lane = 0; lane < LANES; lane++, dy++, x += N * LANES) {
            vec at[CONNECTED_N];
            UNROLL for (int n = 0; n < N; n++) {
                vec_load_reals(&at[n], x + n * LANES);
            }
            UNROLL for (int i = 0; i < M * N; i++) {
                sum[i] += at[i % N] * dy[i / N * LANES];
            }
        }
    }
    UNROLL for (int i = 0; i < M * N; i++) {
        vec_store_reals(t->sum + i / N * t->sum_m + i % N * LANES, &sum[i]);
    }
}

#define TILE(m, n) static void tile_##m##_##n(const struct tile *t) { tile(m, n, t); }
#define NAME(m, n) tile_##m##_##n,
#define DEFINE(upto, m) upto(TILE, m)
#define ROW(upto, m) {upto(NAME, m)},
CONV_EACH_ROW(DEFINE)
static tile_work *const tiles[CONNECTED_M][CONNECTED_N] = {CONV_EACH_ROW(ROW)};

/* LANES inputs of one block, [input][lane], to x[lane][width]. Inputs beyond `count` give zeros. */
static void transpose(const elem *from, int count, real *to, int width) {
    vec v[LANES];
    UNROLL for (int i = 0; i < LANES; i++) {
        if (i < count) {
            vec_load(&v[i], from + i * LANES);
        } else {
            v[i] = (vec){0};
        }
    }
    vec_transpose(v);
    UNROLL for (int i = 0; i < LANES; i++) {
        vec_store_reals(to + i * width, &v[i]);
    }
}

struct connected {
    const struct conv_call *call;
    int inputs, outputs, blocks;
    int vectors, panels;              /* of inputs */
    int tiles, tile_parts;            /* of outputs */
};

static struct connected connected_make(const struct conv *c, int batch) {
    enum { WANTED = 32 };
    struct connected g = {.inputs = c->c * c->h * c->w, .outputs = c->k, .blocks = (batch + LANES - 1) / LANES};
    g.vectors = conv_parts(g.inputs, LANES), g.panels = conv_parts(g.vectors, CONNECTED_N);
    g.tiles = conv_parts(g.outputs, CONNECTED_M), g.tile_parts = conv_least(g.tiles, conv_parts(WANTED, g.panels));
    return g;
}

/* A thread's scratch: x of a panel, dy of a tile, sums of a tile. */
enum { X_REALS = CONNECTED_SAMPLES * CONNECTED_N * LANES, DY_REALS = CONNECTED_SAMPLES * CONNECTED_M, SUM_REALS = CONNECTED_M * CONNECTED_N * LANES };
static size_t scratch_each(void) {
    return conv_align((X_REALS + DY_REALS + SUM_REALS) * sizeof(real));
}

/* Outputs from..from+m of blocks first..first+count against a panel of x. */
static void tile_run(const struct connected *g, int from, int m, int panel, int first, int count, real *scratch) {
    int begin = conv_part(g->vectors, g->panels, panel), vectors = conv_part(g->vectors, g->panels, panel + 1) - begin;
    int columns = conv_least(vectors * LANES, g->inputs - begin * LANES);
    const elem *dy = (const elem *)g->call->dy + ((ptrdiff_t)first * g->outputs + from) * LANES;
    real *dweight = (real *)g->call->dweight + (ptrdiff_t)from * g->inputs + begin * LANES, *sums = scratch + X_REALS + DY_REALS;
#if defined(ELEM_bf16)
    real *reals = scratch + X_REALS;
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < m; i++) {
            vec v;
            vec_load(&v, dy + ((ptrdiff_t)b * g->outputs + i) * LANES);
            vec_store_reals(reals + (b * m + i) * LANES, &v);
        }
    }
    struct tile t = {scratch, reals, count, (ptrdiff_t)m * LANES, dweight, g->inputs};
#else
    struct tile t = {scratch, dy, count, (ptrdiff_t)g->outputs * LANES, dweight, g->inputs};
#endif
    if (columns == vectors * LANES) {
        tiles[m - 1][vectors - 1](&t);
        return;
    }
    memset(sums, 0, SUM_REALS * sizeof *sums);
    t.sum = sums, t.sum_m = vectors * LANES;
    tiles[m - 1][vectors - 1](&t);
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < columns; j++) {
            dweight[(ptrdiff_t)i * g->inputs + j] += sums[i * vectors * LANES + j];
        }
    }
}

/* Sums are added onto dweight, block after block: zeros where they are to be set. */
static void clear(const struct connected *g, int from, int end, int begin, int columns) {
    for (int i = from; i < end; i++) {
        memset((real *)g->call->dweight + (ptrdiff_t)i * g->inputs + begin, 0, (size_t)columns * sizeof(real));
    }
}

static void bias_run(const struct connected *g, int begin, int end) {
    real *dbias = g->call->dbias;
    for (int k = begin; dbias != NULL && k < end; k++) {
        vec sum = {0}, one;
        for (int b = 0; b < g->blocks; b++) {
            vec_load(&one, (const elem *)g->call->dy + ((ptrdiff_t)b * g->outputs + k) * LANES);
            sum += one;
        }
        dbias[k] += (real)vec_sum(&sum, LANES);
    }
}

static void piece_run(void *arg, int piece, int thread) {
    const struct connected *g = arg;
    int panel = piece / g->tile_parts, part = piece % g->tile_parts, first_tile = conv_part(g->tiles, g->tile_parts, part), end_tile = conv_part(g->tiles, g->tile_parts, part + 1);
    int begin = conv_part(g->vectors, g->panels, panel), vectors = conv_part(g->vectors, g->panels, panel + 1) - begin;
    int columns = conv_least(vectors * LANES, g->inputs - begin * LANES);
    real *scratch = (real *)(void *)((char *)g->call->scratch + (size_t)thread * scratch_each());
    for (int first = 0; first < g->blocks; first += CONNECTED_BLOCKS) {
        int count = conv_least(CONNECTED_BLOCKS, g->blocks - first);
        for (int b = 0; b < count; b++) {
            const elem *x = (const elem *)g->call->x + ((ptrdiff_t)(first + b) * g->inputs + begin * LANES) * LANES;
            for (int v = 0; v < vectors; v++) {
                transpose(x + v * LANES * LANES, g->inputs - (begin + v) * LANES, scratch + (b * LANES * vectors + v) * LANES, vectors * LANES);
            }
        }
        for (int tile = first_tile; tile < end_tile; tile++) {
            int from = conv_part(g->outputs, g->tiles, tile);
            if (first == 0 && !g->call->add_dweight) {
                clear(g, from, conv_part(g->outputs, g->tiles, tile + 1), begin * LANES, columns);
            }
            tile_run(g, from, conv_part(g->outputs, g->tiles, tile + 1) - from, panel, first, count, scratch);
        }
    }
    if (panel == 0) {
        bias_run(g, conv_part(g->outputs, g->tiles, first_tile), conv_part(g->outputs, g->tiles, end_tile));
    }
}

void K(lanes_connected_weight)(const struct conv_call *call) {
    struct connected g = connected_make(call->conv, call->batch);
    g.call = call;
    threads_run(call->threads, g.panels * g.tile_parts, piece_run, &g);
}

size_t K(lanes_connected_scratch)(int threads) {
    return (size_t)threads * scratch_each();
}
