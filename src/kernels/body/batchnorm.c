/* Batch normalization (Ioffe and Szegedy, 2015) with PyTorch's conventions: the batch's biased variance normalizes, the unbiased one moves
 * the running variance. Both directions end in one pass that is linear in its inputs, with coefficients per channel:
 *     y = (x - shift) * a + b        dx = dy * a + (x - shift) * b + d
 * A relu behind it costs no pass of its own: forward it is applied to y, backward dy counts only where (x - shift) * a + beta > 0, which is the y of before.
 * Missing samples (lanes layout) are set to zero, as are their gradients: scaled like the others they would grow from layer to layer, up to infinity
 * where a batch varies little. */
#include <math.h>
#include "kernels/body/functions.h"
#include "kernels/body/moments.h"

struct coefficients { real *shift, *a, *b, *d, *beta; };
struct linear { struct view v; struct coefficients k; const elem *x, *dy; elem *to; int add, relu; };

static size_t stats_bytes(const struct view *v) {
    return (K(channel_scratch)(v) + 63) / 64 * 64;
}

size_t K(batchnorm_scratch)(struct view v) {
    return stats_bytes(&v) + 5 * v.channels * sizeof(real);
}

static struct coefficients coefficients_in(const struct batchnorm *b) {
    real *at = (real *)(void *)((char *)b->scratch + stats_bytes(&b->view));
    size_t n = b->view.channels;
    return (struct coefficients){at, at + n, at + 2 * n, at + 3 * n, at + 4 * n};
}

static double gamma_of(const struct batchnorm *b, size_t c) {
    return b->gamma == NULL ? 1 : (double)((const real *)b->gamma)[c];
}

static double beta_of(const struct batchnorm *b, size_t c) {
    return b->beta == NULL ? 0 : (double)((const real *)b->beta)[c];
}

/* ---- y = (x - shift) * a + b ---- */

/* relu: all ones, or zeros. */
INLINE void rectify(vec *v, const vec_int *relu) {
    *v = (vec)((vec_int)*v & ~((*v < 0) & *relu));
}

/* Samples that are there in the lanes of unit u; all lanes hold values of one sample in other layouts. */
INLINE size_t valid_lanes(const struct view *v, size_t u) {
    return v->lanes > 1 ? body_least(LANES, v->samples - u / v->channels * LANES) : LANES;
}

static void forward_run(const struct linear *j, size_t u) {
    size_t n = j->v.inner, c = u % j->v.channels, valid = valid_lanes(&j->v, u);
    const elem *x = j->x + u * n;
    elem *y = j->to + u * n;
    real shift = j->k.shift[c], a = j->k.a[c], b = j->k.b[c];
    vec_int relu = (vec_int){0} - j->relu, there = ~(vec_int){0};
    for (size_t l = valid; l < LANES; l++) {
        there[l] = 0;
    }
    for (size_t i = 0; i < n; i += LANES) {
        size_t m = body_least(LANES, n - i);
        vec v;
        vec_load_n(&v, x + i, m);
        v = (v - shift) * a + b;
        rectify(&v, &relu);
        v = (vec)((vec_int)v & there);
        vec_store_n(y + i, &v, m);
    }
}

static void forward_row(const struct linear *j, size_t u) {
    const struct coefficients *k = &j->k;
    const elem *x = j->x + u * j->v.channels;
    elem *y = j->to + u * j->v.channels;
    vec_int relu = (vec_int){0} - j->relu;
    for (size_t c = 0, n = j->v.channels; c < n; c += LANES) {
        size_t m = body_least(LANES, n - c);
        vec v, shift, a, b;
        vec_load_n(&v, x + c, m);
        vec_load_reals_n(&shift, k->shift + c, m);
        vec_load_reals_n(&a, k->a + c, m);
        vec_load_reals_n(&b, k->b + c, m);
        v = (v - shift) * a + b;
        rectify(&v, &relu);
        vec_store_n(y + c, &v, m);
    }
}

static void forward_range(void *job, size_t begin, size_t end) {
    const struct linear *j = job;
    for (size_t u = begin; u < end; u++) {
        if (j->v.inner == 1) {
            forward_row(j, u);
        } else {
            forward_run(j, u);
        }
    }
}

