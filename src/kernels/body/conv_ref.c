/* Convolution as its definition reads, NCHW: the specification of all others, and the way for what they don't support.
 *
 * Rows of the result are summed in a row of reals: for each channel and each tap of the kernel, the part of the row whose input lies
 * inside, so that padding is never read. */
#include "kernels/body/functions.h"

enum { LINE = 64 };

struct job { const struct conv_call *call; size_t row_bytes; int pieces; size_t units; };

static int supports(const struct conv *c, int batch, int training) {
    (void)c;
    (void)batch;
    (void)training;
    return 1;
}

static size_t weights(const struct conv *c) {
    return (size_t)c->k * (size_t)(c->c / c->groups) * (size_t)c->size_h * (size_t)c->size_w;
}

/* In inference weights are copied, so that a batch norm can be folded into them. */
static size_t packed_bytes(const struct conv *c, int training) {
    return training ? 0 : weights(c) * sizeof(real);
}

static void pack(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    const real *from = weight, *by = scale;
    real *to = packed;
    size_t each = weights(c) / (size_t)c->k;
    (void)threads;
    for (size_t i = 0; !training && i < weights(c); i++) {
        to[i] = by == NULL ? from[i] : from[i] * by[i / each];
    }
}

static struct view out_view(const struct conv *c, int batch) {
    return view_make(LAYOUT_NCHW, 1, (size_t)batch, (size_t)c->k, (size_t)c->oh, (size_t)c->ow);
}

static size_t row_bytes(const struct conv *c) {
    size_t width = (size_t)(c->ow > c->w ? c->ow : c->w);
    return (width * sizeof(real) + LINE - 1) / LINE * LINE;
}

static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    size_t rows = (size_t)threads * row_bytes(c), sums = training ? K(batchnorm_scratch)(out_view(c, batch)) : 0;
    return rows > sums ? rows : sums;
}

/* The outputs o = first..end-1 of a row for which o * stride + shift lies in 0..extent-1. */
static void reach(int extent, int outputs, int stride, int shift, int *first, int *end) {
    int last = extent - 1 - shift;
    *first = shift >= 0 ? 0 : (stride - 1 - shift) / stride;
    *end = last < 0 ? 0 : last / stride + 1;
    *end = *end < outputs ? *end : outputs;
}

static void run(const struct conv_call *call, size_t units, size_t work, threads_work *piece) {
    struct job job = {call, row_bytes(call->conv), body_pieces_of(units, work), units};
    threads_run(call->threads, job.pieces, piece, &job);
}

static size_t call_work(const struct conv_call *call) {
    const struct conv *c = call->conv;
    return (size_t)call->batch * (size_t)c->oh * (size_t)c->ow * weights(c);
}

static real *row_of(const struct job *j, int thread) {
    return (real *)(void *)((char *)j->call->scratch + (size_t)thread * j->row_bytes);
}

/* ---- forward ---- */

/* row += the taps kh of one channel's row of the input. */
static void forward_taps(const struct conv *c, const elem *x, const real *weight, real *row) {
    for (int kw = 0; kw < c->size_w; kw++) {
        int first, end, shift = kw * c->dilation_w - c->pad_left;
        reach(c->w, c->ow, c->stride_w, shift, &first, &end);
        for (int ow = first; ow < end; ow++) {
            row[ow] += weight[kw] * LOAD(x, ow * c->stride_w + shift);
        }
    }
}

static void forward_row(const struct conv_call *call, size_t plane, int oh, real *row) {
    const struct conv *c = call->conv;
    int k = (int)(plane % (size_t)c->k), channels = c->c / c->groups, group = k / (c->k / c->groups);
    const elem *x = (const elem *)call->x + (plane / (size_t)c->k * (size_t)c->c + (size_t)(group * channels)) * (size_t)c->h * (size_t)c->w;
    const real *weight = (const real *)(call->packed != NULL ? call->packed : call->weight) + (size_t)k * (weights(c) / (size_t)c->k);
    for (int ow = 0; ow < c->ow; ow++) {
        row[ow] = call->bias == NULL ? 0 : ((const real *)call->bias)[k];
    }
    for (int ch = 0; ch < channels; ch++) {
        for (int kh = 0; kh < c->size_h; kh++, weight += c->size_w) {
            int h = oh * c->stride_h - c->pad_top + kh * c->dilation_h;
            if (h >= 0 && h < c->h) {
                forward_taps(c, x + ((size_t)ch * (size_t)c->h + (size_t)h) * (size_t)c->w, weight, row);
            }
        }
    }
    K(activate_reals)(call->activation, row, (size_t)c->ow);
}

static void forward_piece(void *arg, int piece, int thread) {
    const struct job *j = arg;
    const struct conv *c = j->call->conv;
    real *row = row_of(j, thread);
    for (size_t plane = body_begin(j->units, piece, j->pieces); plane < body_begin(j->units, piece + 1, j->pieces); plane++) {
        elem *y = (elem *)j->call->y + plane * (size_t)c->oh * (size_t)c->ow;
        for (int oh = 0; oh < c->oh; oh++, y += c->ow) {
            forward_row(j->call, plane, oh, row);
            for (int ow = 0; ow < c->ow; ow++) {
                STORE(y, ow, row[ow]);
            }
        }
    }
}

static void forward(const struct conv_call *call) {
    run(call, (size_t)call->batch * (size_t)call->conv->k, call_work(call), forward_piece);
}

/* ---- gradient of the input ---- */

