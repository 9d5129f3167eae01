/* Convolutions of 8-bit numbers against the same sums in whole numbers, written down here, over a grid of shapes, of floats and of bfloat16, channels last and in
 * lanes; VNNI's instruction in C ("emulated": see the Makefile) and AMX's trapped where the processor has none; the same bits from any team. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "amx_trap.h"
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/kernels.h"

extern const struct conv_kernel conv_int8_base_f32;
#if defined(__x86_64__)
extern const struct conv_kernel conv_int8_avx2_f32, conv_int8_avx512_f32, conv_int8_vnni_f32, conv_int8_emulated_f32, conv_int8_emulatedvnni_f32,
    conv_int8_int8amx_f32, conv_int8_trappedint8_f32, conv_int8_vnni_bf16, conv_int8_emulatedvnni_bf16, conv_int8_int8amx_bf16, conv_int8_trappedint8_bf16,
    conv_int8_lanes_avx2_f32, conv_int8_lanes_avx512_f32, conv_int8_lanes_emulated_f32,
    conv_int8_lanes_vnni_f32, conv_int8_lanes_emulatedvnni_f32, conv_int8_lanes_vnni_bf16, conv_int8_lanes_emulatedvnni_bf16;
#endif

/* Of values that are bfloat16, or float, or float but for x, which is given in NCHW alone; some channels last, some in lanes. narrow: two neighbouring
 * weights' products must fit into 16 bits. */
struct way { const char *name; const struct conv_kernel *kernel; int can; enum { FLOATS, BF16, GIVEN } values; int lanes, narrow; };
enum { MOST_WAYS = 24, GUARD = 64 };

static int ways_list(struct way *ways) {
    int n = 0;
    ways[n++] = (struct way){"base", &conv_int8_base_f32, 1, FLOATS, 8, 0};
#if defined(__x86_64__)
    int avx2 = cpu_can(ISA_AVX2), avx512 = cpu_can(ISA_AVX512), vnni = cpu_has_vnni(), bf16 = cpu_can(ISA_BF16), tiles = cpu_has_int8_tiles();
    const struct way others[] = {
        {"avx2", &conv_int8_avx2_f32, avx2, FLOATS, 8, 1}, {"avx2, lanes", &conv_int8_lanes_avx2_f32, avx2, FLOATS, 8, 1},
        {"avx2, lanes, x given", &conv_int8_lanes_avx2_f32, avx2, GIVEN, 8, 1},
        {"avx512", &conv_int8_avx512_f32, avx512, FLOATS, 16, 1}, {"avx512, lanes", &conv_int8_lanes_avx512_f32, avx512, FLOATS, 16, 1},
        {"emulated avx512", &conv_int8_emulated_f32, avx2, FLOATS, 16, 1}, {"emulated avx512, lanes", &conv_int8_lanes_emulated_f32, avx2, FLOATS, 16, 1},
        {"vnni", &conv_int8_vnni_f32, vnni, FLOATS, 16, 0}, {"emulated vnni", &conv_int8_emulatedvnni_f32, avx2, FLOATS, 16, 0},
        {"amx", &conv_int8_int8amx_f32, tiles, FLOATS, 16, 0}, {"amx beside avx2", &conv_int8_trappedint8_f32, avx2, FLOATS, 16, 0},
        {"vnni, bf16", &conv_int8_vnni_bf16, bf16, BF16, 16, 0}, {"emulated vnni, bf16", &conv_int8_emulatedvnni_bf16, avx2, BF16, 16, 0},
        {"amx, bf16", &conv_int8_int8amx_bf16, tiles, BF16, 16, 0}, {"amx beside avx2, bf16", &conv_int8_trappedint8_bf16, avx2, BF16, 16, 0},
        {"vnni, lanes", &conv_int8_lanes_vnni_f32, vnni, FLOATS, 16, 0}, {"emulated vnni, lanes", &conv_int8_lanes_emulatedvnni_f32, avx2, FLOATS, 16, 0},
        {"vnni, lanes, bf16", &conv_int8_lanes_vnni_bf16, bf16, BF16, 16, 0}, {"emulated vnni, lanes, bf16", &conv_int8_lanes_emulatedvnni_bf16, avx2, BF16, 16, 0},
        {"vnni, lanes, x given", &conv_int8_lanes_vnni_f32, vnni, GIVEN, 16, 0}, {"emulated vnni, lanes, x given", &conv_int8_lanes_emulatedvnni_f32, avx2, GIVEN, 16, 0},
    };
    memcpy(ways + n, others, sizeof others);
    n += (int)(sizeof others / sizeof *others);
    trap_install();
#endif
    return n;
}

