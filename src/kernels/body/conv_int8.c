/* conv_int8: quantizes what a piece of the output reads, padding and all, so that every pixel's words lie at the same distances; multiplies; and
 * makes floats of the sums, with the filter's scale, bias and activation. A piece is some rows of a sample, or some whole samples. */
#include <math.h>
#include "kernels/body/conv_int8.h"
#include "kernels/body/functions.h"

#if defined(INT8_CONVOLUTIONS)

enum { PIECE_BYTES = 128 << 10, PIECE_PIXELS = 8 * INT8_R, WORTH_PIECES = 8, PART_PRODUCTS = 256, ROWS_PIXELS = 192, BLOCK_WORDS = 256 };

/* Geometry of a call that doesn't depend on its data. rows: output rows a piece; samples: of a piece (more than one only with all rows). There are pieces enough
 * for a team, but of ROWS_PIXELS at least where they are rows, as their neighbours quantize some of the same, and of PIECE_PIXELS where they are samples. */
struct walk {
    const struct conv *c;
    int words;                                   /* of a pixel */
    int width, rows, samples, in_rows, row_parts, sample_parts, panel_parts;
    int run_count, taps, length;                 /* runs of a pixel's taps, how many each has, and their words, filled up */
    int vectors, panels;
};

static struct walk walk_make(const struct conv *c, int batch) {
    struct walk w = {.c = c, .words = conv_parts(c->c, INT8_GROUP), .samples = 1};
    w.width = (c->ow - 1) * c->stride_w + (c->size_w - 1) * c->dilation_w + 1;
    int row_bytes = w.width * w.words * 4, most = conv_most(PIECE_BYTES / row_bytes, int8_rows(c, 1));
    int parts = conv_most(1, conv_least(conv_parts(WORTH_PIECES, batch), c->oh * c->ow / ROWS_PIXELS));
    w.rows = conv_least(conv_parts(c->oh, parts), conv_most(1, (most - int8_rows(c, 1)) / c->stride_h + 1));
    w.rows = conv_parts(c->oh, conv_parts(c->oh, w.rows));
    w.row_parts = conv_parts(c->oh, w.rows);
    w.in_rows = int8_rows(c, w.rows);
    if (w.row_parts == 1) {
        int by_bytes = PIECE_BYTES / (row_bytes * w.in_rows), by_pixels = conv_parts(PIECE_PIXELS, c->oh * c->ow);
        w.samples = conv_least(batch, conv_most(conv_least(by_bytes, conv_parts(batch, WORTH_PIECES)), by_pixels));
    }
    w.sample_parts = conv_parts(batch, w.samples);
    w.taps = c->dilation_w == 1 ? c->size_w : 1;
    w.run_count = c->size_h * c->size_w / w.taps;
    w.length = conv_parts(w.words * w.taps, INT8_UNIT) * INT8_UNIT;
    w.vectors = conv_parts(c->k, LANES);
    w.panels = conv_parts(w.vectors, INT8_N);
    int pieces = w.row_parts * w.sample_parts;
    /* Filters are shared out where there are few pieces, though each part quantizes anew: only where it does enough with it. */
    int worth = (int)fmin((double)c->k * c->size_h * c->size_w / PART_PRODUCTS, WORTH_PIECES / pieces);
    w.panel_parts = conv_most(1, conv_least(w.panels, worth));
    return w;
}

static int panel_begin(const struct walk *w, int panel) { return conv_part(w->vectors, w->panels, panel); }

/* ---- packed: words, then a scale and a sum of weights for each filter, filters filled up to whole vectors ---- */

static size_t word_count(const struct walk *w) {
    return (size_t)w->vectors * LANES * (size_t)w->run_count * (size_t)w->length;
}

struct packed { int32_t *words; float *scales; int32_t *sums; };
static struct packed packed_of(const struct walk *w, const void *packed) {
    int32_t *words = (int32_t *)(uintptr_t)packed;
    float *scales = (float *)(void *)(words + word_count(w));
    return (struct packed){words, scales, (int32_t *)(void *)(scales + w->vectors * LANES)};
}

static size_t packed_bytes(const struct conv *c, int training) {
    struct walk w = walk_make(c, 1);
    (void)training;
    return (word_count(&w) + 2 * (size_t)w.vectors * LANES) * 4;
}

struct pack { struct walk walk; const float *weight, *scale; struct packed to; };

