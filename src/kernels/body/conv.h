/* What the hand-shaped convolutions share: which taps of a kernel meet the input at a place of the output.
 *
 * Forward, and the gradient of the input, are both "for each place of an output, add over channels and taps of an input": the second with the
 * roles of input and output changed. struct axis says it for one direction (height or width), so that each kernel is written once.
 * Padding is never read: a place's taps are only those that fall inside. */
#ifndef DLCLI_KERNELS_BODY_CONV_H
#define DLCLI_KERNELS_BODY_CONV_H

#include "kernels/body/body.h"

/* One direction of a pass from `in` places to `out` places. Places that lie `phases` apart read places `in_step` apart with the same taps,
 * as long as those fall inside. */
struct axis { int in, out, size, stride, pad, dilation, back, phases, in_step; };

/* Taps first, first + step, ... (count of them); the first reads place `at`, each next one `move` further. */
struct taps { int first, step, count, at, move; };

static inline struct axis conv_axis(int in, int out, int size, int stride, int pad, int dilation, int back) {
    return (struct axis){back ? out : in, back ? in : out, size, stride, pad, dilation, back, back ? stride : 1, back ? 1 : stride};
}

static inline struct axis conv_axis_h(const struct conv *c, int back) {
    return conv_axis(c->h, c->oh, c->size_h, c->stride_h, c->pad_top, c->dilation_h, back);
}

static inline struct axis conv_axis_w(const struct conv *c, int back) {
    return conv_axis(c->w, c->ow, c->size_w, c->stride_w, c->pad_left, c->dilation_w, back);
}

/* Greatest common divisor, a and b > 0. */
static inline int conv_common(int a, int b) {
    while (b > 0) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static inline int conv_inside(const struct axis *a, int place) {
    return place >= 0 && place < a->in;
}

/* The taps of place o of the output, without those that fall outside. Backward, tap k reaches the place o of x from the place (o + pad - k * dilation) / stride
 * of y, if that is whole: every (stride / common)-th tap, and each next one a fixed way to the left. */
static inline struct taps conv_taps(const struct axis *a, int o) {
    struct taps t = {0, 1, a->size, o * a->stride - a->pad, a->dilation};
    if (a->back) {
        int common = conv_common(a->dilation, a->stride), first = 0;
        t.step = a->stride / common;
        while (first < t.step && (o + a->pad - first * a->dilation) % a->stride != 0) {
            first++;
        }
        int some = first < t.step && first < a->size;
        t = (struct taps){first, t.step, some ? (a->size - 1 - first) / t.step + 1 : 0, (o + a->pad - first * a->dilation) / a->stride, -(a->dilation / common)};
    }
    while (t.count > 0 && !conv_inside(a, t.at)) {
        t.first += t.step;
        t.at += t.move;
        t.count--;
    }
    while (t.count > 0 && !conv_inside(a, t.at + (t.count - 1) * t.move)) {
        t.count--;
    }
    return t;
}

/* Places of the output for which tap k falls inside the input, going forward. */
struct range { int begin, end; };
static inline struct range conv_range(const struct axis *a, int k) {
    int before = a->pad - k * a->dilation, last = a->in - 1 + before;
    if (a->stride > 1) {
        before = before > 0 ? (before + a->stride - 1) / a->stride : 0;
        last = last < 0 ? -1 : last / a->stride;
    }
    return (struct range){before > 0 ? before : 0, last < 0 ? 0 : last < a->out ? last + 1 : a->out};
}

/* Do two places of the same phase have the same taps? */
static inline int conv_same_taps(const struct taps *a, const struct taps *b) {
    return a->count == b->count && (a->count == 0 || a->first == b->first);
}

/* Places o, o + phases, ... (count of them) that have the same taps; `taps` are those of the first. */
struct segment { int o, count; struct taps taps; };

/* The segments of places begin..end; at most as many as places. Returns how many. */
static inline int conv_segments(const struct axis *a, int begin, int end, struct segment *s) {
    int n = 0;
    for (int phase = 0; phase < a->phases && begin + phase < end; phase++) {
        int before = n;
        for (int o = begin + phase; o < end; o += a->phases) {
            struct taps t = conv_taps(a, o);
            if (n > before && conv_same_taps(&s[n - 1].taps, &t)) {
                s[n - 1].count++;
            } else {
                s[n++] = (struct segment){o, 1, t};
            }
        }
    }
    return n;
}

/* Equal parts of n, none above `most`: how many; where part i begins. */
static inline int conv_parts(int n, int most) {
    return (n + most - 1) / most;
}

static inline int conv_part(int n, int parts, int i) {
    return n / parts * i + (n % parts < i ? n % parts : i);
}

/* The first n reals at `from`, zeros behind them; n may be LANES or more, or below 1. */
static inline void conv_load(vec *v, const real *from, int n) {
    vec_load_reals_n(v, from, n < 1 ? 0 : body_least(LANES, (size_t)n));
}

static inline int conv_least(int a, int b) {
    return a < b ? a : b;
}

static inline int conv_most(int a, int b) {
    return a > b ? a : b;
}

static inline size_t conv_align(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* Aligns each of a piece's arrays; returns their bytes in all. And where each begins. */
static inline size_t conv_sizes(size_t *sizes, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        sizes[i] = conv_align(sizes[i]);
        sum += sizes[i];
    }
    return sum;
}

static inline void conv_arrays(char *memory, const size_t *sizes, int count, void **arrays) {
    for (int i = 0; i < count; i++, memory += sizes[i - 1]) {
        arrays[i] = memory;
    }
}

/* ---- the gradient of the weights is cut into rectangles of channels of y by channels of x, these into parts of the batch ---- */

/* Rows of x that `rows` rows of y read, at most. */
static inline int conv_rows_read(const struct conv *c, int rows) {
    long reads = (long)(rows - 1) * c->stride_h + (long)(c->size_h - 1) * c->dilation_h + 1;
    return reads < c->h ? (int)reads : c->h;
}

/* A rectangle's side: its sums (at most `sums`, of all taps) stay in the second-level cache, and it is long enough to make laying out cheap. */
static inline int conv_side(int taps, int sums) {
    int side = 32;
    while ((side + 16) * (side + 16) * taps <= sums && side < 256) {
        side += 16;
    }
    return side;
}

/* Parts of a batch of so many chunks: until there are pieces enough for a large team, or the sums (`each` reals a part) are too many. */
static inline int conv_batch_parts(int chunks, int rectangles, size_t each) {
    enum { WANTED = 32, MOST = 4 * 1024 * 1024 };
    int most = conv_most(1, (int)(MOST / (each < MOST ? each : MOST)));
    return conv_least(chunks, conv_least(most, conv_parts(WANTED, rectangles)));
}

/* sums[i] = the parts' sums at partial + i, n of them, `each` reals from part to part, added in order. */
static inline void conv_parts_sum(const real *partial, size_t each, int parts, int n, real *sums) {
    memcpy(sums, partial, (size_t)n * sizeof *sums);
    for (int part = 1; part < parts; part++) {
        const real *other = partial + (size_t)part * each;
        for (int i = 0; i < n; i++) {
            sums[i] += other[i];
        }
    }
}

/* Registers that a tile of sums may fill, in `vec`s: of 32 where there are so many; base x86-64 has 16 of half a vec, aarch64 32 of half a vec. */
#if defined(ISA_avx512)
#define CONV_SUMS 24
#elif defined(ISA_base) && !defined(__aarch64__)
#define CONV_SUMS 6
#else
#define CONV_SUMS 12
#endif

#endif
