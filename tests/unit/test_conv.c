/* Hand-shaped convolutions against sums in double over a grid of shapes, forwards and backwards, whatever `supports` finds worth it; the same
 * bits from any team; nothing written beyond what was promised. The AVX-512 shapes run in AVX2 code too ("emulated": see the Makefile). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "amx_trap.h"
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "sanitized.h"

#define DECLARE(isa) extern const struct conv_kernel conv_lanes_##isa##_f32, conv_lanes_##isa##_bf16, conv_nhwc_##isa##_f32, conv_nhwc_##isa##_bf16, \
    conv_winograd_##isa##_f32, conv_winograd_##isa##_bf16
#define LIST(isa, need, lanes) \
    {#isa, need, lanes, DTYPE_F32, &conv_lanes_##isa##_f32, NONE}, {#isa, need, lanes, DTYPE_BF16, &conv_lanes_##isa##_bf16, NONE}, \
    {#isa, need, lanes, DTYPE_F32, &conv_nhwc_##isa##_f32, NONE}, {#isa, need, lanes, DTYPE_BF16, &conv_nhwc_##isa##_bf16, NONE}, \
    {#isa, need, lanes, DTYPE_F32, &conv_winograd_##isa##_f32, NONE}, {#isa, need, lanes, DTYPE_BF16, &conv_winograd_##isa##_bf16, NONE}

enum need { NEED_NOTHING, NEED_AVX2, NEED_AVX512, NEED_VNNI, NEED_BF16, NEED_AMX };
/* rounds: Winograd's frequencies, to 16-bit numbers; for the gradient of the weights to bfloat16. */
enum { NONE, SUMS, GRADIENTS };
struct way { const char *isa; enum need need; int lanes; enum dtype dtype; const struct conv_kernel *kernel; int rounds; };
DECLARE(base);
#if defined(__x86_64__)
DECLARE(avx2);
DECLARE(avx512);
DECLARE(emulated);
extern const struct conv_kernel conv_bf16_bf16, conv_emulatedbf16_bf16, conv_amx_bf16, conv_trappedamx_bf16, conv_winograd_bf16_bf16,
    conv_winograd_emulatedbf16_bf16, conv_winograd16_int16avx2_f32, conv_winograd16_int16avx512_f32, conv_winograd16_int16vnni_f32, conv_winograd16_emulatedint16_f32;
#endif
static const struct way ways[] = {
    LIST(base, NEED_NOTHING, 8),
#if defined(__x86_64__)
    LIST(avx2, NEED_AVX2, 8), LIST(avx512, NEED_AVX512, 16), LIST(emulated, NEED_AVX2, 16),
    {"bf16", NEED_BF16, 16, DTYPE_BF16, &conv_bf16_bf16, NONE}, {"emulated bf16", NEED_AVX2, 16, DTYPE_BF16, &conv_emulatedbf16_bf16, NONE},
    {"bf16", NEED_BF16, 16, DTYPE_BF16, &conv_winograd_bf16_bf16, SUMS | GRADIENTS},
    {"emulated bf16", NEED_AVX2, 16, DTYPE_BF16, &conv_winograd_emulatedbf16_bf16, SUMS | GRADIENTS},
    {"avx2", NEED_AVX2, 8, DTYPE_F32, &conv_winograd16_int16avx2_f32, SUMS}, {"avx512", NEED_AVX512, 16, DTYPE_F32, &conv_winograd16_int16avx512_f32, SUMS},
    {"vnni", NEED_VNNI, 16, DTYPE_F32, &conv_winograd16_int16vnni_f32, SUMS}, {"emulated vnni", NEED_AVX2, 16, DTYPE_F32, &conv_winograd16_emulatedint16_f32, SUMS},
    {"amx", NEED_AMX, 16, DTYPE_BF16, &conv_amx_bf16, NONE}, {"amx beside avx2", NEED_AVX2, 16, DTYPE_BF16, &conv_trappedamx_bf16, NONE},
#endif
};

static int can(enum need need) {
    static const enum isa isas[] = {ISA_BASE, ISA_AVX2, ISA_AVX512, ISA_AVX512, ISA_BF16, ISA_AMX};
    return cpu_can(isas[need]) && (need != NEED_VNNI || cpu_has_vnni());
}

/* What this CPU can't run is passed over, aloud. */
static int prepare(void **state) {
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        if (!can(ways[w].need)) {
            print_message("skipped: this processor has no %s: %s in %s\n", ways[w].isa, ways[w].kernel->name, ways[w].dtype == DTYPE_BF16 ? "bf16" : "f32");
        }
    }
    return 0;
}

struct shape { const char *name; int batch; struct conv conv; };

