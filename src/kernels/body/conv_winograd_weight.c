/* conv_winograd: gradients of weights and bias. A piece owns a rectangle of the weights (input channels x output channels) and a part of the tiles; it takes
 * some tiles at a time, makes frequencies of x and of dy, and adds up each frequency's products over the tiles; the sums become the gradient of
 * the nine weights at the end. The parts' gradients lie in scratch and are added in order. How frequencies lie and are multiplied is the caller's. */
#include "kernels/body/conv_winograd.h"
#include "kernels/body/transpose.h"

enum { TAPS = 9 };

struct grad {
    const struct conv_call *call;
    const struct wino_products *products;
    const struct conv *conv;
    struct wino_tile x_tile, y_tile;         /* an image's extents, and the distance of its pixels */
    struct wino_grid grid;
    struct panels panels;                    /* of input channels */
    int k_vectors, c_parts, k_parts, parts;  /* rectangles: ranges of panels x ranges of vectors of output channels; parts of the blocks */
    int room;                                /* tiles of the largest block, filled up */
    int c_room, k_room;                      /* channels of the largest rectangle, whole vectors */
    ptrdiff_t v_step, d_step, s_step;        /* between frequencies of x and of dy, bytes, of the sums, reals */
    real *partial;                           /* where parts > 1: [part][k][vector of c][tap][lane] */
    real *bias;                              /* [part][k] */
    char *scratch;
    size_t scratch_each;
};

enum { BLOCK = 64 };                         /* tiles at a time */

/* Rectangles that make the transforms cheap against the products; then parts of the blocks, until there are pieces enough for a large team. */
static void cut(struct grad *g) {
    enum { LARGE = 128, MANY = 256 * 256, WANTED = 16 };
    int side = g->conv->c * g->conv->k > MANY ? LARGE : g->products->side;
    g->c_parts = conv_least(g->panels.count, conv_parts(g->conv->c, side));
    g->k_parts = conv_least(g->k_vectors, conv_parts(g->conv->k, side));
    g->parts = conv_least(g->grid.blocks, conv_parts(WANTED, g->c_parts * g->k_parts));
    g->c_room = conv_parts(g->panels.count, g->c_parts) * NHWC_N * LANES;
    g->k_room = conv_parts(g->k_vectors, g->k_parts) * LANES;
    ptrdiff_t skew = WINO_SKEW * (ptrdiff_t)sizeof(real), tiles = g->room * (ptrdiff_t)g->products->size;
    g->v_step = tiles * g->c_room + skew;
    g->d_step = tiles * g->k_room + skew;
    g->s_step = (ptrdiff_t)g->k_room * g->c_room + WINO_SKEW;
}

static struct grad grad_make(const struct conv *c, int batch, const struct wino_products *products) {
    struct grad g = {.products = products, .conv = c, .x_tile = {.h = c->h, .w = c->w, .channels = c->c}, .y_tile = {.h = c->oh, .w = c->ow, .channels = c->k}};
    g.grid = wino_grid(c->oh, c->ow, batch, BLOCK);
    g.room = conv_parts(g.grid.block, products->together) * products->together;
    g.panels = panels_of(c->c);
    g.k_vectors = conv_parts(c->k, LANES);
    cut(&g);
    return g;
}

static size_t part_reals(const struct grad *g) {
    return (size_t)g->conv->k * (size_t)g->panels.vectors * TAPS * LANES;
}

static size_t partial_bytes(const struct grad *g) {
    return g->parts > 1 ? conv_align((size_t)g->parts * part_reals(g) * sizeof(real)) : 0;
}

static size_t bias_bytes(const struct grad *g) {
    return conv_align((size_t)g->parts * (size_t)g->conv->k * sizeof(real));
}

static size_t each_bytes(const struct grad *g) {
    return conv_align((size_t)(g->v_step + g->d_step + g->s_step * (ptrdiff_t)sizeof(real)) * WINO_F);
}

struct part {
    const struct grad *g;
    int at, panel, panel_end, first, k, k_end;    /* of the parts of the blocks; panels, the first one's channel; output channels */
    struct wino_block block;                      /* at hand */
    char *v, *d;
    real *sums;
};

static struct wino_frequencies of_panel(const struct part *part, int panel) {
    const struct grad *g = part->g;
    ptrdiff_t before = (panel_begin(&g->panels, panel) - part->first) * (ptrdiff_t)g->room;
    return (struct wino_frequencies){part->v + before * (ptrdiff_t)g->products->size, g->room, panel_vectors(&g->panels, panel) * LANES, g->v_step};
}

