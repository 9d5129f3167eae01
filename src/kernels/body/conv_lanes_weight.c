/* conv_lanes: gradients of weights and bias. A weight's gradient is a sum over all places of all samples, kept as a vector over lanes until
 * the end. The batch's blocks are cut into a few parts, whose sums lie in scratch and are added in order; within a part, rows are taken a few
 * at a time, so that x and dy stay in the first-level cache while all taps pass over them. Where a row's neighbouring taps read neighbouring
 * columns, several of those taps are summed at once, and a place loads one column of x: then the second-level cache will do. */
#include "kernels/body/conv_lanes.h"

struct grad {
    const struct conv_call *call;
    const struct conv *conv;
    struct axis h, w;
    int c, k, taps;                   /* of one group; taps: size_h * size_w */
    int along;                        /* a tile's columns are neighbouring taps of one input channel; else input channels */
    int slides;                       /* ... of which all but one are those of the place before */
    int m_tiles;                      /* of one group's k */
    int blocks, parts;                /* of the batch */
    int chunk_blocks, chunk_rows;     /* taken at a time */
    int span;                         /* input channels whose sums are kept at a time */
    real *partial;                    /* [part][weights, then k biases] */
    size_t partial_each;
    char *scratch;
    size_t scratch_each;
};

static size_t weights(const struct conv *c) {
    return (size_t)c->k * (size_t)(c->c / c->groups) * (size_t)c->size_h * (size_t)c->size_w;
}

/* What a tile takes several of besides output channels, and how many at most beside m of those. */
static int columns(const struct grad *g) {
    return g->along ? g->conv->size_w : g->c;
}

static int most_columns(const struct grad *g, int m) {
    return g->slides ? lanes_taps(m) : lanes_columns(m);
}

/* Channels a tile that take the least time: a tile of fewer than ten sums waits as long as one of ten, and loads count a little. */
static int choose_m_tiles(const struct grad *g) {
    int best = 0;
    long least = 0;
    for (int most = LANES_M; most > 0; most--) {
        int tiles = conv_parts(g->k, most), m = conv_parts(g->k, tiles), n_tiles = conv_parts(columns(g), most_columns(g, m));
        int n = conv_parts(columns(g), n_tiles);
        long cost = (long)tiles * n_tiles * (8 * conv_most(10, m * n) + m + (g->slides ? 1 : n));
        if (best == 0 || cost < least) {
            best = tiles, least = cost;
        }
    }
    return best;
}

/* Rows and blocks that fit the cache beside each other, for a tile's channels; but enough places to make the traffic of the sums small. */
static void cut_chunks(struct grad *g) {
    enum { MOST_SUMS = 512 };
    int cache = (g->slides ? 64 : 28) * 1024, enough = g->slides ? 200 : 48;
    const struct conv *c = g->conv;
    ptrdiff_t m = conv_parts(g->k, g->m_tiles), n = g->along ? 1 : conv_least(g->c, lanes_columns((int)m)), vector = LANES * (int)sizeof(real);
    ptrdiff_t halo = n * c->w * conv_most(0, (c->size_h - 1) * c->dilation_h + 1 - c->stride_h) * vector;
    ptrdiff_t row = (n * c->w * c->stride_h + m * c->ow) * vector, rows = (cache - halo) / row;
    int part_blocks = conv_parts(g->blocks, g->parts);
    g->chunk_rows = conv_least(c->oh, conv_most(conv_parts(enough, c->ow), rows < c->oh ? (int)rows : c->oh));
    g->chunk_blocks = g->chunk_rows < c->oh ? 1 : conv_least(part_blocks, conv_parts(enough, c->oh * c->ow));
    int once = g->chunk_rows == c->oh && g->chunk_blocks == part_blocks;
    g->span = once ? conv_least(g->c, conv_most(1, MOST_SUMS / ((int)m * g->taps))) : g->c;
}

static struct grad grad_make(const struct conv *c, int batch) {
    enum { WANTED = 32 };
    struct grad g = {.conv = c, .h = conv_axis_h(c, 0), .w = conv_axis_w(c, 0), .c = c->c / c->groups, .k = c->k / c->groups, .taps = c->size_h * c->size_w, .blocks = (batch + LANES - 1) / LANES};
    g.slides = LANES_TAPS > 1 && c->stride_w == 1 && c->dilation_w == 1 && c->size_w > 3;     /* three taps gained nothing */
    g.along = g.c == 1 || g.slides;
    g.m_tiles = choose_m_tiles(&g);
    g.parts = conv_least(g.blocks, conv_parts(WANTED, g.m_tiles * c->groups));
    g.partial_each = weights(c) + (size_t)c->k;
    cut_chunks(&g);
    return g;
}

