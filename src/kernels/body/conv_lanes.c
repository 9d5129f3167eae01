/* conv_lanes: direct convolution of LAYOUT_LANES, for thin layers and for connected ones (a connected layer is a convolution whose kernel is as
 * large as its input). Forward and the gradient of x are the same walk over an output (conv.h); the innermost loops are in conv_lanes_tile.c.
 *
 * A tile's places have the same taps, so nothing outside is ever read. They are neighbours in a row, those at its ends on their own; or, where
 * a batch has blocks enough and rows are short, the same place of several blocks, which always fit. */
#include "kernels/body/conv_lanes.h"
#include "kernels/body/transpose.h"

struct pass {
    const struct conv *conv;
    struct axis h, w;
    int groups, in_c, out_c;             /* channels of one group */
    int batch, together;                 /* blocks that a tile takes at once, or 1: then it takes neighbours */
    int row_parts, channel_parts;        /* pieces of one such set of blocks */
    const struct conv_call *exact;       /* forward, in bfloat16: the call whose x is read as it was given, or NULL */
    const elem *in;
    elem *out;
    const real *weight, *bias;
    enum activation activation;
    int add;
    char *scratch;
    size_t scratch_each;
};

static int blocks_of(int batch) {
    return (batch + LANES - 1) / LANES;
}

static size_t weights(const struct conv *c) {
    return (size_t)c->k * (size_t)(c->c / c->groups) * (size_t)c->size_h * (size_t)c->size_w;
}

/* Short rows have many places at their ends, whose taps are their own, and tiles that are not full. */
static int blocks_together(const struct axis *w, int out_c, int batch) {
    int tiles = conv_parts(out_c, LANES_M), places = lanes_places(conv_parts(out_c, tiles));
    return w->out < 8 * places && blocks_of(batch) > 1 ? conv_least(places, blocks_of(batch)) : 1;
}

/* Enough pieces for a large team; a channel part reads the same x again. */
static void cut(struct pass *p) {
    enum { WANTED = 32 };
    int sets = conv_parts(blocks_of(p->batch), p->together), tiles = conv_parts(p->out_c, LANES_M);
    p->row_parts = conv_least(p->h.out, conv_parts(WANTED, sets));
    p->channel_parts = conv_least(p->groups == 1 ? tiles : 1, conv_parts(WANTED, sets * p->row_parts));
}

static struct pass pass_make(const struct conv *c, int batch, int back) {
    struct pass p = {.conv = c, .h = conv_axis_h(c, back), .w = conv_axis_w(c, back), .groups = c->groups, .batch = batch};
    p.in_c = (back ? c->k : c->c) / c->groups;
    p.out_c = (back ? c->c : c->k) / c->groups;
    p.together = blocks_together(&p.w, p.out_c, batch);
    cut(&p);
    return p;
}

/* A thread's scratch: the segments of a row, and x as reals where it isn't. */
static size_t segments_bytes(const struct pass *p) {
    return conv_align((size_t)p->w.out * sizeof(struct segment));
}

static size_t reals_count(const struct pass *p) {
    return sizeof(elem) == sizeof(real) ? 0 : (size_t)p->in_c * (size_t)p->h.in * (size_t)p->w.in * LANES * (size_t)p->together;
}

static size_t scratch_each(const struct pass *p) {
    return segments_bytes(p) + conv_align(reals_count(p) * sizeof(real));
}

/* What a piece works on. */
struct part {
    const struct pass *p;
    const struct segment *segments;
    int segment_count;
    int block, blocks, row, row_end, group, tile, tile_end;         /* tiles of the group's channels */
    const real *x;                                                  /* [blocks][in_c][rows from x_row][w.in][LANES] */
    ptrdiff_t x_block, x_c;
};