/* Filter k: lane k of its panel's words. */
static void pack_filter(const struct pack *p, int k) {
    const struct walk *w = &p->walk;
    const struct conv *c = w->c;
    int taps = c->size_h * c->size_w, panel = 0;
    while (panel_begin(w, panel + 1) * LANES <= k) {
        panel++;
    }
    int first = panel_begin(w, panel), width = (panel_begin(w, panel + 1) - first) * LANES;
    int32_t *to = p->to.words + (ptrdiff_t)first * LANES * w->run_count * w->length + (k - first * LANES);
    const float *weight = p->weight + (ptrdiff_t)k * c->c * taps;
    float unit = int8_scale(weight, (size_t)c->c, (size_t)taps);
    int32_t sum = 0;
    for (int t = 0; t < taps; t++) {
        for (int word = 0; word < w->words; word++) {
            sum += int8_word(c, weight, unit, word, t, to + ((ptrdiff_t)(t / w->taps) * w->length + t % w->taps * w->words + word) * width);
        }
    }
    p->to.scales[k] = unit * (p->scale != NULL ? p->scale[k] : 1);
    p->to.sums[k] = sum;
}

static void pack_range(void *job, size_t begin, size_t end) {
    for (size_t k = begin; k < end; k++) {
        pack_filter(job, (int)k);
    }
}

static void pack(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    struct pack job = {.walk = walk_make(c, 1), .weight = weight, .scale = scale};
    (void)training;
    memset(packed, 0, packed_bytes(c, 0));
    job.to = packed_of(&job.walk, packed);
    body_split(threads, (size_t)c->k, word_count(&job.walk), pack_range, &job);
}

/* ---- quantization ---- */

/* `count` pixels, in words of their own. What fills up a pixel's last word is another's, and meets weights of 0. */
static void quantize_pixels(const struct walk *w, const struct int8_quantum *q, const elem *x, int count, int8_input *row, int8_input *to) {
    const int channels = w->c->c, words = w->words;
    if (words * INT8_GROUP == channels) {
        int8_quantize(q, x, (size_t)count * (size_t)channels, to);
        return;
    }
    int8_quantize(q, x, (size_t)count * (size_t)channels, row);
    int8_fill(q, row + (ptrdiff_t)count * channels, INT8_GROUP);
    for (int i = 0; i < count; i++, row += channels) {
        for (int word = 0; word < words; word++, to += INT8_GROUP) {
            memcpy(to, row + word * INT8_GROUP, INT8_GROUP * sizeof *to);
        }
    }
}

/* One row of `width` pixels from the map's row x, whose first is behind the padding; x NULL: all padding. row: room for a row. */
static void quantize_row(const struct walk *w, const struct int8_quantum *q, const elem *x, int8_input *row, int8_input *to) {
    const struct conv *c = w->c;
    size_t pixel = (size_t)w->words * INT8_GROUP;
    int begin = conv_least(w->width, c->pad_left), end = x == NULL ? begin : conv_most(begin, conv_least(w->width, c->w + c->pad_left));
    int8_fill(q, to, (size_t)begin * pixel);
    quantize_pixels(w, q, x, end - begin, row, to + (size_t)begin * pixel);
    int8_fill(q, to + (size_t)end * pixel, (size_t)(w->width - end) * pixel);
}

/* ---- a piece ---- */

/* What a thread's scratch is cut into. */
enum { PART_X, PART_ROW, PART_PIXELS, PART_RUNS, PART_SUMS, SCRATCH_PARTS };
struct pass { struct walk walk; const struct conv_call *call; struct int8_span span; struct packed packed; size_t each, sizes[SCRATCH_PARTS]; };
struct piece { const struct pass *pass; int sample, samples, row, rows, pixel_count; int32_t *x, *pixels, *runs, *sums; int8_input *row_room; };

static size_t scratch_sizes(const struct walk *w, size_t sizes[SCRATCH_PARTS]) {
    size_t pixels = (size_t)w->samples * (size_t)w->rows * (size_t)w->c->ow;
    sizes[PART_X] = ((size_t)w->samples * (size_t)w->in_rows * (size_t)w->width * (size_t)w->words + INT8_UNIT - 1) * 4;
    sizes[PART_ROW] = ((size_t)w->c->w * (size_t)w->c->c + INT8_GROUP) * sizeof(int8_input);
    sizes[PART_PIXELS] = pixels * 4;
    sizes[PART_RUNS] = (size_t)w->run_count * 4;
    sizes[PART_SUMS] = pixels * INT8_N * LANES * 4;
    return conv_sizes(sizes, SCRATCH_PARTS);
}

