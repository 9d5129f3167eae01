/* conv_winograd: the walk over an output, forward or of the gradient of x (conv_winograd.h).
 *
 * Tiles of all samples are taken a block at a time: their pixels become frequencies, each frequency is multiplied with its weights, and what comes out
 * becomes pixels again, all of it in the second- or third-level cache. Where blocks are too few to share among threads, a block's output channels are
 * cut as well, and the inputs of all blocks are transformed beforehand. In training the weights are transformed at each call, into scratch: kept, they
 * would take four times the memory of the weights, twice. With one or two blocks each piece transforms those of its own channels, which thus never
 * leave the cache; else, where they are more than it keeps, the next ones are asked for while a panel is multiplied. */
#include "kernels/body/conv_winograd.h"

enum {
    CACHED = 1024 * 1024,    /* bytes of weights that a second-level cache keeps, at most */
    WANTED = 32,             /* pieces for a large team */
    WORDS = 16,              /* of depth, packed together */
};

struct pass {
    const struct wino_numbers *numbers;
    struct wino_weights weights;
    int in_c, out_c, pad_h, pad_w, batch;
    struct wino_tile in_tile, out_tile;      /* an image's extents, and the distance of its pixels */
    struct wino_grid grid;
    struct panels panels;
    int panel_parts, own_weights;
    int asks;                                /* for the weights that come next, which no cache keeps */
    int depth, parts;                        /* words; the parts that it is multiplied in */
    ptrdiff_t in_width;                      /* words of a tile, whole vectors of channels */
    int u_width;                             /* output channels of the weights at hand */
    ptrdiff_t u_step, v_step, m_step;        /* between frequencies of weights, inputs, outputs; units lie behind the last one's */
    const elem *in;
    elem *out;
    const real *u, *bias;
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
static struct pass pass_make(const struct conv *c, int batch, int back, int packed, const struct wino_numbers *numbers) {
    struct pass p = {.numbers = numbers, .weights = {.conv = c, .back = back}, .batch = batch};
    p.in_c = wino_inputs(&p.weights), p.out_c = wino_outputs(&p.weights);
    p.pad_h = back ? c->size_h - 1 - c->pad_top : c->pad_top, p.pad_w = back ? c->size_w - 1 - c->pad_left : c->pad_left;
    struct wino_tile x = {.h = c->h, .w = c->w, .channels = c->c}, y = {.h = c->oh, .w = c->ow, .channels = c->k};
    p.in_tile = back ? y : x, p.out_tile = back ? x : y;
    p.grid = wino_grid(p.out_tile.h, p.out_tile.w, batch, block_most(&p));
    p.panels = panels_of(p.out_c);
    p.panel_parts = p.grid.blocks * 2 >= WANTED ? 1 : conv_least(p.panels.count, conv_parts(WANTED, p.grid.blocks));
    p.depth = conv_parts(p.in_c, numbers->together), p.parts = wino_parts(numbers, p.in_c);
    p.in_width = (ptrdiff_t)conv_parts(p.in_c, LANES) * LANES / numbers->together;
    p.own_weights = !packed && p.panel_parts > 1 && p.grid.blocks <= 2;
    int most = conv_parts(p.panels.count, p.panel_parts) * NHWC_N * LANES;
    p.u_width = p.own_weights ? most : p.panels.vectors * LANES;
    p.u_step = (ptrdiff_t)p.u_width * p.depth + WINO_SKEW;
    p.asks = !p.own_weights && (size_t)p.u_step * WINO_F * sizeof(real) >= CACHED;
    p.v_step = p.grid.block * p.in_width + WINO_SKEW;
    p.m_step = (ptrdiff_t)p.grid.block * most + WINO_SKEW;
    return p;
}

/* ---- weights ---- */

/* Frequencies of output channels from `first` on, and their units. */
struct pack { const struct pass *p; real *to; int first; };

static real *units_of(const struct pack *j, int channel) {
    return j->to + j->p->u_step * WINO_F + channel - j->first;
}

/* units: vectors of output channels, from the first. */
static void measure_range(void *job, size_t begin, size_t end) {
    const struct pack *j = job;
    for (size_t v = begin; v < end; v++) {
        int channel = j->first + (int)v * LANES;
        j->p->numbers->measure(&j->p->weights, channel, units_of(j, channel));
    }
}

/* Words begin..end of a panel's depth. */
static void pack_words(const struct pack *j, int panel, int begin, int end) {
    const struct pass *p = j->p;
    int first = panel_begin(&p->panels, panel), width = panel_vectors(&p->panels, panel) * LANES;
    real *to = j->to + (ptrdiff_t)(first - j->first) * p->depth;
    for (int i = 0; i < width; i += LANES) {
        p->numbers->pack(&p->weights, first + i, units_of(j, first + i), begin, end, to + i, p->u_step, width);
    }
}

/* units: WORDS of a panel, in the order in which the weights lie. */
static void pack_range(void *job, size_t begin, size_t end) {
    const struct pack *j = job;
    const struct pass *p = j->p;
    for (size_t unit = begin; unit < end; unit++) {
        int parts = conv_parts(p->depth, WORDS), panel = (int)unit / parts, part = (int)unit % parts;
        if (p->weights.back) {
            panel = (int)unit % p->panels.count, part = (int)unit / p->panels.count;
        }
        pack_words(j, panel, part * WORDS, conv_least(p->depth, (part + 1) * WORDS));
    }
}

static void pack_pass(const struct pass *p, real *to, struct threads *threads) {
    struct pack job = {p, to, 0};
    size_t work = (size_t)(p->u_step * WINO_F);
    if (p->numbers->measure != NULL) {
        body_split(threads, (size_t)p->panels.vectors, work, measure_range, &job);
    }
    body_split(threads, (size_t)p->panels.count * (size_t)conv_parts(p->depth, WORDS), work, pack_range, &job);
}

/* The panels that a piece needs alone. */
static void pack_own(const struct pass *p, int panel, int panel_end, real *to) {
    struct pack job = {p, to, panel_begin(&p->panels, panel)};
    if (p->numbers->measure != NULL) {
        measure_range(&job, 0, (size_t)(panel_begin(&p->panels, panel_end) - job.first) / LANES);
    }
    for (; panel < panel_end; panel++) {
        pack_words(&job, panel, 0, p->depth);
    }
}

static size_t weight_bytes(const struct pass *p) {
    return conv_align((size_t)(p->u_step * WINO_F + p->u_width) * sizeof(real));
}

size_t K(wino_packed_bytes)(const struct conv *c, int training, const struct wino_numbers *numbers) {
    struct pass p = pass_make(c, 1, 0, 1, numbers);
    return training ? 0 : weight_bytes(&p);
}

void K(wino_pack)(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads, const struct wino_numbers *numbers) {
    struct pass p = pass_make(c, 1, 0, 1, numbers);
    p.weights.weight = weight, p.weights.scale = scale;
    if (!training) {
        pack_pass(&p, packed, threads);
    }
}

/* ---- a block of tiles ---- */

static size_t v_bytes(const struct pass *p) {
    return conv_align((size_t)(p->v_step * WINO_F + (ptrdiff_t)p->parts * p->grid.block) * sizeof(real));
}

static size_t m_bytes(const struct pass *p) {
    return conv_align((size_t)(p->m_step * WINO_F) * sizeof(real));
}

static size_t each_bytes(const struct pass *p) {
    return (p->panel_parts > 1 ? 0 : v_bytes(p)) + (p->own_weights ? weight_bytes(p) : 0) + m_bytes(p);
}

static real *block_v(const struct pass *p, int block) {
    return (real *)(void *)((char *)p->v + (size_t)block * v_bytes(p));
}

/* Frequencies of tile i of a block. */
static void input_tile(const struct pass *p, const struct wino_block *block, int i, real *v) {
    int sample;
    struct wino_tile t = wino_tile_read(&p->grid, block, i, &p->in_tile, p->pad_h, p->pad_w, &sample);
    const elem *x = p->in + (ptrdiff_t)sample * t.h * t.w * t.channels;
    p->numbers->input(&t, x, (size_t)p->in_c, v + i * p->in_width, p->v_step, v + p->v_step * WINO_F + i, p->grid.block);
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

struct part { const struct pass *p; struct wino_block block; int panel, panel_end, first; const real *u, *v; real *m; };

/* The weights of a panel for one frequency. */
static const real *panel_weights(const struct part *part, int f, int panel) {
    const struct pass *p = part->p;
    return part->u + f * p->u_step + (ptrdiff_t)(panel_begin(&p->panels, panel) - (p->own_weights ? part->first : 0)) * p->depth;
}

static int depth_at(const struct pass *p, int part) {
    return wino_part(p->numbers, p->in_c, part);
}

/* The weights behind those of a part of a panel's depth: of the next part, the next panel, the next frequency. */
static void ask_next(const struct part *part, struct wino_sums *s, int f, int panel, int depth_part) {
    const struct pass *p = part->p;
    int more = depth_part + 1 < p->parts, next = more ? panel : panel + 1 < part->panel_end ? panel + 1 : part->panel;
    int next_f = more || next > panel ? f : f + 1, next_part = more ? depth_part + 1 : 0, width = panel_vectors(&p->panels, next) * LANES;
    s->next = next_f < WINO_F ? panel_weights(part, next_f, next) + (ptrdiff_t)depth_at(p, next_part) * width : NULL;
    s->next_count = (depth_at(p, next_part + 1) - depth_at(p, next_part)) * width;
}

/* A panel's products of one frequency: sums [tile][width]. */
static void panel_run(const struct part *part, int f, int panel) {
    const struct pass *p = part->p;
    int first = panel_begin(&p->panels, panel), vectors = panel_vectors(&p->panels, panel), width = vectors * LANES;
    struct range having = wino_having(&part->block, f);
    const real *x = part->v + f * p->v_step + having.begin * p->in_width, *w = panel_weights(part, f, panel), *x_units = part->v + p->v_step * WINO_F + having.begin;
    struct wino_sums s = {.pitch = p->in_width, .tiles = having.end - having.begin, .vectors = vectors};
    s.w_units = part->u + p->u_step * WINO_F + first - (p->own_weights ? part->first : 0);
    s.sum = part->m + f * p->m_step + (ptrdiff_t)(first - part->first) * p->grid.block + (ptrdiff_t)having.begin * width;
    for (int i = 0; i < p->parts; i++) {
        int begin = depth_at(p, i);
        s.x = x + begin, s.w = w + (ptrdiff_t)begin * width, s.x_units = x_units + (ptrdiff_t)i * p->grid.block;
        s.length = depth_at(p, i + 1) - begin, s.first = i == 0;
        if (p->asks) {
            ask_next(part, &s, f, panel, i);
        }
        p->numbers->multiply(&s);
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
    part.m = m, part.u = p->own_weights ? own : p->u, part.v = parts > 1 ? block_v(p, block) : own;
    if (p->own_weights) {
        pack_own(p, part.panel, part.panel_end, own);
    }
    for (int i = 0; parts == 1 && i < part.block.tiles; i++) {
        input_tile(p, &part.block, i, own);
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
    p->u = p->weights.back ? NULL : call->packed, p->weights.weight = call->weight;
    if (p->u == NULL && !p->own_weights) {
        pack_pass(p, (real *)(void *)scratch, call->threads);
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

void K(wino_forward)(const struct conv_call *call, const struct wino_numbers *numbers) {
    struct pass p = pass_make(call->conv, call->batch, 0, call->packed != NULL, numbers);
    p.in = call->x, p.out = call->y, p.bias = call->bias, p.activation = call->activation;
    pass_run(&p, call);
}

void K(wino_backward_data)(const struct conv_call *call, const struct wino_numbers *numbers) {
    struct pass p = pass_make(call->conv, call->batch, 1, 0, numbers);
    p.in = call->dy, p.out = call->dx, p.add = call->add_dx;
    pass_run(&p, call);
}

/* Smaller batches are cut otherwise, and may need more. */
size_t K(wino_scratch)(const struct conv *c, int batch, int threads, const struct wino_numbers *numbers, const struct wino_products *products) {
    size_t most = 0;
    for (int n = 1; n <= batch; n++) {
        size_t weight = products != NULL ? K(wino_weight_scratch)(c, n, threads, products) : 0;
        most = weight > most ? weight : most;
        for (int back = 0; back <= (products != NULL); back++) {
            struct pass p = pass_make(c, n, back, products == NULL, numbers);
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
