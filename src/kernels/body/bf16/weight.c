/* Products of bfloat16: gradients of weights and bias, as a matrix product over places. A piece owns a rectangle of the weights (output channels x input
 * channels, all taps) and a part of the batch; it takes some samples and rows at a time and lays out x and dy of them, samples in pairs innermost, so that
 * a tap moves x by whole pairs. Columns outside are zeros, rows outside are left out. The parts' sums lie in scratch and are added in order. */
#include "kernels/body/bf16/bf16.h"

struct grad {
    const struct conv_call *call;
    const struct conv *layer;
    struct conv conv;                        /* as it is walked */
    struct bf16_map map;
    int c, k, k_room, panels, taps;          /* of one group; k_room: k filled up to Ms */
    int batch, samples, rows, chunks, parts;
    int k_parts, panel_parts;                /* rectangles: ranges of Ms of k x ranges of panels */
    real *partial;                           /* [part][group][panel][tap][k_room][width], then the biases of all groups */
    size_t group_each, partial_each;
    char *scratch;
    size_t scratch_each;
};

/* Places of dy taken at a time: a panel of x over them fills half of the first-level cache. */
static void cut_places(struct grad *g) {
    enum { PLACES = 512, LEAST_ROWS = 2 };
    const struct conv *c = &g->conv;
    g->samples = 2;
    while (g->samples < g->batch && (g->samples * c->oh * c->ow < PLACES || (bf16_up(g->samples * c->ow, BF16_UNIT) - g->samples * c->ow) * 20 > g->samples * c->ow)
        && g->samples * c->ow < PLACES) {
        g->samples *= 2;
    }
    g->samples = conv_least(g->samples, bf16_up(g->batch, 2));
    g->rows = conv_least(c->oh, conv_most(LEAST_ROWS, PLACES / (g->samples * c->ow)));
    g->chunks = conv_parts(g->batch, g->samples) * conv_parts(c->oh, g->rows);
}

static void cut_pieces(struct grad *g) {
    enum { SUMS = 1024 * 1024 };
    int side = conv_side(g->taps, SUMS);
    g->k_parts = conv_parts(g->k, side);
    g->panel_parts = conv_least(g->panels, conv_parts(g->c, conv_most(BF16_N * LANES, side)));
    g->parts = conv_batch_parts(g->chunks, g->k_parts * g->panel_parts * g->conv.groups, g->partial_each);
}

static struct grad grad_make(const struct conv *layer, int batch) {
    struct grad g = {.layer = layer, .conv = bf16_walked(layer), .batch = batch};
    const struct conv *c = &g.conv;
    g.map = OWN(bf16_map)(c, 0, 1);
    g.c = c->c / c->groups, g.k = c->k / c->groups;
    g.k_room = bf16_up(g.k, BF16_M);
    g.panels = bf16_panels(g.c);
    g.taps = c->size_h * c->size_w;
    g.group_each = (size_t)bf16_vectors(g.c) * LANES * (size_t)g.taps * (size_t)g.k_room;
    g.partial_each = g.group_each * (size_t)c->groups + (size_t)c->k;
    cut_places(&g);
    cut_pieces(&g);
    return g;
}

static size_t partial_bytes(const struct grad *g) {
    return conv_align((size_t)g->parts * g->partial_each * sizeof(real));
}

/* ---- a thread's scratch: x [panel][place][width], each with some places of zeros behind it; dy; stretches of a tap ---- */

static size_t x_bytes(const struct grad *g) {
    size_t columns = (size_t)conv_parts(g->panels, g->panel_parts) * BF16_N * LANES;
    return conv_align(columns * ((size_t)conv_rows_read(&g->conv, g->rows) * (size_t)g->map.columns * (size_t)g->samples + BF16_UNIT) * sizeof(elem));
}

static size_t dy_bytes(const struct grad *g) {
    size_t rows = (size_t)bf16_up(conv_parts(g->k_room / BF16_M, g->k_parts) * BF16_M, BF16_R);
    return conv_align(rows * (size_t)g->rows * (size_t)bf16_dy_row(g->conv.ow, g->samples) * sizeof(elem));
}

static size_t scratch_each(const struct grad *g) {
    return x_bytes(g) + dy_bytes(g) + conv_align((size_t)g->rows * sizeof(struct bf16_stretch));
}

struct part {
    const struct grad *g;
    int group, k, k_end, panel, panel_end;                      /* the rectangle, in the group; k in whole Ms */
    int sample, samples, row, row_end;                          /* the chunk */
    struct range read;                                          /* rows of x */
    elem *x, *dy;
    real *partial;
    struct bf16_stretch *stretches;
};

static int channels_of(const struct part *part) {
    return conv_least(part->k_end, part->g->k) - part->k;
}

/* Of a panel of x, without the zeros behind it. */
static ptrdiff_t x_places(const struct part *part) {
    return (ptrdiff_t)(part->read.end - part->read.begin) * part->g->map.columns * bf16_up(part->samples, 2);
}

