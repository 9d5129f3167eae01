/* The optimizers' one pass over a tensor, and what is asked about gradients before it: their norm, and whether all is finite. */
#include <math.h>
#include "kernels/body/functions.h"
#include "kernels/body/math.h"

/* PyTorch's SGD (Sutskever et al., 2013, with PyTorch's dampening-free form). */
static void sgd_range(void *job, size_t begin, size_t end) {
    const struct update *u = job;
    real *restrict w = u->weight, *restrict buffer = u->m;
    const real *restrict grad = u->grad;
    real rate = (real)u->rate, momentum = (real)u->momentum, decay = (real)u->decay, scale = (real)u->grad_scale;
    real keep = u->first ? 0 : momentum, ahead = u->nesterov ? momentum : 0, now = u->nesterov;
    if (buffer == NULL || u->momentum == 0) {
        for (size_t i = begin; i < end; i++) {
            w[i] -= rate * (grad[i] * scale + decay * w[i]);
        }
        return;
    }
    for (size_t i = begin; i < end; i++) {
        real g = grad[i] * scale + decay * w[i], b = u->first ? g : keep * buffer[i] + g;
        buffer[i] = b;
        w[i] -= rate * (u->nesterov ? g * now + ahead * b : b);
    }
}

void K(sgd)(struct threads *t, const struct update *u) {
    struct update job = *u;
    body_split(t, u->n, u->n, sgd_range, &job);
}

/* Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) where decoupled. */
static void adam_range(void *job, size_t begin, size_t end) {
    const struct update *u = job;
    real *restrict w = u->weight, *restrict m = u->m, *restrict v = u->v;
    const real *restrict grad = u->grad;
    real scale = (real)u->grad_scale, decay = (real)(u->decoupled ? 0 : u->decay), shrink = (real)(u->decoupled ? 1 - u->rate * u->decay : 1);
    real less1 = (real)(1 - u->beta1), beta2 = (real)u->beta2, less2 = (real)(1 - u->beta2), eps = (real)u->eps;
    real step = (real)(u->rate / u->correction1), root = (real)sqrt(u->correction2);
    for (size_t i = begin; i < end; i++) {
        real g = grad[i] * scale + decay * w[i];
        m[i] += less1 * (g - m[i]);
        v[i] = beta2 * v[i] + less2 * g * g;
        w[i] = w[i] * shrink - step * m[i] / (real_sqrt(v[i]) / root + eps);
    }
}

void K(adam)(struct threads *t, const struct update *u) {
    struct update job = *u;
    body_split(t, u->n, 4 * u->n, adam_range, &job);
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
