/* Products of bfloat16: the packed weights (bf16.h). Forward they come from the floats; backward from those that are packed already. */
#include "kernels/body/bf16/bf16.h"
#include "kernels/body/transpose.h"

struct pack { const struct conv *conv; const real *weight, *scale; const elem *forth; elem *to; int in_c, out_c, depth, taps; };

static int depth_of(const struct conv *c, int back) {
    return bf16_up((back ? c->k : c->c) / c->groups, BF16_UNIT);
}

static size_t packed_elems(const struct conv *c, int back) {
    size_t columns = (size_t)bf16_vectors((back ? c->c : c->k) / c->groups) * LANES;
    return (size_t)c->groups * columns * (size_t)depth_of(c, back) * (size_t)c->size_h * (size_t)c->size_w;
}

/* Elems before the layer's own weights: those that it walks, where they are others. */
static size_t walked_elems(const struct conv *c) {
    struct conv walked = bf16_walked(c);
    return bf16_is_flat(c) ? packed_elems(&walked, 0) : 0;
}

size_t OWN(bf16_back_at)(const struct conv *c) {
    return walked_elems(c) + packed_elems(c, 0);
}

size_t OWN(bf16_packed_bytes)(const struct conv *c, int training) {
    size_t own = training || !bf16_is_flat(c) ? packed_elems(c, 0) : 0, back = training ? packed_elems(c, 1) : 0;
    return (walked_elems(c) + own + back) * sizeof(elem);
}

static struct pack pack_make(const struct conv *c, int back) {
    int c_each = c->c / c->groups, k_each = c->k / c->groups;
    return (struct pack){.conv = c, .in_c = back ? k_each : c_each, .out_c = back ? c_each : k_each, .depth = depth_of(c, back), .taps = c->size_h * c->size_w};
}

/* A vector of columns: the group's `column`-th channel and those behind it, in their panel. */
struct columns { int group, column, first, width; };

/* units: vectors of all groups. */
static struct columns columns_of(const struct pack *j, size_t unit) {
    int vectors = bf16_vectors(j->out_c), column = (int)unit % vectors * LANES, panel = 0;
    while (bf16_panel(j->out_c, panel + 1) <= column) {
        panel++;
    }
    int first = bf16_panel(j->out_c, panel);
    return (struct columns){(int)unit / vectors, column, first, bf16_panel(j->out_c, panel + 1) - first};
}

/* The pairs of these columns at a tap and pair of in channels. */
static uint32_t *words_at(const struct pack *j, const elem *packed, const struct columns *at, int tap, int pair) {
    ptrdiff_t group = (ptrdiff_t)bf16_vectors(j->out_c) * LANES * j->taps * j->depth, panel = (ptrdiff_t)at->first * j->taps * j->depth;
    const elem *p = packed + at->group * group + panel + ((ptrdiff_t)tap * j->depth + 2 * pair) * at->width;
    return (uint32_t *)(uintptr_t)p + (at->column - at->first);
}

static void word_store(uint32_t *to, const vec_word *v) {
    memcpy(to, v, sizeof *v);
}

/* Row i of v, of channel and tap `at` + i: into the lower or upper half of its pairs. Channels come in order, so that lower halves come first. */
static void store_halves(const struct pack *j, const struct columns *to, int at, int n, const vec *v) {
    for (int i = 0; i < n; i++) {
        int channel = (at + i) / j->taps, tap = (at + i) % j->taps;
        uint32_t *words = words_at(j, j->to, to, tap, channel / 2);
        elem half[LANES];
        vec_word word, lower;
        vec_store(half, &v[i]);
        vec_load_halves(&word, half);
        if (channel % 2 != 0) {
            memcpy(&lower, words, sizeof lower);
            word = word << 16 | lower;
        }
        word_store(words, &word);
    }
}

/* LANES filters, whose weights lie together: as many weights of each are read at a time, and turned in registers. */
static void pack_forth(void *job, size_t begin, size_t end) {
    const struct pack *j = job;
    int count = j->in_c * j->taps;
    for (size_t unit = begin; unit < end; unit++) {
        struct columns to = columns_of(j, unit);
        int k = to.group * j->out_c + to.column, filters = conv_least(LANES, j->out_c - to.column);
        for (int at = 0; at < count; at += LANES) {
            int n = conv_least(LANES, count - at);
            vec v[LANES] = {{0}};
            for (int i = 0; i < filters; i++) {
                conv_load(&v[i], j->weight + (ptrdiff_t)(k + i) * count + at, n);
                v[i] *= j->scale == NULL ? 1 : j->scale[k + i];
            }
            vec_transpose(v);
            store_halves(j, &to, at, n, v);
        }
        for (int tap = 0; tap < j->taps; tap++) {
            for (int pair = conv_parts(j->in_c, 2); pair < j->depth / 2; pair++) {
                memset(words_at(j, j->to, &to, tap, pair), 0, sizeof(vec));
            }
        }
    }
}

