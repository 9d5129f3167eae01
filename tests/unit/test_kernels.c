/* Element by element: activations, bias, copies, conversions, layouts, dropout, shortcut; each against the plain formula in double. */
#include "kernels_fixture.h"

/* ---- activations ---- */

static double softplus(double x) {
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double stair(double x) {
    double n = floor(x);
    return fmod(n, 2) == 0 ? floor(x / 2) : (x - n) + floor(x / 2);
}

static double formula(enum activation a, double x) {
    const double pi = 3.14159265358979323846;
    switch (a) {
    case ACT_RELU: return x > 0 ? x : 0;
    case ACT_LEAKY: return x > 0 ? x : 0.1 * x;
    case ACT_ELU: return x > 0 ? x : expm1(x);
    case ACT_SELU: return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
    case ACT_GELU: return 0.5 * x * erfc(-x / sqrt(2));
    case ACT_GELU_TANH: return x / (1 + exp(-2 * sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
    case ACT_SILU: return x / (1 + exp(-x));
    case ACT_MISH: return x * tanh(softplus(x));
    case ACT_LOGISTIC: return 1 / (1 + exp(-x));
    case ACT_TANH: return tanh(x);
    case ACT_HARDTANH: return x < -1 ? -1 : x > 1 ? 1 : x;
    case ACT_SOFTPLUS: return softplus(x);
    case ACT_ABS: return fabs(x);
    case ACT_HEAVISIDE: return x > 0;
    case ACT_SIGN: return (x > 0) - (x < 0);
    case ACT_RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
    case ACT_LOGGY: return tanh(x / 2);       /* 2 logistic(x) - 1 */
    case ACT_RELIE: return x > 0 ? x : 0.01 * x;
    case ACT_PLSE: return x < -4 ? 0.01 * (x + 4) : x > 4 ? 0.01 * (x - 4) + 1 : 0.125 * x + 0.5;
    case ACT_LHTAN: return x < 0 ? 0.001 * x : x > 1 ? 0.001 * (x - 1) + 1 : x;
    case ACT_RAMP: return x * (x > 0) + 0.1 * x;
    case ACT_STAIR: return stair(x);
    case ACT_HARD_MISH: return x > 0 ? x : x > -2 ? x * (x / 2 + 1) : 0;
    default: return x;
    }
}

/* Values around 0 in small steps, then far out. */
static double place(size_t i, size_t n) {
    return i < n / 2 ? ((double)i - (double)n / 4) * (20.0 / (double)n) + 1e-3 : ((double)i - 0.75 * (double)n) * (360.0 / (double)n);
}

static void check_activations(struct bench *b) {
    const struct kernels *k = b->k;
    size_t n = 40001;
    double relative = k->dtype == DTYPE_F64 ? 1e-13 : k->dtype == DTYPE_F32 ? 5e-7 : 4e-3, smallest = k->dtype == DTYPE_F64 ? 1e-300 : 1e-36;
    void *x = elems_empty(b, n), *y = elems_empty(b, n);
    for (size_t i = 0; i < n; i++) {
        elem_set(k, x, i, place(i, n));
    }
    for (int a = 0; a < ACT_COUNT; a++) {
        int tail = a == ACT_GELU || a == ACT_GELU_TANH;         /* exp(-x^2): the square's rounding counts x^2 times */
        k->activate(b->team, (enum activation)a, x, y, n);
        for (size_t i = 0; i < n; i++) {
            double at = elem_get(k, x, i), wanted = formula((enum activation)a, at), found = elem_get(k, y, i);
            double allowed = relative * fabs(wanted) * (tail ? 1 + at * at : 1) + smallest;
            if (!(fabs(found - wanted) <= allowed + (a == ACT_STAIR ? 1e-5 : 0))) {
                fail_msg("activation %d of %g: found %.9g, want %.9g (%s, type %d)", a, at, found, wanted, k->isa, (int)k->dtype);
            }
        }
        bench_seen(b, y, n * dtype_size(k->dtype));
        memcpy(y, x, n * dtype_size(k->dtype));
        k->activate(b->team, (enum activation)a, y, y, n);      /* in place, the same bits */
        bench_seen(b, y, n * dtype_size(k->dtype));
    }
    free(x);
    free(y);
}

static void check_special(struct bench *b) {
    const struct kernels *k = b->k;
    size_t n = 37;
    void *x = elems_empty(b, n), *y = elems_empty(b, n);
    for (int a = 0; a < ACT_COUNT; a++) {
        for (size_t i = 0; i < n; i++) {
            elem_set(k, x, i, i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY);
        }
        k->activate(b->team, (enum activation)a, x, y, n);
        for (size_t i = 0; i < n; i++) {
            double found = elem_get(k, y, i), wanted = formula((enum activation)a, i % 3 == 1 ? 1e30 : -1e30);
            if (i % 3 == 0 ? !isnan(found) : fabs(wanted) > 1e20 ? found != copysign(INFINITY, wanted) : !(fabs(found - wanted) <= 2 * tolerance(k))) {
                fail_msg("activation %d of NaN, inf or -inf (%zu): %g (%s, type %d)", a, i % 3, found, k->isa, (int)k->dtype);
            }
        }
    }
    free(x);
    free(y);
}

static double difference(enum activation a, double x) {
    return (formula(a, x + 5e-6) - formula(a, x - 5e-6)) / 1e-5;
}

static int bends(enum activation a, double x, double slope, double within) {
    double most = 1e-3 + 1.8 * within;
    return fabs(difference(a, x - within) - slope) > most || fabs(difference(a, x + within) - slope) > most;
}

/* The slope, where the function has no bend within `near`: an output rounded to bfloat16 may lie beyond one. */
static int slope_at(enum activation a, double x, double near, double *slope) {
    *slope = difference(a, x);
    return !bends(a, x, *slope, 1e-5) && !bends(a, x, *slope, near) && fabs(*slope) < 10;
}

static void check_activations_back(struct bench *b) {
    const struct kernels *k = b->k;
    size_t n = 20011;
    double *g, *before, near = k->dtype == DTYPE_BF16 ? 0.06 : 1e-5, allowed = k->dtype == DTYPE_F64 ? 1e-8 : k->dtype == DTYPE_F32 ? 3e-6 : 3e-2;
    void *dy = elems_random(b, n, 1, &g), *start = elems_random(b, n, 1, &before), *x = elems_empty(b, n), *y = elems_empty(b, n), *dx = elems_empty(b, n);
    for (size_t i = 0; i < n; i++) {
        elem_set(k, x, i, place(i, n));
    }
    for (int a = 0; a < ACT_COUNT; a++) {
        for (int add = 0; add <= 1; add++) {
            int by_output = activation_by_output((enum activation)a);
            k->activate(b->team, (enum activation)a, x, y, n);
            memcpy(dx, add ? start : dy, n * dtype_size(k->dtype));
            k->activate_back(b->team, (enum activation)a, by_output ? NULL : x, by_output ? y : NULL, add ? dy : dx, dx, n, add);
            for (size_t i = 0; i < n; i++) {
                double slope, found = elem_get(k, dx, i);
                if (slope_at((enum activation)a, elem_get(k, x, i), near, &slope) && !(fabs(found - (slope * g[i] + (add ? before[i] : 0))) <= allowed)) {
                    fail_msg("slope of activation %d at %g: found %g, want %g (%s, type %d)", a, elem_get(k, x, i), found, slope * g[i], k->isa, (int)k->dtype);
                }
            }
            bench_seen(b, dx, n * dtype_size(k->dtype));
        }
    }
    free(g);
    free(before);
    free(dy);
    free(start);
    free(x);
    free(y);
    free(dx);
}

static void test_activations(void **state) {
    (void)state;
    bench_all(check_activations);
    bench_all(check_special);
    bench_all(check_activations_back);
}

/* ---- fill, add, scale, conversions ---- */

static void check_simple(struct bench *b) {
    const struct kernels *k = b->k;
    size_t n = 50003;
    double *from, *start, *wanted = doubles(n);
    void *x = elems_random(b, n, 3, &from), *y = elems_random(b, n, 3, &start);
    float *f = mem_need(n, sizeof *f);
    for (size_t i = 0; i < n; i++) {
        wanted[i] = from[i] + start[i];
    }
    k->add(b->team, x, y, n);
    compare_elems(b, "add", y, wanted, n, tolerance(k));
    for (size_t i = 0; i < n; i++) {
        wanted[i] = from[i] * 0.75;
    }
    k->scale(b->team, x, n, 0.75);
    compare_elems(b, "scale", x, wanted, n, tolerance(k));
    for (size_t i = 0; i < n; i++) {
        f[i] = (float)start[i];
    }
    k->from_f32(b->team, f, y, n);
    compare_elems(b, "from_f32", y, start, n, 1e-7);
    memset(f, 0, n * sizeof *f);
    k->to_f32(b->team, y, f, n);
    for (size_t i = 0; i < n; i++) {
        assert_true((double)f[i] == (double)(float)start[i]);
        wanted[i] = -1.25;
    }
    k->fill(b->team, x, n, -1.25);
    compare_elems(b, "fill", x, wanted, n, 0);
    free(f);
    free(wanted);
    free(from);
    free(start);
    free(x);
    free(y);
}

/* bfloat16 rounds to nearest even and keeps a NaN one. */
static void check_rounding(struct bench *b) {
    const struct kernels *k = b->k;
    static const struct { float in, out; } cases[] = {
        {0x1.01p0f, 0x1.00p0f}, {0x1.03p0f, 0x1.04p0f}, {0x1.0101p0f, 0x1.02p0f}, {0x1.fffp0f, 2.0f}, {3.4e38f, INFINITY}, {-0x1.01p0f, -1.0f}};
    enum { COUNT = sizeof cases / sizeof *cases, REPEAT = 5 };
    float in[COUNT * REPEAT + 1], out[COUNT * REPEAT + 1];
    void *y = elems_empty(b, COUNT * REPEAT + 1);
    for (size_t i = 0; i < COUNT * REPEAT; i++) {
        in[i] = cases[i % COUNT].in;
    }
    in[COUNT * REPEAT] = NAN;
    k->from_f32(b->team, in, y, COUNT * REPEAT + 1);
    k->to_f32(b->team, y, out, COUNT * REPEAT + 1);
    for (size_t i = 0; i < COUNT * REPEAT; i++) {
        assert_true(out[i] == (k->dtype == DTYPE_BF16 ? cases[i % COUNT].out : in[i]));
    }
    assert_true(isnan(out[COUNT * REPEAT]));
    free(y);
}

static void check_copy(struct bench *b) {
    const struct kernels *k = b->k;
    for (int add = 0; add <= 1; add++) {
        struct copy c = {.rows = 61, .row_elems = 701, .from_stride = 803, .to_stride = 790, .add = add};
        size_t from_n = c.rows * c.from_stride, to_n = c.rows * c.to_stride;
        double *from, *wanted;
        void *x = elems_random(b, from_n, 1, &from), *y = elems_random(b, to_n, 1, &wanted);
        for (size_t r = 0; r < c.rows; r++) {
            for (size_t i = 0; i < c.row_elems; i++) {
                wanted[r * c.to_stride + i] = from[r * c.from_stride + i] + (add ? wanted[r * c.to_stride + i] : 0);
            }
        }
        k->copy(b->team, &c, x, y);
        compare_elems(b, "copy", y, wanted, to_n, tolerance(k));
        free(from);
        free(wanted);
        free(x);
        free(y);
    }
}

static void test_simple(void **state) {
    (void)state;
    bench_all(check_simple);
    bench_all(check_rounding);
    bench_all(check_copy);
}

/* ---- layouts ---- */

static const struct dims shapes[] = {{0, 1, 1, 1, 1}, {0, 3, 5, 4, 7}, {0, 19, 3, 5, 5}, {0, 16, 8, 2, 2}, {0, 9, 33, 1, 1}, {0, 33, 17, 9, 11}, {0, 5, 1, 6, 3}, {0, 2, 40, 30, 31}, {0, 2, 3, 40, 53}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void check_reorder(struct bench *b) {
    for (size_t s = 0; s < SHAPES * LAYOUT_COUNT * LAYOUT_COUNT * 2; s++) {
        struct dims from = shapes[s % SHAPES], to = from;
        int add = (int)(s / SHAPES / LAYOUT_COUNT / LAYOUT_COUNT);
        from.layout = (enum layout)(s / SHAPES % LAYOUT_COUNT);
        to.layout = (enum layout)(s / SHAPES / LAYOUT_COUNT % LAYOUT_COUNT);
        double *values = tensor_random(b, &from, 1), *before = tensor_random(b, &to, 1);
        void *x = tensor_put(b, &from, values, 0), *y = tensor_put(b, &to, before, 0);
        b->k->reorder(b->team, from.layout, to.layout, from.n, from.c, from.h, from.w, x, y, add);
        for (size_t i = 0; add && i < dims_count(&to); i++) {
            values[i] += before[i];
        }
        tensor_compare(b, "reorder", &to, y, values, add ? tolerance(b->k) : 0);
        tensor_missing_are(b, &to, y, 0);
        free(values);
        free(before);
        free(x);
        free(y);
    }
}

static void check_bias(struct bench *b) {
    for (size_t s = 0; s < SHAPES * LAYOUT_COUNT; s++) {
        struct dims d = shapes[s % SHAPES];
        d.layout = (enum layout)(s / SHAPES);
        double *values = tensor_random(b, &d, 1), *bias_values, *sums = doubles(d.c);
        void *bias = reals_random(b, d.c, 1, &bias_values), *y = tensor_put(b, &d, values, 0), *dbias, *dy = tensor_put(b, &d, values, 0);
        void *scratch = mem_aligned(b->k->batchnorm_scratch(dims_view(b, &d)));
        for (size_t i = 0; i < dims_count(&d); i++) {
            size_t c = i / (d.h * d.w) % d.c;
            sums[c] += values[i];
            values[i] = tanh(values[i] + bias_values[c]);
        }
        b->k->bias(b->team, dims_view(b, &d), bias, ACT_TANH, y);
        tensor_compare(b, "bias", &d, y, values, tolerance(b->k));
        free(bias_values);
        dbias = reals_random(b, d.c, 1, &bias_values);
        for (size_t c = 0; c < d.c; c++) {
            sums[c] += bias_values[c];
        }
        b->k->bias_back(b->team, dims_view(b, &d), dy, dbias, scratch);
        compare_reals(b, "bias_back", dbias, sums, d.c, b->k->dtype == DTYPE_F64 ? 1e-12 : 4e-6);
        free(values);
        free(bias_values);
        free(sums);
        free(bias);
        free(y);
        free(dy);
        free(dbias);
        free(scratch);
    }
}

static void test_layouts(void **state) {
    (void)state;
    bench_all(check_reorder);
    bench_all(check_bias);
}

/* ---- dropout ---- */

static void check_dropout(struct bench *b) {
    const struct kernels *k = b->k;
    size_t n = 70001, kept = 0;
    double p = 0.3, *from, *before, *wanted = doubles(n);
    void *x = elems_random(b, n, 1, &from), *y = elems_empty(b, n), *z = elems_random(b, n, 1, &before);
    for (size_t i = 0; i < n; i++) {
        uint32_t block[4];
        rng_block(11, 22, i / 4, block);
        int keep = block[i % 4] >= (uint32_t)(p * 0x1p32);
        wanted[i] = keep ? from[i] / (1 - p) : 0;
        kept += (size_t)keep;
    }
    assert_true(fabs((double)kept / (double)n - 0.7) < 0.01);
    k->dropout(b->team, p, 11, 22, x, y, n, 0);
    compare_elems(b, "dropout", y, wanted, n, tolerance(k));
    k->dropout(b->team, p, 11, 22, x, z, n, 1);
    for (size_t i = 0; i < n; i++) {
        wanted[i] += before[i];
    }
    compare_elems(b, "dropout, added", z, wanted, n, tolerance(k));
    k->dropout(b->team, p, 11, 22, x, x, n, 0);
    assert_memory_equal(x, y, n * dtype_size(k->dtype));
    free(from);
    free(before);
    free(wanted);
    free(x);
    free(y);
    free(z);
}

static void test_dropout(void **state) {
    (void)state;
    bench_all(check_dropout);
}

/* ---- shortcut ---- */

struct sizes { size_t n; int c, h, w, from_c, from_h, from_w; };

/* The weight that element i of `from` (NCHW) has in element o of the output: as darknet's shortcut_cpu strides. */
static int joined(const struct sizes *s, size_t at_out, size_t *at_from) {
    int w = (int)(at_out % (size_t)s->w), h = (int)(at_out / (size_t)s->w % (size_t)s->h), c = (int)(at_out / (size_t)(s->w * s->h) % (size_t)s->c);
    int n = (int)(at_out / (size_t)(s->w * s->h * s->c)), sample = s->w / s->from_w, stride = s->from_w / s->w;
    sample = sample < 1 ? 1 : sample;
    stride = stride < 1 ? 1 : stride;
    int least_w = s->w < s->from_w ? s->w : s->from_w, least_h = s->h < s->from_h ? s->h : s->from_h;
    if (c >= s->from_c || w % sample != 0 || h % sample != 0 || w / sample >= least_w || h / sample >= least_h) {
        return 0;
    }
    *at_from = (size_t)(((n * s->from_c + c) * s->from_h + h / sample * stride) * s->from_w + w / sample * stride);
    return 1;
}

static void check_shortcut_case(struct bench *b, const struct sizes *s, enum layout layout, int add) {
    const struct kernels *k = b->k;
    struct dims out = {layout, s->n, (size_t)s->c, (size_t)s->h, (size_t)s->w}, in = {layout, s->n, (size_t)s->from_c, (size_t)s->from_h, (size_t)s->from_w};
    struct shortcut call = {s->n, layout, k->lanes, s->c, s->h, s->w, s->from_c, s->from_h, s->from_w, 0.5, -2};
    double *x = tensor_random(b, &out, 1), *from = tensor_random(b, &in, 1), *din = tensor_random(b, &out, 1), *dfrom = tensor_random(b, &in, 1);
    double *y = doubles(dims_count(&out));
    void *px = tensor_put(b, &out, x, 0), *pfrom = tensor_put(b, &in, from, 0), *py = elems_empty(b, dims_stored(b, &out));
    void *pdin = tensor_put(b, &out, din, 0), *pdfrom = tensor_put(b, &in, dfrom, 0);
    for (size_t i = 0; !add && i < dims_count(&in); i++) {
        dfrom[i] = 0;
    }
    for (size_t i = 0; i < dims_count(&out); i++) {
        size_t at;
        y[i] = 0.5 * x[i];
        din[i] = 0.5 * x[i] + (add ? din[i] : 0);
        if (joined(s, i, &at)) {
            y[i] += -2 * from[at];
            dfrom[at] += -2 * x[i];
        }
    }
    k->shortcut(b->team, &call, px, pfrom, py);
    tensor_compare(b, "shortcut", &out, py, y, tolerance(k));
    k->shortcut_back(b->team, &call, px, pdin, add, pdfrom, add);     /* x stands in for the gradient */
    tensor_compare(b, "shortcut, gradient of in", &out, pdin, din, tolerance(k));
    tensor_compare(b, "shortcut, gradient of from", &in, pdfrom, dfrom, tolerance(k));
    k->shortcut(b->team, &call, px, pfrom, px);
    tensor_compare(b, "shortcut in place", &out, px, y, tolerance(k));
    free(x);
    free(from);
    free(din);
    free(dfrom);
    free(y);
    free(px);
    free(pfrom);
    free(py);
    free(pdin);
    free(pdfrom);
}

static void check_shortcut(struct bench *b) {
    static const struct sizes cases[] = {{3, 5, 4, 6, 5, 4, 6}, {11, 6, 4, 4, 3, 8, 8}, {9, 3, 8, 8, 6, 4, 4}, {17, 24, 14, 14, 24, 14, 14}, {5, 4, 6, 6, 7, 6, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases * LAYOUT_COUNT * 2; i++) {
        check_shortcut_case(b, &cases[i / 2 / LAYOUT_COUNT], (enum layout)(i / 2 % LAYOUT_COUNT), (int)(i % 2));
    }
}

static void test_shortcut(void **state) {
    (void)state;
    bench_all(check_shortcut);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations), cmocka_unit_test(test_simple), cmocka_unit_test(test_layouts), cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_shortcut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