static struct wino_frequencies of_dy(const struct part *part) {
    const struct grad *g = part->g;
    return (struct wino_frequencies){part->d, g->room, g->k_room, g->d_step};
}

/* dy is read for the bias once for each output channel. */
static int sums_bias(const struct part *part) {
    return part->panel == 0 && part->g->call->dbias != NULL;
}

static real *bias_of(const struct part *part) {
    return part->g->bias + (ptrdiff_t)part->at * part->g->conv->k + part->k;
}

/* Tiles i.. of the block, as many as lie together. */
static void transform_tiles(const struct part *part, int i) {
    const struct grad *g = part->g;
    struct wino_tiles in = {.count = conv_least(g->products->together, part->block.tiles - i)}, out = {.count = in.count};
    for (int t = 0; t < in.count; t++) {
        int sample;
        in.tile[t] = wino_tile_read(&g->grid, &part->block, i + t, &g->x_tile, g->conv->pad_top, g->conv->pad_left, &sample);
        out.tile[t] = wino_tile_read(&g->grid, &part->block, i + t, &g->y_tile, 0, 0, &sample);
        in.image[t] = (const elem *)g->call->x + (ptrdiff_t)sample * g->x_tile.h * g->x_tile.w * g->x_tile.channels;
        out.image[t] = (const elem *)g->call->dy + (ptrdiff_t)sample * g->y_tile.h * g->y_tile.w * g->y_tile.channels;
    }
    for (int panel = part->panel; panel < part->panel_end; panel++) {
        struct wino_frequencies to = of_panel(part, panel);
        int first = panel_begin(&g->panels, panel);
        g->products->lay_x(&in, first, (size_t)conv_least(to.width, g->conv->c - first), &to, i);
    }
    struct wino_frequencies to = of_dy(part);
    size_t n = (size_t)(part->k_end - part->k);
    g->products->lay_dy(&out, part->k, n, &to, i);
    for (int t = 0; sums_bias(part) && t < out.count; t++) {
        K(wino_add_pixels)(&out.tile[t], out.image[t] + part->k, n, bias_of(part));
    }
}

/* sums[f][panel][k][width], set or added to; of no tiles: set to zeros. */
static void multiply(const struct part *part, int f, int panel, int add) {
    const struct grad *g = part->g;
    struct range having = wino_having(&part->block, f);
    if (add && having.begin == having.end) {
        return;
    }
    struct wino_frequencies x = of_panel(part, panel), dy = of_dy(part);
    real *sum = part->sums + f * g->s_step + (ptrdiff_t)(panel_begin(&g->panels, panel) - part->first) * g->k_room;
    struct wino_product p = {&x, &dy, f, having, part->k_end - part->k, add, sum};
    g->products->multiply(&p);
}

/* Nine taps of n input channels, [tap][lane], into their place in dweight, or onto what is there. */
INLINE void store_taps(const vec *taps, int n, const int add, real *to) {
    vec v[LANES];
    for (int t = 0; t < LANES; t++) {
        v[t] = t < TAPS ? taps[t] : (vec){0};
    }
    vec_transpose(v);
    for (int i = 0; i < n; i++, to += TAPS) {
        for (int t = 0; t < conv_least(TAPS, LANES); t++) {
            to[t] = v[i][t] + (add ? to[t] : 0);
        }
        for (int t = LANES; t < TAPS; t++) {
            to[t] = taps[t][i] + (add ? to[t] : 0);
        }
    }
}

/* Of an output channel and n input channels from c. */
static void finish_taps(const struct grad *g, int k, int c, int n, const vec *taps) {
    real *to = (real *)g->call->dweight + ((ptrdiff_t)k * g->conv->c + c) * TAPS;
    if (g->call->add_dweight) {
        store_taps(taps, n, 1, to);
    } else {
        store_taps(taps, n, 0, to);
    }
}

/* The sums of a panel and an output channel: into the part's place, or to dweight where there is one part. */
static void finish_panel(const struct part *part, int panel, int k) {
    const struct grad *g = part->g;
    int first = panel_begin(&g->panels, panel), vectors = panel_vectors(&g->panels, panel);
    const real *sums = part->sums + (ptrdiff_t)(first - part->first) * g->k_room + (ptrdiff_t)(k - part->k) * vectors * LANES;
    for (int i = 0; i < vectors; i++) {
        vec taps[TAPS];
        int c = first + i * LANES;
        K(wino_weight_back)(sums + i * LANES, g->s_step, taps);
        if (g->parts == 1) {
            finish_taps(g, k, c, conv_least(LANES, g->conv->c - c), taps);
            continue;
        }
        real *to = g->partial + (size_t)part->at * part_reals(g) + ((ptrdiff_t)k * g->panels.vectors * LANES + c) * TAPS;
        for (int t = 0; t < TAPS; t++) {
            vec_store_reals(to + t * LANES, &taps[t]);
        }
    }
}

