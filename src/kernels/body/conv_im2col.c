/* Convolution by matrix products, NCHW, float: for CPUs without hand-shaped kernels. A few rows of the output at a time, the input's patches are
 * laid out as columns of a matrix, never those of a whole batch (Chellapilla et al., 2006). With a 1x1 kernel the input is that matrix. */
#include "kernels/body/functions.h"

#if defined(ELEM_f32)

enum { COLUMN_ELEMS = 1 << 16, COLUMNS_LEAST = 128, PARTS_MOST = 8, PART_ELEMS = 1 << 22 };

/* What the calls' pieces share. A piece of the forward pass is a chunk of output rows of a sample and group. */
struct job {
    const struct conv_call *call;
    int rows, chunks;          /* output rows in a chunk, chunks in a map */
    int parts;                 /* partial sums of the weights' gradient */
    size_t depth, filters;     /* weights of a filter; filters of a group */
    size_t thread_bytes, column_bytes;
};

static int supports(const struct conv *c, int batch, int training) {
    (void)c;
    (void)batch;
    (void)training;
    return 1;
}

static size_t depth_of(const struct conv *c) {
    return (size_t)(c->c / c->groups) * (size_t)c->size_h * (size_t)c->size_w;
}

static size_t packed_bytes(const struct conv *c, int training) {
    return training ? 0 : (size_t)c->k * depth_of(c) * sizeof(float);
}

static void pack(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    const float *from = weight, *by = scale;
    float *to = packed;
    (void)threads;
    for (size_t i = 0; !training && i < (size_t)c->k * depth_of(c); i++) {
        to[i] = by == NULL ? from[i] : from[i] * by[i / depth_of(c)];
    }
}

/* The input itself serves as the matrix. */
static int is_plain(const struct conv *c) {
    return c->size_h == 1 && c->size_w == 1 && c->stride_h == 1 && c->stride_w == 1 && c->oh == c->h && c->ow == c->w && c->pad_top == 0
        && c->pad_left == 0;
}

static int rows_in_chunk(const struct conv *c) {
    size_t width = (size_t)c->ow, columns = COLUMN_ELEMS / depth_of(c);
    size_t rows = (columns > COLUMNS_LEAST ? columns : COLUMNS_LEAST) / width;
    return rows < 1 ? 1 : rows > (size_t)c->oh ? c->oh : (int)rows;
}

static size_t align(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

static int parts_of(const struct conv *c, int batch) {
    size_t most = PART_ELEMS / ((size_t)c->k * depth_of(c)), parts = body_least(body_least(most, PARTS_MOST), (size_t)batch);
    return parts < 1 ? 1 : (int)parts;
}

static struct job job_of(const struct conv *c, const struct conv_call *call) {
    struct job j = {.call = call, .rows = rows_in_chunk(c), .depth = depth_of(c), .filters = (size_t)(c->k / c->groups)};
    j.chunks = (c->oh + j.rows - 1) / j.rows;
    j.column_bytes = align(j.depth * (size_t)j.rows * (size_t)c->ow * sizeof(float));
    j.thread_bytes = j.column_bytes + align(K(gemm_scratch)(NULL, 1));
    return j;
}

static struct view out_view(const struct conv *c, int batch) {
    return view_make(LAYOUT_NCHW, 1, (size_t)batch, (size_t)c->k, (size_t)c->oh, (size_t)c->ow);
}

static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    size_t bytes = (size_t)threads * job_of(c, NULL).thread_bytes, sums = training ? K(batchnorm_scratch)(out_view(c, batch)) : 0;
    bytes += training ? (size_t)parts_of(c, batch) * (size_t)c->k * depth_of(c) * sizeof(float) : 0;
    return bytes > sums ? bytes : sums;
}

/* ---- the matrix of patches ---- */

/* A chunk of one sample's group: output rows first..first + rows - 1. */
struct chunk { size_t sample; int group, first, rows; };

static struct chunk chunk_of(const struct job *j, size_t unit) {
    const struct conv *c = j->call->conv;
    int first = (int)(unit % (size_t)j->chunks) * j->rows, rows = c->oh - first < j->rows ? c->oh - first : j->rows;
    size_t map = unit / (size_t)j->chunks;
    return (struct chunk){map / (size_t)c->groups, (int)(map % (size_t)c->groups), first, rows};
}

static float *columns_of(const struct job *j, int thread) {
    return (float *)(void *)((char *)j->call->scratch + (size_t)thread * j->thread_bytes);
}

static size_t in_offset(const struct conv *c, const struct chunk *k) {
    return (k->sample * (size_t)c->c + (size_t)k->group * (size_t)(c->c / c->groups)) * (size_t)c->h * (size_t)c->w;
}