/* The loops over the taps of a segment, as few and as long as their strides allow. */
static void tile_taps(const struct part *part, struct lanes_tile *t, const struct taps *h, const struct taps *w, int m) {
    const struct pass *p = part->p;
    t->x = part->x + ((ptrdiff_t)h->at * p->w.in + w->at) * LANES;
    t->w += (h->first * p->w.size + w->first) * m;
    t->c = h->count > 0 && w->count > 0 ? p->in_c : 0, t->kh = h->count, t->kw = w->count;
    t->x_c = part->x_c, t->x_h = (ptrdiff_t)h->move * p->w.in * LANES, t->x_w = (ptrdiff_t)w->move * LANES;
    t->w_c = (ptrdiff_t)p->h.size * p->w.size * m, t->w_h = (ptrdiff_t)h->step * p->w.size * m, t->w_w = (ptrdiff_t)w->step * m;
    if (t->kw == 1) {
        t->kw = t->kh, t->x_w = t->x_h, t->w_w = t->w_h, t->kh = 1;
    }
    if (t->kh == 1 || (t->x_h == t->kw * t->x_w && t->w_h == t->kw * t->w_w)) {
        t->kw *= t->kh, t->kh = 1;
        if (t->kw == 1 || (t->x_c == t->kw * t->x_w && t->w_c == t->kw * t->w_w)) {
            t->x_w = t->kw == 1 ? t->x_c : t->x_w, t->w_w = t->kw == 1 ? t->w_c : t->w_w;
            t->kw *= t->c, t->c = t->c > 0;
        }
    }
}

/* A segment of a row for m channels; y: place 0 of the row, first of the channels. Tiles of neighbours are of two sizes, the larger ones first. */
static void segment_run(const struct part *part, const struct segment *s, const struct taps *h, struct lanes_tile t, elem *y, int m) {
    const struct pass *p = part->p;
    int most = p->together > 1 ? 1 : lanes_places(m), tiles = conv_parts(s->count, most), small = s->count / tiles, large = s->count % tiles;
    tile_taps(part, &t, h, &s->taps, m);
    t.y = y + s->o * LANES;
    for (int i = 0; i < 2; i++) {
        int places = i == 0 ? small + 1 : small;
        t.tiles = i == 0 ? large : tiles - large;
        t.x_tile = (ptrdiff_t)places * p->w.in_step * LANES, t.y_tile = (ptrdiff_t)places * p->w.phases * LANES;
        if (t.tiles > 0) {
            K(lanes_tiles)[m - 1][(p->together > 1 ? part->blocks : places) - 1](&t);
        }
        t.x += t.tiles * t.x_tile, t.y += t.tiles * t.y_tile;
    }
}

/* Tile i of a row. */
static void row_tile(const struct part *part, int row, const struct taps *h, int i) {
    const struct pass *p = part->p;
    ptrdiff_t map = (ptrdiff_t)p->h.out * p->w.out * LANES, taps = (ptrdiff_t)p->in_c * p->h.size * p->w.size;
    int tiles = conv_parts(p->out_c, LANES_M), from = conv_part(p->out_c, tiles, i), m = conv_part(p->out_c, tiles, i + 1) - from;
    int channel = part->group * p->out_c + from;
    struct lanes_tile t = {
        .w = p->weight + channel * taps, .bias = p->bias == NULL ? NULL : p->bias + channel, .activation = p->activation, .add = p->add,
        .y_m = map, .y_p = p->together > 1 ? p->groups * p->out_c * map : (ptrdiff_t)p->w.phases * LANES,
        .x_p = p->together > 1 ? part->x_block : (ptrdiff_t)p->w.in_step * LANES};
    elem *y = p->out + ((ptrdiff_t)part->block * p->groups * p->out_c + channel) * map + (ptrdiff_t)row * p->w.out * LANES;
    for (int s = 0; s < part->segment_count; s++) {
        segment_run(part, &part->segments[s], h, t, y, m);
    }
}

#if defined(ELEM_bf16)
/* LANES places of LANES samples at a time. */
void K(lanes_exact)(const struct conv_call *call, int block, int channel, ptrdiff_t begin, ptrdiff_t end, real *to) {
    const ptrdiff_t map = (ptrdiff_t)call->conv->h * call->conv->w, sample = map * call->conv->c;
    const float *from = call->exact + block * LANES * sample + channel * map;
    int samples = conv_least(LANES, call->batch - block * LANES);
    for (ptrdiff_t place = begin; place < end; place += LANES, to += LANES * LANES) {
        size_t count = body_least(LANES, (size_t)(end - place));
        vec v[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            vec_load_reals_n(&v[lane], from + (lane < samples ? lane * sample + place : 0), lane < samples ? count : 0);
        }
        vec_transpose(v);
        for (size_t i = 0; i < count; i++) {
            vec_store_reals(to + i * LANES, &v[i]);
        }
    }
}
#endif

