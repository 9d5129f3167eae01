/* conv_nhwc: gradients of weights and bias, as a matrix product over pixels. A piece owns a rectangle of the weights (output channels x input channels,
 * all taps) and a part of the batch; it takes pixels some hundreds at a time and lays out x and dy of them as the tiles read them, the sample innermost where
 * several are taken, so that the places a tap reaches are long stretches. What falls outside is not in any stretch. The parts' sums lie in
 * scratch and are added in order.
 *
 * Where input channels are few, a row of taps counts as channels ("flat"): x is laid out once for each column of dy. */
#include "kernels/body/conv_nhwc.h"

struct grad {
    const struct conv_call *call;
    const struct conv *conv;
    struct axis h, w;
    int flat;
    int c, k, channels, taps_h, taps_w;      /* of one group; channels: c, or c * size_w where flat, and then taps_w is 1 */
    struct panels panels;                    /* of channels */
    int batch, chunk_samples, chunk_rows, chunks, parts;
    int direct;                              /* one part, one tap: sums go straight onto dweight */
    int k_parts, panel_parts;                /* rectangles: ranges of k x ranges of panels */
    real *partial;                           /* [part][group][panel][tap][k][width], then the biases of all groups */
    size_t group_each, partial_each;
    char *scratch;
    size_t scratch_each;
};

/* Pixels of dy taken at a time: a panel of x over them fills half of the first-level cache. */
static void cut_pixels(struct grad *g) {
    enum { PIXELS = 192 };
    const struct conv *c = g->conv;
    int map = c->oh * c->ow;
    g->chunk_samples = map < PIXELS ? conv_least(g->batch, PIXELS / map) : 1;
    g->chunk_rows = map < PIXELS ? c->oh : conv_least(c->oh, conv_parts(PIXELS, c->ow));
    g->chunks = conv_parts(g->batch, g->chunk_samples) * conv_parts(c->oh, g->chunk_rows);
}

static void cut_pieces(struct grad *g) {
    enum { SUMS = 48 * 1024 };
    int taps = g->taps_h * g->taps_w, side = conv_side(taps, SUMS);
    int panel = conv_parts(g->panels.vectors, g->panels.count) * LANES;
    g->k_parts = conv_parts(g->k, side);
    g->panel_parts = conv_least(g->panels.count, conv_parts(g->channels, conv_most(panel, side)));
    g->parts = conv_batch_parts(g->chunks, g->k_parts * g->panel_parts * g->conv->groups, g->partial_each);
    g->direct = g->parts == 1 && taps == 1 && !g->flat && g->channels % LANES == 0;
    if (g->direct) {
        g->group_each = 0, g->partial_each = (size_t)g->conv->k;
    }
}

static struct grad grad_make(const struct conv *c, int batch) {
    struct grad g = {.conv = c, .h = conv_axis_h(c, 0), .w = conv_axis_w(c, 0), .batch = batch, .c = c->c / c->groups, .k = c->k / c->groups};
    g.flat = g.c < NHWC_N * LANES && c->size_w > 1;
    g.channels = g.flat ? g.c * c->size_w : g.c;
    g.taps_h = c->size_h, g.taps_w = g.flat ? 1 : c->size_w;
    g.panels = panels_of(g.channels);
    g.group_each = (size_t)g.panels.vectors * LANES * (size_t)(g.taps_h * g.taps_w) * (size_t)g.k;
    g.partial_each = g.group_each * (size_t)c->groups + (size_t)c->k;
    cut_pixels(&g);
    cut_pieces(&g);
    return g;
}

static size_t partial_bytes(const struct grad *g) {
    return conv_align((size_t)g->parts * g->partial_each * sizeof(real));
}

/* Rows and columns of places that x is laid out in. */
static int x_rows(const struct grad *g) {
    return conv_rows_read(g->conv, g->chunk_rows);
}

static int x_cols(const struct grad *g) {
    return g->flat ? g->conv->ow : g->conv->w;
}

/* ---- a thread's scratch: x [panel][row][column][sample][width], dy [tile][row][column][sample][M], stretches of a tap ---- */

static size_t x_count(const struct grad *g) {
    size_t most = (size_t)conv_parts(g->panels.count, g->panel_parts) * NHWC_N * LANES;
    return most * (size_t)x_rows(g) * (size_t)x_cols(g) * (size_t)g->chunk_samples;
}

