/* The optimizers' one pass over a tensor, and what is asked about gradients before it: their norm, and whether all is finite. */
#include <math.h>
#include "kernels/body/functions.h"
#include "kernels/body/math.h"

/* What the rules follow: the gradient, with the slopes of what decay (L2) and l1 add to the loss. */
struct slope { real scale, decay, l1; };

static inline struct slope slope_of(const struct update *u) {
    return (struct slope){(real)u->grad_scale, (real)(u->decoupled ? 0 : u->decay), (real)u->l1};
}

static inline real slope_at(struct slope s, real grad, real w) {
    real sign = (real)((w > 0) - (w < 0));
    return grad * s.scale + s.decay * w + s.l1 * sign;
}

/* PyTorch's SGD (Sutskever et al., 2013, with PyTorch's dampening-free form). */
static void sgd_range(void *job, size_t begin, size_t end) {
    const struct update *u = job;
    real *restrict w = u->weight, *restrict buffer = u->m;
    const real *restrict grad = u->grad;
    struct slope slope = slope_of(u);
    real rate = (real)u->rate, momentum = (real)u->momentum;
    real keep = u->first ? 0 : momentum, ahead = u->nesterov ? momentum : 0, now = u->nesterov;
    if (buffer == NULL || u->momentum == 0) {
        for (size_t i = begin; i < end; i++) {
            w[i] -= rate * slope_at(slope, grad[i], w[i]);
        }
        return;
    }
    for (size_t i = begin; i < end; i++) {
        real g = slope_at(slope, grad[i], w[i]), b = u->first ? g : keep * buffer[i] + g;
        buffer[i] = b;
        w[i] -= rate * (u->nesterov ? g * now + ahead * b : b);
    }
}

void K(sgd)(struct threads *t, const struct update *u) {
    struct update job = *u;
    body_split(t, u->n, u->n, sgd_range, &job);
}