/* c, h, w, k, oh, ow, size_h, size_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups */
static const struct shape shapes[] = {
    {"LeNet's first", 3, {3, 32, 32, 6, 28, 28, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"LeNet's second", 17, {6, 14, 14, 16, 10, 10, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"connected, kernel as large as the map", 33, {16, 5, 5, 120, 1, 1, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"connected, 1x1", 16, {84, 1, 1, 10, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"connected, one sample", 1, {300, 1, 1, 45, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"MNIST's first", 9, {1, 28, 28, 6, 28, 28, 5, 5, 1, 1, 2, 2, 1, 1, 1}},
    {"one channel, one filter", 2, {1, 7, 5, 1, 7, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 padded", 2, {16, 12, 12, 32, 12, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 padded, small maps", 20, {20, 4, 4, 40, 4, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 padded, 2x2 maps", 8, {70, 2, 2, 33, 2, 2, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 padded, 1x1 maps", 8, {12, 1, 1, 13, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3, stride 2", 3, {8, 15, 14, 18, 8, 7, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3, stride 2, one-sided padding", 3, {8, 14, 14, 18, 7, 7, 3, 3, 2, 2, 0, 0, 1, 1, 1}},
    {"uneven padding and strides", 5, {5, 11, 13, 7, 5, 5, 4, 3, 2, 3, 3, 1, 1, 1, 1}},
    {"1x1, stride 2", 2, {24, 9, 9, 50, 5, 5, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"1x1", 2, {64, 9, 9, 50, 9, 9, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"1x1, sums in parts", 5, {16, 28, 28, 24, 28, 28, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"1x1, stride 2, sums in parts", 9, {17, 29, 31, 19, 15, 16, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"1x1, wide", 3, {290, 5, 5, 140, 5, 5, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"1x1, many filters", 2, {20, 4, 4, 270, 4, 4, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"7x7, stride 2", 2, {3, 23, 23, 17, 12, 12, 7, 7, 2, 2, 3, 3, 1, 1, 1}},
    {"3x7, a wide row of taps", 3, {13, 9, 21, 18, 9, 11, 3, 7, 1, 2, 1, 3, 1, 1, 1}},
    {"11x11, stride 4", 2, {3, 35, 35, 20, 7, 7, 11, 11, 4, 4, 0, 0, 1, 1, 1}},
    {"stride 3, dilation 2", 2, {4, 19, 19, 6, 6, 6, 3, 3, 3, 3, 1, 1, 2, 2, 1}},
    {"stride 4, dilation 2", 2, {4, 19, 19, 6, 5, 5, 3, 3, 4, 4, 1, 1, 2, 2, 1}},
    {"stride 2, dilation 3 and 2", 2, {4, 19, 17, 6, 8, 8, 3, 3, 2, 2, 1, 1, 3, 2, 1}},
    {"dilation 2", 2, {9, 13, 13, 10, 13, 13, 3, 3, 1, 1, 2, 2, 2, 2, 1}},
    {"two groups", 3, {10, 13, 13, 24, 13, 13, 5, 5, 1, 1, 2, 2, 1, 1, 2}},
    {"three groups, stride 2", 3, {12, 9, 9, 21, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 3}},
    {"depthwise", 2, {7, 9, 9, 7, 9, 9, 3, 3, 1, 1, 1, 1, 1, 1, 7}},
    {"depthwise, two filters each, stride 2", 2, {5, 9, 9, 10, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 5}},
    {"kernel larger than the map", 4, {3, 3, 3, 5, 3, 3, 5, 5, 1, 1, 2, 2, 1, 1, 1}},
    {"padding larger than the kernel", 2, {3, 4, 4, 5, 8, 8, 3, 3, 1, 1, 3, 3, 1, 1, 1}},
    {"1xN kernel", 4, {3, 6, 17, 5, 6, 15, 1, 3, 1, 1, 0, 0, 1, 1, 1}},
    {"Nx1 kernel", 4, {3, 17, 6, 5, 15, 6, 3, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"many channels", 1, {260, 6, 5, 130, 6, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"stride larger than the kernel", 2, {4, 16, 16, 9, 4, 4, 2, 2, 4, 4, 0, 0, 1, 1, 1}},
    {"part of the map unread", 2, {4, 9, 9, 9, 2, 2, 3, 3, 4, 4, 0, 0, 1, 1, 1}},
    {"wide rows", 1, {4, 3, 150, 8, 3, 150, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3, unpadded, one sample", 1, {19, 15, 13, 33, 13, 11, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3, one-sided padding", 2, {24, 7, 9, 16, 7, 9, 3, 3, 1, 1, 2, 0, 1, 1, 1}},
    {"3x3, many tiles", 9, {32, 28, 28, 24, 28, 28, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3, tiles of 3, a sample in parts", 2, {25, 39, 45, 26, 39, 45, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3, tiles of 3 in one direction, samples left over", 29, {26, 8, 7, 27, 8, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3, tiles of 3 alone", 70, {18, 3, 6, 16, 3, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3, deep", 3, {270, 7, 7, 100, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"few pixels, two groups, stride 2", 2, {200, 9, 9, 44, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 2}},
    {"few pixels, dilated, padding larger than the kernel", 1, {97, 5, 6, 20, 7, 8, 3, 3, 1, 1, 3, 3, 2, 2, 1}},
    {"few pixels, 1x1", 2, {300, 6, 6, 17, 6, 6, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"few pixels, kernel larger than the map", 3, {96, 2, 2, 9, 2, 2, 5, 5, 1, 1, 2, 2, 1, 1, 1}},
    {"large batch", 140, {2, 3, 3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    /* as ResNets': so many samples that a column fills strips of bf16's and amx's, which then leave taps outside out; some samples are left over */
    {"3x3, stride 2, 17 samples", 17, {16, 6, 5, 18, 3, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3, stride 2, 40 samples", 40, {16, 7, 7, 20, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3, stride 2, 33 samples", 33, {18, 8, 8, 17, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3, stride 2, 45 samples", 45, {16, 7, 6, 20, 4, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
};

/* Everything of one case in double, NCHW; inputs and weights rounded as the way's elems are. */
struct known {
    const struct shape *shape;
    size_t xs, ys, ws;
    double *x, *w, *b, *dy, *y, *dx, *dw, *db;
};

static double next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(*state >> 33) / (double)(1u << 30) - 1;
}

static uint16_t to_bf16(double value) {
    float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static double from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double *random_reals(size_t n, enum dtype dtype, uint64_t seed) {
    double *x = mem_need(n, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        double value = next(&seed);
        x[i] = dtype == DTYPE_BF16 ? from_bf16(to_bf16(value)) : (float)value;
    }
    return x;
}

/* Adds what one row of the kernel makes of row (n, i, ih) of the input and row (n, o, y) of the output: most of this program's time. */
static void products_row(struct known *k, const struct conv *c, size_t x_row, size_t y_row, size_t w_row) {
    for (int x = 0; x < c->ow; x++) {
        size_t y = y_row + (size_t)x;
        double dy = k->dy[y], sum = 0;
        for (int s = 0; s < c->size_w; s++) {
            int iw = x * c->stride_w - c->pad_left + s * c->dilation_w;
            if (iw >= 0 && iw < c->w) {
                size_t in = x_row + (size_t)iw, w = w_row + (size_t)s;
                sum += k->x[in] * k->w[w];
                k->dx[in] += dy * k->w[w];
                k->dw[w] += dy * k->x[in];
            }
        }
        k->y[y] += sum;
    }
}

static void products(struct known *k) {
    const struct conv *c = &k->shape->conv;
    int cg = c->c / c->groups, kg = c->k / c->groups;
    for (int n = 0; n < k->shape->batch; n++)
    for (int o = 0; o < c->k; o++)
    for (int y = 0; y < c->oh; y++)
    for (int i = 0; i < cg; i++)
    for (int r = 0; r < c->size_h; r++) {
        int ih = y * c->stride_h - c->pad_top + r * c->dilation_h;
        if (ih >= 0 && ih < c->h) {
            products_row(k, c, (((size_t)n * (size_t)c->c + (size_t)(o / kg * cg + i)) * (size_t)c->h + (size_t)ih) * (size_t)c->w,
                (((size_t)n * (size_t)c->k + (size_t)o) * (size_t)c->oh + (size_t)y) * (size_t)c->ow,
                (((size_t)o * (size_t)cg + (size_t)i) * (size_t)c->size_h + (size_t)r) * (size_t)c->size_w);
        }
    }
}

static struct known known_make(const struct shape *shape, enum dtype dtype) {
    const struct conv *c = &shape->conv;
    struct known k = {.shape = shape, .xs = (size_t)shape->batch * (size_t)(c->c * c->h * c->w), .ys = (size_t)shape->batch * (size_t)(c->k * c->oh * c->ow),
        .ws = (size_t)(c->k * (c->c / c->groups) * c->size_h * c->size_w)};
    k.x = random_reals(k.xs, dtype, 1), k.dy = random_reals(k.ys, dtype, 2);
    k.w = random_reals(k.ws, dtype, 3), k.b = random_reals((size_t)c->k, DTYPE_F32, 4);
    k.y = mem_need(k.ys, sizeof *k.y), k.dx = mem_need(k.xs, sizeof *k.dx), k.dw = mem_need(k.ws, sizeof *k.dw), k.db = mem_need((size_t)c->k, sizeof *k.db);
    size_t map = (size_t)(c->oh * c->ow);
    for (size_t i = 0; i < k.ys; i++) {
        k.y[i] = k.b[i / map % (size_t)c->k];
        k.db[i / map % (size_t)c->k] += k.dy[i];
    }
    products(&k);
    return k;
}

static void known_free(struct known *k) {
    free(k->x), free(k->w), free(k->b), free(k->dy), free(k->y), free(k->dx), free(k->dw), free(k->db);
}

/* Memory with a guard behind it. */
enum { GUARD = 256, GUARD_BYTE = 0x5a };
static void *guarded(size_t bytes, int fill) {
    char *p = mem_aligned(bytes + GUARD);
    assert_non_null(p);
    memset(p, fill, bytes);
    memset(p + bytes, GUARD_BYTE, GUARD);
    return p;
}

static void check_guard(const void *memory, size_t bytes, const char *what) {
    const unsigned char *p = (const unsigned char *)memory + bytes;
    for (int i = 0; i < GUARD; i++) {
        if (p[i] != GUARD_BYTE) {
            fail_msg("written behind the end of %s", what);
        }
    }
}

/* A tensor in a kernel's layout: where sample n's element (channel, place) lies; how many elements in all. */
static size_t place(const struct way *way, size_t n, size_t c, size_t at, size_t channels, size_t map) {
    size_t v = (size_t)way->lanes;
    switch (way->kernel->layout) {
    case LAYOUT_LANES: return ((n / v * channels + c) * map + at) * v + n % v;
    case LAYOUT_NHWC: return (n * map + at) * channels + c;
    default: return (n * channels + c) * map + at;
    }
}

static size_t elements(const struct way *way, int batch, size_t each) {
    int v = way->lanes;
    return (size_t)(way->kernel->layout == LAYOUT_LANES ? (batch + v - 1) / v * v : batch) * each;
}

static void put(const struct way *way, void *to, size_t i, double value) {
    if (way->dtype == DTYPE_BF16) {
        ((uint16_t *)to)[i] = to_bf16(value);
    } else {
        ((float *)to)[i] = (float)value;
    }
}

static double get(const struct way *way, const void *from, size_t i) {
    return way->dtype == DTYPE_BF16 ? from_bf16(((const uint16_t *)from)[i]) : (double)((const float *)from)[i];
}

struct tensor { size_t channels, map, count, bytes; void *data; };

static struct tensor tensor_make(const struct way *way, int batch, int channels, int map, const double *values) {
    struct tensor t = {(size_t)channels, (size_t)map, elements(way, batch, (size_t)channels * (size_t)map), 0, NULL};
    t.bytes = t.count * (way->dtype == DTYPE_BF16 ? 2 : 4);
    t.data = guarded(t.bytes, values == NULL ? 0xff : 0);       /* NaN where nothing was given */
    for (size_t i = 0; values != NULL && i < (size_t)batch * t.channels * t.map; i++) {
        put(way, t.data, place(way, i / t.map / t.channels, i / t.map % t.channels, i % t.map, t.channels, t.map), values[i]);
    }
    return t;
}

/* max |difference| / max |reference|; before: added to every reference. */
static double tensor_error(const struct way *way, const struct tensor *t, int batch, const double *want, double before, double (*f)(double)) {
    double most = 1e-30, off = 0;
    for (size_t i = 0; i < (size_t)batch * t->channels * t->map; i++) {
        double got = get(way, t->data, place(way, i / t->map / t->channels, i / t->map % t->channels, i % t->map, t->channels, t->map));
        double ref = (f != NULL ? f(want[i]) : want[i]) + before, d = fabs(got - ref);
        most = fabs(ref) > most ? fabs(ref) : most;
        off = !(d <= off) ? d : off;
    }
    return off / most;
}

static double array_error(const float *got, const double *want, size_t n, double before) {
    double most = 1e-30, off = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i] - before);
        most = fabs(want[i] + before) > most ? fabs(want[i] + before) : most;
        off = !(d <= off) ? d : off;
    }
    return off / most;
}

/* Root mean square of the differences / that of the reference; before, f: as above. */
static double tensor_deviation(const struct way *way, const struct tensor *t, int batch, const double *want, double before, double (*f)(double)) {
    double all = 1e-30, off = 0;
    for (size_t i = 0; i < (size_t)batch * t->channels * t->map; i++) {
        double got = get(way, t->data, place(way, i / t->map / t->channels, i / t->map % t->channels, i % t->map, t->channels, t->map));
        double ref = (f != NULL ? f(want[i]) : want[i]) + before;
        all += ref * ref;
        off += (got - ref) * (got - ref);
    }
    return sqrt(off / all);
}

static double array_deviation(const float *got, const double *want, size_t n, double before) {
    double all = 1e-30, off = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - want[i] - before;
        all += want[i] * want[i];
        off += d * d;
    }
    return sqrt(off / all);
}

static void check(const struct way *way, const struct shape *shape, const char *what, double error, double most) {
    if (!(error <= most)) {
        fail_msg("%s %s %s, %s: %s is off by %g, at most %g wanted", way->kernel->name, way->isa, way->dtype == DTYPE_BF16 ? "bf16" : "f32", shape->name, what, error, most);
    }
}

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(x[i]));
    }
    return most;
}

static double relu(double x) { return x < 0 ? 0 : x; }

/* One team's results, to be compared bit for bit. */
struct results { struct tensor y, dx; float *dw, *db; };

static float *floats(const double *from, size_t n) {
    float *to = guarded(n * sizeof *to, 0);
    for (size_t i = 0; from != NULL && i < n; i++) {
        to[i] = (float)from[i];
    }
    return to;
}

static int is_winograd(const struct way *way) {
    return strncmp(way->kernel->name, "winograd", 8) == 0;
}

/* Winograd's transforms are of one kernel. */
static int takes(const struct way *way, const struct conv *c) {
    int one = c->stride_h == 1 && c->stride_w == 1 && c->dilation_h == 1 && c->dilation_w == 1 && c->groups == 1;
    return !is_winograd(way) || (one && c->size_h == 3 && c->size_w == 3);
}

static double error_most(const struct way *way) {
    return is_winograd(way) ? 1e-4 : 1e-5;
}

static struct results compute(const struct way *way, const struct known *k, int team, enum activation activation, int add) {
    const struct conv *c = &k->shape->conv;
    const struct conv_kernel *kernel = way->kernel;
    int batch = k->shape->batch;
    struct err err = {0};
    struct threads *threads = threads_make(team, &err);
    assert_non_null(threads);
    struct tensor x = tensor_make(way, batch, c->c, c->h * c->w, k->x), dy = tensor_make(way, batch, c->k, c->oh * c->ow, k->dy);
    float *weight = floats(k->w, k->ws), *bias = floats(k->b, (size_t)c->k);
    size_t packed_bytes = kernel->packed_bytes(c, 1), scratch_bytes = kernel->scratch_bytes(c, batch, 1, team);
    void *packed = guarded(packed_bytes, 0xff), *scratch = guarded(scratch_bytes, 0xff);
    struct results r = {tensor_make(way, batch, c->k, c->oh * c->ow, NULL), tensor_make(way, batch, c->c, c->h * c->w, NULL), floats(NULL, k->ws), floats(NULL, (size_t)c->k)};
    for (size_t i = 0; add && i < r.dx.count; i++) {
        put(way, r.dx.data, i, 1);
    }
    for (size_t i = 0; i < k->ws; i++) {
        r.dw[i] = add ? 1 : NAN;
    }
    kernel->pack(c, weight, NULL, 1, packed, threads);
    struct conv_call call = {.conv = c, .threads = threads, .batch = batch, .x = x.data, .weight = weight, .packed = packed_bytes > 0 ? packed : NULL, .bias = bias, .y = r.y.data, .dy = dy.data,
        .dx = r.dx.data, .add_dx = add, .dweight = r.dw, .add_dweight = add, .dbias = r.db, .activation = activation, .scratch = scratch};
    kernel->forward(&call);
    memset(scratch, 0xff, scratch_bytes);
    kernel->backward_data(&call);
    memset(scratch, 0xff, scratch_bytes);
    kernel->backward_weight(&call);
    check_guard(x.data, x.bytes, "x"), check_guard(dy.data, dy.bytes, "dy"), check_guard(packed, packed_bytes, "packed"), check_guard(scratch, scratch_bytes, "scratch");
    check_guard(r.y.data, r.y.bytes, "y"), check_guard(r.dx.data, r.dx.bytes, "dx"), check_guard(r.dw, k->ws * 4, "dweight"), check_guard(r.db, (size_t)c->k * 4, "dbias");
    free(x.data), free(dy.data), free(weight), free(bias), free(packed), free(scratch);
    threads_free(threads);
    return r;
}

static void results_free(struct results *r) {
    free(r->y.data), free(r->dx.data), free(r->dw), free(r->db);
}

/* Winograd's sums of rounded frequencies, and their own rounding to bfloat16, which alone makes 1.7e-3. */
static const double ROUNDED = 4e-3;

static void check_results(const struct way *way, const struct known *k, const struct results *r, int add, double (*f)(double)) {
    double sums = error_most(way), elems = way->dtype == DTYPE_BF16 || way->rounds & SUMS ? 1e-2 : sums;
    check(way, k->shape, f == NULL ? "y" : "y with relu", tensor_error(way, &r->y, k->shape->batch, k->y, 0, f), elems);
    check(way, k->shape, add ? "dx, added" : "dx", tensor_error(way, &r->dx, k->shape->batch, k->dx, add, NULL), elems);
    if (way->rounds & SUMS) {
        check(way, k->shape, "y, on average", tensor_deviation(way, &r->y, k->shape->batch, k->y, 0, f), ROUNDED);
        check(way, k->shape, "dx, on average", tensor_deviation(way, &r->dx, k->shape->batch, k->dx, add, NULL), ROUNDED);
    }
    if (way->rounds & GRADIENTS) {
        check(way, k->shape, "dweight", array_deviation(r->dw, k->dw, k->ws, add), 2e-2);
    } else {
        check(way, k->shape, "dweight", array_error(r->dw, k->dw, k->ws, add), sums);
    }
    check(way, k->shape, "dbias", array_error(r->db, k->db, (size_t)k->shape->conv.k, 0), sums);
}

static void check_same(const struct way *way, const struct known *k, const struct results *a, const struct results *b, int team) {
    if (memcmp(a->y.data, b->y.data, a->y.bytes) != 0 || memcmp(a->dx.data, b->dx.data, a->dx.bytes) != 0 || memcmp(a->dw, b->dw, k->ws * 4) != 0
        || memcmp(a->db, b->db, (size_t)k->shape->conv.k * 4) != 0) {
        fail_msg("%s %s, %s: a team of %d gives other bits", way->kernel->name, way->isa, k->shape->name, team);
    }
}

/* All of them; sanitized code, which is slow and not optimized, takes every fifth pair of a shape and a way (every shape, and every way, by some
 * pair), and one team. */
#if SANITIZED
enum { PAIR_STEP = 5, TEAMS = 1 };
#else
enum { PAIR_STEP = 1, TEAMS = 3 };
#endif

/* Trapped instructions take a thousand times theirs: of those only every `step`-th shape. */
static int too_slow(const struct way *way, size_t shape, size_t step) {
    return strcmp(way->isa, "amx beside avx2") == 0 && !cpu_can(ISA_AMX) && shape % step != 0;
}

/* The sums of every shape in both types, made once and read by all tests. */
enum { SHAPES = sizeof shapes / sizeof *shapes };
static struct known known[2][SHAPES];

static int known_open(void **state) {
    for (size_t s = 0; s < SHAPES; s++) {
        known[0][s] = known_make(&shapes[s], DTYPE_F32);
        known[1][s] = known_make(&shapes[s], DTYPE_BF16);
    }
    return prepare(state);
}

static int known_close(void **state) {
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        known_free(&known[0][s]);
        known_free(&known[1][s]);
    }
    return 0;
}

static void each_shape(enum dtype dtype, size_t step, void (*f)(const struct way *way, const struct known *k)) {
    trap_install();
    for (size_t s = 0; s < SHAPES; s++) {
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            if (ways[w].dtype == dtype && can(ways[w].need) && (s + w) % PAIR_STEP == 0 && !too_slow(&ways[w], s, step) && takes(&ways[w], &shapes[s].conv)) {
                f(&ways[w], &known[dtype == DTYPE_BF16][s]);
            }
        }
    }
}

static void right(const struct way *way, const struct known *k) {
    struct results plain = compute(way, k, 1, ACT_LINEAR, 0), added = compute(way, k, 2, ACT_RELU, 1);
    check_results(way, k, &plain, 0, NULL);
    check_results(way, k, &added, 1, relu);
    results_free(&plain), results_free(&added);
}

/* The Makefile compiles these without optimization. They are cut into pieces by the same code as AVX-512's, so that one team says enough of them. */
static int is_emulated(const struct way *way) {
    return way->need == NEED_AVX2 && way->lanes == 16;
}

static void same_for_any_team(const struct way *way, const struct known *k) {
    static const int teams[] = {3, 2, 7};
    struct results one = compute(way, k, 1, ACT_TANH, 0);
    double most = way->dtype == DTYPE_BF16 ? 1e-2 : 10 * error_most(way);      /* of sums far above 1 */
    most = way->rounds & SUMS ? ROUNDED * largest(k->y, k->ys) : most;
    check(way, k->shape, "y with tanh", tensor_error(way, &one.y, k->shape->batch, k->y, 0, tanh), most);
    for (size_t t = 0; t < (is_emulated(way) ? 1 : TEAMS); t++) {
        struct results other = compute(way, k, teams[t], ACT_TANH, 0);
        check_same(way, k, &one, &other, teams[t]);
        results_free(&other);
    }
    results_free(&one);
}

static void test_f32(void **state) { (void)state; each_shape(DTYPE_F32, 1, right); }
static void test_bf16(void **state) { (void)state; each_shape(DTYPE_BF16, 2, right); }
static void test_teams_f32(void **state) { (void)state; each_shape(DTYPE_F32, 7, same_for_any_team); }
static void test_teams_bf16(void **state) { (void)state; each_shape(DTYPE_BF16, 7, same_for_any_team); }

/* A batch smaller than the plan's runs in the plan's scratch; inference packs less; scales fold in. */
static void smaller_batch(const struct way *way, const struct known *k) {
    const struct conv *c = &k->shape->conv;
    const struct conv_kernel *kernel = way->kernel;
    float *weight = floats(k->w, k->ws), *scale = floats(k->b, (size_t)c->k);
    for (int i = 0; i < c->k; i++) {
        scale[i] = (float)(i + 1);
    }
    size_t packed_bytes = kernel->packed_bytes(c, 0);
    void *packed = guarded(packed_bytes, 0xff);
    kernel->pack(c, weight, scale, 0, packed, NULL);
    for (int batch = 1; batch <= k->shape->batch; batch += 1 + k->shape->batch / 3) {
        size_t scratch_bytes = kernel->scratch_bytes(c, batch, 0, 1), most = kernel->scratch_bytes(c, k->shape->batch, 0, 1);
        assert_true(scratch_bytes <= most);
        assert_true(kernel->scratch_bytes(c, batch, 1, 1) <= kernel->scratch_bytes(c, k->shape->batch, 1, 1));
        struct tensor x = tensor_make(way, batch, c->c, c->h * c->w, k->x), y = tensor_make(way, batch, c->k, c->oh * c->ow, NULL);
        void *scratch = guarded(scratch_bytes, 0xff);
        struct conv_call call = {.conv = c, .batch = batch, .x = x.data, .weight = weight, .packed = packed, .y = y.data, .activation = ACT_LINEAR, .scratch = scratch};
        kernel->forward(&call);
        check_guard(scratch, scratch_bytes, "scratch"), check_guard(packed, packed_bytes, "packed"), check_guard(y.data, y.bytes, "y");
        size_t map = (size_t)(c->oh * c->ow), n = (size_t)batch * map * (size_t)c->k;
        double *want = mem_need(n, sizeof *want);
        for (size_t i = 0; i < n; i++) {
            size_t channel = i / map % (size_t)c->k;
            want[i] = (k->y[i] - k->b[channel]) * (double)(channel + 1);
        }
        check(way, k->shape, "y of a smaller batch, scaled", tensor_error(way, &y, batch, want, 0, NULL), way->dtype == DTYPE_BF16 || way->rounds & SUMS ? 1e-2 : error_most(way));
        free(want), free(x.data), free(y.data), free(scratch);
    }
    free(weight), free(scale), free(packed);
}

static void test_smaller_batch(void **state) {
    (void)state;
    each_shape(DTYPE_F32, 5, smaller_batch);
    each_shape(DTYPE_BF16, 5, smaller_batch);
}

static int few_compared;

/* Calls of few pixels are another walk of nhwc's (conv_nhwc_few.c), which adds up in the same order: one sample's bits are those among others. */
static void few_same_bits(const struct way *way, const struct known *k) {
    const struct conv *c = &k->shape->conv;
    if (strcmp(way->kernel->name, "nhwc") != 0 || strcmp(k->shape->name, "3x3, deep") != 0) {
        return;
    }
    float *weight = floats(k->w, k->ws);
    void *packed = guarded(way->kernel->packed_bytes(c, 0), 0xff), *scratch = guarded(way->kernel->scratch_bytes(c, k->shape->batch, 0, 1), 0xff);
    struct tensor x = tensor_make(way, k->shape->batch, c->c, c->h * c->w, k->x), all = tensor_make(way, k->shape->batch, c->k, c->oh * c->ow, NULL);
    struct tensor one = tensor_make(way, 1, c->k, c->oh * c->ow, NULL);
    way->kernel->pack(c, weight, NULL, 0, packed, NULL);
    struct conv_call call = {.conv = c, .batch = k->shape->batch, .x = x.data, .weight = weight, .packed = packed, .y = all.data, .activation = ACT_LINEAR, .scratch = scratch};
    way->kernel->forward(&call);
    call.batch = 1, call.y = one.data;
    way->kernel->forward(&call);
    assert_memory_equal(one.data, all.data, one.bytes);
    few_compared++;
    free(weight), free(packed), free(scratch), free(x.data), free(all.data), free(one.data);
}

static void test_few_same_bits(void **state) {
    (void)state;
    each_shape(DTYPE_F32, 1, few_same_bits);
    each_shape(DTYPE_BF16, 1, few_same_bits);
    assert_true(few_compared > 0 || PAIR_STEP > 1);
}

/* Ways that multiply bfloat16 round weights to the nearest, ties to even, as they pack them. */
static void packs_rounded(const struct way *way, const struct known *k) {
    static const uint32_t below[] = {0x8000, 0x7fff, 0x8001};      /* half of the last place, less, more */
    const struct conv *c = &k->shape->conv;
    if (strcmp(way->kernel->name, "bf16") != 0 && strcmp(way->kernel->name, "amx") != 0) {
        return;
    }
    float *exact = floats(k->w, k->ws), *rounded = floats(NULL, k->ws);
    for (size_t i = 0; i < k->ws; i++) {
        uint32_t bits = (uint32_t)to_bf16(k->w[i]) << 16 | below[i % 3];
        memcpy(&exact[i], &bits, sizeof bits);
        rounded[i] = (float)from_bf16(to_bf16((double)exact[i]));
    }
    size_t bytes = way->kernel->packed_bytes(c, 1);
    void *a = guarded(bytes, 0xff), *b = guarded(bytes, 0);
    way->kernel->pack(c, exact, NULL, 1, a, NULL);
    way->kernel->pack(c, rounded, NULL, 1, b, NULL);
    assert_memory_equal(a, b, bytes);
    free(exact), free(rounded), free(a), free(b);
}

static void test_packed(void **state) { (void)state; each_shape(DTYPE_BF16, 1, packs_rounded); }

/* Pictures that bfloat16 would round away: 100 and a little; filters see the little alone, as whitening ones do. */
static void exact_input(const struct way *way) {
    enum { BATCH = 19, SIDE = 9, OUT = 8, C = 3, K = 4 };
    const struct conv c = {C, SIDE, SIDE, K, OUT, OUT, 2, 2, 1, 1, 0, 0, 1, 1, 1};
    float exact[BATCH * C * SIDE * SIDE], weight[K * C * 4], dweight[K * C * 4] = {0};
    double dwant[K * C * 4] = {0}, want[BATCH * K * OUT * OUT], given[BATCH * C * SIDE * SIDE], dgiven[BATCH * K * OUT * OUT];
    for (int i = 0; i < BATCH * C * SIDE * SIDE; i++) {
        given[i] = (double)(exact[i] = 100 + 0.125f * sinf((float)i));
    }
    for (int i = 0; i < K * C * 4; i++) {
        weight[i] = (i % 2 == 0 ? 1.0f : -1.0f) * (float)(1 + i / 2 % 3);
    }
    for (int i = 0; i < BATCH * K * OUT * OUT; i++) {
        dgiven[i] = i % 5 - 2;
    }
    for (int i = 0; i < BATCH * K * OUT * OUT; i++) {
        int n = i / (K * OUT * OUT), k = i / (OUT * OUT) % K, row = i / OUT % OUT, column = i % OUT;
        want[i] = 0;
        for (int w = 0; w < C * 4; w++) {
            double x = given[((n * C + w / 4) * SIDE + row + w / 2 % 2) * SIDE + column + w % 2];
            want[i] += x * (double)weight[k * C * 4 + w];
            dwant[k * C * 4 + w] += x * dgiven[i];
        }
    }
    struct tensor x = tensor_make(way, BATCH, C, SIDE * SIDE, given), dy = tensor_make(way, BATCH, K, OUT * OUT, dgiven), y = tensor_make(way, BATCH, K, OUT * OUT, NULL);
    void *packed = guarded(way->kernel->packed_bytes(&c, 1), 0xff), *scratch = guarded(way->kernel->scratch_bytes(&c, BATCH, 1, 1), 0xff);
    struct conv_call call = {.conv = &c, .batch = BATCH, .x = x.data, .exact = exact, .weight = weight, .packed = packed, .y = y.data, .dy = dy.data,
        .dweight = dweight, .activation = ACT_LINEAR, .scratch = scratch};
    way->kernel->pack(&c, weight, NULL, 1, packed, NULL);
    way->kernel->forward(&call);
    way->kernel->backward_weight(&call);
    double error = tensor_error(way, &y, BATCH, want, 0, NULL), off = 0, most = 0;
    for (int i = 0; i < K * C * 4; i++) {
        off = fmax(off, fabs((double)dweight[i] - dwant[i]));
        most = fmax(most, fabs(dwant[i]));
    }
    if (!(error <= 5e-3) || !(off <= 1e-5 * most)) {
        fail_msg("%s %s: pictures are rounded: y is off by %g, the weights' gradients by %g", way->isa, way->kernel->name, error, off / most);
    }
    free(x.data), free(dy.data), free(y.data), free(packed), free(scratch);
}

static void test_exact_input(void **state) {
    int count = 0;
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        if (can(ways[w].need) && (strcmp(ways[w].kernel->name, "lanes") == 0 || strcmp(ways[w].kernel->name, "nhwc") == 0)) {
            exact_input(&ways[w]);
            count++;
        }
    }
    assert_true(count >= 4);
}

/* A 3x3 layer of c to c channels on maps of side x side. */
static int takes_batch(const struct conv_kernel *way, int c, int side, int batch, int training) {
    struct conv conv = {c, side, side, c, side, side, 3, 3, 1, 1, 1, 1, 1, 1, 1};
    return way->supports(&conv, batch, training);
}

static int takes_square(const struct conv_kernel *way, int c, int side, int training) {
    return takes_batch(way, c, side, 64, training);
}

/* Winograd's way has at most a quarter of the products, and more where tiles are smaller or stand over the map's edge. */
static void test_winograd_takes(void **state) {
    const struct conv_kernel *any = &conv_winograd_base_f32;
    (void)state;
    for (int training = 0; training < 2; training++) {
        assert_true(takes_square(any, 16, 32, training) && takes_square(any, 512, 4, training) && takes_square(any, 256, 14, training));
        assert_true(takes_square(any, 256, 3, training) && takes_square(any, 256, 5, training));
        assert_false(takes_square(any, 512, 2, training) || takes_square(any, 15, 32, training));
    }
    assert_true(takes_batch(any, 256, 14, 1, 0));
}

/* Beside products of bfloat16 it takes at most half of theirs, on maps that fill its tiles. */
static void test_winograd_beside_bf16(void **state) {
    (void)state;
#if defined(__x86_64__)
    if (can(NEED_AVX2)) {
        const struct conv_kernel *beside = &conv_winograd_emulatedbf16_bf16;
        for (int training = 0; training < 2; training++) {
            assert_true(takes_square(beside, 16, 32, training) && takes_square(beside, 64, 15, training) && takes_square(beside, 256, 14, training));
            assert_true(takes_square(beside, 512, 4, training) && takes_square(beside, 256, 6, training) && takes_square(beside, 256, 3, training));
            assert_false(takes_square(beside, 256, 5, training) || takes_square(beside, 512, 2, training) || takes_square(beside, 15, 32, training));
        }
        assert_true(!takes_batch(beside, 256, 14, 1, 0) && takes_batch(beside, 256, 28, 1, 0));
        return;
    }
#endif
    skip();
}

/* Units of rounded frequencies: powers of two change no bit, zeros and what is next to nothing give zeros, and what is not finite is seen wherever it reaches,
 * and nowhere that it can't. */
enum { UNITS_C = 20, UNITS_K = 18, UNITS_SIDE = 13, UNITS_X = UNITS_C * UNITS_SIDE * UNITS_SIDE, UNITS_Y = UNITS_K * UNITS_SIDE * UNITS_SIDE };

static void units_forward(const struct way *way, const double *x, const float *weight, double *y) {
    const struct conv c = {UNITS_C, UNITS_SIDE, UNITS_SIDE, UNITS_K, UNITS_SIDE, UNITS_SIDE, 3, 3, 1, 1, 1, 1, 1, 1, 1};
    enum { MAP = UNITS_SIDE * UNITS_SIDE };
    struct tensor in = tensor_make(way, 1, UNITS_C, MAP, x), out = tensor_make(way, 1, UNITS_K, MAP, NULL);
    void *packed = guarded(way->kernel->packed_bytes(&c, 0), 0xff), *scratch = guarded(way->kernel->scratch_bytes(&c, 1, 0, 1), 0xff);
    way->kernel->pack(&c, weight, NULL, 0, packed, NULL);
    struct conv_call call = {.conv = &c, .batch = 1, .x = in.data, .weight = weight, .packed = packed, .y = out.data, .activation = ACT_LINEAR, .scratch = scratch};
    way->kernel->forward(&call);
    for (size_t i = 0; i < UNITS_Y; i++) {
        y[i] = get(way, out.data, place(way, 0, i / MAP, i % MAP, UNITS_K, MAP));
    }
    free(in.data), free(out.data), free(packed), free(scratch);
}

static int near(int at) { return at >= UNITS_SIDE / 2 - 1 && at <= UNITS_SIDE / 2 + 1; }

/* One of `channel`'s numbers in the middle. Tiles that it reaches, of 4 and 3 pixels, end before the last two rows and columns. */
static void units_not_finite(const struct way *way, double *x, int channel, double value, const float *weight) {
    double y[UNITS_Y], *middle = &x[(channel * UNITS_SIDE + UNITS_SIDE / 2) * UNITS_SIDE + UNITS_SIDE / 2], kept = *middle;
    *middle = value;
    units_forward(way, x, weight, y);
    *middle = kept;
    for (int i = 0; i < UNITS_Y; i++) {
        int row = i / UNITS_SIDE % UNITS_SIDE, column = i % UNITS_SIDE;
        assert_false(near(row) && near(column) && isfinite(y[i]));
        assert_true(isfinite(y[i]) || (row < UNITS_SIDE - 2 && column < UNITS_SIDE - 2));
    }
}

static void units(const struct way *way) {
    double *x = random_reals(UNITS_X, way->dtype, 5), *w = random_reals(UNITS_K * UNITS_C * 9, DTYPE_F32, 6), plain[UNITS_Y], y[UNITS_Y], other[UNITS_X];
    float *weight = floats(w, UNITS_K * UNITS_C * 9);
    static const double factors[] = {0x1p40, 0x1p-60, 0, 1e-35};
    units_forward(way, x, weight, plain);
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        for (size_t i = 0; i < UNITS_X; i++) {
            other[i] = x[i] * factors[f];
        }
        units_forward(way, other, weight, y);
        for (size_t i = 0; i < UNITS_Y; i++) {
            double want = factors[f] < 1e-30 ? 0 : plain[i] * factors[f];
            assert_true(y[i] == want);
        }
    }
    units_not_finite(way, x, 0, NAN, weight);
    units_not_finite(way, x, UNITS_C - 1, INFINITY, weight);
    weight[7 * UNITS_C * 9 + 30] = NAN;
    units_forward(way, x, weight, y);
    for (size_t i = 0; i < UNITS_Y; i++) {
        int is_its = i / (UNITS_SIDE * UNITS_SIDE) == 7;
        assert_true(is_its ? isnan(y[i]) : y[i] == plain[i]);
    }
    free(x), free(w), free(weight);
}

/* All channels alike, and the tile's largest frequency at the filters' largest: sums as large as they can become, which must not leave int32. */
static void units_largest(const struct way *way) {
    enum { C = 128, K = 16, SIDE = 6, OUT = 4 };
    static const double line[SIDE] = {0, -1, -1, 1, 1, 0};      /* the signs of what makes the frequency of the point 2/3 */
    const struct conv c = {C, SIDE, SIDE, K, OUT, OUT, 3, 3, 1, 1, 0, 0, 1, 1, 1};
    double x[C * SIDE * SIDE];
    float weight[K * C * 9];
    for (int i = 0; i < C * SIDE * SIDE; i++) {
        x[i] = line[i / SIDE % SIDE] * line[i % SIDE];
    }
    for (int i = 0; i < K * C * 9; i++) {
        weight[i] = 1;
    }
    struct tensor in = tensor_make(way, 1, C, SIDE * SIDE, x), out = tensor_make(way, 1, K, OUT * OUT, NULL);
    void *packed = guarded(way->kernel->packed_bytes(&c, 0), 0xff), *scratch = guarded(way->kernel->scratch_bytes(&c, 1, 0, 1), 0xff);
    way->kernel->pack(&c, weight, NULL, 0, packed, NULL);
    struct conv_call call = {.conv = &c, .batch = 1, .x = in.data, .weight = weight, .packed = packed, .y = out.data, .activation = ACT_LINEAR, .scratch = scratch};
    way->kernel->forward(&call);
    for (int i = 0; i < OUT * OUT; i++) {
        int row = i / OUT, column = i % OUT;
        double want = C * (line[row] + line[row + 1] + line[row + 2]) * (line[column] + line[column + 1] + line[column + 2]);
        assert_true(fabs(get(way, out.data, place(way, 0, 0, (size_t)i, K, OUT * OUT)) - want) <= 0.03 * 4 * C);      /* all round to the same side, too: 2% */
    }
    free(in.data), free(out.data), free(packed), free(scratch);
}

static void test_units(void **state) {
    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        if (ways[w].rounds & SUMS && can(ways[w].need)) {
            units(&ways[w]);
            units_largest(&ways[w]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed), cmocka_unit_test(test_winograd_takes), cmocka_unit_test(test_winograd_beside_bf16), cmocka_unit_test(test_units),
        cmocka_unit_test(test_exact_input),
        cmocka_unit_test(test_f32), cmocka_unit_test(test_bf16), cmocka_unit_test(test_smaller_batch), cmocka_unit_test(test_few_same_bits),
        cmocka_unit_test(test_teams_f32), cmocka_unit_test(test_teams_bf16),
    };
    return cmocka_run_group_tests(tests, known_open, known_close);
}
