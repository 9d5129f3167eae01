/* The parts of conv_int8, inference with 8-bit numbers: tiles of whole-number sums in registers (conv_int8_tile.c) or in AMX's tiles (conv_int8_amx.c),
 * quantization, the walk over outputs and the packed weights (conv_int8.c).
 *
 * Numbers are products of a scale and a whole number: an input (one scale a tensor, calibrated) 0..255 where it is never negative, else
 * -127..127; a weight -127..127, one scale a filter. Sums are exact in int32. Jacob et al., "Quantization and Training of Neural Networks for
 * Efficient Integer-Arithmetic-Only Inference", 2018; Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018.
 *
 * The registers' 32-bit lanes hold words of four neighbouring channels (int8.h), and one instruction multiplies and adds them (vpdpbusd, tdpbusd), or three
 * (pmaddubsw, pmaddwd, paddd). Inputs that have a sign are moved up by 128, and each sum down by 128 times its weights' sum. */
#ifndef DLCLI_KERNELS_BODY_CONV_INT8_H
#define DLCLI_KERNELS_BODY_CONV_INT8_H

#include "kernels/body/conv_shapes.h"
#include "kernels/body/int8.h"

/* Values are floats; beside VNNI's and AMX's products bfloat16, too. */
#if defined(ELEM_f32) || (defined(ELEM_bf16) && (defined(ISA_vnni) || defined(ISA_amx)))
#define INT8_CONVOLUTIONS 1
#endif

/* How what a call reads becomes whole numbers; unit: what one stands for. */
struct int8_span { struct int8_quantum to; float unit; };

static inline struct int8_span int8_span_of(const struct conv_call *call) {
    float low = (float)call->x_low, high = (float)call->x_high, most = fmaxf(-low, high);
    float top = low < 0 ? 127 : 255, unit = most > 0 ? most / top : 1;
    return (struct int8_span){{1 / unit, low < 0 ? -127 : 0, top, low < 0 ? 128 : 0}, unit};
}

/* Zeros. */
static inline void int8_fill(const struct int8_quantum *q, int8_input *to, size_t n) {
    for (size_t i = 0; i < n; i++) {
        to[i] = (int8_input)q->zero;
    }
}

/* Do so many channels save enough products to pay for the conversions? Those of words that are full by two thirds do. */
static inline int int8_worth(int channels) {
    return 3 * channels >= 2 * conv_parts(channels, INT8_GROUP) * INT8_GROUP;
}

/* Word `word` of a filter's tap, whole numbers of `unit`; returns their sum. */
static inline int32_t int8_word(const struct conv *c, const float *filter, float unit, int word, int tap, int32_t *to) {
    int8_weight some[INT8_GROUP] = {0};
    int32_t sum = 0;
    for (int i = 0; i < INT8_GROUP && word * INT8_GROUP + i < c->c; i++) {
        some[i] = (int8_weight)lrintf(filter[(ptrdiff_t)(word * INT8_GROUP + i) * c->size_h * c->size_w + tap] / unit);
        sum += some[i];
    }
    memcpy(to, some, sizeof *to);
    return sum;
}

/* Rows of x, padding among them, that `rows` rows of y read. */
static inline int int8_rows(const struct conv *c, int rows) {
    return (rows - 1) * c->stride_h + (c->size_h - 1) * c->dilation_h + 1;
}

/* Do sums fit into int32, and the words that a row of y reads, `across` of each, into what counts them and a thread's scratch? */
static inline int int8_fits(const struct conv *c, int across) {
    enum { MOST_PRODUCTS = INT32_MAX / (255 * 128) };
    double products = (double)c->c * c->size_h * c->size_w, row = (double)(c->ow - 1) * c->stride_w + c->size_w * c->dilation_w;
    double words = conv_parts(c->c, INT8_GROUP) * row * across;
    return products <= MOST_PRODUCTS && words < 1e6 && words * ((double)c->size_h * c->dilation_h) < 1e8;
}

/* A tile: up to INT8_R pixels by INT8_N vectors of filters. Words of a run of weights are filled up to INT8_UNIT with zeros; those of inputs are read so far. */
#if defined(ISA_amx)
enum { INT8_R = 32, INT8_N = 2, INT8_UNIT = 16 };
#else
enum { INT8_R = CONV_TILE_R, INT8_N = CONV_TILE_N, INT8_UNIT = 1 };
#endif

static inline int int8_taps_inside(const struct axis *a) {
    int sum = 0;
    for (int k = 0; k < a->size; k++) {
        struct range r = conv_range(a, k);
        sum += conv_most(0, r.end - r.begin);
    }
    return sum;
}

/* Padding is multiplied here, and passed over by the ways of float32: on small maps that is most of it. */
static inline int int8_beats_padding(const struct conv *c, int batch) {
    const double gain = INT8_UNIT > 1 ? 4 : INT8_NARROW && batch * c->oh * c->ow > 8 ? 1.8 : 2.5;   /* what a product takes in float32, in products of 8 bits; or their weights, to read */
    struct axis h = conv_axis_h(c, 0), w = conv_axis_w(c, 0);
    return gain * int8_taps_inside(&h) * int8_taps_inside(&w) >= (double)c->oh * c->ow * c->size_h * c->size_w;
}

/* Sums of `count` pixels x `vectors` of filters over runs of `length` neighbouring words from x + pixels[r] + runs[i], and as many rows of w, [run][word]
 * [vectors * LANES]: set (first) or added to sum, [pixel][vectors * LANES]. */
struct int8_tile {
    const int32_t *x, *w, *pixels, *runs;
    int count, vectors, run_count, length, first;
    int32_t *sum;
};
void K(int8_tile)(const struct int8_tile *t);

/* How many of `count` pixels the next tile takes. */
int K(int8_tile_pixels)(const int32_t *pixels, int count);

#endif
