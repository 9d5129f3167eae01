/* conv_int8_lanes: thin layers in 8-bit numbers (conv_int8.h), of LAYOUT_LANES. A vector's lanes are samples, a word four channels of one, so that
 * vectors are full but for the last word's missing channels. A piece of the output is some rows of a block of samples, or small maps of several blocks. What it reads is
 * quantized first, padding and all, so that every place's words lie at the same distances; tiles of filters by places keep their sums in registers, and
 * make elems of them. */
#include <math.h>
#include "kernels/body/conv_int8.h"
#include "kernels/body/conv_lanes_shapes.h"
#include "kernels/body/functions.h"
#include "kernels/body/transpose.h"

#if defined(INT8_CONVOLUTIONS) && !defined(ISA_base) && !defined(ISA_amx)

/* WORTH: filters for which a part of a piece's may quantize anew what all of them read, where that is read once. */
enum { PIECE_BYTES = 128 << 10, WANTED = 16, WORTH = 42 };

/* Geometry of a call that doesn't depend on its data. */
struct walk {
    const struct conv *c;
    int words;                                   /* of a place's channels */
    int width, rows, in_rows, blocks;            /* a piece's columns and rows of x, rows of y, blocks of samples */
    int row_parts, block_parts, tile_parts, tiles;      /* tiles: of filters */
};

/* Rows of a piece: as many as fit, or fewer for a large team, but not so few that most of what is quantized is so again for the next. */
static void cut_rows(struct walk *w, int blocks) {
    const struct conv *c = w->c;
    int row_bytes = w->width * w->words * LANES * 4, fit = (PIECE_BYTES / row_bytes - int8_rows(c, 1)) / c->stride_h + 1;
    int parts = conv_least(conv_parts(WANTED, blocks), conv_most(1, c->oh / c->size_h));
    w->row_parts = conv_parts(c->oh, conv_most(1, conv_least(fit, conv_parts(c->oh, parts))));
    w->rows = conv_parts(c->oh, w->row_parts);
    w->row_parts = conv_parts(c->oh, w->rows);
    w->in_rows = int8_rows(c, w->rows);
}

static struct walk walk_make(const struct conv *c, int batch) {
    int blocks = conv_parts(batch, LANES);
    struct walk w = {.c = c, .words = conv_parts(c->c, INT8_GROUP), .tiles = conv_parts(c->k, LANES_M)};
    w.width = (c->ow - 1) * c->stride_w + (c->size_w - 1) * c->dilation_w + 1;
    cut_rows(&w, blocks);
    int places = lanes_places(conv_parts(c->k, w.tiles)), at_once = w.row_parts > 1 ? 1 : conv_least(blocks, conv_parts(places, c->oh * c->ow));
    w.blocks = at_once;
    w.block_parts = conv_parts(blocks, at_once);
    int wanted = conv_parts(WANTED, w.block_parts * w.row_parts);
    double reads = (double)c->k * c->oh * c->ow * c->size_h * c->size_w / ((double)w.in_rows * w.width);
    w.tile_parts = conv_most(1, conv_least(conv_least(w.tiles, wanted), (int)(reads / WORTH)));
    return w;
}

/* ---- packed: [tile][word][kh][kw][filter of the tile] words, then a scale and a sum of weights for each filter ---- */

static size_t word_count(const struct walk *w) {
    return (size_t)w->c->k * (size_t)w->words * (size_t)w->c->size_h * (size_t)w->c->size_w;
}

struct packed { int32_t *words; float *scales; int32_t *sums; };
static struct packed packed_of(const struct walk *w, const void *packed) {
    int32_t *words = (int32_t *)(uintptr_t)packed;
    float *scales = (float *)(void *)(words + word_count(w));
    return (struct packed){words, scales, (int32_t *)(void *)(scales + w->c->k)};
}

