/* Softmax, cross-entropy, losses on values, optimizers, sums, against plain double. */
#include "kernels_fixture.h"

static const double exactly = 1e-12;

static double fine(const struct kernels *k) {
    return k->dtype == DTYPE_F64 ? exactly : 1e-5;
}

/* ---- softmax ---- */

static void softmax_row(const double *x, size_t n, double temperature, double *p) {
    double most = x[0], sum = 0;
    for (size_t i = 0; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (size_t i = 0; i < n; i++) {
        sum += p[i] = exp((x[i] - most) / temperature);
    }
    for (size_t i = 0; i < n; i++) {
        p[i] /= sum;
    }
}

static void check_softmax_case(struct bench *b, size_t rows, size_t classes, double temperature, double scale, int add) {
    double *x, *dy, *dx, *p = doubles(rows * classes);
    void *px = elems_random(b, rows * classes, scale, &x), *pdy = elems_random(b, rows * classes, 1, &dy), *pdx = elems_random(b, rows * classes, 1, &dx);
    void *py = elems_empty(b, rows * classes);
    for (size_t r = 0; r < rows; r++) {
        softmax_row(x + r * classes, classes, temperature, p + r * classes);
    }
    b->k->softmax(b->team, rows, classes, temperature, px, py);
    compare_elems(b, "softmax", py, p, rows * classes, tolerance(b->k) * (1 + scale / 4));
    for (size_t r = 0; r < rows; r++) {
        double dot = 0;
        for (size_t i = r * classes; i < (r + 1) * classes; i++) {
            dot += elem_get(b->k, py, i) * dy[i];
        }
        for (size_t i = r * classes; i < (r + 1) * classes; i++) {
            dx[i] = (add ? dx[i] : 0) + elem_get(b->k, py, i) * (dy[i] - dot) / temperature;
        }
    }
    b->k->softmax_back(b->team, rows, classes, temperature, py, pdy, pdx, add);
    compare_elems(b, "softmax_back", pdx, dx, rows * classes, tolerance(b->k));
    free(x);
    free(dy);
    free(dx);
    free(p);
    free(px);
    free(pdy);
    free(pdx);
    free(py);
}

static void check_softmax(struct bench *b) {
    check_softmax_case(b, 128, 10, 1, 5, 0);
    check_softmax_case(b, 3, 1000, 2, 60, 1);
    check_softmax_case(b, 700, 101, 0.5, 3, 0);
    check_softmax_case(b, 5, 1, 1, 3, 1);
    check_softmax_case(b, 2, 17, 1, 1000, 0);
    void *x = elems_empty(b, 20), *y = elems_empty(b, 20);
    elem_set(b->k, x, 3, NAN);                                   /* row 0 becomes NaN, row 1 does not */
    b->k->softmax(b->team, 2, 10, 1, x, y);
    for (size_t i = 0; i < 20; i++) {
        assert_true(i < 10 ? isnan(elem_get(b->k, y, i)) : fabs(elem_get(b->k, y, i) - 0.1) < 1e-3);
    }
    free(x);
    free(y);
}

/* ---- cross-entropy ---- */

struct truth { int by_target, weighted; double smoothing; };

static void check_entropy_case(struct bench *b, size_t rows, size_t classes, const struct truth *truth, int add) {
    const struct kernels *k = b->k;
    double *x, *dx, *loss = doubles(rows), *wanted = doubles(rows), *p = doubles(classes);
    void *px = elems_random(b, rows * classes, 4, &x), *pdx = elems_random(b, rows * classes, 1, &dx), *pp = elems_empty(b, rows * classes);
    int32_t *labels = mem_need(rows, sizeof *labels);
    float *target = mem_need(rows * classes, sizeof *target), *weight = mem_need(classes, sizeof *weight);
    for (size_t c = 0; c < classes; c++) {
        weight[c] = 0.5f + (float)c / (float)classes;
    }
    for (size_t r = 0; r < rows; r++) {
        labels[r] = r % 5 == 4 && !truth->by_target ? -1 : (int32_t)rng_below(&b->rng, classes);
        target[r * classes + r % classes] += 0.25f;
        target[r * classes + (r + 1) % classes] += 0.75f;
    }
    struct softmax_loss s = {rows, classes, truth->by_target ? NULL : labels, truth->by_target ? target : NULL, truth->weighted ? weight : NULL, truth->smoothing, 0.125};
    k->softmax(b->team, rows, classes, 1, px, pp);
    for (size_t r = 0; r < rows; r++) {
        softmax_row(x + r * classes, classes, 1, p);
        double goals = 0;
        for (size_t c = 0; c < classes; c++) {
            double hot = truth->by_target ? (double)target[r * classes + c] : labels[r] == (int32_t)c;
            double goal = (hot * (1 - truth->smoothing) + truth->smoothing / (double)classes) * (truth->weighted ? (double)weight[c] : 1);
            goal = !truth->by_target && labels[r] < 0 ? 0 : goal;
            wanted[r] -= goal * log(p[c]);
            goals += goal;
            dx[r * classes + c] = (add ? dx[r * classes + c] : 0) - 0.125 * goal;
        }
        for (size_t c = 0; c < classes; c++) {
            dx[r * classes + c] += 0.125 * goals * elem_get(k, pp, r * classes + c);
        }
    }
    k->softmax_loss(b->team, &s, px, pp, loss);
    compare(k, "softmax_loss", loss, wanted, rows, fine(k));
    bench_seen(b, loss, rows * sizeof *loss);
    k->softmax_loss_back(b->team, &s, pp, pdx, add);
    compare_elems(b, "softmax_loss_back", pdx, dx, rows * classes, tolerance(k));
    k->softmax_loss_back(b->team, &s, pp, NULL, add);
    free(x);
    free(dx);
    free(loss);
    free(wanted);
    free(p);
    free(px);
    free(pdx);
    free(pp);
    free(labels);
    free(target);
    free(weight);
}

static void check_entropy(struct bench *b) {
    for (int i = 0; i < 16; i++) {
        struct truth truth = {i & 1, i >> 1 & 1, i & 4 ? 0.1 : 0};
        check_entropy_case(b, 301, 11, &truth, i >> 3);
    }
    check_entropy_case(b, 600, 100, &(struct truth){0, 0, 0.1}, 0);
}

static void test_softmax(void **state) {
    (void)state;
    bench_all(check_softmax);
    bench_all(check_entropy);
}

/* ---- optimizers: PyTorch's rules, written out ---- */

struct reference { double *w, *g, *m, *v; void *pw, *pg, *pm, *pv; size_t n; };

static struct reference reference_make(struct bench *b, size_t n) {
    struct reference r = {.n = n};
    r.pw = reals_random(b, n, 1, &r.w);
    r.pg = reals_random(b, n, 1, &r.g);
    r.pm = reals_random(b, n, 1, &r.m);
    r.pv = reals_random(b, n, 1, &r.v);
    for (size_t i = 0; i < n; i++) {
        r.v[i] = fabs(r.v[i]);
        real_set(b->k, r.pv, i, r.v[i]);
    }
    return r;
}

static void reference_free(struct reference *r) {
    void *all[] = {r->w, r->g, r->m, r->v, r->pw, r->pg, r->pm, r->pv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

static void check_sgd_case(struct bench *b, double momentum, int nesterov, int first) {
    struct reference r = reference_make(b, 40003);
    struct update u = {.n = r.n, .weight = r.pw, .grad = r.pg, .m = momentum > 0 ? r.pm : NULL, .rate = 0.1, .momentum = momentum, .decay = 0.01, .grad_scale = 0.5,
        .nesterov = nesterov, .first = first};
    for (size_t i = 0; i < r.n; i++) {
        double g = 0.5 * r.g[i] + 0.01 * r.w[i];
        if (momentum > 0) {
            r.m[i] = first ? g : momentum * r.m[i] + g;
            g = nesterov ? g + momentum * r.m[i] : r.m[i];
        }
        r.w[i] -= 0.1 * g;
    }
    b->k->sgd(b->team, &u);
    double allowed = b->k->dtype == DTYPE_F64 ? 1e-15 : 4e-7;
    compare_reals(b, "sgd", r.pw, r.w, r.n, allowed);
    compare_reals(b, "sgd, momentum", r.pm, r.m, r.n, allowed);
    reference_free(&r);
}

static void check_adam_case(struct bench *b, int decoupled, double step) {
    struct reference r = reference_make(b, 30011);
    struct update u = {.n = r.n, .weight = r.pw, .grad = r.pg, .m = r.pm, .v = r.pv, .rate = 0.01, .decay = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .grad_scale = 2,
        .decoupled = decoupled, .correction1 = 1 - pow(0.9, step), .correction2 = 1 - pow(0.999, step)};
    for (size_t i = 0; i < r.n; i++) {
        double g = 2 * r.g[i] + (decoupled ? 0 : 0.1 * r.w[i]);
        r.w[i] *= decoupled ? 1 - 0.01 * 0.1 : 1;
        r.m[i] = 0.9 * r.m[i] + 0.1 * g;
        r.v[i] = 0.999 * r.v[i] + 0.001 * g * g;
        r.w[i] -= 0.01 / u.correction1 * r.m[i] / (sqrt(r.v[i]) / sqrt(u.correction2) + 1e-8);
    }
    b->k->adam(b->team, &u);
    double allowed = b->k->dtype == DTYPE_F64 ? 1e-13 : 1e-6;
    compare_reals(b, "adam", r.pw, r.w, r.n, allowed);
    compare_reals(b, "adam, first moment", r.pm, r.m, r.n, allowed);
    compare_reals(b, "adam, second moment", r.pv, r.v, r.n, allowed);
    reference_free(&r);
}

static void check_updates(struct bench *b) {
    check_sgd_case(b, 0, 0, 0);
    for (int i = 0; i < 4; i++) {
        check_sgd_case(b, 0.9, i & 1, i >> 1);
        check_adam_case(b, i & 1, i >> 1 ? 1000 : 1);
    }
}

/* ---- sums ---- */

static void check_sums(struct bench *b) {
    const struct kernels *k = b->k;
    double scratch[64], wanted = 0, *x, *y;
    size_t n = 100003;
    void *p = reals_random(b, n, 1e20, &x), *e = elems_random(b, n, 1e20, &y);
    for (size_t i = 0; i < n; i++) {
        wanted += x[i] * x[i];
    }
    double sum = k->sum_squares(b->team, p, n, scratch);
    assert_true(fabs(sum - wanted) < 1e-12 * wanted);
    bench_seen(b, &sum, sizeof sum);
    assert_true(k->finite(b->team, e, n));
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 6; i++) {
        size_t at = i % 2 == 0 ? n - 1 : n / 3;
        double saved = y[at];
        elem_set(k, e, at, bad[i / 2]);
        real_set(k, p, at, bad[i / 2]);
        assert_false(k->finite(b->team, e, n));
        assert_false(isfinite(k->sum_squares(b->team, p, n, scratch)));
        elem_set(k, e, at, saved);
        real_set(k, p, at, x[at]);
    }
    assert_true(k->finite(b->team, e, n));
    assert_true(k->sum_squares(b->team, p, 0, scratch) == 0);
    free(x);
    free(y);
    free(p);
    free(e);
}

static void test_updates(void **state) {
    (void)state;
    bench_all(check_updates);
    bench_all(check_sums);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_softmax), cmocka_unit_test(test_updates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
