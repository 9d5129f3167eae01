/* conv_nhwc: convolution of LAYOUT_NHWC as a matrix product that is never laid out, for wide layers. Forward and the gradient of x are the same walk over
 * an output (conv.h).
 *
 * Pixels of the output are taken some hundreds at a time (some rows of a sample, or several samples), and sorted by the taps that fall inside, so
 * that none reads outside and none multiplies padding. For such a class the product's depth (taps x in channels) is cut into blocks; for
 * each panel of output channels and block, the packed weights stay in the first-level cache while tiles of pixels pass over them, reading x where it lies.
 *
 * Where there are few pixels in all, going forward is another walk (conv_nhwc_few.c). */
#include "kernels/body/conv_nhwc.h"

struct pass {
    const struct conv *conv;
    struct axis h, w;
    int groups, in_c, out_c;             /* channels of one group */
    int batch;
    struct panels panels;
    int chunk_samples, chunk_rows;       /* taken at a time; rows are all where samples are several */
    int panel_parts;                     /* pieces of a chunk */
    const elem *in;
    const float *exact;                  /* forward, in bfloat16: x as it was given, or NULL */
    elem *out;
    const real *weight, *bias;
    enum activation activation;
    int add;
    char *scratch;
    size_t scratch_each;
};

/* Pixels enough that weights are not fetched too often, so few that what they read stays in the second-level cache. */
static void cut(struct pass *p) {
    enum { BYTES = 384 * 1024, LEAST = 96, MOST = 384, WANTED = 32 };      /* WANTED: pieces for a large team */
    ptrdiff_t each = (ptrdiff_t)p->in_c * p->w.in_step * p->h.in_step * (ptrdiff_t)sizeof(real), fit = BYTES / each;
    int pixels = fit < LEAST ? LEAST : fit > MOST ? MOST : (int)fit, map = p->h.out * p->w.out;
    p->chunk_samples = map < pixels ? conv_least(p->batch, pixels / map) : 1;
    p->chunk_rows = map < pixels ? p->h.out : conv_parts(p->h.out, conv_parts(map, pixels));
    p->panel_parts = 1;
    int pieces = conv_parts(p->batch, p->chunk_samples) * conv_parts(p->h.out, p->chunk_rows) * p->groups;
    p->panel_parts = conv_least(p->panels.count, conv_parts(WANTED, pieces));
}

static struct pass pass_make(const struct conv *c, int batch, int back) {
    struct pass p = {.conv = c, .h = conv_axis_h(c, back), .w = conv_axis_w(c, back), .groups = c->groups, .batch = batch};
    p.in_c = (back ? c->k : c->c) / c->groups;
    p.out_c = (back ? c->c : c->k) / c->groups;
    p.panels = panels_of(p.out_c);
    cut(&p);
    return p;
}

/* ---- a thread's scratch ---- */

struct place {
    struct segment *rows, *cols;
    struct pixel *pixels;
    struct run *runs;
    int *blocks;             /* where each block's runs begin, and behind them where the last one's end */
    real *partial, *copy;
};
enum { PLACE_PARTS = 7 };

static int most_blocks(const struct pass *p) {
    return p->in_c * p->h.size * p->w.size / NHWC_DEPTH + 1;
}

/* Bytes of each of its arrays; returns the sum. */
static size_t place_sizes(const struct pass *p, size_t sizes[PLACE_PARTS]) {
    size_t pixels = (size_t)p->chunk_samples * (size_t)p->chunk_rows * (size_t)p->w.out;
    sizes[0] = (size_t)p->chunk_rows * sizeof(struct segment);
    sizes[1] = (size_t)p->w.out * sizeof(struct segment);
    sizes[2] = pixels * sizeof(struct pixel);
    sizes[3] = (size_t)(p->h.size * p->w.size + most_blocks(p)) * sizeof(struct run);
    sizes[4] = (size_t)(most_blocks(p) + 1) * sizeof(int);
    sizes[5] = pixels * NHWC_N * sizeof(vec);
    sizes[6] = sizeof(elem) == sizeof(real) ? 0 : (size_t)p->chunk_samples * (size_t)p->h.in * (size_t)p->w.in * (size_t)p->in_c * sizeof(real);
    return conv_sizes(sizes, PLACE_PARTS);
}