static void block_run(const struct part *part, int add) {
    for (int i = 0; i < part->block.tiles; i += part->g->products->together) {
        transform_tiles(part, i);
    }
    for (int f = 0; f < WINO_F; f++) {
        for (int panel = part->panel; panel < part->panel_end; panel++) {
            multiply(part, f, panel, add);
        }
    }
}

static void piece_run(void *arg, int piece, int thread) {
    const struct grad *g = arg;
    int of_c = piece % g->c_parts, of_k = piece / g->c_parts % g->k_parts;
    struct part part = {.g = g, .at = piece / g->c_parts / g->k_parts, .v = g->scratch + (size_t)thread * g->scratch_each};
    part.d = part.v + g->v_step * WINO_F, part.sums = (real *)(void *)(part.d + g->d_step * WINO_F);
    part.panel = conv_part(g->panels.count, g->c_parts, of_c), part.panel_end = conv_part(g->panels.count, g->c_parts, of_c + 1);
    part.first = panel_begin(&g->panels, part.panel);
    part.k = conv_part(g->k_vectors, g->k_parts, of_k) * LANES, part.k_end = conv_least(g->conv->k, conv_part(g->k_vectors, g->k_parts, of_k + 1) * LANES);
    if (sums_bias(&part)) {
        memset(bias_of(&part), 0, (size_t)(part.k_end - part.k) * sizeof(real));
    }
    int begin = conv_part(g->grid.blocks, g->parts, part.at), end = conv_part(g->grid.blocks, g->parts, part.at + 1);
    for (int block = begin; block < end; block++) {
        part.block = wino_block(&g->grid, block);
        block_run(&part, block > begin);
    }
    for (int k = part.k; k < part.k_end; k++) {
        for (int panel = part.panel; panel < part.panel_end; panel++) {
            finish_panel(&part, panel, k);
        }
    }
}

/* ---- the parts, in order, onto dweight and dbias ---- */

static void add_vector(const struct grad *g, int k, int c) {
    vec taps[TAPS], other;
    const real *from = g->partial + ((ptrdiff_t)k * g->panels.vectors * LANES + c) * TAPS;
    for (int t = 0; t < TAPS; t++) {
        vec_load_reals(&taps[t], from + t * LANES);
        for (int part = 1; part < g->parts; part++) {
            vec_load_reals(&other, from + (size_t)part * part_reals(g) + t * LANES);
            taps[t] += other;
        }
    }
    finish_taps(g, k, c, conv_least(LANES, g->conv->c - c), taps);
}

/* units: output channels. */
static void add_parts(void *job, size_t begin, size_t end) {
    const struct grad *g = job;
    real *dbias = g->call->dbias;
    for (size_t k = begin; k < end; k++) {
        for (int c = 0; g->parts > 1 && c < g->conv->c; c += LANES) {
            add_vector(g, (int)k, c);
        }
        for (int part = 0; dbias != NULL && part < g->parts; part++) {
            dbias[k] += g->bias[(size_t)part * (size_t)g->conv->k + k];
        }
    }
}

void K(wino_backward_weight)(const struct conv_call *call, const struct wino_products *products) {
    struct grad g = grad_make(call->conv, call->batch, products);
    char *scratch = call->scratch;
    g.call = call;
    g.partial = (real *)(void *)scratch;
    g.bias = (real *)(void *)(scratch + partial_bytes(&g));
    g.scratch = scratch + partial_bytes(&g) + bias_bytes(&g);
    g.scratch_each = each_bytes(&g);
    threads_run(call->threads, g.parts * g.c_parts * g.k_parts, piece_run, &g);
    body_split(call->threads, (size_t)g.conv->k, (size_t)(g.parts - 1) * part_reals(&g), add_parts, &g);
}

size_t K(wino_weight_scratch)(const struct conv *conv, int batch, int threads, const struct wino_products *products) {
    struct grad g = grad_make(conv, batch, products);
    return partial_bytes(&g) + bias_bytes(&g) + (size_t)threads * each_bytes(&g);
}
