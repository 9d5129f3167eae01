/* Cells of recurrent layers, a step at a time: what stands between the products with the input and with the state
 * before, and the state after; and the way back. PyTorch's equations and gate orders. Units are rows: samples of the
 * batch. */
#include "kernels/body/functions.h"
#include "kernels/body/math.h"

/* A row of the cell: everything of one sample. Gates lie G x hidden. */
struct row {
    size_t n;
    real *gates, *extra, *h, *c, *dh, *dc;
    const real *products, *bias_ih, *bias_hh, *h_before, *c_before;
    elem *out;
    const elem *dout;
};

static const size_t gates_of[] = {[CELL_TANH] = 1, [CELL_RELU] = 1, [CELL_LSTM] = 4, [CELL_GRU] = 3};

static void *at(const void *base, size_t offset) {
    return base == NULL ? NULL : (char *)(uintptr_t)base + offset;
}

static struct row row_of(const struct cell *cell, size_t i) {
    size_t n = cell->hidden, one = i * n * sizeof(real), all = one * gates_of[cell->kind],
           of_out = i * cell->out_stride * sizeof(elem);
    return (struct row){
        .n = n,
        .gates = at(cell->gates, all),
        .extra = at(cell->extra, one),
        .h = at(cell->h, one),
        .c = at(cell->c, one),
        .dh = at(cell->dh, one),
        .dc = at(cell->dc, one),
        .products = at(cell->products, all),
        .bias_ih = cell->bias_ih,
        .bias_hh = cell->bias_hh,
        .h_before = at(cell->h_before, one),
        .c_before = at(cell->c_before, one),
        .out = at(cell->out, of_out),
        .dout = at(cell->dout, of_out),
    };
}

/* What goes into gate `gate` of unit j: both products and both biases. */
static inline real sum_of(const struct row *r, size_t gate, size_t j) {
    size_t k = gate * r->n + j;
    return (r->gates[k] + r->bias_ih[k]) + (r->products[k] + r->bias_hh[k]);
}

/* h = tanh(sum) */
static void tanh_row(const struct row *r) {
    for (size_t j = 0; j < r->n; j++) {
        r->h[j] = real_tanh(sum_of(r, 0, j));
    }
}

static void relu_row(const struct row *r) {
    for (size_t j = 0; j < r->n; j++) {
        real x = sum_of(r, 0, j);
        r->h[j] = x <= 0 ? 0 : x;
    }
}

/* Gates i, f, g, o: c = f c' + i g; h = o tanh(c). The gates' values stay for the way back. */
static void lstm_row(const struct row *r) {
    size_t n = r->n;
    const real *restrict products = r->products, *restrict a = r->bias_ih, *restrict b = r->bias_hh,
                         *restrict before = r->c_before;
    real *restrict gates = r->gates, *restrict c = r->c, *restrict h = r->h;
    for (size_t j = 0; j < n; j++) {
        size_t f = n + j, g = 2 * n + j, o = 3 * n + j;
        real in = real_logistic((gates[j] + a[j]) + (products[j] + b[j]));
        real keep = real_logistic((gates[f] + a[f]) + (products[f] + b[f]));
        real new = real_tanh((gates[g] + a[g]) + (products[g] + b[g]));
        real show = real_logistic((gates[o] + a[o]) + (products[o] + b[o]));
        real state = keep * before[j] + in * new;
        gates[j] = in;
        gates[f] = keep;
        gates[g] = new;
        gates[o] = show;
        c[j] = state;
        h[j] = show * real_tanh(state);
    }
}

/* Gates r, z, n: n = tanh(Wx + b + r (W'h' + b')); h = (1 - z) n + z h'. extra keeps W'h' + b'. */
static void gru_row(const struct row *row) {
    size_t n = row->n;
    const real *restrict products = row->products, *restrict a = row->bias_ih, *restrict b = row->bias_hh,
                         *restrict before = row->h_before;
    real *restrict gates = row->gates, *restrict extra = row->extra, *restrict h = row->h;
    for (size_t j = 0; j < n; j++) {
        size_t z = n + j, m = 2 * n + j;
        real reset = real_logistic((gates[j] + a[j]) + (products[j] + b[j]));
        real keep = real_logistic((gates[z] + a[z]) + (products[z] + b[z]));
        real hidden = products[m] + b[m], new = real_tanh(gates[m] + a[m] + reset * hidden);
        gates[j] = reset;
        gates[z] = keep;
        gates[m] = new;
        extra[j] = hidden;
        h[j] = (1 - keep) * new + keep * before[j];
    }
}

/* ---- sequences that have ended ---- */

static int has_ended(const struct cell *cell, size_t i) {
    return cell->symbols != NULL && cell->symbols[i] <= SYMBOL_PADDING && cell->symbols[i] >= SYMBOL_PADDING;
}

static void pass_by(const struct row *r, int hold) {
    for (size_t j = 0; j < r->n; j++) {
        r->h[j] = r->h_before[j];
        if (r->c != NULL) {
            r->c[j] = r->c_before[j];
        }
        if (r->out != NULL) {
            STORE(r->out, j, hold ? r->h[j] : 0);
        }
    }
}

/* No gate had a part in it; dh and dc go on to the step before. */
static void pass_by_back(const struct row *r, size_t gates, int hold) {
    for (size_t j = 0; r->dout != NULL && hold && j < r->n; j++) {
        r->dh[j] += LOAD(r->dout, j);
    }
    for (size_t j = 0; j < gates * r->n; j++) {
        r->gates[j] = 0;
    }
    for (size_t j = 0; r->extra != NULL && j < r->n; j++) {
        r->extra[j] = 0;
    }
}