/* A thread's scratch: sums of weights and biases of a tile; x and dy of a chunk as reals where they aren't. */
static size_t sums_count(const struct grad *g) {
    return (size_t)conv_parts(g->k, g->m_tiles) * ((size_t)g->span * (size_t)g->taps + 1);
}

static int chunk_x_rows(const struct grad *g) {
    const struct conv *c = g->conv;
    long rows = (long)(g->chunk_rows - 1) * c->stride_h + (long)(c->size_h - 1) * c->dilation_h + 1;
    return rows < c->h ? (int)rows : c->h;
}

static size_t x_count(const struct grad *g) {
    return sizeof(elem) == sizeof(real) ? 0 : (size_t)g->chunk_blocks * (size_t)g->span * (size_t)chunk_x_rows(g) * (size_t)g->conv->w * LANES;
}

static size_t dy_count(const struct grad *g) {
    return sizeof(elem) == sizeof(real) ? 0
        : (size_t)g->chunk_blocks * (size_t)conv_parts(g->k, g->m_tiles) * (size_t)g->chunk_rows * (size_t)g->conv->ow * LANES;
}

static size_t scratch_each(const struct grad *g) {
    return conv_align(sums_count(g) * sizeof(vec)) + conv_align((x_count(g) + dy_count(g)) * sizeof(real));
}

static size_t partial_bytes(const struct grad *g) {
    return conv_align((size_t)g->parts * g->partial_each * sizeof(real));
}

/* What a piece works on: a tile of output channels over a chunk. */
struct part {
    const struct grad *g;
    int group, channel, m;                  /* the tile, in the group */
    int span_begin, span_end;               /* input channels */
    int block, blocks, row, row_end;        /* the chunk */
    const real *x, *dy;                     /* place 0 of the first block, input channel span_begin, output channel `channel` */
    ptrdiff_t x_block, x_c, dy_block, dy_c;
    vec *sum, *bias;                        /* [m][span][taps], [m] */
};

/* A tile over a rectangle of places: n columns from input channel c and tap (i, j). */
static void rectangle(const struct part *part, int c, int i, int j, int n, struct range cols) {
    const struct conv *conv = part->g->conv;
    struct range rows = conv_range(&part->g->h, i);
    rows.begin = conv_most(rows.begin, part->row), rows.end = conv_least(rows.end, part->row_end);
    if (rows.begin >= rows.end || cols.begin >= cols.end) {
        return;
    }
    ptrdiff_t span = part->g->span, taps = part->g->taps;
    ptrdiff_t x_row = (ptrdiff_t)rows.begin * conv->stride_h - conv->pad_top + i * conv->dilation_h;
    ptrdiff_t x_col = (ptrdiff_t)cols.begin * conv->stride_w - conv->pad_left + j * conv->dilation_w;
    struct lanes_sums s = {
        .x = part->x + (c - part->span_begin) * part->x_c + (x_row * conv->w + x_col) * LANES,
        .dy = part->dy + ((ptrdiff_t)rows.begin * conv->ow + cols.begin) * LANES,
        .blocks = part->blocks, .rows = rows.end - rows.begin, .cols = cols.end - cols.begin,
        .x_block = part->x_block, .x_row = (ptrdiff_t)conv->stride_h * conv->w * LANES, .x_col = (ptrdiff_t)conv->stride_w * LANES,
        .x_n = part->g->along ? (ptrdiff_t)conv->dilation_w * LANES : part->x_c,
        .dy_block = part->dy_block, .dy_row = (ptrdiff_t)conv->ow * LANES, .dy_col = LANES, .dy_m = part->dy_c,
        .sum = part->sum + (c - part->span_begin) * taps + i * conv->size_w + j, .sum_m = span * taps, .sum_n = part->g->along ? 1 : taps};
    if (LANES_TAPS > 1 && part->g->slides && n > 1) {
        K(lanes_neighbours)[part->m - 1][n - 1](&s);
        return;
    }
    if (s.rows == 1) {
        s.rows = s.blocks, s.x_row = s.x_block, s.dy_row = s.dy_block, s.blocks = 1;
    }
    if (s.cols == 1) {
        s.cols = s.rows, s.x_col = s.x_row, s.dy_col = s.dy_row, s.rows = 1;
    }
    K(lanes_gradients)[part->m - 1][n - 1](&s);
}

/* Neighbouring taps j..j+n-1 of one input channel: the columns where all of them fall inside, then each one's others. */
static void neighbours(const struct part *part, int c, int i, int j, int n) {
    const struct conv *conv = part->g->conv;
    struct range all = {0, conv->ow};
    for (int t = j; t < j + n; t++) {
        struct range one = conv_range(&part->g->w, t);
        all = (struct range){conv_most(all.begin, one.begin), conv_least(all.end, one.end)};
    }
    all.end = conv_most(all.end, all.begin);
    rectangle(part, c, i, j, n, all);
    for (int t = j; t < j + n; t++) {
        struct range one = conv_range(&part->g->w, t);
        rectangle(part, c, i, t, 1, (struct range){one.begin, conv_least(one.end, all.begin)});
        rectangle(part, c, i, t, 1, (struct range){conv_most(one.begin, all.end), one.end});
    }
}