static void backward_taps(const struct conv *c, const elem *dy, const real *weight, real *row) {
    for (int kw = 0; kw < c->size_w; kw++) {
        int first, end, shift = kw * c->dilation_w - c->pad_left;
        reach(c->w, c->ow, c->stride_w, shift, &first, &end);
        for (int ow = first; ow < end; ow++) {
            row[ow * c->stride_w + shift] += weight[kw] * LOAD(dy, ow);
        }
    }
}

/* Row h of channel plane `plane` of dx: from each filter of its group, and each tap that has this row under it. */
static void backward_row(const struct conv_call *call, size_t plane, int h, real *row) {
    const struct conv *c = call->conv;
    int ch = (int)(plane % (size_t)c->c), channels = c->c / c->groups, filters = c->k / c->groups, first = ch / channels * filters;
    size_t taps = (size_t)c->size_h * (size_t)c->size_w, sample = plane / (size_t)c->c;
    memset(row, 0, (size_t)c->w * sizeof *row);
    for (int k = first; k < first + filters; k++) {
        const elem *dy = (const elem *)call->dy + (sample * (size_t)c->k + (size_t)k) * (size_t)c->oh * (size_t)c->ow;
        const real *weight = (const real *)call->weight + ((size_t)k * (size_t)channels + (size_t)(ch % channels)) * taps;
        for (int kh = 0; kh < c->size_h; kh++) {
            int at = h + c->pad_top - kh * c->dilation_h, oh = at / c->stride_h;
            if (at >= 0 && at % c->stride_h == 0 && oh < c->oh) {
                backward_taps(c, dy + (size_t)oh * (size_t)c->ow, weight + kh * c->size_w, row);
            }
        }
    }
}

static void backward_piece(void *arg, int piece, int thread) {
    const struct job *j = arg;
    const struct conv *c = j->call->conv;
    real *row = row_of(j, thread);
    for (size_t plane = body_begin(j->units, piece, j->pieces); plane < body_begin(j->units, piece + 1, j->pieces); plane++) {
        elem *dx = (elem *)j->call->dx + plane * (size_t)c->h * (size_t)c->w;
        for (int h = 0; h < c->h; h++, dx += c->w) {
            backward_row(j->call, plane, h, row);
            for (int w = 0; w < c->w; w++) {
                STORE(dx, w, (j->call->add_dx ? LOAD(dx, w) : 0) + row[w]);
            }
        }
    }
}

static void backward_data(const struct conv_call *call) {
    run(call, (size_t)call->batch * (size_t)call->conv->c, call_work(call), backward_piece);
}

/* ---- gradient of the weights ---- */

static real row_product(const elem *x, const elem *dy, int first, int end, int stride, int shift) {
    real sum = 0;
    for (int ow = first; ow < end; ow++) {
        sum += LOAD(x, ow * stride + shift) * LOAD(dy, ow);
    }
    return sum;
}

/* One tap's gradient from one sample. Sums of rows are added up, and those of samples: rounding stays that of short sums. */
static real plane_product(const struct conv *c, const elem *x, const elem *dy, int kh, int kw) {
    int first, end, shift = kw * c->dilation_w - c->pad_left;
    real sum = 0;
    reach(c->w, c->ow, c->stride_w, shift, &first, &end);
    for (int oh = 0; oh < c->oh; oh++, dy += c->ow) {
        int h = oh * c->stride_h - c->pad_top + kh * c->dilation_h;
        if (h >= 0 && h < c->h) {
            sum += row_product(x + (size_t)h * (size_t)c->w, dy, first, end, c->stride_w, shift);
        }
    }
    return sum;
}

/* Units are taps: (k, channel in the group, kh, kw). */
static void weight_piece(void *arg, int piece, int thread) {
    const struct job *j = arg;
    const struct conv *c = j->call->conv;
    int channels = c->c / c->groups, taps = c->size_h * c->size_w;
    (void)thread;
    for (size_t unit = body_begin(j->units, piece, j->pieces); unit < body_begin(j->units, piece + 1, j->pieces); unit++) {
        int tap = (int)(unit % (size_t)taps), ch = (int)(unit / (size_t)taps % (size_t)channels), k = (int)(unit / (size_t)(taps * channels));
        size_t from = (size_t)(k / (c->k / c->groups) * channels + ch);
        real sum = 0;
        for (int n = 0; n < j->call->batch; n++) {
            const elem *x = (const elem *)j->call->x + ((size_t)n * (size_t)c->c + from) * (size_t)c->h * (size_t)c->w;
            const elem *dy = (const elem *)j->call->dy + ((size_t)n * (size_t)c->k + (size_t)k) * (size_t)c->oh * (size_t)c->ow;
            sum += plane_product(c, x, dy, tap / c->size_w, tap % c->size_w);
        }
        real *dweight = (real *)j->call->dweight + unit;
        *dweight = sum + (j->call->add_dweight ? *dweight : 0);
    }
}

static void backward_weight(const struct conv_call *call) {
    run(call, weights(call->conv), call_work(call), weight_piece);
    if (call->dbias != NULL) {
        K(bias_back)(call->threads, out_view(call->conv, call->batch), call->dy, call->dbias, call->scratch);
    }
}

const struct conv_kernel K(conv_ref) = {
    .name = "ref", .layout = LAYOUT_NCHW, .supports = supports, .packed_bytes = packed_bytes, .scratch_bytes = scratch_bytes,
    .pack = pack, .forward = forward, .backward_data = backward_data, .backward_weight = backward_weight,
};