#define EVEN_FIRST 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define EVEN_LAST 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

/* Of two filters' weights for 2 * LANES channels, pairs of filters for each. */
static void store_pairs(const vec_word *a, const vec_word *b, uint32_t *first, uint32_t *last) {
    vec_word even = (*a & 0xffff) | *b << 16, odd = *a >> 16 | (*b & 0xffff0000u);
    vec_word words = __builtin_shufflevector(even, odd, EVEN_FIRST);
    word_store(first, &words);
    if (last != NULL) {
        words = __builtin_shufflevector(even, odd, EVEN_LAST);
        word_store(last, &words);
    }
}

/* One tap: 2 * LANES in channels from `column` by LANES filters from k. */
static void turn(const struct pack *j, const struct pack *forth, int group, int column, int k, int tap) {
    struct columns from = columns_of(forth, (size_t)(group * bf16_vectors(forth->out_c) + k / LANES)), to[2];
    int vectors = bf16_vectors(j->out_c), both = column / LANES + 1 < vectors;
    vec v[LANES] = {{0}};
    for (int i = 0; i < conv_least(LANES, (forth->depth - column) / 2); i++) {
        memcpy(&v[i], words_at(forth, j->forth, &from, tap, column / 2 + i), sizeof *v);
    }
    vec_transpose(v);
    for (int i = 0; i < 1 + both; i++) {
        to[i] = columns_of(j, (size_t)(group * vectors + column / LANES + i));
    }
    for (int i = 0; i < LANES && k + i < j->depth; i += 2) {
        int pair = (k + i) / 2, at = j->taps - 1 - tap;
        vec_word a = (vec_word)v[i], b = (vec_word)v[i + 1];
        store_pairs(&a, &b, words_at(j, j->to, &to[0], at, pair), both ? words_at(j, j->to, &to[1], at, pair) : NULL);
    }
}

/* units: pairs of vectors of all groups. */
static void pack_back(void *job, size_t begin, size_t end) {
    const struct pack *j = job;
    struct pack forth = pack_make(j->conv, 0);
    int twos = conv_parts(bf16_vectors(j->out_c), 2), filters = bf16_vectors(j->in_c) * LANES;
    for (size_t unit = begin; unit < end; unit++) {
        int group = (int)unit / twos, column = (int)unit % twos * 2 * LANES;
        for (int tap = 0; tap < j->taps; tap++) {
            for (int k = 0; k < filters; k += LANES) {
                turn(j, &forth, group, column, k, tap);
            }
        }
        for (int i = 0; i < 2 && column / LANES + i < bf16_vectors(j->out_c); i++) {
            struct columns to = columns_of(j, (size_t)(group * bf16_vectors(j->out_c) + column / LANES + i));
            for (int pair = filters / 2; pair < j->depth / 2; pair++) {
                for (int tap = 0; tap < j->taps; tap++) {
                    memset(words_at(j, j->to, &to, tap, pair), 0, sizeof(vec));
                }
            }
        }
    }
}

/* A flat layer's weights (K, C, rows, taps of a row), which are few: one by one. */
static void pack_flat(const struct conv *c, const real *weight, const real *scale, elem *to) {
    struct conv walked = bf16_walked(c);
    struct pack j = pack_make(&walked, 0);
    memset(to, 0, packed_elems(&walked, 0) * sizeof *to);
    for (int k = 0; k < c->k; k++) {
        struct columns columns = columns_of(&j, (size_t)k / LANES);
        for (int i = 0; i < c->c * c->size_h * c->size_w; i++, weight++) {
            int tap = i % c->size_w, row = i / c->size_w % c->size_h, channel = tap * c->c + i / c->size_w / c->size_h;
            elem *pair = (elem *)(void *)(words_at(&j, to, &columns, row, channel / 2) + k % LANES);
            STORE(pair, channel % 2, *weight * (scale == NULL ? 1 : scale[k]));
        }
    }
}

void OWN(bf16_pack)(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    size_t groups = (size_t)c->groups;
    elem *own = (elem *)packed + walked_elems(c);
    if (bf16_is_flat(c)) {
        pack_flat(c, weight, scale, packed);
    }
    if (training || !bf16_is_flat(c)) {
        struct pack job = pack_make(c, 0);
        job.weight = weight, job.scale = scale, job.to = own;
        body_split(threads, groups * (size_t)bf16_vectors(job.out_c), packed_elems(c, 0), pack_forth, &job);
    }
    if (training) {
        struct pack job = pack_make(c, 1);
        job.forth = own, job.to = (elem *)packed + OWN(bf16_back_at)(c);
        body_split(threads, groups * (size_t)conv_parts(bf16_vectors(job.out_c), 2), packed_elems(c, 1), pack_back, &job);
    }
}