/* The function of a rule that does some four times SGD's work for an element: its name_range, cut into pieces. */
#define RULE(name) \
    void K(name)(struct threads *t, const struct update *u) { \
        struct update job = *u; \
        body_split(t, u->n, 4 * u->n, name##_range, &job); \
    }

/* Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) where decoupled, Nadam (Dozat, 2016) where ahead. */
static void adam_range(void *job, size_t begin, size_t end) {
    const struct update *u = job;
    real *restrict w = u->weight, *restrict m = u->m, *restrict v = u->v;
    const real *restrict grad = u->grad;
    struct slope slope = slope_of(u);
    real shrink = (real)(u->decoupled ? 1 - u->rate * u->decay : 1), ahead = (real)(u->rate * u->ahead);
    real less1 = (real)(1 - u->beta1), beta2 = (real)u->beta2, less2 = (real)(1 - u->beta2), eps = (real)u->eps;
    real step = (real)(u->rate / u->correction1), root = (real)sqrt(u->correction2);
    for (size_t i = begin; i < end; i++) {
        real g = slope_at(slope, grad[i], w[i]);
        m[i] += less1 * (g - m[i]);
        v[i] = beta2 * v[i] + less2 * g * g;
        w[i] = w[i] * shrink - (step * m[i] + ahead * g) / (real_sqrt(v[i]) / root + eps);
    }
}

RULE(adam)

/* AdaMax (Kingma and Ba, 2015, section 7.1): Adam by the greatest of the decayed absolute gradients. */
static void adamax_range(void *job, size_t begin, size_t end) {
    const struct update *u = job;
    real *restrict w = u->weight, *restrict m = u->m, *restrict v = u->v;
    const real *restrict grad = u->grad;
    struct slope slope = slope_of(u);
    real less1 = (real)(1 - u->beta1), beta2 = (real)u->beta2, eps = (real)u->eps, step = (real)(u->rate / u->correction1);
    for (size_t i = begin; i < end; i++) {
        real g = slope_at(slope, grad[i], w[i]), size = (g < 0 ? -g : g) + eps, before = beta2 * v[i];
        m[i] += less1 * (g - m[i]);
        v[i] = before > size ? before : size;
        w[i] -= step * m[i] / v[i];
    }
}

RULE(adamax)

/* AdaGrad (Duchi, Hazan and Singer, 2011). */
static void adagrad_range(void *job, size_t begin, size_t end) {
    const struct update *u = job;
    real *restrict w = u->weight, *restrict sum = u->m;
    const real *restrict grad = u->grad;
    struct slope slope = slope_of(u);
    real rate = (real)u->rate, eps = (real)u->eps;
    for (size_t i = begin; i < end; i++) {
        real g = slope_at(slope, grad[i], w[i]);
        sum[i] += g * g;
        w[i] -= rate * g / (real_sqrt(sum[i]) + eps);
    }
}

RULE(adagrad)

/* RMSprop (Tieleman and Hinton, 2012), with PyTorch's momentum of the scaled gradients. */
static void rmsprop_range(void *job, size_t begin, size_t end) {
    const struct update *u = job;
    real *restrict w = u->weight, *restrict square = u->m, *restrict buffer = u->v;
    const real *restrict grad = u->grad;
    struct slope slope = slope_of(u);
    real rate = (real)u->rate, keep = (real)u->beta2, less = (real)(1 - u->beta2), eps = (real)u->eps, momentum = (real)u->momentum;
    for (size_t i = begin; i < end; i++) {
        real g = slope_at(slope, grad[i], w[i]);
        square[i] = keep * square[i] + less * g * g;
        buffer[i] = momentum * buffer[i] + g / (real_sqrt(square[i]) + eps);
        w[i] -= rate * buffer[i];
    }
}

RULE(rmsprop)

/* ---- what may follow an update ---- */

struct units { const struct units_of *of; real *weight; double limit; };

/* Pieces are whole units, so that every norm is summed in one order. */
static void max_norm_range(void *job, size_t begin, size_t end) {
    const struct units *j = job;
    const struct units_of *of = j->of;
    for (size_t unit = begin; unit < end; unit++) {
        real *first = j->weight + (unit / of->units * of->outer * of->units + unit % of->units) * of->inner;
        double sum = 0;
        for (size_t o = 0; o < of->outer; o++) {
            for (size_t i = 0; i < of->inner; i++) {
                double w = (double)first[o * of->units * of->inner + i];
                sum += w * w;
            }
        }
        real shrink = (real)(j->limit / sqrt(sum));
        for (size_t o = 0; o < of->outer && sum > j->limit * j->limit; o++) {
            for (size_t i = 0; i < of->inner; i++) {
                first[o * of->units * of->inner + i] *= shrink;
            }
        }
    }
}

void K(max_norm)(struct threads *t, const struct units_of *of, double limit, void *weight) {
    struct units job = {of, weight, limit};
    size_t units = of->blocks * of->units;
    body_split(t, units, units * of->outer * of->inner, max_norm_range, &job);
}

struct average { size_t n; const real *from; real *to; real share; };

static void average_range(void *job, size_t begin, size_t end) {
    const struct average *j = job;
    for (size_t i = begin; i < end; i++) {
        j->to[i] += j->share * (j->from[i] - j->to[i]);
    }
}

void K(average)(struct threads *t, size_t n, double share, const void *from, void *to) {
    struct average job = {n, from, to, (real)share};
    body_split(t, n, n, average_range, &job);
}

enum { SUMS = 64, WIDTH = 8 };
struct sum { const real *x; size_t n; int pieces; double *to; };

/* Eight sums side by side: additions that don't wait for each other. */
static void sum_piece(void *arg, int piece, int thread) {
    const struct sum *s = arg;
    size_t i = body_begin(s->n, piece, s->pieces), end = body_begin(s->n, piece + 1, s->pieces);
    double part[WIDTH] = {0}, total = 0;
    (void)thread;
    for (; i + WIDTH <= end; i += WIDTH) {
        for (size_t l = 0; l < WIDTH; l++) {
            part[l] += (double)s->x[i + l] * (double)s->x[i + l];
        }
    }
    for (; i < end; i++) {
        part[0] += (double)s->x[i] * (double)s->x[i];
    }
    for (size_t l = 0; l < WIDTH; l++) {
        total += part[l];
    }
    s->to[piece] = total;
}

double K(sum_squares)(struct threads *t, const void *x, size_t n, double *scratch) {
    struct sum job = {x, n, body_pieces(n), scratch};
    double total = 0;
    job.pieces = job.pieces > SUMS ? SUMS : job.pieces;
    threads_run(t, job.pieces, sum_piece, &job);
    for (int piece = 0; piece < job.pieces; piece++) {
        total += scratch[piece];
    }
    return total;
}

struct finite { const elem *x; size_t n; int pieces; unsigned char bad[BODY_MOST]; };

/* 0 * x is NaN exactly where x is not finite. */
static void finite_piece(void *arg, int piece, int thread) {
    struct finite *f = arg;
    size_t i = body_begin(f->n, piece, f->pieces), end = body_begin(f->n, piece + 1, f->pieces);
    vec_int bad = {0};
    (void)thread;
    for (size_t m; i < end; i += m) {
        m = body_least(LANES, end - i);
        vec v;
        vec_load_n(&v, f->x + i, m);
        v *= 0;
        bad |= v != v;
    }
    f->bad[piece] = 0;
    for (size_t l = 0; l < LANES; l++) {
        f->bad[piece] |= bad[l] != 0;
    }
}

int K(finite)(struct threads *t, const void *elems, size_t n) {
    struct finite job = {.x = elems, .n = n, .pieces = body_pieces(n)};
    int bad = 0;
    threads_run(t, job.pieces, finite_piece, &job);
    for (int piece = 0; piece < job.pieces; piece++) {
        bad |= job.bad[piece];
    }
    return !bad;
}
