/* The convolutions that read NCHW (the specification, and the one by patches) against the definition in double, and matrix products. */
#include "amx_trap.h"
#include "kernels_fixture.h"

#if defined(__x86_64__)
/* Products of bfloat16, written in C, and by AMX's instructions, trapped. */
extern __typeof__(*((const struct kernels *)0)->gemm_scratch) gemm_scratch_emulatedrounded_bf16, gemm_scratch_trappedrounded_bf16;
extern __typeof__(*((const struct kernels *)0)->gemm) gemm_emulatedrounded_bf16, gemm_trappedrounded_bf16;
#endif

struct shape { int n; struct conv c; };

static const struct shape shapes[] = {
    /*   c   h   w   k  oh ow  size  stride  pad  dilation groups */
    {3, {3, 8, 9, 5, 6, 7, 3, 3, 1, 1, 0, 0, 1, 1, 1}},        {2, {4, 11, 10, 6, 6, 5, 5, 5, 2, 2, 2, 2, 1, 1, 2}},
    {1, {8, 7, 7, 8, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1, 8}},        {5, {6, 9, 9, 4, 9, 9, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {2, {2, 13, 12, 3, 7, 4, 3, 2, 1, 2, 0, 1, 3, 4, 1}},      {4, {3, 1, 1, 7, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {2, {3, 6, 6, 2, 7, 5, 4, 3, 1, 1, 2, 0, 1, 1, 1}},        {2, {5, 10, 10, 5, 5, 5, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {5, {16, 20, 20, 24, 20, 20, 3, 3, 1, 1, 1, 1, 1, 1, 2}},  {1, {2, 5, 5, 2, 3, 3, 3, 3, 3, 3, 2, 2, 1, 1, 1}},
    {2, {64, 20, 20, 6, 20, 20, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
};

/* A convolution's arrays, in doubles and as the kernels have them. */
struct run {
    const struct conv *c;
    size_t nx, ny, nw;
    double *x, *y, *w, *bias, *dy, *dx, *dw, *dbias;
    struct conv_call call;
};

static struct run run_make(struct bench *b, const struct shape *s) {
    const struct conv *c = &s->c;
    struct run r = {.c = c, .nx = (size_t)(s->n * c->c * c->h * c->w), .ny = (size_t)(s->n * c->k * c->oh * c->ow),
        .nw = (size_t)(c->k * (c->c / c->groups) * c->size_h * c->size_w)};
    r.call = (struct conv_call){.conv = c, .threads = b->team, .batch = s->n};
    r.call.x = elems_random(b, r.nx, 1, &r.x);
    r.call.dy = elems_random(b, r.ny, 1, &r.dy);
    r.call.dx = elems_random(b, r.nx, 1, &r.dx);
    r.call.weight = reals_random(b, r.nw, 0.2, &r.w);
    r.call.bias = reals_random(b, (size_t)c->k, 1, &r.bias);
    r.call.dweight = reals_random(b, r.nw, 1, &r.dw);
    r.call.add_dweight = 1;
    r.call.dbias = reals_random(b, (size_t)c->k, 1, &r.dbias);
    r.call.y = elems_empty(b, r.ny);
    r.y = doubles(r.ny);
    return r;
}

static void run_free(struct run *r) {
    const void *all[] = {r->x, r->y, r->w, r->bias, r->dy, r->dx, r->dw, r->dbias, r->call.x, r->call.y, r->call.weight, r->call.bias, r->call.dy, r->call.dx,
        r->call.dweight, r->call.dbias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free((void *)(uintptr_t)all[i]);
    }
}

/* One term of the sum: output `o` of filter k takes x[i] times w[j]. */
static void term(struct run *r, size_t o, int k, size_t i, size_t j) {
    (void)k;
    r->y[o] += r->w[j] * r->x[i];
    r->dx[i] += r->w[j] * r->dy[o];
    r->dw[j] += r->x[i] * r->dy[o];
}

static void terms(struct run *r, size_t o, size_t n, int k, int oh, int ow) {
    const struct conv *c = r->c;
    int channels = c->c / c->groups, group = k / (c->k / c->groups);
    for (int t = 0; t < channels * c->size_h * c->size_w; t++) {
        int ch = t / (c->size_h * c->size_w), kh = t / c->size_w % c->size_h, kw = t % c->size_w;
        int h = oh * c->stride_h - c->pad_top + kh * c->dilation_h, w = ow * c->stride_w - c->pad_left + kw * c->dilation_w;
        if (h >= 0 && h < c->h && w >= 0 && w < c->w) {
            size_t i = ((n * (size_t)c->c + (size_t)(group * channels + ch)) * (size_t)c->h + (size_t)h) * (size_t)c->w + (size_t)w;
            term(r, o, k, i, (size_t)k * (size_t)(channels * c->size_h * c->size_w) + (size_t)t);
        }
    }
}

/* The gradients start from what is there; dx only where it is added to. */
static void define(struct run *r, int bias, int scaled) {
    const struct conv *c = r->c;
    if (!r->call.add_dx) {
        memset(r->dx, 0, r->nx * sizeof *r->dx);
    }
    for (size_t o = 0; o < r->ny; o++) {
        int ow = (int)(o % (size_t)c->ow), oh = (int)(o / (size_t)c->ow % (size_t)c->oh), k = (int)(o / (size_t)(c->ow * c->oh) % (size_t)c->k);
        terms(r, o, o / (size_t)(c->ow * c->oh * c->k), k, oh, ow);
        r->y[o] = (scaled ? r->y[o] * (1 + k) : r->y[o]) + (bias ? r->bias[k] : 0);
        r->y[o] = tanh(r->y[o]);
        r->dbias[k] += r->dy[o];
    }
}

static void *scratch_for(struct bench *b, const struct conv_kernel *way, const struct shape *s, int training) {
    return mem_aligned(way->scratch_bytes(&s->c, s->n + 3, training, threads_count(b->team)));
}

static void check_training(struct bench *b, const struct conv_kernel *way, const struct shape *s, int add) {
    struct run r = run_make(b, s);
    double precise = b->k->dtype == DTYPE_F64 ? 1e-12 : 5e-6;
    r.call.add_dx = add;
    r.call.activation = ACT_TANH;
    r.call.scratch = scratch_for(b, way, s, 1);
    assert_true(way->supports(&s->c, s->n, 1));
    assert_int_equal(way->packed_bytes(&s->c, 1), 0);
    define(&r, 1, 0);
    way->forward(&r.call);
    compare_elems(b, way->name, r.call.y, r.y, r.ny, tolerance(b->k) * 3);
    way->backward_data(&r.call);
    compare_elems(b, "gradient of x", r.call.dx, r.dx, r.nx, tolerance(b->k) * 2);
    way->backward_weight(&r.call);
    compare_reals(b, "gradient of weight", r.call.dweight, r.dw, r.nw, precise);
    compare_reals(b, "gradient of bias", r.call.dbias, r.dbias, (size_t)s->c.k, precise);
    void *dbias = r.call.dbias;
    r.call.dbias = NULL;
    way->backward_weight(&r.call);
    r.call.dbias = dbias;
    free(r.call.scratch);
    run_free(&r);
}

/* Inference, with weights scaled while they are packed, and no bias. */
static void check_inference(struct bench *b, const struct conv_kernel *way, const struct shape *s) {
    struct run r = run_make(b, s);
    void *scale = mem_aligned((size_t)s->c.k * real_size(b->k)), *packed = mem_aligned(way->packed_bytes(&s->c, 0));
    for (int k = 0; k < s->c.k; k++) {
        real_set(b->k, scale, (size_t)k, 1 + k);
    }
    define(&r, 0, 1);
    way->pack(&s->c, r.call.weight, scale, 0, packed, b->team);
    r.call.packed = packed;
    free((void *)(uintptr_t)r.call.bias);
    r.call.bias = NULL;
    r.call.activation = ACT_TANH;
    r.call.scratch = scratch_for(b, way, s, 0);
    way->forward(&r.call);
    compare_elems(b, way->name, r.call.y, r.y, r.ny, tolerance(b->k) * 50);
    free(r.call.scratch);
    free(scale);
    free(packed);
    run_free(&r);
}

static void check_conv(struct bench *b) {
    for (const struct conv_kernel *const *way = b->k->conv; *way != NULL; way++) {
        for (size_t i = 0; (*way)->layout == LAYOUT_NCHW && i < sizeof shapes / sizeof *shapes; i += (CASE_STEP + 1) / 2) {
            check_training(b, *way, &shapes[i], (int)(i % 2));
            check_inference(b, *way, &shapes[i]);
        }
    }
}

static void test_conv(void **state) {
    (void)state;
    bench_all(check_conv);
}

/* ---- matrix products ---- */

/* Numbers that bfloat16 holds: its products of them are as exact as others. */
static void *short_numbers(struct bench *b, size_t n, double **copy) {
    void *p = reals_random(b, n, 1, copy);
    for (size_t i = 0; i < n; i++) {
        (*copy)[i] = round((*copy)[i] * 128) / 128;
        real_set(b->k, p, i, (*copy)[i]);
    }
    return p;
}

static void check_product(struct bench *b, int m, int n, int k, int flags) {
    struct gemm g = {.transpose_a = flags & 1, .transpose_b = flags >> 1 & 1, .add = flags >> 2 & 1, .m = m, .n = n, .k = k};
    size_t rows_a = (size_t)(g.transpose_a ? k : m), rows_b = (size_t)(g.transpose_b ? n : k);
    g.lda = (size_t)(g.transpose_a ? m : k) + 3;
    g.ldb = (size_t)(g.transpose_b ? k : n) + 1;
    g.ldc = (size_t)n + 2;
    double *a, *bb, *c;
    void *pa = short_numbers(b, rows_a * g.lda, &a), *pb = short_numbers(b, rows_b * g.ldb, &bb), *pc = reals_random(b, (size_t)m * g.ldc, 1, &c);
    void *scratch = mem_aligned(b->k->gemm_scratch(&g, threads_count(b->team)));
    for (size_t i = 0; i < (size_t)m; i++) {
        for (size_t j = 0; j < (size_t)n; j++) {
            double sum = g.add ? c[i * g.ldc + j] : 0;
            for (size_t p = 0; p < (size_t)k; p++) {
                sum += a[g.transpose_a ? p * g.lda + i : i * g.lda + p] * bb[g.transpose_b ? j * g.ldb + p : p * g.ldb + j];
            }
            c[i * g.ldc + j] = sum;
        }
    }
    g.a = pa;
    g.b = pb;
    g.c = pc;
    b->k->gemm(b->team, &g, scratch);
    compare_reals(b, "gemm", pc, c, (size_t)m * g.ldc, b->k->dtype == DTYPE_F64 ? 1e-13 : 3e-6);
    free(a);
    free(bb);
    free(c);
    free(pa);
    free(pb);
    free(pc);
    free(scratch);
}

static void check_gemm(struct bench *b) {
    static const int sizes[][3] = {{1, 1, 1}, {5, 7, 3}, {33, 10, 84}, {1, 130, 400}, {257, 129, 300}, {64, 2, 0}, {3, 301, 700}, {2, 7, 33}, {4, 33, 71}, {131, 45, 600}, {70, 96, 41}, {40, 64, 300}};
    for (int i = 0; i < 8 * (int)(sizeof sizes / sizeof *sizes); i += CASE_STEP) {
        check_product(b, sizes[i / 8][0], sizes[i / 8][1], sizes[i / 8][2], i % 8);
    }
}

/* The tables of the specification have products of their own. */
static void test_gemm(void **state) {
    (void)state;
    bench_all(check_gemm);
    for (int dtype = 0; dtype <= DTYPE_BF16; dtype++) {
        bench_table(kernels_get(ISA_BASE, 1, (enum dtype)dtype), check_gemm);
    }
#if defined(__x86_64__)
    static const struct kernels rounded[] = {
        {.isa = "emulated products of bfloat16", .dtype = DTYPE_BF16, .gemm_scratch = gemm_scratch_emulatedrounded_bf16, .gemm = gemm_emulatedrounded_bf16},
        {.isa = "tiles beside avx2", .dtype = DTYPE_BF16, .gemm_scratch = gemm_scratch_trappedrounded_bf16, .gemm = gemm_trappedrounded_bf16},
    };
    trap_install();
    for (int i = 0; i < 2 && cpu_can(ISA_AVX2); i++) {
        bench_table(&rounded[i], check_gemm);
    }
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conv), cmocka_unit_test(test_gemm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