static size_t dy_count(const struct grad *g) {
    return (size_t)conv_parts(g->k, g->k_parts) * (size_t)g->chunk_rows * (size_t)g->conv->ow * (size_t)g->chunk_samples;
}

static size_t stretch_count(const struct grad *g) {
    return (size_t)g->chunk_rows * (size_t)g->conv->ow;
}

static size_t reals_bytes(const struct grad *g) {
    return conv_align((x_count(g) + dy_count(g)) * sizeof(real));
}

static size_t scratch_each(const struct grad *g) {
    return reals_bytes(g) + conv_align(stretch_count(g) * sizeof(struct stretch));
}

struct part {
    const struct grad *g;
    int group, k, k_end, panel, panel_end;             /* the rectangle, in the group */
    int sample, samples, row, row_end, x_row, x_row_end;        /* the chunk */
    real *x, *dy, *partial;
    struct stretch *stretches;
};

static int x_places(const struct part *part) {
    return (part->x_row_end - part->x_row) * x_cols(part->g) * part->samples;
}

static int dy_places(const struct part *part) {
    return (part->row_end - part->row) * part->g->conv->ow * part->samples;
}

/* n channels from `first` of a place of x as reals: where they lie, or copied. Flat: (tap, channel)s of the row of taps at column col of dy, zeros outside. */
static const real *fetch(const struct part *part, int sample, int x_row, int col, int first, int n, real *copy) {
    const struct grad *g = part->g;
    const struct conv *c = g->conv;
    const elem *x = (const elem *)g->call->x + (ptrdiff_t)(sample * c->h + x_row) * c->w * c->c + part->group * g->c;
    const float *exact = g->call->exact == NULL ? NULL : g->call->exact + (((ptrdiff_t)sample * c->c + part->group * g->c) * c->h + x_row) * c->w;
    ptrdiff_t left = g->flat ? col * c->stride_w - c->pad_left : col, from = left * c->c + first;
    int together = !g->flat || (c->groups == 1 && c->dilation_w == 1);
    if (sizeof(elem) == sizeof(real) && together && from >= 0 && from + n <= (ptrdiff_t)c->w * c->c) {
        return (const real *)(const void *)(x + from);
    }
    for (int i = 0, tap = first / g->c, channel = first % g->c; i < n; i++) {
        ptrdiff_t at = left + tap * c->dilation_w;
        if (at < 0 || at >= c->w) {
            copy[i] = 0;
        } else {
            copy[i] = exact == NULL ? LOAD(x, at * c->c + channel) : exact[(ptrdiff_t)channel * c->h * c->w + at];
        }
        channel = channel + 1 < g->c ? channel + 1 : 0;
        tap += channel == 0;
    }
    return copy;
}

static void lay_out_x(const struct part *part) {
    const struct grad *g = part->g;
    real *to = part->x, copy[NHWC_N * LANES];
    for (int panel = part->panel; panel < part->panel_end; panel++) {
        int first = panel_begin(&g->panels, panel), width = panel_vectors(&g->panels, panel) * LANES, n = conv_least(width, g->channels - first);
        for (int row = part->x_row; row < part->x_row_end; row++) {
            for (int col = 0; col < x_cols(g); col++) {
                for (int sample = 0; sample < part->samples; sample++, to += width) {
                    const real *from = fetch(part, part->sample + sample, row, col, first, n, copy);
                    for (int i = 0; i < width; i += LANES) {
                        vec v;
                        conv_load(&v, from + i, n - i);
                        vec_store_reals(to + i, &v);
                    }
                }
            }
        }
    }
}

/* dy of the rectangle: tiles of NHWC_R channels, the last one of what is left. */
static void lay_out_dy(const struct part *part) {
    const struct grad *g = part->g;
    const struct conv *c = g->conv;
    int count = part->k_end - part->k, full = count / NHWC_R, rest = count % NHWC_R;
    ptrdiff_t sample = (ptrdiff_t)c->oh * c->ow * c->k, tile = (ptrdiff_t)dy_places(part) * NHWC_R;
    const elem *dy = (const elem *)g->call->dy + part->sample * sample + part->group * g->k + part->k;
    real *to = part->dy, *to_rest = part->dy + full * tile;
    for (int place = part->row * c->ow; place < part->row_end * c->ow; place++) {
        for (int n = 0; n < part->samples; n++, to += NHWC_R, to_rest += rest) {
            const elem *from = dy + n * sample + (ptrdiff_t)place * c->k;
            for (int i = 0; i < full; i++, from += NHWC_R) {
#if defined(ELEM_bf16)
                UNROLL for (int j = 0; j < NHWC_R; j++) {
                    to[i * tile + j] = LOAD(from, j);
                }
#else
                memcpy(to + i * tile, from, NHWC_R * sizeof *to);
#endif
            }
            for (int j = 0; j < rest; j++) {
                to_rest[j] = LOAD(from, j);
            }
        }
    }
}