static void linear_run(struct threads *t, struct linear *j, body_range *range) {
    size_t units = j->v.inner == 1 ? j->v.outer : j->v.outer * j->v.channels;
    body_split(t, units, j->v.outer * j->v.channels * j->v.inner, range, j);
}

static void normalize(struct threads *t, const struct batchnorm *b, struct coefficients k, const void *x, void *y) {
    for (size_t c = 0; c < b->view.channels; c++) {
        k.b[c] = (real)beta_of(b, c);
    }
    struct linear job = {.v = b->view, .k = k, .x = x, .to = y, .relu = b->relu};
    linear_run(t, &job, forward_range);
}

static void move(void *running, size_t c, double momentum, double value) {
    real *r = (real *)running + c;
    *r = (real)((1 - momentum) * (double)*r + momentum * value);
}

void K(batchnorm_train)(struct threads *t, const struct batchnorm *b, const void *x, void *y) {
    const struct channel_moment *m = K(channel_moments)(t, &b->view, x, b->scratch);
    struct coefficients k = coefficients_in(b);
    real *mean = b->mean, *inv_std = b->inv_std;
    for (size_t c = 0; c < b->view.channels; c++) {
        mean[c] = k.shift[c] = (real)m[c].mean;
        inv_std[c] = (real)(1 / sqrt(m[c].m2 / m[c].n + b->eps));
        k.a[c] = (real)(gamma_of(b, c) * (double)inv_std[c]);      /* the very a that backward will have, so that a relu's gate is the same */
        if (m[c].n > 1) {   /* a single value (of a last batch, say) has no variance to learn from */
            move(b->running_mean, c, b->momentum, m[c].mean);
            move(b->running_var, c, b->momentum, m[c].m2 / (m[c].n - 1));
        }
    }
    normalize(t, b, k, x, y);
}

/* 1 / standard deviation by the running statistics. */
static double running_rstd(const struct batchnorm *b, size_t c) {
    return 1 / sqrt((double)((const real *)b->running_var)[c] + b->eps);
}

void K(batchnorm_infer)(struct threads *t, const struct batchnorm *b, const void *x, void *y) {
    struct coefficients k = coefficients_in(b);
    for (size_t c = 0; c < b->view.channels; c++) {
        k.shift[c] = ((const real *)b->running_mean)[c];
        k.a[c] = (real)(gamma_of(b, c) * running_rstd(b, c));
    }
    normalize(t, b, k, x, y);
}

/* ---- dx = dy * a + (x - shift) * b + d ---- */

static void backward_run(const struct linear *j, size_t u) {
    size_t inner = j->v.inner, c = u % j->v.channels, valid = valid_lanes(&j->v, u);
    const elem *x = j->x + u * inner, *dy = j->dy + u * inner;
    elem *dx = j->to + u * inner;
    real shift = j->k.shift[c], gate_a = j->k.a[c], beta = j->k.beta[c];
    vec a = (vec){0} + gate_a, b = (vec){0} + j->k.b[c], d = (vec){0} + j->k.d[c];
    vec_int open = (vec_int){0} - !j->relu;
    for (size_t l = valid; l < LANES; l++) {
        a[l] = b[l] = d[l] = 0;
    }
    for (size_t i = 0; i < inner; i += LANES) {
        size_t m = body_least(LANES, inner - i);
        vec v, g, before = {0};
        vec_load_n(&v, x + i, m);
        vec_load_n(&g, dy + i, m);
        if (j->add) {
            vec_load_n(&before, dx + i, m);
        }
        v -= shift;
        g = (vec)((vec_int)g & ((v * gate_a + beta > 0) | open));
        v = g * a + (v * b + d) + before;
        vec_store_n(dx + i, &v, m);
    }
}