static size_t packed_bytes(const struct conv *c, int training) {
    struct walk w = walk_make(c, 1);
    (void)training;
    return (word_count(&w) + 2 * (size_t)c->k) * 4;
}

/* Filter number `m` of a tile of `count`, whose words are at `to`. Returns the sum of its weights. */
static int32_t pack_filter(const struct walk *w, const float *weight, float unit, int m, int count, int32_t *to) {
    const struct conv *c = w->c;
    int taps = c->size_h * c->size_w;
    int32_t sum = 0;
    for (int word = 0; word < w->words; word++) {
        for (int t = 0; t < taps; t++) {
            sum += int8_word(c, weight, unit, word, t, to + ((ptrdiff_t)word * taps + t) * count + m);
        }
    }
    return sum;
}

static void pack(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    struct walk w = walk_make(c, 1);
    struct packed to = packed_of(&w, packed);
    ptrdiff_t count = (ptrdiff_t)c->c * c->size_h * c->size_w, each = (ptrdiff_t)w.words * c->size_h * c->size_w;
    (void)training, (void)threads;      /* few weights, once a run */
    for (int tile = 0; tile < w.tiles; tile++) {
        int first = conv_part(c->k, w.tiles, tile), filters = conv_part(c->k, w.tiles, tile + 1) - first;
        for (int k = first; k < first + filters; k++) {
            const float *from = (const float *)weight + k * count;
            float unit = int8_scale(from, (size_t)c->c, (size_t)(c->size_h * c->size_w));
            to.scales[k] = unit * (scale != NULL ? ((const float *)scale)[k] : 1);
            to.sums[k] = pack_filter(&w, from, unit, k - first, filters, to.words + first * each);
        }
    }
}

/* ---- quantization ---- */

/* What a thread's scratch is cut into. */
enum { PART_X, PART_PLACES, PART_OUTS, PART_RUNS, SCRATCH_PARTS };
struct pass { struct walk walk; const struct conv_call *call; struct int8_span span; struct packed packed; size_t each, sizes[SCRATCH_PARTS]; };

/* `count` places of a block, from x on, `channels` of them to a word; each `map` elems from the one before. */
INLINE void quantize_some(const int channels, const struct int8_quantum *q, const elem *x, ptrdiff_t map, int count, int32_t *to) {
    for (int i = 0; i < count; i++, x += LANES, to += LANES) {
        vec_word all = {0};
        UNROLL for (int channel = 0; channel < channels; channel++) {
            vec v;
            vec_load(&v, x + channel * map);
            int8_round(q, &v);
            all |= ((vec_word)v & 255) << channel * 8;
        }
        memcpy(to, &all, sizeof all);
    }
}

/* The same of the floats given (call->exact), NCHW: words of LANES columns of each sample, turned. Lanes beyond the batch are 0. */
static void quantize_given(const struct pass *pass, int block, int word, ptrdiff_t at, int count, int32_t *to) {
    const struct conv *c = pass->call->conv;
    const ptrdiff_t map = (ptrdiff_t)c->h * c->w, sample = map * c->c;
    int first = word * INT8_GROUP, channels = conv_least(INT8_GROUP, c->c - first), samples = conv_least(LANES, pass->call->batch - block * LANES);
    const float *x = pass->call->exact + block * LANES * sample + first * map + at;
    for (int column = 0; column < count; column += LANES) {
        int some = conv_least(LANES, count - column);
        vec words[LANES] = {{0}};
        for (int lane = 0; lane < samples; lane++) {
            vec_word all = {0};
            for (int channel = 0; channel < channels; channel++) {
                vec v;
                conv_load(&v, x + lane * sample + channel * map + column, some);
                int8_round(&pass->span.to, &v);
                all |= ((vec_word)v & 255) << channel * 8;
            }
            words[lane] = (vec)all;
        }
        vec_transpose(words);
        memcpy(to + (ptrdiff_t)column * LANES, words, (size_t)some * sizeof *words);
    }
}

