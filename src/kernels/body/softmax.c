/* Softmax over rows, its gradient, and the cross-entropy that ends a classifier, with PyTorch's label smoothing and class weights. Rows are
 * shifted by their maximum; a NaN among the logits makes its whole row NaN. */
#include <math.h>
#include "kernels/body/functions.h"
#include "kernels/body/math.h"

struct rows { size_t classes; real inverse; const elem *x, *dy; elem *to; int add; };

static real row_max(const elem *x, size_t n) {
    vec best = (vec){0} - (real)INFINITY, v;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec_load(&v, x + i);
        vec_int wins = v > best;
        best = (vec)(((vec_int)v & wins) | ((vec_int)best & ~wins));
    }
    real most = -(real)INFINITY;
    for (size_t l = 0; l < LANES; l++) {
        most = best[l] > most ? best[l] : most;
    }
    for (; i < n; i++) {
        real rest = LOAD(x, i);
        most = rest > most ? rest : most;
    }
    return most;
}

/* exp((x - most) * inverse) of n <= LANES; vector code where n is a constant. */
INLINE void powers(const elem *x, size_t n, real most, real inverse, real *e) {
    for (size_t l = 0; l < n; l++) {
        e[l] = real_exp((LOAD(x, l) - most) * inverse);
    }
}

INLINE double add_powers(double sum, const elem *x, size_t n, real most, real inverse) {
    real e[LANES];
    powers(x, n, most, inverse, e);
    for (size_t l = 0; l < n; l++) {
        sum += (double)e[l];
    }
    return sum;
}

static double row_sum(const elem *x, size_t n, real most, real inverse) {
    double sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        sum = add_powers(sum, x + i, LANES, most, inverse);
    }
    return add_powers(sum, x + i, n - i, most, inverse);
}

/* y may be x: through an array of its own, so that it can be vector code. */
INLINE void put_powers(const elem *x, size_t n, real most, real inverse, real factor, elem *y) {
    real e[LANES];
    powers(x, n, most, inverse, e);
    for (size_t l = 0; l < n; l++) {
        STORE(y, l, e[l] * factor);
    }
}

static void softmax_range(void *job, size_t begin, size_t end) {
    const struct rows *j = job;
    for (size_t r = begin; r < end; r++) {
        const elem *x = j->x + r * j->classes;
        elem *y = j->to + r * j->classes;
        real most = row_max(x, j->classes), factor = (real)(1 / row_sum(x, j->classes, most, j->inverse));
        size_t i = 0;
        for (; i + LANES <= j->classes; i += LANES) {
            put_powers(x + i, LANES, most, j->inverse, factor, y + i);
        }
        put_powers(x + i, j->classes - i, most, j->inverse, factor, y + i);
    }
}

void K(softmax)(struct threads *t, size_t rows, size_t classes, double temperature, const void *x, void *y) {
    struct rows job = {.classes = classes, .inverse = (real)(1 / temperature), .x = x, .to = y};
    body_split(t, rows, 8 * rows * classes, softmax_range, &job);
}

static void softmax_back_range(void *job, size_t begin, size_t end) {
    const struct rows *j = job;
    for (size_t r = begin; r < end; r++) {
        const elem *y = j->x + r * j->classes, *dy = j->dy + r * j->classes;
        elem *dx = j->to + r * j->classes;
        double dot = 0;
        for (size_t i = 0; i < j->classes; i++) {
            dot += (double)LOAD(y, i) * (double)LOAD(dy, i);
        }
        for (size_t i = 0; i < j->classes; i++) {
            real g = LOAD(y, i) * (LOAD(dy, i) - (real)dot) * j->inverse;
            STORE(dx, i, (j->add ? LOAD(dx, i) : 0) + g);
        }
    }
}

void K(softmax_back)(struct threads *t, size_t rows, size_t classes, double temperature, const void *y, const void *dy, void *dx, int add) {
    struct rows job = {classes, (real)(1 / temperature), y, dy, dx, add};
    body_split(t, rows, 2 * rows * classes, softmax_back_range, &job);
}

/* ---- cross-entropy ---- */

struct entropy { const struct softmax_loss *s; const elem *x; elem *dx; double *loss; int add; };

/* What the row should be, times the class's weight: the loss is the sum of -goal * log p, the gradient p * (sum of goals) - goal. */
static double goal_of(const struct softmax_loss *s, size_t row, size_t c) {
    double target = s->target != NULL ? (double)s->target[row * s->classes + c] : s->labels[row] == (int32_t)c ? 1 : 0;
    double smooth = target * (1 - s->label_smoothing) + s->label_smoothing / (double)s->classes;
    return s->class_weight == NULL ? smooth : smooth * (double)s->class_weight[c];
}

static int row_ignored(const struct softmax_loss *s, size_t row) {
    return s->labels != NULL && s->labels[row] < 0;
}

static double row_loss(const struct softmax_loss *s, size_t row, const elem *x) {
    if (row_ignored(s, row)) {
        return 0;
    }
    real most = row_max(x, s->classes);
    double log_sum = (double)most + log(row_sum(x, s->classes, most, 1)), loss = 0;
    for (size_t c = 0; c < s->classes; c++) {
        double goal = goal_of(s, row, c);
        loss += goal == 0 ? 0 : goal * (log_sum - (double)LOAD(x, c));
    }
    return isnan(log_sum) ? log_sum : loss;
}

static void loss_range(void *job, size_t begin, size_t end) {
    const struct entropy *j = job;
    for (size_t r = begin; r < end; r++) {
        j->loss[r] = row_loss(j->s, r, j->x + r * j->s->classes);
    }
}

void K(softmax_loss)(struct threads *t, const struct softmax_loss *s, const void *logits, const void *probabilities, double *loss) {
    struct entropy job = {.s = s, .x = logits, .loss = loss};
    (void)probabilities;      /* rounded, they would give log 0 */
    body_split(t, s->rows, 8 * s->rows * s->classes, loss_range, &job);
}

static void row_gradient(const struct entropy *j, size_t row) {
    const struct softmax_loss *s = j->s;
    const elem *p = j->x + row * s->classes;
    elem *dx = j->dx + row * s->classes;
    double goals = 0, scale = row_ignored(s, row) ? 0 : s->scale;
    for (size_t c = 0; c < s->classes; c++) {
        goals += goal_of(s, row, c);
    }
    for (size_t c = 0; c < s->classes; c++) {
        double g = scale == 0 ? 0 : scale * ((double)LOAD(p, c) * goals - goal_of(s, row, c));
        STORE(dx, c, (j->add ? LOAD(dx, c) : 0) + (real)g);
    }
}

static void gradient_range(void *job, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) {
        row_gradient(job, r);
    }
}

void K(softmax_loss_back)(struct threads *t, const struct softmax_loss *s, const void *probabilities, void *dx, int add) {
    struct entropy job = {.s = s, .x = probabilities, .dx = dx, .add = add};
    if (dx != NULL) {
        body_split(t, s->rows, 8 * s->rows * s->classes, gradient_range, &job);
    }
}