/* Where tap (i, j) reaches x. Returns how many stretches. */
static int list_stretches(const struct part *part, int i, int j, int x_step) {
    const struct grad *g = part->g;
    const struct conv *c = g->conv;
    struct range rows = conv_range(&g->h, i), cols = {0, c->ow};
    if (!g->flat) {
        cols = conv_range(&g->w, j);
    }
    int stride = g->flat ? 1 : c->stride_w, offset = g->flat ? 0 : j * c->dilation_w - c->pad_left, count = 0;
    int joined = stride == 1 || part->samples == 1;     /* a row is one stretch */
    for (int row = conv_most(rows.begin, part->row); row < conv_least(rows.end, part->row_end); row++) {
        int x_row = (row * c->stride_h - c->pad_top + i * c->dilation_h - part->x_row) * x_cols(g), dy_row = (row - part->row) * c->ow;
        for (int col = cols.begin; col < cols.end; col += joined ? cols.end - cols.begin : 1) {
            struct stretch next = {(x_row + col * stride + offset) * part->samples, (dy_row + col) * part->samples, part->samples * (joined ? cols.end - cols.begin : 1)};
            struct stretch *last = &part->stretches[count - 1];
            if (count > 0 && last->dy + last->count == next.dy && last->x + last->count * x_step == next.x) {
                last->count += next.count;
            } else {
                part->stretches[count++] = next;
            }
        }
    }
    return count;
}

/* One panel and tap: all tiles of output channels. */
static void tap_run(const struct part *part, const real *x, int panel, int tap, int add) {
    const struct grad *g = part->g;
    int width = panel_vectors(&g->panels, panel) * LANES, taps = g->taps_h * g->taps_w, count = part->k_end - part->k;
    int x_step = part->samples == 1 && !g->flat ? g->conv->stride_w : 1;
    struct nhwc_sums s = {.x = x, .stretches = part->stretches, .x_step = x_step, .add = add};
    s.count = list_stretches(part, tap / g->taps_w, tap % g->taps_w, x_step);
    real *sums = part->partial + (size_t)part->group * g->group_each + (ptrdiff_t)panel_begin(&g->panels, panel) * taps * g->k + (ptrdiff_t)tap * g->k * width;
    s.sum_m = width;
    if (g->direct) {
        sums = (real *)g->call->dweight + (ptrdiff_t)part->group * g->k * g->c + panel_begin(&g->panels, panel);
        s.sum_m = g->c, s.add = add || g->call->add_dweight;
    }
    for (int from = 0; from < count; from += NHWC_R) {
        int m = conv_least(NHWC_R, count - from);
        s.dy = part->dy + (ptrdiff_t)from * dy_places(part);
        s.dy_step = m;
        s.sum = sums + (part->k + from) * s.sum_m;
        K(nhwc_gradients)[m - 1][width / LANES - 1](&s);
    }
}

static void chunk_bias(const struct part *part, int add) {
    const struct grad *g = part->g;
    const struct conv *c = g->conv;
    real *bias = part->partial + (size_t)c->groups * g->group_each + part->group * g->k;
    for (int k = part->k; !add && k < part->k_end; k++) {
        bias[k] = 0;
    }
    for (int n = part->sample; n < part->sample + part->samples; n++) {
        for (int place = part->row * c->ow; place < part->row_end * c->ow; place++) {
            const elem *dy = (const elem *)g->call->dy + ((ptrdiff_t)n * c->oh * c->ow + place) * c->k + part->group * g->k;
            for (int k = part->k; k < part->k_end; k++) {
                bias[k] += LOAD(dy, k);
            }
        }
    }
}