/* All taps of input channels begin..begin+n-1. */
static void channels_weights(const struct part *part, int begin, int n) {
    const struct conv *conv = part->g->conv;
    for (int i = 0; i < conv->size_h; i++) {
        for (int j = 0; j < conv->size_w; j++) {
            rectangle(part, begin, i, j, n, conv_range(&part->g->w, j));
        }
    }
}

/* All taps of input channel c, some of a row at once. */
static void channel_weights(const struct part *part, int c) {
    const struct conv *conv = part->g->conv;
    int tiles = conv_parts(conv->size_w, most_columns(part->g, part->m));
    for (int i = 0; i < conv->size_h; i++) {
        for (int t = 0; t < tiles; t++) {
            int begin = conv_part(conv->size_w, tiles, t);
            neighbours(part, c, i, begin, conv_part(conv->size_w, tiles, t + 1) - begin);
        }
    }
}

/* All taps pass over a tile's few input channels before the next ones come, so that only those need room in the cache. */
static void chunk_weights(const struct part *part) {
    int count = part->span_end - part->span_begin, tiles = conv_parts(count, part->g->along ? 1 : lanes_columns(part->m));
    for (int t = 0; t < tiles; t++) {
        int begin = part->span_begin + conv_part(count, tiles, t), end = part->span_begin + conv_part(count, tiles, t + 1);
        part->g->along ? channel_weights(part, begin) : channels_weights(part, begin, end - begin);
    }
}

static void chunk_bias(const struct part *part) {
    ptrdiff_t begin = (ptrdiff_t)part->row * part->g->conv->ow * LANES, end = (ptrdiff_t)part->row_end * part->g->conv->ow * LANES;
    for (int m = 0; m < part->m; m++) {
        for (int b = 0; b < part->blocks; b++) {
            const real *dy = part->dy + b * part->dy_block + m * part->dy_c;
            vec sum = part->bias[m], one;
            for (ptrdiff_t i = begin; i < end; i += LANES) {
                vec_load_reals(&one, dy + i);
                sum += one;
            }
            part->bias[m] = sum;
        }
    }
}

#if defined(ELEM_bf16)
/* Rows begin..end of `channels` maps of each block as reals: [block][channel][end - begin][w * LANES]. */
static void convert(const struct part *part, const elem *from, ptrdiff_t from_block, int channels, ptrdiff_t map, ptrdiff_t begin, ptrdiff_t end, real *to) {
    for (int b = 0; b < part->blocks; b++) {
        for (int c = 0; c < channels; c++) {
            for (ptrdiff_t i = begin; i < end; i += LANES, to += LANES) {
                vec v;
                vec_load(&v, from + b * from_block + c * map + i);
                vec_store_reals(to, &v);
            }
        }
    }
}

/* Rows begin..end of the span's maps, as they were given. */
static void convert_exact(const struct part *part, int begin, int end, real *to) {
    int width = part->g->conv->w;
    for (int b = 0; b < part->blocks; b++) {
        for (int c = part->span_begin; c < part->span_end; c++, to += (ptrdiff_t)(end - begin) * width * LANES) {
            K(lanes_exact)(part->g->call, part->block + b, part->group * part->g->c + c, (ptrdiff_t)begin * width, (ptrdiff_t)end * width, to);
        }
    }
}
#endif

/* x and dy of the chunk: where they lie, or copied. */
static void chunk_input(struct part *part, real *copy) {
    const struct grad *g = part->g;
    const struct conv *c = g->conv;
    ptrdiff_t x_row = (ptrdiff_t)c->w * LANES, x_map = c->h * x_row, dy_row = (ptrdiff_t)c->ow * LANES, dy_map = c->oh * dy_row;
    const elem *x = (const elem *)g->call->x + ((ptrdiff_t)part->block * c->c + part->group * g->c + part->span_begin) * x_map;
    const elem *dy = (const elem *)g->call->dy + ((ptrdiff_t)part->block * c->k + part->group * g->k + part->channel) * dy_map;
#if defined(ELEM_bf16)
    int begin = conv_least(c->h, conv_most(0, part->row * c->stride_h - c->pad_top));
    int end = conv_most(begin, conv_least(c->h, (part->row_end - 1) * c->stride_h - c->pad_top + (c->size_h - 1) * c->dilation_h + 1));
    int span = part->span_end - part->span_begin;
    if (g->call->exact != NULL) {
        convert_exact(part, begin, end, copy);
    } else {
        convert(part, x, c->c * x_map, span, x_map, begin * x_row, end * x_row, copy);
    }
    part->x_c = (end - begin) * x_row, part->x_block = span * part->x_c, part->x = copy - begin * x_row;
    copy += x_count(g);
    convert(part, dy, c->k * dy_map, part->m, dy_map, part->row * dy_row, part->row_end * dy_row, copy);
    part->dy_c = (part->row_end - part->row) * dy_row, part->dy_block = part->m * part->dy_c, part->dy = copy - part->row * dy_row;
#else
    (void)copy;
    part->x = x, part->x_block = c->c * x_map, part->x_c = x_map;
    part->dy = dy, part->dy_block = c->k * dy_map, part->dy_c = dy_map;
#endif
}

