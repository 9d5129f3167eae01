/* conv_winograd: the walk over an output, forward or of the gradient of x (conv_winograd.h).
 *
 * Tiles of all samples are taken a block at a time: their pixels become frequencies, each frequency is multiplied with its weights, and what comes out
 * becomes pixels again, all of it in the second- or third-level cache. Where blocks are too few to share among threads, a block's output channels are
 * cut as well, and the inputs of all blocks are transformed beforehand. In training the weights are transformed at each call, into scratch: kept, they
 * would take four times the memory of the weights, twice. With one or two blocks each piece transforms those of its own channels, which thus never
 * leave the cache; else, where they are more than it keeps, the next ones are asked for while a panel is multiplied. */
#include "kernels/body/conv_winograd.h"
#include "kernels/body/transpose.h"

enum {
    CACHED = 1024 * 1024,    /* bytes of weights that a second-level cache keeps, at most */
    WANTED = 32,             /* pieces for a large team */
    TAPS = 9,                /* weights of a filter */
    ROWS = 16,               /* packed together */
};

struct pass {
    const struct conv *conv;
    int back, in_c, out_c, pad_h, pad_w, batch;
    struct wino_tile in_tile, out_tile;      /* an image's extents, and the distance of its pixels */
    struct wino_grid grid;
    struct panels panels;
    int panel_parts, own_weights;
    int asks;                                /* for the weights that come next, which no cache keeps */
    ptrdiff_t in_width;                      /* in_c, whole vectors */
    ptrdiff_t u_step, v_step, m_step;        /* between frequencies of weights, inputs, outputs */
    const elem *in;
    elem *out;
    const real *weight, *u, *bias;
    enum activation activation;
    int add;
    real *v;                                 /* of all blocks, where panel_parts > 1 */
    char *scratch;
    size_t scratch_each;
};

/* Tiles enough that the weights are not fetched too often, so few that what is made of them stays in the cache. */
static int block_most(const struct pass *p) {
    enum { MANY = 256 * 256, LARGE = 96, SMALL = 48 };
    return p->in_c * p->out_c >= MANY ? LARGE : SMALL;
}

/* packed: the weights are transformed already. */
static struct pass pass_make(const struct conv *c, int batch, int back, int packed) {
    struct pass p = {.conv = c, .back = back, .batch = batch};
    p.in_c = back ? c->k : c->c, p.out_c = back ? c->c : c->k;
    p.pad_h = back ? c->size_h - 1 - c->pad_top : c->pad_top, p.pad_w = back ? c->size_w - 1 - c->pad_left : c->pad_left;
    struct wino_tile x = {.h = c->h, .w = c->w, .channels = c->c}, y = {.h = c->oh, .w = c->ow, .channels = c->k};
    p.in_tile = back ? y : x, p.out_tile = back ? x : y;
    p.grid = wino_grid(p.out_tile.h, p.out_tile.w, batch, block_most(&p));
    p.panels = panels_of(p.out_c);
    p.panel_parts = p.grid.blocks * 2 >= WANTED ? 1 : conv_least(p.panels.count, conv_parts(WANTED, p.grid.blocks));
    p.in_width = (ptrdiff_t)conv_parts(p.in_c, LANES) * LANES;
    p.own_weights = !packed && p.panel_parts > 1 && p.grid.blocks <= 2;
    int all = p.panels.vectors * LANES, most = conv_parts(p.panels.count, p.panel_parts) * NHWC_N * LANES;
    p.u_step = (ptrdiff_t)(p.own_weights ? most : all) * p.in_c + WINO_SKEW;
    p.asks = !p.own_weights && (size_t)p.u_step * WINO_F * sizeof(real) >= CACHED;
    p.v_step = p.grid.block * p.in_width + WINO_SKEW;
    p.m_step = (ptrdiff_t)p.grid.block * most + WINO_SKEW;
    return p;
}

/* ---- weights ---- */

/* Weights of panels from channel `first` on. */
struct pack { const struct pass *p; const real *weight, *scale; real *to; int first; };

/* Weights between `row` of the input channels and LANES output channels from `first`, [tap][lane]; backward turned by 180 degrees. */
static void gather(const struct pack *j, int row, int first, vec *taps) {
    const struct pass *p = j->p;
    int columns = conv_least(LANES, p->out_c - first), at_once = conv_least(TAPS, LANES);
    ptrdiff_t apart = TAPS * (p->back ? 1 : p->conv->c);
    const real *from = j->weight + (p->back ? (ptrdiff_t)row * p->conv->c + first : (ptrdiff_t)first * p->conv->c + row) * TAPS;
    vec v[LANES], last = {0};
    for (int i = 0; i < LANES; i++) {
        conv_load(&v[i], i < columns ? from + i * apart : from, i < columns ? at_once : 0);
        last[i] = i < columns ? from[i * apart + TAPS - 1] : 0;
    }
    vec_transpose(v);
    for (int t = 0; t < TAPS; t++) {
        taps[p->back ? TAPS - 1 - t : t] = t < at_once ? v[t] : last;
    }
}