static struct place place_at(const struct pass *p, char *memory) {
    size_t sizes[PLACE_PARTS];
    void *parts[PLACE_PARTS];
    place_sizes(p, sizes);
    conv_arrays(memory, sizes, PLACE_PARTS, parts);
    return (struct place){parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]};
}

/* ---- a piece: a chunk of pixels, some panels of a group ---- */

struct part {
    const struct pass *p;
    struct place place;
    int sample, samples, row, row_end, group, panel, panel_end;
    const real *x;               /* the chunk's first sample, group's first channel; */
    ptrdiff_t pitch;             /* pixels are so many reals apart */
    int pixels, blocks;          /* of the class at hand */
};

static void list_pixels(struct part *part, const struct segment *rows, const struct segment *cols) {
    const struct pass *p = part->p;
    struct pixel *pixel = part->place.pixels;
    for (int n = 0; n < part->samples; n++) {
        for (int i = 0; i < rows->count; i++) {
            for (int j = 0; j < cols->count; j++, pixel++) {
                ptrdiff_t in = ((ptrdiff_t)n * p->h.in + rows->taps.at + i * p->h.in_step) * p->w.in + cols->taps.at + j * p->w.in_step;
                ptrdiff_t out = ((ptrdiff_t)(part->sample + n) * p->h.out + rows->o + i * p->h.phases) * p->w.out + cols->o + j * p->w.phases;
                *pixel = (struct pixel){in * part->pitch, out * p->groups * p->out_c};
            }
        }
    }
    part->pixels = (int)(pixel - part->place.pixels);
}

/* The taps of a class, in the order of the packed weights, as runs of neighbours, cut into blocks of equal depth. */
static void list_runs(struct part *part, const struct taps *h, const struct taps *w) {
    const struct pass *p = part->p;
    int taps = h->count * w->count, depth = taps * p->in_c, block = conv_parts(depth, conv_most(1, conv_parts(depth, NHWC_DEPTH))), room = 0;
    struct run *run = part->place.runs - 1;
    part->blocks = 0;
    for (int t = 0; t < taps; t++) {
        int i = p->h.back ? h->count - 1 - t / w->count : t / w->count, j = p->h.back ? w->count - 1 - t % w->count : t % w->count;
        int row = h->first + i * h->step, col = w->first + j * w->step;
        row = p->h.back ? p->h.size - 1 - row : row, col = p->h.back ? p->w.size - 1 - col : col;
        struct run next = {((ptrdiff_t)i * h->move * p->w.in + j * w->move) * part->pitch, ((ptrdiff_t)row * p->w.size + col) * p->in_c, 0};
        for (int left = p->in_c; left > 0; left -= next.length, next.x += next.length, next.w += next.length) {
            int fresh = room == 0;
            if (fresh) {
                part->place.blocks[part->blocks++] = (int)(run + 1 - part->place.runs);
                room = block;
            }
            next.length = conv_least(left, room);
            room -= next.length;
            if (!fresh && run->x + run->length == next.x && run->w + run->length == next.w) {
                run->length += next.length;
            } else {
                *++run = next;
            }
        }
    }
    part->place.blocks[part->blocks] = (int)(run + 1 - part->place.runs);
}