static void span_chunks(struct part *part, int block_begin, int block_end, int with_bias, real *copy) {
    const struct grad *g = part->g;
    for (int b = block_begin; b < block_end; b += g->chunk_blocks) {
        part->block = b, part->blocks = conv_least(g->chunk_blocks, block_end - b);
        for (int r = 0; r < g->conv->oh; r += g->chunk_rows) {
            part->row = r, part->row_end = conv_least(g->conv->oh, r + g->chunk_rows);
            chunk_input(part, copy);
            chunk_weights(part);
            if (with_bias) {
                chunk_bias(part);
            }
        }
    }
}

static void piece_run(void *arg, int piece, int thread) {
    const struct grad *g = arg;
    int tile = piece % g->m_tiles, of_batch = piece / g->m_tiles / g->conv->groups;
    char *scratch = g->scratch + (size_t)thread * g->scratch_each;
    real *copy = (real *)(void *)(scratch + conv_align(sums_count(g) * sizeof(vec))), *partial = g->partial + (size_t)of_batch * g->partial_each;
    struct part part = {.g = g, .group = piece / g->m_tiles % g->conv->groups, .channel = conv_part(g->k, g->m_tiles, tile), .sum = (vec *)(void *)scratch};
    part.m = conv_part(g->k, g->m_tiles, tile + 1) - part.channel;
    part.bias = part.sum + (size_t)part.m * (size_t)g->span * (size_t)g->taps;
    ptrdiff_t k = part.group * g->k + part.channel;
    for (int c = 0; c < g->c; c += g->span) {
        part.span_begin = c, part.span_end = conv_least(g->c, c + g->span);
        memset(part.sum, 0, sums_count(g) * sizeof(vec));
        span_chunks(&part, conv_part(g->blocks, g->parts, of_batch), conv_part(g->blocks, g->parts, of_batch + 1), c == 0, copy);
        for (int m = 0; m < part.m; m++) {
            K(lanes_reduce)(part.sum + (ptrdiff_t)m * g->span * g->taps, (size_t)(part.span_end - c) * (size_t)g->taps, partial + ((k + m) * g->c + c) * g->taps);
        }
        if (c == 0) {
            K(lanes_reduce)(part.bias, (size_t)part.m, partial + weights(g->conv) + k);
        }
    }
}

/* The parts' sums, in order, into dweight or onto it, and onto dbias behind it. */
static void add_parts(void *job, size_t begin, size_t end) {
    const struct grad *g = job;
    size_t count = weights(g->conv);
    real *dweight = g->call->dweight, *dbias = g->call->dbias;
    for (size_t i = begin; i < end; i++) {
        real sum = g->partial[i];
        for (int part = 1; part < g->parts; part++) {
            sum += g->partial[(size_t)part * g->partial_each + i];
        }
        if (i < count) {
            dweight[i] = sum + (g->call->add_dweight ? dweight[i] : 0);
        } else if (dbias != NULL) {
            dbias[i - count] += sum;
        }
    }
}

void K(lanes_backward_weight)(const struct conv_call *call) {
    if (lanes_is_connected(call->conv)) {
        K(lanes_connected_weight)(call);
        return;
    }
    struct grad g = grad_make(call->conv, call->batch);
    g.call = call;
    g.partial = call->scratch;
    g.scratch = (char *)call->scratch + partial_bytes(&g);
    g.scratch_each = scratch_each(&g);
    threads_run(call->threads, g.parts * g.conv->groups * g.m_tiles, piece_run, &g);
    body_split(call->threads, g.partial_each, g.partial_each * (size_t)g.parts, add_parts, &g);
}

size_t K(lanes_weight_scratch)(const struct conv *conv, int batch, int threads) {
    if (lanes_is_connected(conv)) {
        return K(lanes_connected_scratch)(threads);
    }
    struct grad g = grad_make(conv, batch);
    return partial_bytes(&g) + (size_t)threads * scratch_each(&g);
}