static void backward_row(const struct linear *j, size_t u) {
    size_t n = j->v.channels;
    const elem *x = j->x + u * n, *dy = j->dy + u * n;
    elem *dx = j->to + u * n;
    const struct coefficients *k = &j->k;
    vec_int open = (vec_int){0} - !j->relu;
    for (size_t c = 0; c < n; c += LANES) {
        size_t m = body_least(LANES, n - c);
        vec v, g, shift, a, b, d, beta, before = {0};
        vec_load_n(&v, x + c, m);
        vec_load_n(&g, dy + c, m);
        vec_load_reals_n(&shift, k->shift + c, m);
        vec_load_reals_n(&a, k->a + c, m);
        vec_load_reals_n(&b, k->b + c, m);
        vec_load_reals_n(&d, k->d + c, m);
        vec_load_reals_n(&beta, k->beta + c, m);
        if (j->add) {
            vec_load_n(&before, dx + c, m);
        }
        v -= shift;
        g = (vec)((vec_int)g & ((v * a + beta > 0) | open));
        v = g * a + (v * b + d) + before;
        vec_store_n(dx + c, &v, m);
    }
}

static void backward_range(void *job, size_t begin, size_t end) {
    const struct linear *j = job;
    for (size_t u = begin; u < end; u++) {
        if (j->v.inner == 1) {
            backward_row(j, u);
        } else {
            backward_run(j, u);
        }
    }
}

static void gradient(struct threads *t, const struct batchnorm *b, struct coefficients k, const void *x, const void *dy, void *dx, int add) {
    struct linear job = {b->view, k, x, dy, dx, add, b->relu};
    if (dx != NULL) {
        linear_run(t, &job, backward_range);
    }
}

/* Adds to dgamma and dbeta; returns sum of dy * xhat. */
static double parameter_gradients(const struct batchnorm *b, size_t c, const struct channel_sum *sum, double rstd) {
    double product = sum->dy_x * rstd;
    if (b->dgamma != NULL) {
        ((real *)b->dgamma)[c] += (real)product;
    }
    if (b->dbeta != NULL) {
        ((real *)b->dbeta)[c] += (real)sum->dy;
    }
    return product;
}

/* Values a channel has, missing samples not counted. */
static double values_per_channel(const struct view *v) {
    return v->lanes > 1 ? (double)(v->samples * (v->inner / LANES)) : (double)(v->outer * v->inner);
}

/* The sums over dy, as far as the relu lets it through; k->shift and k->a are set, and k->beta is set here. */
static const struct channel_sum *sums_of(struct threads *t, const struct batchnorm *b, struct coefficients *k, const void *x, const void *dy) {
    for (size_t c = 0; c < b->view.channels; c++) {
        k->beta[c] = (real)beta_of(b, c);
    }
    struct channel_gate gate = {k->a, k->beta};
    return K(channel_sums)(t, &b->view, dy, x, k->shift, b->relu ? &gate : NULL, b->scratch);
}

void K(batchnorm_back)(struct threads *t, const struct batchnorm *b, const void *x, const void *dy, void *dx, int add) {
    const real *mean = b->mean, *inv_std = b->inv_std;
    struct coefficients k = coefficients_in(b);
    double n = values_per_channel(&b->view);
    for (size_t c = 0; c < b->view.channels; c++) {
        k.shift[c] = mean[c];
        k.a[c] = (real)(gamma_of(b, c) * (double)inv_std[c]);
    }
    const struct channel_sum *sum = sums_of(t, b, &k, x, dy);
    for (size_t c = 0; c < b->view.channels; c++) {
        double rstd = (double)inv_std[c], a = gamma_of(b, c) * rstd;
        double product = parameter_gradients(b, c, &sum[c], rstd);
        k.b[c] = (real)(-a * rstd * product / n);
        k.d[c] = (real)(-a * sum[c].dy / n);
    }
    gradient(t, b, k, x, dy, dx, add);
}

void K(batchnorm_back_frozen)(struct threads *t, const struct batchnorm *b, const void *x, const void *dy, void *dx, int add) {
    struct coefficients k = coefficients_in(b);
    for (size_t c = 0; c < b->view.channels; c++) {
        k.shift[c] = ((const real *)b->running_mean)[c];
        k.a[c] = (real)(gamma_of(b, c) * running_rstd(b, c));
        k.b[c] = k.d[c] = 0;
    }
    const struct channel_sum *sum = sums_of(t, b, &k, x, dy);
    for (size_t c = 0; c < b->view.channels; c++) {
        parameter_gradients(b, c, &sum[c], running_rstd(b, c));
    }
    gradient(t, b, k, x, dy, dx, add);
}