static void scale_taps(const struct pack *j, int first, vec *taps) {
    vec scale;
    conv_load(&scale, j->scale + first, j->p->out_c - first);
    for (int t = 0; t < TAPS; t++) {
        taps[t] *= scale;
    }
}

/* Input channels begin..end of a panel. */
static void pack_rows(const struct pack *j, int panel, int begin, int end) {
    const struct pass *p = j->p;
    int first = panel_begin(&p->panels, panel), vectors = panel_vectors(&p->panels, panel);
    for (int row = begin; row < end; row++) {
        for (int v = 0; v < vectors; v++) {
            vec taps[TAPS];
            gather(j, row, first + v * LANES, taps);
            if (j->scale != NULL) {
                scale_taps(j, first + v * LANES, taps);
            }
            K(wino_weight)(taps, j->to + (ptrdiff_t)(first - j->first) * p->in_c + ((ptrdiff_t)row * vectors + v) * LANES, p->u_step);
        }
    }
}

/* units: ROWS input channels of a panel, in the order in which the weights lie. */
static void pack_range(void *job, size_t begin, size_t end) {
    const struct pack *j = job;
    const struct pass *p = j->p;
    for (size_t unit = begin; unit < end; unit++) {
        int parts = conv_parts(p->in_c, ROWS), panel = (int)unit / parts, part = (int)unit % parts;
        if (p->back) {
            panel = (int)unit % p->panels.count, part = (int)unit / p->panels.count;
        }
        pack_rows(j, panel, part * ROWS, conv_least(p->in_c, (part + 1) * ROWS));
    }
}

static void pack_pass(const struct pass *p, const real *weight, const real *scale, real *to, struct threads *threads) {
    struct pack job = {p, weight, scale, to, 0};
    body_split(threads, (size_t)p->panels.count * (size_t)conv_parts(p->in_c, ROWS), (size_t)(p->u_step * WINO_F), pack_range, &job);
}

static size_t weight_bytes(const struct pass *p) {
    return conv_align((size_t)(p->u_step * WINO_F) * sizeof(real));
}

size_t K(wino_packed_bytes)(const struct conv *c, int training) {
    struct pass p = pass_make(c, 1, 0, 1);
    return training ? 0 : weight_bytes(&p);
}

void K(wino_pack)(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    struct pass p = pass_make(c, 1, 0, 1);
    if (!training) {
        pack_pass(&p, weight, scale, packed, threads);
    }
}

/* ---- a block of tiles ---- */

static size_t v_bytes(const struct pass *p) {
    return conv_align((size_t)(p->v_step * WINO_F) * sizeof(real));
}

static size_t m_bytes(const struct pass *p) {
    return conv_align((size_t)(p->m_step * WINO_F) * sizeof(real));
}

static size_t each_bytes(const struct pass *p) {
    return (p->panel_parts > 1 ? 0 : v_bytes(p)) + (p->own_weights ? weight_bytes(p) : 0) + m_bytes(p) + conv_align((size_t)p->grid.block * sizeof(struct pixel));
}

static real *block_v(const struct pass *p, int block) {
    return (real *)(void *)((char *)p->v + (size_t)block * v_bytes(p));
}

/* Frequencies of tile i of a block. */
static void input_tile(const struct pass *p, const struct wino_block *block, int i, real *v) {
    int sample;
    struct wino_tile t = wino_tile_read(&p->grid, block, i, &p->in_tile, p->pad_h, p->pad_w, &sample);
    const elem *x = p->in + (ptrdiff_t)sample * t.h * t.w * t.channels;
    K(wino_input)(&t, x, (size_t)p->in_c, v + i * p->in_width, p->v_step);
}

/* units: tiles, as if each block were as large as the largest. */
static void input_range(void *job, size_t begin, size_t end) {
    const struct pass *p = job;
    for (size_t unit = begin; unit < end; unit++) {
        int index = (int)unit / p->grid.block, i = (int)unit % p->grid.block;
        struct wino_block block = wino_block(&p->grid, index);
        if (i < block.tiles) {
            input_tile(p, &block, i, block_v(p, index));
        }
    }
}

struct part { const struct pass *p; struct wino_block block; int panel, panel_end, first; const real *u, *v; real *m; struct pixel *pixels; };

