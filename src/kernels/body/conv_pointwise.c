/* conv_nhwc: the weights' gradient of 1x1 kernels without padding, which is one product that sums over pixels: dweight[k][c] = sum over pixels of
 * dy[pixel][k] x[pixel][c], both as they lie; with strides only some of x's pixels. Parts of the pixels make pieces where the weights alone make too
 * few; their sums lie in scratch and are added in order. */
#include "kernels/body/conv_nhwc.h"
#include "kernels/body/gemm_sums.h"

/* A rectangle's sides (the other may be long where one is short), so that its copies stay in the second-level cache; pixels taken at a time; parts at most. */
enum { SIDE = 128, LONG_SIDE = 256, PIXELS = 1536, PARTS = 8 };

struct pointwise {
    const struct conv_call *call;
    const struct conv *conv;
    size_t pixels, each, room_each;          /* of dy; reals of a part's sums; bytes of a thread's room */
    int k_parts, c_parts, parts;
    real *sums;                              /* parts x (k x c, k) */
    char *room;
};

int K(pointwise_supports)(const struct conv *c) {
    return sizeof(elem) == sizeof(real) && c->size_h == 1 && c->size_w == 1 && c->groups == 1 && c->pad_top == 0 && c->pad_left == 0 &&
        (c->oh - 1) * c->stride_h < c->h && (c->ow - 1) * c->stride_w < c->w && c->c >= LANES && c->k >= LANES;
}

static struct pointwise pointwise_make(const struct conv *c, int batch) {
    struct pointwise p = {.conv = c, .pixels = (size_t)batch * (size_t)c->oh * (size_t)c->ow, .each = (size_t)c->k * (size_t)c->c + (size_t)c->k};
    p.k_parts = conv_parts(c->k, c->c <= SIDE ? LONG_SIDE : SIDE);
    p.c_parts = conv_parts(c->c, LONG_SIDE);
    int rectangles = p.k_parts * p.c_parts, most = conv_parts(PARTS, rectangles), chunks = (int)((p.pixels + PIXELS - 1) / PIXELS);
    p.parts = conv_least(most, chunks);
    size_t k = (size_t)conv_parts(c->k, p.k_parts), n = (size_t)conv_parts(c->c, p.c_parts);
    p.room_each = conv_align(K(gemm_sums_bytes)(k, n)) + conv_align(PIXELS * sizeof(ptrdiff_t));
    return p;
}

static size_t sums_bytes(const struct pointwise *p) {
    return conv_align((size_t)p->parts * p->each * sizeof(real));
}

size_t K(pointwise_scratch)(const struct conv *conv, int batch, int threads) {
    struct pointwise p = pointwise_make(conv, batch);
    return sums_bytes(&p) + (size_t)threads * p.room_each;
}

/* Where x's pixels lie that dy's from `begin` on were made of. */
static void list_rows(const struct conv *c, size_t begin, size_t count, ptrdiff_t *rows) {
    size_t ow = (size_t)c->ow, map = (size_t)c->oh * ow;
    for (size_t i = 0; i < count; i++) {
        size_t pixel = begin + i, sample = pixel / map, row = pixel % map / ow, col = pixel % ow;
        size_t line = sample * (size_t)c->h + row * (size_t)c->stride_h;
        rows[i] = (ptrdiff_t)((line * (size_t)c->w + col * (size_t)c->stride_w) * (size_t)c->c);
    }
}

static void sum_bias(const struct pointwise *p, size_t begin, size_t end, size_t k, size_t k_end, real *bias) {
    const real *dy = p->call->dy;
    for (size_t pixel = begin; pixel < end; pixel++) {
        const real *row = dy + pixel * (size_t)p->conv->k;
        for (size_t i = k; i < k_end; i++) {
            bias[i] += row[i];
        }
    }
}

/* A rectangle of the weights over a part of the pixels. */
static void pointwise_piece(void *arg, int piece, int thread) {
    const struct pointwise *p = arg;
    const struct conv *c = p->conv;
    int of_c = piece % p->c_parts, of_k = piece / p->c_parts % p->k_parts, part = piece / p->c_parts / p->k_parts;
    size_t first_c = (size_t)conv_part(c->c, p->c_parts, of_c), end_c = (size_t)conv_part(c->c, p->c_parts, of_c + 1);
    size_t first_k = (size_t)conv_part(c->k, p->k_parts, of_k), end_k = (size_t)conv_part(c->k, p->k_parts, of_k + 1);
    size_t begin = body_begin(p->pixels, part, p->parts), end = body_begin(p->pixels, part + 1, p->parts);
    char *room = p->room + (size_t)thread * p->room_each;
    ptrdiff_t *rows = (ptrdiff_t *)(void *)room;
    real *sums = p->sums + (size_t)part * p->each, *bias = sums + (size_t)c->k * (size_t)c->c;
    int dense = c->stride_h == 1 && c->stride_w == 1 && c->oh == c->h && c->ow == c->w;
    struct gemm_sums s = {.m = end_k - first_k, .n = end_c - first_c, .lda = (size_t)c->k, .ldb = (size_t)c->c, .ldc = (size_t)c->c,
        .c = sums + first_k * (size_t)c->c + first_c, .room = (real *)(void *)(room + conv_align(PIXELS * sizeof *rows))};
    for (size_t i = 0; i < s.m; i++) {
        memset(s.c + i * s.ldc, 0, s.n * sizeof *s.c);
    }
    for (size_t pixel = begin; pixel < end; pixel += s.rows) {
        s.rows = body_least(PIXELS, end - pixel);
        s.a = (const real *)p->call->dy + pixel * s.lda + first_k;
        s.b = (const real *)p->call->x + first_c + (dense ? pixel * s.ldb : 0);
        if (!dense) {
            list_rows(c, pixel, s.rows, rows);
            s.b_rows = rows;
        }
        K(gemm_sums)(&s);
    }
    if (of_c == 0) {
        memset(bias + first_k, 0, (end_k - first_k) * sizeof *bias);
        sum_bias(p, begin, end, first_k, end_k, bias);
    }
}

/* Units: numbers of a part, the weights' and then the biases'. */
static void add_sums(void *job, size_t begin, size_t end) {
    const struct pointwise *p = job;
    size_t weights = p->each - (size_t)p->conv->k;
    for (int part = 0; part < p->parts; part++) {
        const real *from = p->sums + (size_t)part * p->each;
        real *dweight = p->call->dweight, *dbias = p->call->dbias;
        int add = part > 0 || p->call->add_dweight;
        for (size_t i = begin; i < body_least(end, weights); i++) {
            dweight[i] = from[i] + (add ? dweight[i] : 0);
        }
        for (size_t i = begin < weights ? weights : begin; dbias != NULL && i < end; i++) {
            dbias[i - weights] += from[i];
        }
    }
}

void K(pointwise_backward_weight)(const struct conv_call *call) {
    struct pointwise p = pointwise_make(call->conv, call->batch);
    p.call = call;
    p.sums = call->scratch;
    p.room = (char *)call->scratch + sums_bytes(&p);
    threads_run(call->threads, p.parts * p.k_parts * p.c_parts, pointwise_piece, &p);
    body_split(call->threads, p.each, p.each * (size_t)p.parts, add_sums, &p);
}