/* Word `word` of places of block `block`, from place `at` of its map on. */
static void quantize(const struct pass *pass, int block, int word, ptrdiff_t at, int count, int32_t *to) {
    const struct conv *c = pass->call->conv;
    const ptrdiff_t map = (ptrdiff_t)c->h * c->w * LANES;
    int first = word * INT8_GROUP;
    if (pass->call->exact != NULL) {
        quantize_given(pass, block, word, at, count, to);
        return;
    }
    const elem *x = (const elem *)pass->call->x + ((ptrdiff_t)block * c->c + first) * map + at * LANES;
    if (c->c - first >= INT8_GROUP) {
        quantize_some(INT8_GROUP, &pass->span.to, x, map, count, to);
    } else {
        quantize_some(c->c - first, &pass->span.to, x, map, count, to);
    }
}

/* ---- a piece ---- */

/* x: [block][word][row][column][LANES]. Of every place of y: where the first of its words lies, and where its elems do; of every word and row of taps, how
 * far that is from a place's first. */
struct piece {
    const struct pass *pass;
    int block, blocks, row, rows, place_count, run_count;
    int32_t *x, *places, *runs;
    ptrdiff_t *outs;
};

static size_t scratch_sizes(const struct walk *w, size_t sizes[SCRATCH_PARTS]) {
    size_t places = (size_t)w->blocks * (size_t)w->rows * (size_t)w->c->ow;
    sizes[PART_X] = (size_t)w->blocks * (size_t)w->words * (size_t)w->in_rows * (size_t)w->width * LANES * sizeof(int32_t);
    sizes[PART_PLACES] = places * sizeof(int32_t);
    sizes[PART_OUTS] = places * sizeof(ptrdiff_t);
    sizes[PART_RUNS] = (size_t)w->words * (size_t)w->c->size_h * sizeof(int32_t);
    return conv_sizes(sizes, SCRATCH_PARTS);
}

static void piece_input(const struct piece *p) {
    const struct walk *w = &p->pass->walk;
    const struct conv *c = w->c;
    const struct int8_quantum *q = &p->pass->span.to;
    int rows = int8_rows(c, p->rows), from = p->row * c->stride_h - c->pad_top;
    int begin = conv_least(w->width, c->pad_left), end = conv_most(begin, conv_least(w->width, c->w + c->pad_left));
    for (int i = 0; i < p->blocks * w->words * rows; i++) {
        int at = from + i % rows, word = i / rows % w->words, block = i / rows / w->words, inside = at >= 0 && at < c->h;
        int32_t *to = p->x + (((ptrdiff_t)block * w->words + word) * w->in_rows + i % rows) * w->width * LANES;
        int left = inside ? begin : w->width, right = inside ? end : w->width;
        int8_fill(q, (int8_input *)(void *)to, (size_t)left * LANES * INT8_GROUP);
        if (right > left) {
            quantize(p->pass, p->block + block, word, (ptrdiff_t)at * c->w + left - c->pad_left, right - left, to + (ptrdiff_t)left * LANES);
        }
        int8_fill(q, (int8_input *)(void *)(to + (ptrdiff_t)right * LANES), (size_t)(w->width - right) * LANES * INT8_GROUP);
    }
}

static void piece_lists(struct piece *p) {
    const struct walk *w = &p->pass->walk;
    const struct conv *c = w->c;
    for (int i = 0; i < p->blocks * p->rows * c->ow; i++) {
        int column = i % c->ow, row = i / c->ow % p->rows, block = i / c->ow / p->rows;
        p->outs[p->place_count] = (((ptrdiff_t)block * c->k * c->oh + row) * c->ow + column) * LANES;
        p->places[p->place_count++] = ((block * w->words * w->in_rows + row * c->stride_h) * w->width + column * c->stride_w) * LANES;
    }
    for (int i = 0; i < w->words * c->size_h; i++) {
        p->runs[p->run_count++] = (i / c->size_h * w->in_rows + i % c->size_h * c->dilation_h) * w->width * LANES;
    }
}