/* x of the part's group as reals: where it lies, or copied; of the copy only the rows that are read are filled. */
static void part_input(struct part *part, real *copy) {
    const struct pass *p = part->p;
    ptrdiff_t row = (ptrdiff_t)p->w.in * LANES, map = p->h.in * row;
    const elem *in = p->in + ((ptrdiff_t)part->block * p->groups + part->group) * p->in_c * map;
    part->x_c = map;
#if defined(ELEM_bf16)
    int begin = p->h.in, end = 0;
    for (int o = part->row; o < part->row_end; o++) {
        struct taps t = conv_taps(&p->h, o);
        int last = t.at + (t.count - 1) * t.move;
        begin = t.count > 0 ? conv_least(begin, conv_least(t.at, last)) : begin;
        end = t.count > 0 ? conv_most(end, conv_most(t.at, last) + 1) : end;
    }
    for (int b = 0; b < part->blocks; b++) {
        for (int c = 0; c < p->in_c; c++) {
            const elem *from = in + ((ptrdiff_t)b * p->groups * p->in_c + c) * map;
            real *to = copy + ((ptrdiff_t)b * p->in_c + c) * map;
            if (p->exact != NULL) {
                K(lanes_exact)(p->exact, part->block + b, part->group * p->in_c + c, begin * row / LANES, end * row / LANES, to + begin * row);
                continue;
            }
            for (ptrdiff_t i = begin * row; i < end * row; i += LANES) {
                vec v;
                vec_load(&v, from + i);
                vec_store_reals(to + i, &v);
            }
        }
    }
    part->x = copy, part->x_block = p->in_c * map;
#else
    (void)copy;
    part->x = in, part->x_block = p->groups * p->in_c * map;
#endif
}

static void piece_run(void *arg, int piece, int thread) {
    const struct pass *p = arg;
    int tiles = conv_parts(p->out_c, LANES_M), rows = piece / p->channel_parts % p->row_parts, channels = piece % p->channel_parts;
    char *scratch = p->scratch + (size_t)thread * p->scratch_each;
    struct segment *segments = (struct segment *)(void *)scratch;
    struct part part = {.p = p, .segments = segments, .block = piece / p->channel_parts / p->row_parts * p->together};
    part.segment_count = conv_segments(&p->w, 0, p->w.out, segments);
    part.blocks = conv_least(p->together, blocks_of(p->batch) - part.block);
    part.row = conv_part(p->h.out, p->row_parts, rows), part.row_end = conv_part(p->h.out, p->row_parts, rows + 1);
    part.tile = conv_part(tiles, p->channel_parts, channels), part.tile_end = conv_part(tiles, p->channel_parts, channels + 1);
    for (part.group = 0; part.group < p->groups; part.group++) {
        part_input(&part, (real *)(void *)(scratch + segments_bytes(p)));
        for (int row = part.row; row < part.row_end; row++) {
            struct taps h = conv_taps(&p->h, row);
            for (int i = part.tile; i < part.tile_end; i++) {
                row_tile(&part, row, &h, i);
            }
        }
    }
}

static void pass_run(struct pass *p, struct threads *threads, void *scratch) {
    p->scratch = scratch;
    p->scratch_each = scratch_each(p);
    threads_run(threads, conv_parts(blocks_of(p->batch), p->together) * p->row_parts * p->channel_parts, piece_run, p);
}

static void forward(const struct conv_call *call) {
    struct pass p = pass_make(call->conv, call->batch, 0);
    p.in = call->x, p.out = call->y, p.weight = call->packed, p.bias = call->bias, p.activation = call->activation;
    p.exact = call->exact == NULL || lanes_is_connected(call->conv) ? NULL : call;
    pass_run(&p, call->threads, call->scratch);
}

static void backward_data(const struct conv_call *call) {
    struct pass p = pass_make(call->conv, call->batch, 1);
    p.in = call->dy, p.out = call->dx, p.weight = (const real *)call->packed + weights(call->conv), p.add = call->add_dx;
    pass_run(&p, call->threads, call->scratch);
}

