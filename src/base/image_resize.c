/* Resizing (image.h): a separable triangle filter, first along rows, then along columns.
 *
 * The filter is as PIL's BILINEAR: a triangle around each output pixel's centre, one input pixel to each side when
 * growing, one output pixel when shrinking. Measured in units of 1 / (2 * output size) of an input pixel, every
 * distance and so every weight is a whole number, which makes the result independent of compiler and machine. */
#include <assert.h>
#include <stdlib.h>

#include "base/image.h"
#include "base/mem.h"

enum { ONE_BITS = 22, ONE = 1 << ONE_BITS };   /* 1.0 in fixed point: 255 of them, and rounding, fit an int32_t */
enum { LANES = 16 };

/* Which inputs an output is made of: `count` weights from input `first`. */
struct span { int first, count; };

/* An axis of `in` pixels turned into one of `out`: a span and its row of `most` weights for each output. */
struct axis { int in, out, most; struct span *spans; int32_t *weights; };

static void axis_free(struct axis *axis) {
    free(axis->spans);
    free(axis->weights);
}

/* Weights of output `i`: the triangle's height at each input's centre, made to sum up to ONE. */
static void axis_fill(struct axis *axis, int i) {
    int64_t in = axis->in, out = axis->out, reach = 2 * (in > out ? in : out), centre = (2 * (int64_t)i + 1) * in;
    int64_t sum = 0, first = (centre - reach) / (2 * out), last = (centre + reach) / (2 * out);
    first = first < 0 ? 0 : first;
    last = last >= in ? in - 1 : last;
    struct span span = {(int)first, (int)(last - first) + 1};
    int32_t *weights = axis->weights + (size_t)i * (size_t)axis->most;
    assert(span.count >= 1 && span.count <= axis->most);
    for (int k = 0; k < span.count; k++) {
        int64_t away = llabs((2 * (first + k) + 1) * out - centre);
        weights[k] = (int32_t)(away < reach ? reach - away : 0);
        sum += weights[k];
    }
    for (int k = 0; k < span.count; k++) {
        weights[k] = (int32_t)((weights[k] * (int64_t)ONE + sum / 2) / sum);
    }
    axis->spans[i] = span;
}

static int axis_make(struct axis *axis, int in, int out) {
    int reach = in > out ? (in + out - 1) / out : 1;
    *axis = (struct axis){.in = in, .out = out, .most = 2 * reach + 2};
    axis->spans = mem_try((size_t)out, sizeof *axis->spans);
    axis->weights = mem_try((size_t)out * (size_t)axis->most, sizeof *axis->weights);
    if (axis->spans == NULL || axis->weights == NULL) {
        axis_free(axis);
        return -1;
    }
    for (int i = 0; i < out; i++) {
        axis_fill(axis, i);
    }
    return 0;
}

/* Output `i` for `lanes` lines side by side, whose inputs lie `step` bytes apart. */
static inline void blend(const struct axis *axis, int i, const uint8_t *in, size_t step, size_t lanes, uint8_t *out) {
    const struct span *span = &axis->spans[i];
    const int32_t *weights = axis->weights + (size_t)i * (size_t)axis->most;
    int32_t sums[LANES];
    in += (size_t)span->first * step;
    for (size_t lane = 0; lane < lanes; lane++) {
        sums[lane] = ONE / 2;
    }
    for (int k = 0; k < span->count; k++, in += step) {
        for (size_t lane = 0; lane < lanes; lane++) {
            sums[lane] += weights[k] * in[lane];
        }
    }
    for (size_t lane = 0; lane < lanes; lane++) {
        int32_t sum = sums[lane] >> ONE_BITS;
        out[lane] = (uint8_t)(sum > 255 ? 255 : sum);   /* rounded weights may sum to a little more than ONE */
    }
}

/* A row; the calls differ in a constant, which lets the compiler keep the sums in registers. */
static void blend_row(const struct axis *across, const uint8_t *in, int channels, uint8_t *out) {
    for (int x = 0; x < across->out; x++, out += channels) {
        if (channels == 3) {
            blend(across, x, in, 3, 3, out);
        } else {
            blend(across, x, in, 1, 1, out);
        }
    }
}

/* Row `y` of the result, from all rows in their new width. */
static void blend_rows(const struct axis *down, int y, const uint8_t *half, size_t row, uint8_t *out) {
    size_t x = 0;
    for (; x + LANES <= row; x += LANES) {
        blend(down, y, half + x, row, LANES, out + x);
    }
    for (; x < row; x++) {
        blend(down, y, half + x, row, 1, out + x);
    }
}

int image_resize(const struct image *in, int width, int height, struct image *out, struct err *err) {
    assert(width > 0 && height > 0 && width <= IMAGE_MOST_SIDE && height <= IMAGE_MOST_SIDE);
    struct axis across = {0}, down = {0};
    size_t row = (size_t)width * (size_t)in->channels;
    uint8_t *half = mem_try((size_t)in->height, row), *pixels = mem_try((size_t)height, row);
    int ready = half != NULL && pixels != NULL && axis_make(&across, in->width, width) == 0;
    *out = (struct image){0};
    if (!ready || axis_make(&down, in->height, height) != 0) {
        err_add(err, STATUS_FAILED, "out of memory for a picture of %d x %d pixels", width, height);
        free(pixels);
        pixels = NULL;
    } else {
        size_t in_row = (size_t)in->width * (size_t)in->channels;
        for (size_t y = 0; y < (size_t)in->height; y++) {
            blend_row(&across, in->pixels + y * in_row, in->channels, half + y * row);
        }
        for (int y = 0; y < height; y++) {
            blend_rows(&down, y, half, row, pixels + (size_t)y * row);
        }
        *out = (struct image){width, height, in->channels, pixels};
        axis_free(&down);
    }
    if (ready) {
        axis_free(&across);
    }
    free(half);
    return pixels == NULL ? -1 : 0;
}