/* The weights of a panel for one frequency. */
static const real *panel_weights(const struct part *part, int f, int panel) {
    const struct pass *p = part->p;
    return part->u + f * p->u_step + (ptrdiff_t)(panel_begin(&p->panels, panel) - (p->own_weights ? part->first : 0)) * p->in_c;
}

/* `rows` tiles of block b of a panel ask for the weights behind it: of the next block, the next panel, the next frequency. */
static void ask_next(const struct part *part, struct nhwc_tile *t, int f, int panel, int b, int rows) {
    const struct pass *p = part->p;
    int blocks = conv_parts(p->in_c, NHWC_DEPTH), more = b + 1 < blocks, next = more ? panel : panel + 1 < part->panel_end ? panel + 1 : part->panel;
    int next_f = more || next > panel ? f : f + 1, next_b = more ? b + 1 : 0, width = panel_vectors(&p->panels, next) * LANES;
    int begin = conv_part(p->in_c, blocks, next_b), end = conv_part(p->in_c, blocks, next_b + 1);
    const real *w = next_f < WINO_F ? panel_weights(part, next_f, next) + (ptrdiff_t)begin * width : NULL;
    nhwc_ask(t, w, (end - begin) * width, rows, t->runs->length);
}

/* A panel's products of one frequency: sums [tile][width]. */
static void panel_run(const struct part *part, int f, int panel) {
    const struct pass *p = part->p;
    int first = panel_begin(&p->panels, panel), vectors = panel_vectors(&p->panels, panel), width = vectors * LANES;
    struct range having = wino_having(&part->block, f);
    int blocks = conv_parts(p->in_c, NHWC_DEPTH), tiles = having.end - having.begin, rows = conv_parts(tiles, NHWC_R);
    struct nhwc_tile t = {.x = part->v + f * p->v_step, .w = panel_weights(part, f, panel), .run_count = 1};
    real *m = part->m + f * p->m_step + (ptrdiff_t)(first - part->first) * p->grid.block;
    for (int b = 0; b < blocks; b++) {
        int begin = conv_part(p->in_c, blocks, b);
        struct run run = {begin, begin, conv_part(p->in_c, blocks, b + 1) - begin};
        t.runs = &run, t.first = b == 0;
        if (p->asks) {
            ask_next(part, &t, f, panel, b, rows);
        }
        for (int i = 0; i < rows; i++) {
            int from = having.begin + conv_part(tiles, rows, i), count = having.begin + conv_part(tiles, rows, i + 1) - from;
            t.pixels = part->pixels + from;
            t.partial = m + (ptrdiff_t)from * width;
            K(nhwc_tiles)[count - 1][vectors - 1](&t);
            nhwc_asked(&t, run.length);
        }
    }
}

static void output_panel(const struct part *part, int i, int panel) {
    const struct pass *p = part->p;
    int sample, first = panel_begin(&p->panels, panel), vectors = panel_vectors(&p->panels, panel);
    struct wino_tile t = wino_tile(&p->grid, &part->block, i, &p->out_tile, 0, 0, &sample);
    elem *y = p->out + (ptrdiff_t)sample * t.h * t.w * t.channels;
    const real *m = part->m + (ptrdiff_t)(first - part->first) * p->grid.block + (ptrdiff_t)i * vectors * LANES;
    struct wino_finish finish = {p->bias == NULL ? NULL : p->bias + first, p->activation, p->add, vectors * LANES};
    K(wino_output)(&t, m, p->m_step, &finish, y + first, (size_t)conv_least(vectors * LANES, p->out_c - first));
}

static void piece_run(void *arg, int piece, int thread) {
    const struct pass *p = arg;
    int block = piece / p->panel_parts, parts = p->panel_parts, part_of = piece % parts;
    char *scratch = p->scratch + (size_t)thread * p->scratch_each;
    struct part part = {.p = p, .block = wino_block(&p->grid, block), .panel = conv_part(p->panels.count, parts, part_of), .panel_end = conv_part(p->panels.count, parts, part_of + 1)};
    part.first = panel_begin(&p->panels, part.panel);
    real *m = (real *)(void *)scratch, *own = (real *)(void *)(scratch + m_bytes(p));      /* own: the weights, or the inputs, or neither */
    part.pixels = (struct pixel *)(void *)(scratch + each_bytes(p) - conv_align((size_t)p->grid.block * sizeof *part.pixels));
    part.m = m, part.u = p->own_weights ? own : p->u, part.v = parts > 1 ? block_v(p, block) : own;
    struct pack pack = {p, p->weight, NULL, own, part.first};
    for (int panel = part.panel; p->own_weights && panel < part.panel_end; panel++) {
        pack_rows(&pack, panel, 0, p->in_c);
    }
    for (int i = 0; i < part.block.tiles; i++) {
        part.pixels[i] = (struct pixel){i * p->in_width, 0};
        if (parts == 1) {
            input_tile(p, &part.block, i, own);
        }
    }
    for (int f = 0; f < WINO_F; f++) {
        for (int panel = part.panel; panel < part.panel_end; panel++) {
            panel_run(&part, f, panel);
        }
    }
    for (int i = 0; i < part.block.tiles; i++) {
        for (int panel = part.panel; panel < part.panel_end; panel++) {
            output_panel(&part, i, panel);
        }
    }
}