/* A class of pixels for one panel. A class without taps gets its bias alone. */
static void panel_run(const struct part *part, int panel) {
    const struct pass *p = part->p;
    int first = panel_begin(&p->panels, panel), vectors = panel_vectors(&p->panels, panel), width = vectors * LANES, channel = part->group * p->out_c + first;
    ptrdiff_t rows = (ptrdiff_t)p->in_c * p->h.size * p->w.size;
    real bias[NHWC_N * LANES] = {0};
    struct nhwc_tile t = {.x = part->x, .w = p->weight + ((ptrdiff_t)part->group * p->panels.vectors * LANES + first) * rows, .columns = conv_least(width, p->out_c - first),
        .add = p->add, .activation = p->activation, .bias = p->bias == NULL ? NULL : bias, .y = p->out + channel};
    if (p->bias != NULL) {
        memcpy(bias, p->bias + channel, (size_t)t.columns * sizeof *bias);
    }
    int tiles = conv_parts(part->pixels, vectors == 1 ? NHWC_THIN : NHWC_R), blocks = conv_most(1, part->blocks);
    for (int b = 0; b < blocks; b++) {
        t.first = b == 0, t.last = b == blocks - 1;
        t.runs = part->place.runs + (part->blocks > 0 ? part->place.blocks[b] : 0);
        t.run_count = part->blocks > 0 ? part->place.blocks[b + 1] - part->place.blocks[b] : 0;
        for (int i = 0; i < tiles; i++) {
            int begin = conv_part(part->pixels, tiles, i), count = conv_part(part->pixels, tiles, i + 1) - begin;
            t.pixels = part->place.pixels + begin;
            t.partial = part->place.partial + (ptrdiff_t)begin * width;
            K(nhwc_tiles)[count - 1][vectors - 1](&t);
        }
    }
}

#if defined(ELEM_bf16)
/* Rows of the chunk's x that are read. */
static struct range rows_read(const struct part *part) {
    const struct pass *p = part->p;
    struct range rows = {p->h.in, 0};
    for (int o = part->row; o < part->row_end; o++) {
        struct taps t = conv_taps(&p->h, o);
        int last = t.at + (t.count - 1) * t.move;
        rows.begin = t.count > 0 ? conv_least(rows.begin, conv_least(t.at, last)) : rows.begin;
        rows.end = t.count > 0 ? conv_most(rows.end, conv_most(t.at, last) + 1) : rows.end;
    }
    return rows;
}

/* Where a map of the chunk's sample n begins among those that nobody rounded, NCHW. */
static ptrdiff_t exact_at(const struct part *part, int n, int c) {
    const struct pass *p = part->p;
    return (((ptrdiff_t)part->sample + n) * p->conv->c + part->group * p->in_c + c) * p->h.in * p->w.in;
}

/* Their reals; the copy's other rows stay as they are. */
static void copy_rows(const struct part *part, const elem *in, ptrdiff_t channels) {
    const struct pass *p = part->p;
    struct range rows = rows_read(part);
    ptrdiff_t sample = (ptrdiff_t)p->h.in * p->w.in, begin = (ptrdiff_t)rows.begin * p->w.in, end = (ptrdiff_t)rows.end * p->w.in;
    for (int n = 0; n < part->samples; n++) {
        for (ptrdiff_t i = n * sample + begin; i < n * sample + end; i++) {
            for (int c = 0; c < p->in_c; c++) {
                part->place.copy[i * p->in_c + c] = p->exact != NULL ? p->exact[exact_at(part, n, c) + i - n * sample] : LOAD(in, i * channels + c);
            }
        }
    }
}
#endif

/* x of the chunk as reals: where it lies, or copied. */
static void part_input(struct part *part) {
    const struct pass *p = part->p;
    ptrdiff_t channels = (ptrdiff_t)p->groups * p->in_c;
    const elem *in = p->in + (ptrdiff_t)part->sample * p->h.in * p->w.in * channels + part->group * p->in_c;
#if defined(ELEM_bf16)
    copy_rows(part, in, channels);
    part->x = part->place.copy, part->pitch = p->in_c;
#else
    part->x = in, part->pitch = channels;
#endif
}