static size_t out_offset(const struct conv *c, const struct chunk *k) {
    size_t filters = (size_t)(c->k / c->groups);
    return ((k->sample * (size_t)c->k + (size_t)k->group * filters) * (size_t)c->oh + (size_t)k->first) * (size_t)c->ow;
}

/* Output columns whose tap kw lies inside the input. */
static void reach(const struct conv *c, int shift, int *first, int *end) {
    int last = c->w - 1 - shift;
    *first = shift >= 0 ? 0 : (c->stride_w - 1 - shift) / c->stride_w;
    *end = last < 0 ? 0 : last / c->stride_w + 1;
    *end = *end < c->ow ? *end : c->ow;
    *first = *first < *end ? *first : *end;
}

static void line_out(const struct conv *c, const float *x, int shift, float *to) {
    int first, end;
    reach(c, shift, &first, &end);
    memset(to, 0, (size_t)c->ow * sizeof *to);
    for (int ow = first; ow < end; ow++) {
        to[ow] = x[ow * c->stride_w + shift];
    }
}

static void line_in(const struct conv *c, float *x, int shift, const float *from) {
    int first, end;
    reach(c, shift, &first, &end);
    for (int ow = first; ow < end; ow++) {
        x[ow * c->stride_w + shift] += from[ow];
    }
}

/* Row r of the matrix: tap (channel, kh, kw) under each output place of the chunk. back: adds the row into x instead. */
static void matrix_row(const struct conv *c, const struct chunk *k, size_t r, float *x, float *row, int back) {
    int kw = (int)(r % (size_t)c->size_w), kh = (int)(r / (size_t)c->size_w % (size_t)c->size_h);
    size_t channel = r / (size_t)(c->size_w * c->size_h);
    int shift = kw * c->dilation_w - c->pad_left;
    for (int i = 0; i < k->rows; i++, row += c->ow) {
        int h = (k->first + i) * c->stride_h - c->pad_top + kh * c->dilation_h;
        int inside = h >= 0 && h < c->h;
        float *line = inside ? x + (channel * (size_t)c->h + (size_t)h) * (size_t)c->w : NULL;
        if (back && inside) {
            line_in(c, line, shift, row);
        } else if (inside) {
            line_out(c, line, shift, row);
        } else if (!back) {
            memset(row, 0, (size_t)c->ow * sizeof *row);
        }
    }
}

/* The matrix for a chunk (depth rows of *step elements): in `columns`, or in the input itself. */
static const float *patches(const struct job *j, const struct chunk *k, float *columns, size_t *step) {
    const struct conv *c = j->call->conv;
    const float *x = (const float *)j->call->x + in_offset(c, k);
    if (is_plain(c)) {
        *step = (size_t)c->h * (size_t)c->w;
        return x + (size_t)k->first * (size_t)c->w;
    }
    *step = (size_t)k->rows * (size_t)c->ow;
    for (size_t r = 0; r < j->depth; r++) {
        matrix_row(c, k, r, (float *)x, columns + r * *step, 0);
    }
    return columns;
}

/* ---- forward ---- */

static void finish(const struct conv_call *call, const struct chunk *k, size_t filters, float *y) {
    const struct conv *c = call->conv;
    size_t n = (size_t)k->rows * (size_t)c->ow, map = (size_t)c->oh * (size_t)c->ow;
    for (size_t f = 0; f < filters; f++) {
        float bias = call->bias == NULL ? 0 : ((const float *)call->bias)[(size_t)k->group * filters + f], *at = y + f * map;
        for (size_t i = 0; i < n; i++) {
            at[i] += bias;
        }
        K(activate_reals)(call->activation, at, n);
    }
}

static void forward_piece(void *arg, int piece, int thread) {
    const struct job *j = arg;
    const struct conv_call *call = j->call;
    const struct conv *c = call->conv;
    struct chunk k = chunk_of(j, (size_t)piece);
    float *columns = columns_of(j, thread), *y = (float *)call->y + out_offset(c, &k);
    const float *weight = call->packed != NULL ? call->packed : call->weight;
    struct gemm g = {.m = (int)j->filters, .n = k.rows * c->ow, .k = (int)j->depth, .lda = j->depth, .ldc = (size_t)c->oh * (size_t)c->ow};
    g.a = weight + (size_t)k.group * j->filters * j->depth;
    g.b = patches(j, &k, columns, &g.ldb);
    g.c = y;
    K(gemm)(NULL, &g, (char *)columns + j->column_bytes);
    finish(call, &k, j->filters, y);
}