/* ---- a pass: in scratch the weights, unless they were packed, the inputs of all blocks, if they are shared, and what each thread needs ---- */

static size_t pass_bytes(const struct pass *p, int packed, int threads) {
    return (packed || p->own_weights ? 0 : weight_bytes(p)) + (p->panel_parts > 1 ? (size_t)p->grid.blocks * v_bytes(p) : 0) + (size_t)threads * each_bytes(p);
}

static void pass_run(struct pass *p, const struct conv_call *call) {
    char *scratch = call->scratch;
    p->u = p->back ? NULL : call->packed, p->weight = call->weight;
    if (p->u == NULL && !p->own_weights) {
        pack_pass(p, call->weight, NULL, (real *)(void *)scratch, call->threads);
        p->u = (const real *)(const void *)scratch;
        scratch += weight_bytes(p);
    }
    if (p->panel_parts > 1) {
        p->v = (real *)(void *)scratch;
        scratch += (size_t)p->grid.blocks * v_bytes(p);
        size_t units = (size_t)p->grid.blocks * (size_t)p->grid.block;
        body_split(call->threads, units, units * WINO_F * (size_t)p->in_width, input_range, p);
    }
    p->scratch = scratch, p->scratch_each = each_bytes(p);
    threads_run(call->threads, p->grid.blocks * p->panel_parts, piece_run, p);
}

void K(wino_forward)(const struct conv_call *call) {
    struct pass p = pass_make(call->conv, call->batch, 0, call->packed != NULL);
    p.in = call->x, p.out = call->y, p.bias = call->bias, p.activation = call->activation;
    pass_run(&p, call);
}

void K(wino_backward_data)(const struct conv_call *call) {
    struct pass p = pass_make(call->conv, call->batch, 1, 0);
    p.in = call->dy, p.out = call->dx, p.add = call->add_dx;
    pass_run(&p, call);
}

/* Smaller batches are cut otherwise, and may need more. */
size_t K(wino_scratch)(const struct conv *c, int batch, int threads, const struct wino_products *products) {
    size_t most = 0;
    for (int n = 1; n <= batch; n++) {
        size_t weight = products != NULL ? K(wino_weight_scratch)(c, n, threads, products) : 0;
        most = weight > most ? weight : most;
        for (int back = 0; back <= (products != NULL); back++) {
            struct pass p = pass_make(c, n, back, products == NULL);
            size_t bytes = pass_bytes(&p, products == NULL, threads);
            most = bytes > most ? bytes : most;
        }
    }
    return most;
}

/* Products of an axis that do not fall on padding. */
static int taps_inside(const struct axis *a) {
    int sum = 0;
    for (int o = 0; o < a->out; o++) {
        sum += conv_taps(a, o).count;
    }
    return sum;
}

int K(wino_worth)(const struct conv *c, int batch, int channels, int tiles, double gain) {
    int able = c->size_h == 3 && c->size_w == 3 && c->stride_h == 1 && c->stride_w == 1 && c->dilation_h == 1 && c->dilation_w == 1 && c->groups == 1;
    struct axis h = conv_axis_h(c, 0), w = conv_axis_w(c, 0);
    return able && c->c >= channels && c->k >= channels && (double)wino_axis_tiles(c->oh) * wino_axis_tiles(c->ow) * batch >= tiles
        && (double)taps_inside(&h) * taps_inside(&w) >= gain * wino_axis_products(c->oh) * wino_axis_products(c->ow);
}

static int supports(const struct conv *c, int batch, int training) {
    return K(wino_worth)(c, batch, 16, training ? 32 : 12, 1.6);
}

static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    return K(wino_scratch)(c, batch, threads, training ? &K(wino_products) : NULL);
}

static void backward_weight(const struct conv_call *call) {
    K(wino_backward_weight)(call, &K(wino_products));
}

const struct conv_kernel K(conv_winograd) = {
    "winograd", LAYOUT_NHWC, supports, K(wino_packed_bytes), scratch_bytes, K(wino_pack), K(wino_forward), K(wino_backward_data), backward_weight, 0,
};