static void piece_run(void *arg, int piece, int thread) {
    const struct pass *p = arg;
    int of_panels = piece % p->panel_parts, of_rows = conv_parts(p->h.out, p->chunk_rows), chunk = piece / p->panel_parts / p->groups;
    struct part part = {.p = p, .place = place_at(p, p->scratch + (size_t)thread * p->scratch_each), .group = piece / p->panel_parts % p->groups};
    part.sample = chunk / of_rows * p->chunk_samples, part.samples = conv_least(p->chunk_samples, p->batch - part.sample);
    part.row = chunk % of_rows * p->chunk_rows, part.row_end = conv_least(p->h.out, part.row + p->chunk_rows);
    part.panel = conv_part(p->panels.count, p->panel_parts, of_panels), part.panel_end = conv_part(p->panels.count, p->panel_parts, of_panels + 1);
    part_input(&part);
    int rows = conv_segments(&p->h, part.row, part.row_end, part.place.rows), cols = conv_segments(&p->w, 0, p->w.out, part.place.cols);
    for (int class = 0; class < rows * cols; class++) {
        const struct segment *row = &part.place.rows[class / cols], *col = &part.place.cols[class % cols];
        list_pixels(&part, row, col);
        list_runs(&part, &row->taps, &col->taps);
        for (int i = part.panel; i < part.panel_end; i++) {
            panel_run(&part, i);
        }
    }
}

static void pass_run(struct pass *p, struct threads *threads, void *scratch) {
    size_t sizes[PLACE_PARTS];
    p->scratch = scratch;
    p->scratch_each = place_sizes(p, sizes);
    int chunks = conv_parts(p->batch, p->chunk_samples) * conv_parts(p->h.out, p->chunk_rows);
    threads_run(threads, chunks * p->groups * p->panel_parts, piece_run, p);
}

static void forward(const struct conv_call *call) {
    if (K(nhwc_is_few)(call->conv, call->batch)) {
        K(nhwc_few)(call);
        return;
    }
    struct pass p = pass_make(call->conv, call->batch, 0);
    p.in = call->x, p.out = call->y, p.weight = call->packed, p.bias = call->bias, p.activation = call->activation;
    p.exact = call->exact;
    pass_run(&p, call->threads, call->scratch);
}

static void backward_data(const struct conv_call *call) {
    struct pass p = pass_make(call->conv, call->batch, 1);
    p.in = call->dy, p.out = call->dx, p.weight = (const real *)call->packed + K(nhwc_packed_reals)(call->conv, 0), p.add = call->add_dx;
    pass_run(&p, call->threads, call->scratch);
}

static size_t pass_bytes(const struct conv *c, int batch, int back, int threads) {
    size_t sizes[PLACE_PARTS];
    struct pass p = pass_make(c, batch, back);
    return place_sizes(&p, sizes) * (size_t)threads;
}

/* The most that any batch up to this one needs: of few pixels there is another way. */
static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    size_t most = pass_bytes(c, batch, 0, threads), back = training ? pass_bytes(c, batch, 1, threads) : 0, few = K(nhwc_few_scratch)(c, batch, threads), weight = 0;
    if (training) {
        weight = K(pointwise_supports)(c) ? K(pointwise_scratch)(c, batch, threads) : K(nhwc_weight_scratch)(c, batch, threads);
    }
    most = few > most ? few : most;
    most = back > most ? back : most;
    return weight > most ? weight : most;
}

/* Groups of very few channels would leave most of a vector empty. */
static int supports(const struct conv *c, int batch, int training) {
    enum { LEAST = 4 };
    (void)batch, (void)training;
    return c->groups == 1 || (c->c / c->groups >= LEAST && c->k / c->groups >= LEAST);
}

static void backward_weight(const struct conv_call *call) {
    if (K(pointwise_supports)(call->conv)) {
        K(pointwise_backward_weight)(call);
    } else {
        K(nhwc_backward_weight)(call);
    }
}

/* Channels that eight lanes hold: sixteen would do no more of them at once, and take longer where a processor makes two halves of such a vector. */
static int supports_thin(const struct conv *c, int batch, int training) {
    enum { THIN = 8 };
    return supports(c, batch, training) && c->c / c->groups <= THIN && c->k / c->groups <= THIN;
}

#define NHWC(takes) {"nhwc", LAYOUT_NHWC, takes, K(nhwc_packed_bytes), scratch_bytes, K(nhwc_pack), forward, backward_data, backward_weight, 1}
const struct conv_kernel K(conv_nhwc) = NHWC(supports), K(conv_nhwc_thin) = NHWC(supports_thin);