/* Row by row, so that a row's other channels are near when the next panel's are wanted. */
static void lay_out_x(const struct part *part) {
    const struct grad *g = part->g;
    const struct conv *c = &g->conv, *layer = g->layer, *flat = bf16_is_flat(layer) ? layer : NULL;
    ptrdiff_t sample = (ptrdiff_t)layer->h * layer->w * layer->c, row_places = (ptrdiff_t)g->map.columns * bf16_up(part->samples, 2);
    const elem *x = (const elem *)g->call->x + part->sample * sample + part->group * g->c;
    for (int row = part->read.begin; row < part->read.end; row++) {
        elem *to = part->x;
        for (int panel = part->panel; panel < part->panel_end; panel++) {
            int first = bf16_panel(g->c, panel), width = bf16_panel(g->c, panel + 1) - first;
            ptrdiff_t ahead = panel + 1 < part->panel_end ? width : c->w * layer->c - (first - bf16_panel(g->c, part->panel));
            struct bf16_part from = {x + (flat != NULL ? 0 : first), sample, part->samples, row, row + 1, c->w, layer->c, conv_least(width, g->c - first), flat, first,
                flat != NULL ? 0 : ahead};
            OWN(bf16_lay_pairs)(&g->map, &from, width, to + (row - part->read.begin) * row_places * width);
            to += (x_places(part) + BF16_UNIT) * width;
        }
    }
    elem *to = part->x;
    for (int panel = part->panel; panel < part->panel_end; panel++) {
        int width = bf16_panel(g->c, panel + 1) - bf16_panel(g->c, panel);
        to += x_places(part) * width;
        memset(to, 0, (size_t)BF16_UNIT * (size_t)width * sizeof *to);
        to += BF16_UNIT * width;
    }
}

static struct bf16_part dy_of(const struct part *part) {
    const struct grad *g = part->g;
    const struct conv *c = &g->conv;
    ptrdiff_t sample = (ptrdiff_t)c->oh * c->ow * c->k;
    return (struct bf16_part){(const elem *)g->call->dy + part->sample * sample + part->group * g->k + part->k, sample, part->samples, part->row, part->row_end,
        c->ow, c->k, channels_of(part), NULL, 0, 0};
}

/* Where tap (i, j) reaches x: a stretch a row. Returns how many. */
static int list_stretches(const struct part *part, int i, int j) {
    const struct grad *g = part->g;
    const struct conv *c = &g->conv;
    struct range rows = conv_range(&g->map.h, i);
    int count = 0, samples = bf16_up(part->samples, 2), each = bf16_dy_row(c->ow, part->samples);
    for (int row = conv_most(rows.begin, part->row); row < conv_least(rows.end, part->row_end); row++) {
        int x_row = row * c->stride_h - c->pad_top + i * c->dilation_h - part->read.begin;
        part->stretches[count++] = (struct bf16_stretch){(x_row * g->map.columns + bf16_column(&g->map, j * c->dilation_w)) * samples, (row - part->row) * each, each};
    }
    return count;
}

static void chunk_bias(const struct part *part, int add) {
    const struct grad *g = part->g;
    struct bf16_part dy = dy_of(part);
    real *bias = part->partial + (size_t)g->conv.groups * g->group_each + part->group * g->k + part->k;
    for (int k = 0; !add && k < dy.channels; k++) {
        bias[k] = 0;
    }
    for (int n = 0; n < dy.samples; n++) {
        for (int place = dy.row * dy.columns; place < dy.row_end * dy.columns; place++) {
            const elem *from = dy.from + n * dy.sample + (ptrdiff_t)place * dy.pitch;
            for (int k = 0; k < dy.channels; k++) {
                bias[k] += LOAD(from, k);
            }
        }
    }
}

static void chunk_run(struct part *part, int chunk, int add) {
    const struct grad *g = part->g;
    const struct conv *c = &g->conv;
    int of_rows = conv_parts(c->oh, g->rows);
    part->sample = chunk / of_rows * g->samples, part->samples = conv_least(g->samples, g->batch - part->sample);
    part->row = chunk % of_rows * g->rows, part->row_end = conv_least(c->oh, part->row + g->rows);
    part->read = OWN(bf16_rows_read)(&g->map.h, part->row, part->row_end);
    struct bf16_part dy = dy_of(part);
    lay_out_x(part);
    OWN(bf16_lay_dy)(&dy, part->dy);
    struct bf16_sums s = {.x = part->x, .dy = part->dy, .stretches = part->stretches, .rows = part->k_end - part->k, .add = add,
        .dy_places = (part->row_end - part->row) * bf16_dy_row(c->ow, part->samples)};
    for (int panel = part->panel; panel < part->panel_end; panel++) {
        int first = bf16_panel(g->c, panel), width = bf16_panel(g->c, panel + 1) - first;
        s.vectors = width / LANES;
        for (int tap = 0; tap < g->taps; tap++) {
            s.sum = part->partial + (size_t)part->group * g->group_each + ((ptrdiff_t)first * g->taps + (ptrdiff_t)tap * width) * g->k_room + (ptrdiff_t)part->k * width;
            s.count = list_stretches(part, tap / c->size_w, tap % c->size_w);
            OWN(bf16_gradient)(&s);
        }
        s.x += (x_places(part) + BF16_UNIT) * width;
    }
    if (part->panel == 0) {
        chunk_bias(part, add);
    }
}