/* ---- weights: [group][tile of out channels][in channel][kh][kw][channel of the tile], for each direction ---- */

struct pack { const struct conv *conv; const real *weight, *scale; real *to; int back; };

/* to[in][tap][m] = from[in * in_step + m * m_step + tap] */
struct pack_tile { const real *from; real *to; int in_c, taps; ptrdiff_t in_step, m_step; };

INLINE void pack_tile(const int M, const struct pack_tile *p) {
    real *to = p->to;
    for (int in = 0; in < p->in_c; in++) {
        const real *from = p->from + in * p->in_step;
        for (int t = 0; t < p->taps; t++, to += M) {
            UNROLL for (int m = 0; m < M; m++) {
                to[m] = from[m * p->m_step + t];
            }
        }
    }
}

static void pack_any(int m, const struct pack_tile *p) {
    switch (m) {
    case 8: pack_tile(8, p); break;
    case 7: pack_tile(7, p); break;
    case 6: pack_tile(6, p); break;
    case 5: pack_tile(5, p); break;
    case 4: pack_tile(4, p); break;
    case 3: pack_tile(3, p); break;
    case 2: pack_tile(2, p); break;
    default: pack_tile(1, p); break;
    }
}

/* Multiplies what was packed: forward, a tile's channels have scales of their own; backward, its in channels. */
static void scale_tile(const struct pack *j, real *to, int m, int in_c, int taps, ptrdiff_t k) {
    for (ptrdiff_t i = 0; i < (ptrdiff_t)in_c * taps * m; i++) {
        to[i] *= j->scale[k + (j->back ? i / m / taps : i % m)];
    }
}

/* units: tiles of the output's channels, all groups'. */
static void pack_range(void *job, size_t begin, size_t end) {
    const struct pack *j = job;
    const struct conv *c = j->conv;
    int taps = c->size_h * c->size_w, c_each = c->c / c->groups, k_each = c->k / c->groups;
    int out_c = j->back ? c_each : k_each, in_c = j->back ? k_each : c_each, tiles = conv_parts(out_c, LANES_M);
    for (size_t unit = begin; unit < end; unit++) {
        int group = (int)unit / tiles, tile = (int)unit % tiles, from = conv_part(out_c, tiles, tile);
        int m = conv_part(out_c, tiles, tile + 1) - from;
        ptrdiff_t k = group * k_each + (j->back ? 0 : from);
        struct pack_tile p = {.from = j->weight + (k * c_each + (j->back ? from : 0)) * taps, .in_c = in_c, .taps = taps,
            .to = j->to + ((ptrdiff_t)group * out_c + from) * in_c * taps,
            .in_step = (ptrdiff_t)taps * (j->back ? c_each : 1), .m_step = (ptrdiff_t)taps * (j->back ? 1 : c_each)};
        pack_any(m, &p);
        if (j->scale != NULL) {
            scale_tile(j, p.to, m, in_c, taps, k);
        }
    }
}

static void pack(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    for (int back = 0; back <= (training != 0); back++) {
        struct pack job = {c, weight, scale, (real *)packed + (back ? weights(c) : 0), back};
        size_t tiles = (size_t)conv_parts((back ? c->c : c->k) / c->groups, LANES_M);
        body_split(threads, (size_t)c->groups * tiles, weights(c), pack_range, &job);
    }
}

static size_t packed_bytes(const struct conv *c, int training) {
    return weights(c) * (training ? 2 : 1) * sizeof(real);
}

/* A smaller batch may take fewer blocks together, never more. */
static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    struct pass forth = pass_make(c, batch, 0), back = pass_make(c, batch, 1);
    size_t each = scratch_each(&forth), other = training ? scratch_each(&back) : 0;
    size_t bytes = (each > other ? each : other) * (size_t)threads, weight = training ? K(lanes_weight_scratch)(c, batch, threads) : 0;
    return bytes > weight ? bytes : weight;
}

static int supports(const struct conv *c, int batch, int training) {
    (void)training;
    return lanes_fit(c, batch);
}

const struct conv_kernel K(conv_lanes) = {
    "lanes", LAYOUT_LANES, supports, packed_bytes, scratch_bytes, pack, forward, backward_data, K(lanes_backward_weight), 1,
};