/* ---- tiles ---- */

/* `places` of the piece by filters from `filter` on, whose words are at w; y: of the piece's first place, filter 0. */
struct tile { const struct piece *p; const int32_t *w, *places; const ptrdiff_t *outs; int filter; elem *y; };

/* A sum's float; scale and bias are its filter's. */
INLINE void real_of(const struct tile *t, int filter, const vec_int *sum, vec *v) {
    const struct pass *pass = t->p->pass;
    const float *bias = pass->call->bias;
    *v = __builtin_convertvector(*sum, vec) * (pass->packed.scales[filter] * pass->span.unit) + (bias == NULL ? 0 : bias[filter]);
}

INLINE elem *place_of(const struct tile *t, int filter, int place) {
    const struct conv *c = t->p->pass->walk.c;
    return t->y + (ptrdiff_t)filter * c->oh * c->ow * LANES + t->outs[place];
}

/* sums[M][P], through an activation that needs a call. */
static void finish_by_call(const struct tile *t, const vec_int *sums, int M, int P) {
    real all[CONV_SUMS * LANES];
    for (int i = 0; i < M * P; i++) {
        vec v;
        real_of(t, t->filter + i / P, &sums[i], &v);
        vec_store_reals(all + i * LANES, &v);
    }
    K(activate_reals)(t->p->pass->call->activation, all, (size_t)(M * P) * LANES);
    for (int i = 0; i < M * P; i++) {
        vec v;
        vec_load_reals(&v, all + i * LANES);
        vec_store(place_of(t, t->filter + i / P, i % P), &v);
    }
}

INLINE void finish(const int M, const int P, const struct tile *t, const vec_int *sums) {
    enum activation activation = t->p->pass->call->activation;
    if (activation != ACT_RELU && activation != ACT_LINEAR) {
        vec_int all[CONV_SUMS];
        memcpy(all, sums, (size_t)(M * P) * sizeof *sums);
        finish_by_call(t, all, M, P);
        return;
    }
    const vec_int zeros = {0}, negative = activation == ACT_RELU ? ~zeros : zeros;
    UNROLL for (int i = 0; i < M * P; i++) {
        vec v;
        real_of(t, t->filter + i / P, &sums[i], &v);
        v = (vec)((vec_int)v & ~((v < 0) & negative));
        vec_narrow(place_of(t, t->filter + i / P, i % P), &v);
    }
}

INLINE void tile(const int M, const int P, const struct tile *t) {
    const struct conv *c = t->p->pass->walk.c;
    const ptrdiff_t step = (ptrdiff_t)c->dilation_w * LANES;
    const int32_t *w = t->w, *x[LANES_P];
    vec_int sum[CONV_SUMS];
    UNROLL for (int i = 0; i < M * P; i++) {
        sum[i] = (vec_int){0} - t->p->pass->span.to.zero * t->p->pass->packed.sums[t->filter + i / P];
    }
    for (int i = 0; i < t->p->run_count; i++) {
        UNROLL for (int p = 0; p < P; p++) {
            x[p] = t->p->x + t->places[p] + t->p->runs[i];
        }
        for (ptrdiff_t at = 0, end = c->size_w * step; at < end; at += step, w += M) {
            vec_int words[LANES_P];
            UNROLL for (int p = 0; p < P; p++) {
                memcpy(&words[p], x[p] + at, sizeof *words);
            }
            UNROLL for (int m = 0; m < M; m++) {
                vec_int each = (vec_int){0} + w[m];
                UNROLL for (int p = 0; p < P; p++) {
                    dot_words(&sum[m * P + p], &words[p], &each);
                }
            }
        }
    }
    finish(M, P, t, sum);
}