static void scratch_take(struct piece *p, const size_t sizes[SCRATCH_PARTS], char *scratch) {
    void *parts[SCRATCH_PARTS];
    conv_arrays(scratch, sizes, SCRATCH_PARTS, parts);
    p->x = parts[PART_X], p->row_room = parts[PART_ROW], p->pixels = parts[PART_PIXELS], p->runs = parts[PART_RUNS], p->sums = parts[PART_SUMS];
}

static void piece_input(const struct piece *p) {
    const struct walk *w = &p->pass->walk;
    const struct conv *c = w->c;
    int rows = int8_rows(c, p->rows), from = p->row * c->stride_h - c->pad_top;
    for (int s = 0; s < p->samples; s++) {
        const elem *map = (const elem *)p->pass->call->x + (ptrdiff_t)(p->sample + s) * c->h * c->w * c->c;
        for (int r = 0; r < rows; r++) {
            int at = from + r, inside = at >= 0 && at < c->h;
            int8_input *to = (int8_input *)(void *)(p->x + (ptrdiff_t)(s * w->in_rows + r) * w->width * w->words);
            quantize_row(w, &p->pass->span.to, inside ? map + (ptrdiff_t)at * c->w * c->c : NULL, p->row_room, to);
        }
    }
}

static void piece_lists(struct piece *p) {
    const struct walk *w = &p->pass->walk;
    const struct conv *c = w->c;
    for (int s = 0; s < p->samples; s++) {
        for (int i = 0; i < p->rows * c->ow; i++) {
            p->pixels[p->pixel_count++] = ((s * w->in_rows + i / c->ow * c->stride_h) * w->width + i % c->ow * c->stride_w) * w->words;
        }
    }
    for (int i = 0; i < w->run_count; i++) {
        int across = w->run_count / c->size_h;
        p->runs[i] = (i / across * c->dilation_h * w->width + i % across * c->dilation_w) * w->words;
    }
}

/* Sums of filters from `first` on -> their floats, with scale and bias. */
INLINE void finish(const struct pass *pass, const int32_t *sum, int first, int n, vec *v) {
    const float *bias = pass->call->bias;
    vec scale, add = {0};
    vec_int s, less;
    memcpy(&s, sum, sizeof s);
    memcpy(&less, pass->packed.sums + first, sizeof less);
    vec_load_reals(&scale, pass->packed.scales + first);
    if (bias != NULL) {
        conv_load(&add, bias + first, n);
    }
    *v = __builtin_convertvector(s - pass->span.to.zero * less, vec) * (scale * pass->span.unit) + add;
}

/* A row of sums, by the filters from `first`, -> y. */
static void store_row(const struct pass *pass, const int32_t *sum, int first, int columns, elem *y) {
    enum activation activation = pass->call->activation;
    const vec_int zeros = {0}, negative = activation == ACT_RELU ? ~zeros : zeros;
    int by_call = activation != ACT_RELU && activation != ACT_LINEAR;
    real reals[INT8_N * LANES];
    for (int i = 0; i < columns; i += LANES) {
        int n = conv_least(LANES, columns - i);
        vec v;
        finish(pass, sum + i, first + i, n, &v);
        v = (vec)((vec_int)v & ~((v < 0) & negative));
        if (by_call) {
            vec_store_reals(reals + i, &v);
        } else {
            vec_narrow_n(y + i, &v, (size_t)n);
        }
    }
    if (by_call) {
        K(activate_reals)(activation, reals, (size_t)columns);
        for (int i = 0; i < columns; i += LANES) {
            vec v;
            vec_load_reals(&v, reals + i);
            vec_narrow_n(y + i, &v, (size_t)conv_least(LANES, columns - i));
        }
    }
}

static void store(const struct piece *p, int first, int width) {
    const struct pass *pass = p->pass;
    const struct conv *c = pass->walk.c;
    int columns = conv_least(width, c->k - first), per_sample = p->rows * c->ow;
    for (int s = 0; s < p->samples; s++) {
        elem *y = (elem *)pass->call->y + ((ptrdiff_t)(p->sample + s) * c->oh + p->row) * c->ow * c->k + first;
        for (int i = 0; i < per_sample; i++) {
            store_row(pass, p->sums + (ptrdiff_t)(s * per_sample + i) * width, first, columns, y + (ptrdiff_t)i * c->k);
        }
    }
}