static void forward_range(void *job, size_t begin, size_t end) {
    static void (*const rows[])(const struct row *) = {
        [CELL_TANH] = tanh_row, [CELL_RELU] = relu_row, [CELL_LSTM] = lstm_row, [CELL_GRU] = gru_row};
    const struct cell *cell = job;
    for (size_t i = begin; i < end; i++) {
        struct row r = row_of(cell, i);
        if (has_ended(cell, i)) {
            pass_by(&r, cell->hold);
            continue;
        }
        rows[cell->kind](&r);
        for (size_t j = 0; r.out != NULL && j < r.n; j++) {
            STORE(r.out, j, r.h[j]);
        }
    }
}

/* An exponential is worth some tens of copies. */
enum { WEIGHT = 16 };

void K(cell)(struct threads *t, const struct cell *cell) {
    body_split(t, cell->batch, cell->batch * cell->hidden * WEIGHT, forward_range, (void *)(uintptr_t)cell);
}

/* ---- the way back: gates become the gradients of their sums ---- */

static void tanh_row_back(const struct row *r) {
    for (size_t j = 0; j < r->n; j++) {
        r->gates[j] = r->dh[j] * (1 - r->h[j] * r->h[j]);
    }
}

static void relu_row_back(const struct row *r) {
    for (size_t j = 0; j < r->n; j++) {
        r->gates[j] = r->h[j] > 0 ? r->dh[j] : 0;
    }
}

static void lstm_row_back(const struct row *r) {
    size_t n = r->n;
    const real *restrict before = r->c_before, *restrict c = r->c, *restrict dh = r->dh;
    real *restrict gates = r->gates, *restrict dc = r->dc;
    for (size_t j = 0; j < n; j++) {
        real in = gates[j], keep = gates[n + j], new = gates[2 * n + j], show = gates[3 * n + j];
        real shown = real_tanh(c[j]), state = dc[j] + dh[j] * show * (1 - shown * shown);
        gates[j] = state * new * in * (1 - in);
        gates[n + j] = state * before[j] * keep * (1 - keep);
        gates[2 * n + j] = state * in * (1 - new * new);
        gates[3 * n + j] = dh[j] * shown * show * (1 - show);
        dc[j] = state * keep;
    }
}

/* extra becomes the gradient of W'h' + b' of the third gate; dh keeps what reaches h' past the gates. */
static void gru_row_back(const struct row *r) {
    size_t n = r->n;
    const real *restrict before = r->h_before;
    real *restrict gates = r->gates, *restrict extra = r->extra, *restrict dh = r->dh;
    for (size_t j = 0; j < n; j++) {
        real reset = gates[j], keep = gates[n + j], new = gates[2 * n + j];
        real dnew = dh[j] * (1 - keep) * (1 - new * new);
        gates[j] = dnew * extra[j] * reset * (1 - reset);
        gates[n + j] = dh[j] * (before[j] - new) * keep * (1 - keep);
        gates[2 * n + j] = dnew;
        extra[j] = dnew * reset;
        dh[j] *= keep;
    }
}

static void backward_range(void *job, size_t begin, size_t end) {
    static void (*const rows[])(const struct row *) = {
        [CELL_TANH] = tanh_row_back,
        [CELL_RELU] = relu_row_back,
        [CELL_LSTM] = lstm_row_back,
        [CELL_GRU] = gru_row_back,
    };
    const struct cell *cell = job;
    for (size_t i = begin; i < end; i++) {
        struct row r = row_of(cell, i);
        if (has_ended(cell, i)) {
            pass_by_back(&r, gates_of[cell->kind], cell->hold);
            continue;
        }
        for (size_t j = 0; r.dout != NULL && j < r.n; j++) {
            r.dh[j] += LOAD(r.dout, j);
        }
        rows[cell->kind](&r);
        for (size_t j = 0; cell->symbols != NULL && cell->kind != CELL_GRU && j < r.n; j++) {
            r.dh[j] = 0;
        }
    }
}

void K(cell_back)(struct threads *t, const struct cell *cell) {
    body_split(t, cell->batch, cell->batch * cell->hidden * WEIGHT, backward_range, (void *)(uintptr_t)cell);
}

/* ---- sums of columns ---- */

struct sums {
    const real *x;
    size_t rows, stride;
    real *to;
};

/* Units are columns; rows are added in their order. */
static void sums_range(void *job, size_t begin, size_t end) {
    enum { SPAN = 64 };
    const struct sums *s = job;
    for (size_t first = begin; first < end; first += SPAN) {
        size_t n = body_least(SPAN, end - first);
        double sum[SPAN] = {0};
        for (size_t r = 0; r < s->rows; r++) {
            const real *x = s->x + r * s->stride + first;
            for (size_t j = 0; j < n; j++) {
                sum[j] += (double)x[j];
            }
        }
        for (size_t j = 0; j < n; j++) {
            s->to[first + j] += (real)sum[j];
        }
    }
}

void K(column_sums)(struct threads *t, size_t rows, size_t columns, size_t stride, const void *x, void *to) {
    struct sums job = {x, rows, stride, to};
    body_split(t, columns, rows * columns, sums_range, &job);
}