static void forward(const struct conv_call *call) {
    struct job j = job_of(call->conv, call);
    threads_run(call->threads, call->batch * call->conv->groups * j.chunks, forward_piece, &j);
}

/* ---- gradient of the input: chunks of a map overlap, so one thread has them all ---- */

static void chunk_back(const struct job *j, const struct chunk *k, float *dx, float *columns) {
    const struct conv *c = j->call->conv;
    size_t n = (size_t)k->rows * (size_t)c->ow;
    struct gemm g = {.transpose_a = 1, .m = (int)j->depth, .n = (int)n, .k = (int)j->filters, .lda = j->depth, .ldb = (size_t)c->oh * (size_t)c->ow, .ldc = n};
    g.a = (const float *)j->call->weight + (size_t)k->group * j->filters * j->depth;
    g.b = (const float *)j->call->dy + out_offset(c, k);
    g.c = columns;
    K(gemm)(NULL, &g, (char *)columns + j->column_bytes);
    for (size_t r = 0; r < j->depth; r++) {
        matrix_row(c, k, r, dx, columns + r * n, 1);
    }
}

static void data_piece(void *arg, int piece, int thread) {
    const struct job *j = arg;
    const struct conv *c = j->call->conv;
    size_t map = (size_t)(c->c / c->groups) * (size_t)c->h * (size_t)c->w;
    float *dx = (float *)j->call->dx + (size_t)piece * map;
    if (!j->call->add_dx) {
        memset(dx, 0, map * sizeof *dx);
    }
    for (int i = 0; i < j->chunks; i++) {
        struct chunk k = chunk_of(j, (size_t)piece * (size_t)j->chunks + (size_t)i);
        chunk_back(j, &k, dx, columns_of(j, thread));
    }
}

static void backward_data(const struct conv_call *call) {
    struct job j = job_of(call->conv, call);
    threads_run(call->threads, call->batch * call->conv->groups, data_piece, &j);
}

/* ---- gradient of the weights: partial sums over shares of the batch, added up in order ---- */

static float *partial_sums(const struct job *j) {
    return columns_of(j, threads_count(j->call->threads));
}

static void weight_piece(void *arg, int piece, int thread) {
    const struct job *j = arg;
    const struct conv *c = j->call->conv;
    size_t units = (size_t)c->groups * (size_t)j->chunks, size = (size_t)c->k * j->depth;
    size_t begin = body_begin((size_t)j->call->batch, piece, j->parts) * units, end = body_begin((size_t)j->call->batch, piece + 1, j->parts) * units;
    float *columns = columns_of(j, thread), *to = partial_sums(j) + (size_t)piece * size;
    memset(to, 0, size * sizeof *to);
    for (size_t unit = begin; unit < end; unit++) {
        struct chunk k = chunk_of(j, unit);
        struct gemm g = {.transpose_b = 1, .add = 1, .m = (int)j->filters, .n = (int)j->depth, .k = k.rows * c->ow, .ldc = j->depth};
        g.a = (const float *)j->call->dy + out_offset(c, &k);
        g.lda = (size_t)c->oh * (size_t)c->ow;
        g.b = patches(j, &k, columns, &g.ldb);
        g.c = to + (size_t)k.group * j->filters * j->depth;
        K(gemm)(NULL, &g, (char *)columns + j->column_bytes);
    }
}

static void sum_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    float *to = j->call->dweight;
    const float *part = partial_sums(j);
    for (int p = 0; p < j->parts; p++, part += (size_t)j->call->conv->k * j->depth) {
        int add = p > 0 || j->call->add_dweight;
        for (size_t i = begin; i < end; i++) {
            to[i] = part[i] + (add ? to[i] : 0);
        }
    }
}

static void backward_weight(const struct conv_call *call) {
    const struct conv *c = call->conv;
    struct job j = job_of(c, call);
    size_t size = (size_t)c->k * j.depth;
    j.parts = parts_of(c, call->batch);
    threads_run(call->threads, j.parts, weight_piece, &j);
    body_split(call->threads, size, size * (size_t)j.parts, sum_range, &j);
    if (call->dbias != NULL) {
        K(bias_back)(call->threads, out_view(c, call->batch), call->dy, call->dbias, call->scratch);
    }
}

const struct conv_kernel K(conv_im2col) = {
    .name = "im2col", .layout = LAYOUT_NCHW, .supports = supports, .packed_bytes = packed_bytes, .scratch_bytes = scratch_bytes,
    .pack = pack, .forward = forward, .backward_data = backward_data, .backward_weight = backward_weight,
};

#endif
