/* Batch normalization in all layouts against its definition in double: statistics, running statistics, all gradients. */
#include "kernels_fixture.h"

static const struct dims shapes[] = {{0, 8, 6, 14, 14}, {0, 9, 5, 3, 3}, {0, 3, 33, 2, 5}, {0, 37, 100, 1, 1}, {0, 2, 1, 4, 4}, {0, 16, 17, 9, 9}, {0, 1, 3, 120, 120}, {0, 130, 64, 4, 4}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* One case, in NCHW doubles and as the kernel has it. */
struct run {
    struct dims d;
    double *x, *dy, *dx, *y, *gamma, *beta, *running_mean, *running_var, *dgamma, *dbeta, *mean, *rstd;
    struct batchnorm call;
};

static void *reals(struct bench *b, size_t n, double from, double spread, double **copy) {
    void *p = reals_random(b, n, spread, copy);
    for (size_t i = 0; i < n; i++) {
        real_set(b->k, p, i, (*copy)[i] + from);
        (*copy)[i] = real_get(b->k, p, i);
    }
    return p;
}

static struct run run_make(struct bench *b, struct dims d, double offset) {
    struct run r = {.d = d, .x = tensor_random(b, &d, 1), .dy = tensor_random(b, &d, 1), .dx = tensor_random(b, &d, 1), .y = doubles(dims_count(&d)),
        .mean = doubles(d.c), .rstd = doubles(d.c)};
    for (size_t i = 0; i < dims_count(&d); i++) {
        r.x[i] = r.x[i] * (double)(1 + i / (d.h * d.w) % d.c) + offset;
    }
    void *rounded = tensor_put(b, &d, r.x, 0);
    free(r.x);
    r.x = tensor_get(b, &d, rounded);
    free(rounded);
    r.call = (struct batchnorm){.view = dims_view(b, &d), .eps = 1e-5, .momentum = 0.1};
    r.call.gamma = reals(b, d.c, 1, 0.5, &r.gamma);
    r.call.beta = reals(b, d.c, 0, 1, &r.beta);
    r.call.running_mean = reals(b, d.c, offset, 0.3, &r.running_mean);
    r.call.running_var = reals(b, d.c, 1, 0.5, &r.running_var);
    r.call.dgamma = reals(b, d.c, 0, 1, &r.dgamma);
    r.call.dbeta = reals(b, d.c, 0, 1, &r.dbeta);
    r.call.mean = mem_aligned(d.c * real_size(b->k));
    r.call.inv_std = mem_aligned(d.c * real_size(b->k));
    r.call.scratch = mem_aligned(b->k->batchnorm_scratch(r.call.view));
    return r;
}

static void run_free(struct run *r) {
    void *all[] = {r->x, r->dy, r->dx, r->y, r->gamma, r->beta, r->running_mean, r->running_var, r->dgamma, r->dbeta, r->mean, r->rstd, (void *)(uintptr_t)r->call.gamma,
        (void *)(uintptr_t)r->call.beta, r->call.running_mean, r->call.running_var, r->call.dgamma, r->call.dbeta, r->call.mean, r->call.inv_std, r->call.scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

/* Element i of channel c. */
static size_t element(const struct dims *d, size_t c, size_t i) {
    size_t pixels = d->h * d->w;
    return (i / pixels * d->c + c) * pixels + i % pixels;
}

/* What a relu lets through of dy; where its input is so near 0 that rounding decides, dy becomes 0. */
static double through_relu(struct run *r, size_t at) {
    r->dy[at] = r->call.relu && fabs(r->y[at]) < 1e-3 ? 0 : r->dy[at];
    return r->call.relu && r->y[at] <= 0 ? 0 : r->dy[at];
}

/* What the definition says, channel by channel: y, the statistics, and with the gradient dx, dgamma, dbeta. */
static void define(struct run *r, int frozen, int add) {
    size_t n = r->d.n * r->d.h * r->d.w;
    for (size_t c = 0; c < r->d.c; c++) {
        double mean = 0, var = 0, sum = 0, product = 0;
        for (size_t i = 0; i < n; i++) {
            mean += r->x[element(&r->d, c, i)] / (double)n;
        }
        for (size_t i = 0; i < n; i++) {
            var += pow(r->x[element(&r->d, c, i)] - mean, 2);
        }
        double m = frozen ? r->running_mean[c] : mean, rstd = 1 / sqrt((frozen ? r->running_var[c] : var / (double)n) + r->call.eps);
        for (size_t i = 0; i < n; i++) {
            size_t at = element(&r->d, c, i);
            r->y[at] = (r->x[at] - m) * rstd * r->gamma[c] + r->beta[c];
            sum += through_relu(r, at);
            product += through_relu(r, at) * (r->x[at] - m) * rstd;
        }
        for (size_t i = 0; i < n; i++) {
            size_t at = element(&r->d, c, i);
            double through = frozen ? 0 : (sum + (r->x[at] - m) * rstd * product) / (double)n;
            r->dx[at] = (add ? r->dx[at] : 0) + r->gamma[c] * rstd * (through_relu(r, at) - through);
            r->y[at] = r->call.relu && r->y[at] < 0 ? 0 : r->y[at];
        }
        if (!frozen) {
            r->running_mean[c] = 0.9 * r->running_mean[c] + 0.1 * mean;
            r->running_var[c] = 0.9 * r->running_var[c] + 0.1 * var / (double)(n - 1);
        }
        r->mean[c] = m;
        r->rstd[c] = rstd;
        r->dgamma[c] += product;
        r->dbeta[c] += sum;
    }
}

/* Means and sums are as exact as reals; the elements also suffer from x's distance from 0 in units of its deviation. */
static void check_case(struct bench *b, struct dims d, int frozen, int add, int relu, double offset) {
    const struct kernels *k = b->k;
    struct run r = run_make(b, d, offset);
    double precise = k->dtype == DTYPE_F64 ? 1e-10 : 5e-6, loose = tolerance(k) * (k->dtype == DTYPE_BF16 ? 1 : 1 + fabs(offset));
    void *x = tensor_put(b, &d, r.x, 77), *y = elems_empty(b, dims_stored(b, &d)), *dx = tensor_put(b, &d, r.dx, 0);
    r.call.relu = relu;
    define(&r, frozen, add);
    void *dy = tensor_put(b, &d, r.dy, 0);
    if (frozen) {
        k->batchnorm_infer(b->team, &r.call, x, y);
    } else {
        k->batchnorm_train(b->team, &r.call, x, y);
        compare_reals(b, "mean", r.call.mean, r.mean, d.c, precise);
        compare_reals(b, "inv_std", r.call.inv_std, r.rstd, d.c, precise);
        compare_reals(b, "running mean", r.call.running_mean, r.running_mean, d.c, precise);
        compare_reals(b, "running variance", r.call.running_var, r.running_var, d.c, precise);
    }
    tensor_compare(b, frozen ? "batchnorm_infer" : "batchnorm_train", &d, y, r.y, loose);
    tensor_missing_are(b, &d, y, 0);
    (frozen ? k->batchnorm_back_frozen : k->batchnorm_back)(b->team, &r.call, x, dy, dx, add);
    tensor_compare(b, frozen ? "batchnorm_back_frozen" : "batchnorm_back", &d, dx, r.dx, 2 * loose);
    tensor_missing_are(b, &d, dx, 0);
    compare_reals(b, "dgamma", r.call.dgamma, r.dgamma, d.c, precise * 2 * (1 + fabs(offset)));
    compare_reals(b, "dbeta", r.call.dbeta, r.dbeta, d.c, precise * 2);
    free(x);
    free(y);
    free(dy);
    free(dx);
    run_free(&r);
}

static void check_all(struct bench *b) {
    for (size_t i = 0; i < SHAPES * LAYOUT_COUNT * 8; i += CASE_STEP) {
        struct dims d = shapes[i % SHAPES];
        d.layout = (enum layout)(i / SHAPES % LAYOUT_COUNT);
        check_case(b, d, (int)(i / SHAPES / LAYOUT_COUNT % 2), (int)(i / SHAPES / LAYOUT_COUNT / 2 % 2), (int)(i / SHAPES / LAYOUT_COUNT / 4), i % 3 == 0 ? 50 : 0);
    }
}

/* Without gamma and beta they are 1 and 0; without dgamma and dbeta nothing is added; dx may lie over dy, y over x. */
static void check_bare(struct bench *b) {
    struct dims d = {LAYOUT_LANES, 11, 4, 5, 5};
    struct run r = run_make(b, d, 0);
    void *x = tensor_put(b, &d, r.x, 0), *y = tensor_put(b, &d, r.x, 0), *dy = tensor_put(b, &d, r.dy, 0), *start = tensor_put(b, &d, r.x, 0);
    for (size_t c = 0; c < d.c; c++) {
        r.gamma[c] = 1;
        r.beta[c] = 0;
    }
    struct batchnorm bare = r.call;
    bare.gamma = bare.beta = NULL;
    bare.dgamma = bare.dbeta = NULL;
    define(&r, 0, 0);
    b->k->batchnorm_train(b->team, &bare, x, y);
    tensor_compare(b, "batchnorm without gamma", &d, y, r.y, tolerance(b->k));
    b->k->batchnorm_back(b->team, &bare, x, dy, dy, 0);
    tensor_compare(b, "batchnorm_back in place", &d, dy, r.dx, 2 * tolerance(b->k));
    b->k->batchnorm_infer(b->team, &bare, x, y);
    b->k->batchnorm_infer(b->team, &bare, start, start);
    assert_memory_equal(y, start, dims_stored(b, &d) * dtype_size(b->k->dtype));
    free(x);
    free(y);
    free(dy);
    free(start);
    run_free(&r);
}

static void test_batchnorm(void **state) {
    (void)state;
    bench_all(check_all);
    bench_all(check_bare);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batchnorm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