struct shape { const char *name; int batch; float low, high; enum activation activation; int biased, scaled; struct conv conv; };

/* c, h, w, k, oh, ow, size_h, size_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups */
static const struct shape shapes[] = {
    {"3x3 padded", 2, 0, 1, ACT_RELU, 1, 1, {16, 12, 12, 32, 12, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 padded, signed", 2, -1, 1, ACT_LINEAR, 1, 0, {16, 12, 12, 32, 12, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"odd channels, signed", 3, -1, 0.7f, ACT_GELU, 0, 1, {9, 7, 5, 19, 7, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"odd channels", 3, 0, 0.5f, ACT_LEAKY, 1, 1, {11, 7, 5, 50, 7, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"5x5, stride 2, uneven padding", 2, 0, 1, ACT_RELU, 1, 0, {8, 15, 14, 18, 8, 7, 5, 5, 2, 2, 2, 1, 1, 1, 1}},
    {"dilation 2 and 3, signed", 2, -1, 1, ACT_RELU, 1, 0, {8, 19, 17, 17, 15, 11, 3, 3, 1, 1, 0, 0, 2, 3, 1}},
    {"dilation across alone, padded", 2, -1, 1, ACT_LINEAR, 1, 0, {8, 6, 17, 17, 6, 17, 3, 3, 1, 1, 1, 2, 1, 2, 1}},
    {"1x1, stride 2", 2, 0, 1, ACT_RELU, 1, 1, {24, 9, 9, 50, 5, 5, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"connected", 33, -1, 1, ACT_LINEAR, 1, 0, {130, 1, 1, 45, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"connected, one sample, long", 1, 0, 1, ACT_LINEAR, 1, 0, {3000, 1, 1, 100, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"padding larger than the kernel", 2, -1, 1, ACT_LINEAR, 0, 0, {8, 4, 4, 16, 8, 8, 3, 3, 1, 1, 3, 3, 1, 1, 1}},
    {"many channels, small maps", 5, 0, 1, ACT_RELU, 1, 1, {260, 3, 3, 130, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"thin, 7x7, stride 2", 2, -1, 1, ACT_RELU, 1, 1, {3, 30, 26, 40, 15, 13, 7, 7, 2, 2, 3, 3, 1, 1, 1}},
    {"thin, blocks of samples", 40, -1, 1, ACT_RELU, 1, 0, {3, 20, 18, 6, 16, 14, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"thin, blocks that are not full", 19, 0, 1, ACT_GELU, 0, 1, {6, 9, 8, 17, 9, 8, 5, 3, 1, 1, 2, 1, 1, 1, 1}},
    {"thin, all of a map to one place", 100, 0, 1, ACT_RELU, 1, 0, {16, 5, 5, 120, 1, 1, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"rows in several pieces", 1, -1, 1, ACT_RELU, 1, 0, {64, 40, 40, 16, 40, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
};

static float next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(*state >> 33) / (float)(1 << 30) - 1;
}

struct known { const struct shape *s; size_t xs, ys, ws; float *x, *w, *bias, *scale; double *y; };

static uint16_t upper_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static float of_upper_half(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* x in NHWC, numbers that bfloat16 has; some beyond the span, which are cut off, and some below 0 where it has none. */
static struct known known_make(const struct shape *s) {
    const struct conv *c = &s->conv;
    struct known k = {.s = s, .xs = (size_t)s->batch * (size_t)(c->c * c->h * c->w), .ys = (size_t)s->batch * (size_t)(c->k * c->oh * c->ow),
                      .ws = (size_t)c->k * (size_t)(c->c * c->size_h * c->size_w)};
    uint64_t state = 7;
    k.x = mem_need(k.xs, sizeof *k.x), k.w = mem_need(k.ws, sizeof *k.w), k.y = mem_need(k.ys, sizeof *k.y);
    k.bias = mem_need((size_t)c->k, sizeof *k.bias), k.scale = mem_need((size_t)c->k, sizeof *k.scale);
    for (size_t i = 0; i < k.xs; i++) k.x[i] = of_upper_half(upper_half(1.1f * next(&state)));
    for (size_t i = 0; i < k.ws; i++) k.w[i] = next(&state);
    for (int i = 0; i < c->k; i++) k.bias[i] = next(&state), k.scale[i] = 2 + next(&state);
    return k;
}

static void known_free(struct known *k) {
    void *all[] = {k->x, k->w, k->y, k->bias, k->scale};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* The largest weight's 127th; narrow: or that of two neighbouring channels' with the same sign. */
static double filter_unit(const struct known *k, int filter, int narrow) {
    const struct conv *c = &k->s->conv;
    int taps = c->size_h * c->size_w;
    const float *w = k->w + filter * c->c * taps;
    float most = 0;
    for (int i = 0; i < c->c * taps; i++) {
        most = fmaxf(most, fabsf(w[i]));
        if (narrow && i / taps % 2 == 1) most = fmaxf(most, fabsf(w[i] + w[i - taps]));
    }
    return (double)(most / 127);
}

static long quantized_x(const struct shape *s, float x) {
    float top = s->low < 0 ? 127 : 255, unit = fmaxf(-s->low, s->high) / top, v = x * (1 / unit);
    v = fmaxf(v, s->low < 0 ? -127 : 0);
    return lrintf(fminf(v, top));
}

static double activate(enum activation a, double v) {
    return a == ACT_RELU ? fmax(v, 0) : a == ACT_LEAKY ? (v > 0 ? v : 0.1 * v) : a == ACT_GELU ? 0.5 * v * (1 + erf(v / sqrt(2))) : v;
}

static double sum_at(const struct known *k, int n, int filter, int oy, int ox, double unit) {
    const struct conv *c = &k->s->conv;
    long sum = 0;
    for (int i = 0; i < c->c; i++)
    for (int r = 0; r < c->size_h; r++)
    for (int q = 0; q < c->size_w; q++) {
        int y = oy * c->stride_h - c->pad_top + r * c->dilation_h, x = ox * c->stride_w - c->pad_left + q * c->dilation_w;
        if (y >= 0 && y < c->h && x >= 0 && x < c->w) {
            float w = k->w[((size_t)(filter * c->c + i) * (size_t)c->size_h + (size_t)r) * (size_t)c->size_w + (size_t)q];
            sum += lrintf(w / (float)unit) * quantized_x(k->s, k->x[((size_t)(n * c->h + y) * (size_t)c->w + (size_t)x) * (size_t)c->c + (size_t)i]);
        }
    }
    return (double)sum;
}

static void known_fill(struct known *k, int narrow) {
    const struct conv *c = &k->s->conv;
    double top = k->s->low < 0 ? 127 : 255, x_unit = (double)fmaxf(-k->s->low, k->s->high) / top;
    for (size_t i = 0; i < k->ys; i++) {
        int filter = (int)(i % (size_t)c->k), at = (int)(i / (size_t)c->k), n = at / (c->oh * c->ow), unit_at = at % (c->oh * c->ow);
        double unit = filter_unit(k, filter, narrow), v = sum_at(k, n, filter, unit_at / c->ow, unit_at % c->ow, unit) * unit * x_unit;
        v = v * (k->s->scaled ? (double)k->scale[filter] : 1) + (k->s->biased ? (double)k->bias[filter] : 0);
        k->y[i] = activate(k->s->activation, v);
    }
}

/* ---- values as a way wants them ---- */

struct map { int c, h, w; };

static size_t stored(const struct way *way, const struct map *m, int batch) {
    int samples = way->kernel->layout == LAYOUT_LANES ? (batch + way->lanes - 1) / way->lanes * way->lanes : batch;
    return (size_t)(samples * m->c * m->h * m->w);
}

/* Where number i of NHWC lies. */
static size_t place(const struct way *way, const struct map *m, size_t i) {
    size_t lanes = (size_t)way->lanes, c = (size_t)m->c, area = (size_t)(m->h * m->w), channel = i % c, at = i / c % area, n = i / c / area;
    return way->kernel->layout == LAYOUT_LANES ? ((n / lanes * c + channel) * area + at) * lanes + n % lanes : i;
}

static void *stored_x(const struct known *k, const struct way *way) {
    const struct map m = {k->s->conv.c, k->s->conv.h, k->s->conv.w};
    size_t c = (size_t)m.c, area = (size_t)(m.h * m.w);
    float *x = mem_need(stored(way, &m, k->s->batch), sizeof *x);
    for (size_t i = 0; i < k->xs; i++) {
        size_t to = way->values == GIVEN ? (i / c / area * c + i % c) * area + i / c % area : place(way, &m, i);
        if (way->values == BF16) {
            ((uint16_t *)(void *)x)[to] = upper_half(k->x[i]);
        } else {
            x[to] = k->x[i];
        }
    }
    return x;
}

/* The numbers at y, in NHWC. */
static float *unstored_y(const struct known *k, const struct way *way, const void *y) {
    const struct map m = {k->s->conv.k, k->s->conv.oh, k->s->conv.ow};
    float *all = mem_need(k->ys, sizeof *all);
    for (size_t i = 0; i < k->ys; i++) {
        size_t from = place(way, &m, i);
        all[i] = way->values == BF16 ? of_upper_half(((const uint16_t *)y)[from]) : ((const float *)y)[from];
    }
    return all;
}

/* What the kernel makes of it, with guards behind everything it writes to. */
static float *computed(const struct known *k, const struct way *way, int team) {
    const struct conv *c = &k->s->conv;
    const struct conv_kernel *kernel = way->kernel;
    const struct map m = {c->k, c->oh, c->ow};
    struct err err = {0};
    struct threads *threads = threads_make(team, &err);
    size_t packed = kernel->packed_bytes(c, 0), scratch = kernel->scratch_bytes(c, k->s->batch, 0, team), out = stored(way, &m, k->s->batch) * (way->values == BF16 ? 2 : 4);
    char *p = mem_aligned(packed + GUARD), *s = mem_aligned(scratch + GUARD), *y = mem_aligned(out + GUARD);
    void *x = stored_x(k, way);
    memset(p + packed, 0x5a, GUARD), memset(s + scratch, 0x5a, GUARD), memset(y + out, 0x5a, GUARD);
    kernel->pack(c, k->w, k->s->scaled ? k->scale : NULL, 0, p, threads);
    struct conv_call call = {
        .conv = c, .threads = threads, .batch = k->s->batch, .x = way->values == GIVEN ? NULL : x,
        .exact = way->values == GIVEN ? x : NULL, .weight = k->w, .packed = p, .bias = k->s->biased ? k->bias : NULL, .y = y,
        .x_low = (double)k->s->low, .x_high = (double)k->s->high, .activation = k->s->activation, .scratch = s,
    };
    kernel->forward(&call);
    for (int i = 0; i < GUARD; i++) {
        assert_int_equal(p[packed + (size_t)i], 0x5a);
        assert_int_equal(s[scratch + (size_t)i], 0x5a);
        assert_int_equal(y[out + (size_t)i], 0x5a);
    }
    float *all = unstored_y(k, way, y);
    void *own[] = {p, s, y, x};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) free(own[i]);
    threads_free(threads);
    return all;
}

/* bfloat16 is off by half a unit of its 8 bits. */
static void check_near(const struct known *k, const struct way *way, const float *y) {
    double most = 0;
    for (size_t at = 0; at < k->ys; at++) most = fmax(most, fabs(k->y[at]));
    for (size_t at = 0; at < k->ys; at++) {
        double error = fabs((double)y[at] - k->y[at]), may = 1e-5 * most + (way->values == BF16 ? fabs(k->y[at]) / 256 : 0);
        if (!(error <= may)) fail_msg("%s, %s: number %zu is %g, not %g", k->s->name, way->name, at, (double)y[at], k->y[at]);
    }
}

/* Each way's numbers against the sums written out. */
static void check_ways(struct known *k) {
    struct way ways[MOST_WAYS];
    int count = ways_list(ways);
    for (int narrow = 0; narrow < 2; narrow++) {
        known_fill(k, narrow);
        for (int way = 0; way < count; way++) {
            if (ways[way].can && ways[way].narrow == narrow) {
                float *y = computed(k, &ways[way], 1);
                check_near(k, &ways[way], y);
                free(y);
            }
        }
    }
}

static void equal_whole_numbers(void **state) {
    (void)state;
    struct way ways[MOST_WAYS];
    int count = ways_list(ways);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct known k = known_make(&shapes[i]);
        check_ways(&k);
        known_free(&k);
    }
    for (int way = 0; way < count; way++) {
        if (!ways[way].can) {
            printf("skipped: this processor has no %s\n", ways[way].name);
        }
    }
}

/* Products as large as they become, all of one sign, which 16 bits hold two of if the weights' scale is right: nothing saturates. */
static void largest_products(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            struct known k = known_make(&shapes[i]);
            for (size_t at = 0; at < k.xs; at++) k.x[at] = 1;
            for (size_t at = 0; at < k.ws; at++) k.w[at] = (float)sign;
            check_ways(&k);
            known_free(&k);
        }
    }
}

static void any_team(void **state) {
    (void)state;
    struct way ways[MOST_WAYS];
    int count = ways_list(ways);
    static const int teams[] = {2, 7};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct known k = known_make(&shapes[i]);
        for (int way = 0; way < count; way++) {
            float *one = ways[way].can ? computed(&k, &ways[way], 1) : NULL;
            for (int t = 0; one != NULL && t < 2; t++) {
                float *other = computed(&k, &ways[way], teams[t]);
                assert_memory_equal(one, other, k.ys * sizeof *one);
                free(other);
            }
            free(one);
        }
        known_free(&k);
    }
}

/* The scratch of a batch is what its smaller ones are computed in, the last of a data set. */
static void smaller_batches(void **state) {
    (void)state;
    enum { MOST = 70 };
    struct way ways[MOST_WAYS];
    int count = ways_list(ways);
    static const int teams[] = {1, 2, 7};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int way = 0; way < count; way++) {
            for (int t = 0; ways[way].can && t < 3; t++) {
                size_t before = 0;
                for (int batch = 1; batch <= MOST; batch++) {
                    size_t bytes = ways[way].kernel->scratch_bytes(&shapes[i].conv, batch, 0, teams[t]);
                    if (bytes < before) fail_msg("%s, %s, %d threads: %zu bytes for %d, %zu for fewer", shapes[i].name, ways[way].name, teams[t], bytes, batch, before);
                    before = bytes;
                }
            }
        }
    }
}

static void what_cannot_be(void **state) {
    (void)state;
    const struct conv_kernel *const *ways = kernels_int8(ISA_BASE, 0, DTYPE_F32);
    assert_ptr_equal(ways[0], &conv_int8_base_f32);
    assert_ptr_equal(kernels_int8(ISA_AVX2, 1, DTYPE_F32)[0], &conv_int8_base_f32);
    struct conv c = {.c = 64, .h = 28, .w = 28, .k = 64, .oh = 28, .ow = 28, .size_h = 1, .size_w = 3, .pad_left = 1, .stride_h = 1, .stride_w = 1,
                     .dilation_h = 1, .dilation_w = 1, .groups = 1};
    assert_true(ways[0]->supports(&c, 8, 0));
    assert_false(ways[0]->supports(&c, 8, 1));   /* nothing is trained so */
    c.groups = 2;
    assert_false(ways[0]->supports(&c, 8, 0));
    c = (struct conv){.c = 100000, .h = 1, .w = 1, .k = 16, .oh = 1, .ow = 1, .size_h = 1, .size_w = 1, .stride_h = 1, .stride_w = 1,
                      .dilation_h = 1, .dilation_w = 1, .groups = 1};
    assert_false(ways[0]->supports(&c, 8, 0));   /* its sums could leave int32 */
#if defined(__x86_64__)
    c = (struct conv){.c = 3, .h = 8, .w = 8, .k = 16, .oh = 8, .ow = 8, .size_h = 5, .size_w = 5, .stride_h = 1, .stride_w = 1, .pad_top = 2, .pad_left = 2,
                      .dilation_h = 1, .dilation_w = 1, .groups = 1};
    assert_true(conv_int8_lanes_vnni_f32.supports(&c, 16, 0));
    assert_false(conv_int8_lanes_vnni_f32.supports(&c, 15, 0));     /* no block is full */
    c.pad_top = c.pad_left = 2000, c.dilation_h = c.dilation_w = 1000;
    assert_false(conv_int8_lanes_vnni_f32.supports(&c, 16, 0));     /* all of its padding would be kept and multiplied */
#endif
}

/* Bfloat16 lies between layers where it is multiplied, and all ways and cells there are of it. */
static void among_what(void **state) {
    (void)state;
    assert_int_equal(kernels_int8_dtype(ISA_BASE, 0), DTYPE_F32);
    assert_int_equal(kernels_int8_dtype(ISA_BASE, 1), DTYPE_F32);
#if defined(__x86_64__)
    assert_int_equal(kernels_int8_dtype(ISA_AVX512, 0), DTYPE_F32);
    assert_int_equal(kernels_int8_dtype(ISA_BF16, 0), DTYPE_BF16);
    assert_int_equal(kernels_int8_dtype(ISA_AMX, 0), DTYPE_BF16);
    assert_ptr_equal(kernels_int8(ISA_BF16, 0, DTYPE_BF16)[1], &conv_int8_lanes_vnni_bf16);
    assert_ptr_equal(kernels_int8(ISA_BF16, 0, DTYPE_BF16)[2], &conv_int8_vnni_bf16);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_whole_numbers), cmocka_unit_test(largest_products), cmocka_unit_test(any_team), cmocka_unit_test(smaller_batches), cmocka_unit_test(what_cannot_be),
        cmocka_unit_test(among_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