/* All pixels by `count` runs, from word `from` to `to` of each, of the panel. */
static void piece_block(const struct piece *p, const int32_t *words, int vectors, int run, int count, int from, int to) {
    const struct walk *w = &p->pass->walk;
    int width = vectors * LANES;
    struct int8_tile t = {
        .x = p->x + from, .w = words + ((ptrdiff_t)run * w->length + from) * width, .runs = p->runs + run,
        .vectors = vectors, .run_count = count, .length = to - from, .first = run == 0 && from == 0,
    };
    for (int pixel = 0; pixel < p->pixel_count; pixel += t.count) {
        t.pixels = p->pixels + pixel, t.sum = p->sums + (ptrdiff_t)pixel * width;
        t.count = K(int8_tile_pixels)(t.pixels, p->pixel_count - pixel);
        K(int8_tile)(&t);
    }
}

/* A few of the panel's words at a time, which stay near while all pixels pass by: some short runs, or a part of a long one. */
static void piece_panel(const struct piece *p, int panel) {
    const struct walk *w = &p->pass->walk;
    int first = panel_begin(w, panel), vectors = panel_begin(w, panel + 1) - first, units = w->length / INT8_UNIT, parts = conv_parts(w->length, BLOCK_WORDS);
    int runs = conv_most(1, BLOCK_WORDS / w->length), blocks = conv_parts(w->run_count, runs);
    const int32_t *words = p->pass->packed.words + (ptrdiff_t)first * LANES * w->run_count * w->length;
    for (int block = 0; block < blocks; block++) {
        int run = conv_part(w->run_count, blocks, block), count = conv_part(w->run_count, blocks, block + 1) - run;
        for (int part = 0; part < parts; part++) {
            piece_block(p, words, vectors, run, count, conv_part(units, parts, part) * INT8_UNIT, conv_part(units, parts, part + 1) * INT8_UNIT);
        }
    }
    store(p, first * LANES, vectors * LANES);
}

static void piece_run(void *arg, int number, int thread) {
    const struct pass *pass = arg;
    const struct walk *w = &pass->walk;
    int part = number % w->panel_parts, rows = number / w->panel_parts % w->row_parts, samples = number / w->panel_parts / w->row_parts;
    struct piece p = {.pass = pass, .sample = samples * w->samples, .row = rows * w->rows};
    p.samples = conv_least(w->samples, pass->call->batch - p.sample);
    p.rows = conv_least(w->rows, w->c->oh - p.row);
    scratch_take(&p, pass->sizes, (char *)pass->call->scratch + (size_t)thread * pass->each);
    piece_input(&p);
    piece_lists(&p);
    for (int panel = conv_part(w->panels, w->panel_parts, part); panel < conv_part(w->panels, w->panel_parts, part + 1); panel++) {
        piece_panel(&p, panel);
    }
}

static void forward(const struct conv_call *call) {
    struct pass pass = {.walk = walk_make(call->conv, call->batch), .call = call, .span = int8_span_of(call)};
    pass.packed = packed_of(&pass.walk, call->packed);
    pass.each = scratch_sizes(&pass.walk, pass.sizes);
    threads_run(call->threads, pass.walk.sample_parts * pass.walk.row_parts * pass.walk.panel_parts, piece_run, &pass);
}

static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    struct walk w = walk_make(c, batch);   /* pieces of a smaller batch are not larger */
    size_t sizes[SCRATCH_PARTS];
    (void)training;
    return scratch_sizes(&w, sizes) * (size_t)threads;
}

/* By three instructions products are less than twice as fast as float32's, of which Winograd's way needs less than half. */
static int beats_winograd(const struct conv *c, int batch) {
#if defined(ISA_vnni) || defined(ISA_amx)
    (void)c, (void)batch;
    return 1;
#else
    return !K(conv_winograd).supports(c, batch, 0);
#endif
}

/* The layer must be wide enough to be worth the conversions. */
static int supports(const struct conv *c, int batch, int training) {
    enum { LEAST_FILTERS = INT8_NARROW ? 16 : 6, LEAST_PRODUCTS = INT8_NARROW ? 128 : 72 };
    int wide = int8_worth(c->c) && c->k >= LEAST_FILTERS && (double)c->c * c->size_h * c->size_w >= LEAST_PRODUCTS;
    return !training && c->groups == 1 && int8_fits(c, 1) && wide && beats_winograd(c, batch) && int8_beats_padding(c, batch);
}

const struct conv_kernel K(conv_int8) = {
    "int8", LAYOUT_NHWC, supports, packed_bytes, scratch_bytes, pack, forward, NULL, NULL, 0,
};
#endif