static void chunk_run(struct part *part, int chunk, int add) {
    const struct grad *g = part->g;
    const struct conv *c = g->conv;
    int of_rows = conv_parts(c->oh, g->chunk_rows);
    part->sample = chunk / of_rows * g->chunk_samples, part->samples = conv_least(g->chunk_samples, g->batch - part->sample);
    part->row = chunk % of_rows * g->chunk_rows, part->row_end = conv_least(c->oh, part->row + g->chunk_rows);
    part->x_row = conv_least(c->h, conv_most(0, part->row * c->stride_h - c->pad_top));
    part->x_row_end = conv_most(part->x_row, conv_least(c->h, (part->row_end - 1) * c->stride_h - c->pad_top + (c->size_h - 1) * c->dilation_h + 1));
    lay_out_x(part);
    lay_out_dy(part);
    const real *x = part->x;
    for (int panel = part->panel; panel < part->panel_end; panel++) {
        for (int tap = 0; tap < g->taps_h * g->taps_w; tap++) {
            tap_run(part, x, panel, tap, add);
        }
        x += (ptrdiff_t)x_places(part) * panel_vectors(&g->panels, panel) * LANES;
    }
    if (part->panel == 0) {
        chunk_bias(part, add);
    }
}

static void piece_run(void *arg, int piece, int thread) {
    const struct grad *g = arg;
    char *scratch = g->scratch + (size_t)thread * g->scratch_each;
    int of_panels = piece % g->panel_parts, of_k = piece / g->panel_parts % g->k_parts, rest = piece / g->panel_parts / g->k_parts, of_batch = rest / g->conv->groups;
    struct part part = {.g = g, .group = rest % g->conv->groups, .partial = g->partial + (size_t)of_batch * g->partial_each, .x = (real *)(void *)scratch};
    part.dy = part.x + x_count(g);
    part.stretches = (struct stretch *)(void *)(scratch + reals_bytes(g));
    part.k = conv_part(g->k, g->k_parts, of_k), part.k_end = conv_part(g->k, g->k_parts, of_k + 1);
    part.panel = conv_part(g->panels.count, g->panel_parts, of_panels), part.panel_end = conv_part(g->panels.count, g->panel_parts, of_panels + 1);
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

/* A panel of output channel k of a group. */
static void add_panel(const struct grad *g, size_t group, size_t k, int panel, real *dweight) {
    const struct conv *c = g->conv;
    int taps = c->size_h * c->size_w, rows = g->taps_h * g->taps_w;
    int first = panel_begin(&g->panels, panel), width = panel_vectors(&g->panels, panel) * LANES, n = conv_least(width, g->channels - first);
    int add = g->call->add_dweight;
    for (int t = 0; t < rows; t++) {
        real sums[NHWC_N * LANES];
        parts_sum(g, group * g->group_each + ((size_t)first * (size_t)rows + (size_t)(t * width)) * (size_t)g->k + k * (size_t)width, n, sums);
        for (int i = 0; i < n; i++) {
            int at = g->flat ? (first + i) % g->c * taps + t * c->size_w + (first + i) / g->c : (first + i) * taps + t;
            dweight[at] = sums[i] + (add ? dweight[at] : 0);
        }
    }
}

/* units: output channels of all groups. */
static void add_parts(void *job, size_t begin, size_t end) {
    const struct grad *g = job;
    real *dbias = g->call->dbias, bias;
    for (size_t unit = begin; unit < end; unit++) {
        real *dweight = (real *)g->call->dweight + unit * (size_t)(g->c * g->conv->size_h * g->conv->size_w);
        for (int panel = 0; !g->direct && panel < g->panels.count; panel++) {
            add_panel(g, unit / (size_t)g->k, unit % (size_t)g->k, panel, dweight);
        }
        if (dbias != NULL) {
            parts_sum(g, g->group_each * (size_t)g->conv->groups + unit, 1, &bias);
            dbias[unit] += bias;
        }
    }
}

void K(nhwc_backward_weight)(const struct conv_call *call) {
    struct grad g = grad_make(call->conv, call->batch);
    g.call = call;
    g.partial = call->scratch;
    g.scratch = (char *)call->scratch + partial_bytes(&g);
    g.scratch_each = scratch_each(&g);
    threads_run(call->threads, g.parts * g.conv->groups * g.k_parts * g.panel_parts, piece_run, &g);
    body_split(call->threads, (size_t)g.conv->k, g.partial_each * (size_t)g.parts, add_parts, &g);
}

size_t K(nhwc_weight_scratch)(const struct conv *conv, int batch, int threads) {
    struct grad g = grad_make(conv, batch);
    return partial_bytes(&g) + (size_t)threads * scratch_each(&g);
}
