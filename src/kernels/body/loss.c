/* Losses on values and their gradients (kernels.h): rows of outputs against targets, or against labels as one-hot rows. */
#include <math.h>
#include "kernels/body/functions.h"

struct job { const struct value_loss *l; const elem *x; double *loss; elem *dx; int add; };

/* One element's share of the loss and its derivative. */
struct term { double loss, slope; };

/* What output i of a row should be. */
static double target_of(const struct value_loss *l, size_t row, size_t i) {
    if (l->target != NULL) {
        return (double)l->target[row * l->width + i];
    }
    double hot = (size_t)l->labels[row] == i ? 1 : 0;
    return hot * (1 - l->label_smoothing) + l->label_smoothing / (double)l->width;
}

/* KL: x is kept from 0, where the logarithm and its slope are infinite. A NaN stays one. */
static struct term kl_term(double x, double target) {
    double q = x < 1e-12 ? 1e-12 : x;
    return (struct term){target > 0 ? target * log(target / q) : 0 * q, target > 0 ? -target / q : 0};
}

/* BCE of a logit: max(x, 0) - x * target + log(1 + exp(-|x|)). */
static struct term bce_term(double x, double target) {
    double tail = exp(-fabs(x)), p = x >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
    return (struct term){(x > 0 ? x : 0) - x * target + log1p(tail), p - target};
}

static struct term smooth_term(double d) {
    return fabs(d) < 1 ? (struct term){d * d / 2, d} : (struct term){fabs(d) - 0.5, d > 0 ? 1 : -1};
}

static struct term term_of(enum loss_kind kind, double x, double target) {
    double d = x - target;
    switch (kind) {
    case LOSS_L1:
        return (struct term){fabs(d), d > 0 ? 1 : d < 0 ? -1 : 0};
    case LOSS_SMOOTH:
        return smooth_term(d);
    case LOSS_BCE:
        return bce_term(x, target);
    case LOSS_KL:
        return kl_term(x, target);
    default:
        return (struct term){d * d, 2 * d};
    }
}

/* The row's weight; 0 where it counts nothing. */
static double weight_of(const struct value_loss *l, size_t row) {
    if (l->labels == NULL) {
        return l->weight;
    }
    int32_t label = l->labels[row];
    return label < 0 ? 0 : l->class_weight != NULL ? l->weight * (double)l->class_weight[label] : l->weight;
}

/* Adds value * by to dx[i], or sets it. */
static void give(const struct job *j, size_t i, double value) {
    real before = j->add ? LOAD(j->dx, i) : 0;
    STORE(j->dx, i, before + (real)value);
}

/* The row's loss without weight; its gradient, times `by`, where dx is wanted. */
static double values_row(const struct job *j, size_t row, double by) {
    const struct value_loss *l = j->l;
    double sum = 0, share = l->kind == LOSS_KL ? 1 : 1 / (double)l->width;
    for (size_t i = 0; i < l->width; i++) {
        size_t at = row * l->width + i;
        struct term t = term_of(l->kind, (double)LOAD(j->x, at), target_of(l, row, i));
        sum += t.loss;
        if (j->dx != NULL) {
            give(j, at, by * share * t.slope);
        }
    }
    return sum * share;
}

/* Each wrong class that comes within 1 of the right one's score is pushed down, and the right one up as often. */
static double hinge_row(const struct job *j, size_t row, double by) {
    const struct value_loss *l = j->l;
    size_t first = row * l->width, right = (size_t)l->labels[row], over = 0;
    double sum = 0, score = (double)LOAD(j->x, first + right);
    for (size_t i = 0; i < l->width; i++) {
        double margin = (double)LOAD(j->x, first + i) - score + 1;
        int counts = i != right && !(margin <= 0);
        sum += counts ? margin : 0;
        over += (size_t)counts;
        if (j->dx != NULL && i != right) {
            give(j, first + i, counts ? by : 0);
        }
    }
    if (j->dx != NULL) {
        give(j, first + right, -by * (double)over);
    }
    return sum;
}

static void clear_row(const struct job *j, size_t row) {
    for (size_t i = 0; j->dx != NULL && i < j->l->width; i++) {
        give(j, row * j->l->width + i, 0);
    }
}

static void loss_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    const struct value_loss *l = j->l;
    int has_truth = l->kind == LOSS_HINGE ? l->labels != NULL : l->labels != NULL || l->target != NULL;
    for (size_t row = begin; row < end; row++) {
        double weight = has_truth ? weight_of(l, row) : 0;
        if (weight == 0) {
            clear_row(j, row);
            continue;
        }
        double loss = (l->kind == LOSS_HINGE ? hinge_row : values_row)(j, row, weight * l->scale);
        if (j->loss != NULL) {
            j->loss[row] += weight * loss;
        }
    }
}

void K(loss)(struct threads *t, const struct value_loss *l, const void *x, double *loss) {
    struct job job = {.l = l, .x = x, .loss = loss};
    body_split(t, l->rows, l->rows * l->width, loss_range, &job);
}

void K(loss_back)(struct threads *t, const struct value_loss *l, const void *x, void *dx, int add) {
    struct job job = {.l = l, .x = x, .dx = dx, .add = add};
    body_split(t, l->rows, l->rows * l->width, loss_range, &job);
}