static void piece_run(void *arg, int piece, int thread) {
    const struct grad *g = arg;
    char *scratch = g->scratch + (size_t)thread * g->scratch_each;
    int of_panels = piece % g->panel_parts, of_k = piece / g->panel_parts % g->k_parts, rest = piece / g->panel_parts / g->k_parts;
    int of_batch = rest / g->conv.groups, tiles = g->k_room / BF16_M;
    struct part part = {.g = g, .group = rest % g->conv.groups, .partial = g->partial + (size_t)of_batch * g->partial_each, .x = (elem *)(void *)scratch};
    part.dy = (elem *)(void *)(scratch + x_bytes(g));
    part.stretches = (struct bf16_stretch *)(void *)(scratch + x_bytes(g) + dy_bytes(g));
    part.k = conv_part(tiles, g->k_parts, of_k) * BF16_M, part.k_end = conv_part(tiles, g->k_parts, of_k + 1) * BF16_M;
    part.panel = conv_part(g->panels, g->panel_parts, of_panels), part.panel_end = conv_part(g->panels, g->panel_parts, of_panels + 1);
    int begin = conv_part(g->chunks, g->parts, of_batch), end = conv_part(g->chunks, g->parts, of_batch + 1);
    for (int chunk = begin; chunk < end; chunk++) {
        chunk_run(&part, chunk, chunk > begin);
    }
}

/* ---- the parts' sums, in order, onto dweight and dbias ---- */

/* Of the partial sums `at` and behind it, n of them. */
static void parts_sum(const struct grad *g, size_t at, int n, real *sums) {
    conv_parts_sum(g->partial + at, g->partial_each, g->parts, n, sums);
}

/* A panel of output channel k of a group, some taps at a time: sums lie by tap, weights by channel, so that those of a channel are neighbours (of a flat
 * layer, whose channels are (tap of a row, channel), rows of taps). */
static void add_panel(const struct grad *g, size_t group, size_t k, int panel, real *dweight) {
    enum { TAPS = 16 };
    const struct conv *c = g->layer;
    int first = bf16_panel(g->c, panel), width = bf16_panel(g->c, panel + 1) - first, n = conv_least(width, g->c - first), flat = bf16_is_flat(c);
    for (int tap = 0; tap < g->taps; tap += TAPS) {
        int count = conv_least(TAPS, g->taps - tap), step = flat ? c->size_w : 1;
        real sums[TAPS][BF16_N * LANES];
        for (int t = 0; t < count; t++) {
            parts_sum(g, group * g->group_each + (size_t)(first * g->taps + (tap + t) * width) * (size_t)g->k_room + k * (size_t)width, n, sums[t]);
        }
        for (int i = 0; i < n; i++) {
            int channel = first + i;
            real *to = dweight + (flat ? (channel % c->c * c->size_h + tap) * c->size_w + channel / c->c : channel * g->taps + tap);
            for (int t = 0; t < count; t++) {
                to[t * step] = sums[t][i] + (g->call->add_dweight ? to[t * step] : 0);
            }
        }
    }
}

/* units: output channels of all groups. */
static void add_parts(void *job, size_t begin, size_t end) {
    const struct grad *g = job;
    real *dbias = g->call->dbias, bias;
    for (size_t unit = begin; unit < end; unit++) {
        for (int panel = 0; panel < g->panels; panel++) {
            add_panel(g, unit / (size_t)g->k, unit % (size_t)g->k, panel, (real *)g->call->dweight + unit * (size_t)(g->c * g->taps));
        }
        if (dbias != NULL) {
            parts_sum(g, g->group_each * (size_t)g->conv.groups + unit, 1, &bias);
            dbias[unit] += bias;
        }
    }
}

void OWN(bf16_backward_weight)(const struct conv_call *call) {
    struct grad g = grad_make(call->conv, call->batch);
    g.call = call;
    g.partial = call->scratch;
    g.scratch = (char *)call->scratch + partial_bytes(&g);
    g.scratch_each = scratch_each(&g);
    threads_run(call->threads, g.parts * g.conv.groups * g.k_parts * g.panel_parts, piece_run, &g);
    body_split(call->threads, (size_t)g.conv.k, g.partial_each * (size_t)g.parts, add_parts, &g);
}

/* The most that any batch up to this one needs. */
size_t OWN(bf16_weight_scratch)(const struct conv *conv, int batch, int threads) {
    size_t most = 0;
    for (int n = 1; n <= batch; n++) {
        struct grad g = grad_make(conv, n);
        size_t bytes = partial_bytes(&g) + (size_t)threads * scratch_each(&g);
        most = bytes > most ? bytes : most;
    }
    return most;
}