typedef void tile_work(const struct tile *t);
#define TILE(m, p) static void tile_##m##_##p(const struct tile *t) { tile(m, p, t); }
#define TILE_NAME(m, p) tile_##m##_##p,
#define DEFINE(upto, m) upto(TILE, m)
#define LIST(upto, m) {upto(TILE_NAME, m)},
LANES_EACH_TILE(DEFINE)
static tile_work *const tiles[LANES_M][LANES_P] = {LANES_EACH_TILE(LIST)};

/* All filters of the part pass by some places, whose words stay near. */
static void piece_tiles(const struct piece *p, int begin, int end) {
    const struct walk *w = &p->pass->walk;
    const struct conv *c = w->c;
    int places = lanes_places(conv_parts(c->k, w->tiles)), count = conv_parts(p->place_count, places);
    ptrdiff_t each = (ptrdiff_t)w->words * c->size_h * c->size_w;
    struct tile t = {.p = p, .y = (elem *)p->pass->call->y + ((ptrdiff_t)p->block * c->k * c->oh + p->row) * c->ow * LANES};
    for (int i = 0; i < count; i++) {
        int place = conv_part(p->place_count, count, i), some = conv_part(p->place_count, count, i + 1) - place;
        t.places = p->places + place, t.outs = p->outs + place;
        for (int k = begin; k < end; k++) {
            t.filter = conv_part(c->k, w->tiles, k), t.w = p->pass->packed.words + t.filter * each;
            tiles[conv_part(c->k, w->tiles, k + 1) - t.filter - 1][some - 1](&t);
        }
    }
}

static void piece_run(void *arg, int number, int thread) {
    const struct pass *pass = arg;
    const struct walk *w = &pass->walk;
    int part = number % w->tile_parts, rows = number / w->tile_parts % w->row_parts, blocks = number / w->tile_parts / w->row_parts;
    struct piece p = {.pass = pass, .block = blocks * w->blocks, .row = rows * w->rows};
    void *parts[SCRATCH_PARTS];
    p.blocks = conv_least(w->blocks, conv_parts(pass->call->batch, LANES) - p.block);
    p.rows = conv_least(w->rows, w->c->oh - p.row);
    conv_arrays((char *)pass->call->scratch + (size_t)thread * pass->each, pass->sizes, SCRATCH_PARTS, parts);
    p.x = parts[PART_X], p.places = parts[PART_PLACES], p.outs = parts[PART_OUTS], p.runs = parts[PART_RUNS];
    piece_input(&p);
    piece_lists(&p);
    piece_tiles(&p, conv_part(w->tiles, w->tile_parts, part), conv_part(w->tiles, w->tile_parts, part + 1));
}

static void forward(const struct conv_call *call) {
    struct pass pass = {.walk = walk_make(call->conv, call->batch), .call = call, .span = int8_span_of(call)};
    pass.packed = packed_of(&pass.walk, call->packed);
    pass.each = scratch_sizes(&pass.walk, pass.sizes);
    threads_run(call->threads, pass.walk.block_parts * pass.walk.row_parts * pass.walk.tile_parts, piece_run, &pass);
}

static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    struct walk w = walk_make(c, batch);   /* pieces of a smaller batch are not larger */
    size_t sizes[SCRATCH_PARTS];
    (void)training;
    return scratch_sizes(&w, sizes) * (size_t)threads;
}

static int supports(const struct conv *c, int batch, int training) {
    const double least = INT8_NARROW ? 128 : 1;
    return !training && c->groups == 1 && int8_worth(c->c) && (double)c->c * c->size_h * c->size_w >= least && int8_fits(c, LANES) && int8_beats_padding(c, batch) && lanes_fit(c, batch);
}

const struct conv_kernel K(conv_int8_lanes) = {
    "lanes8", LAYOUT_LANES, supports, packed_bytes, scratch_bytes, pack, forward, NULL, NULL, 2,
};
#endif
