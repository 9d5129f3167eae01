/* Recurrent layers' steps. A step's products with the state need the whole state before, so steps come one after the
 * other, but samples don't meet: a batch that is large enough is cut into pieces that go through all steps by
 * themselves, each reading the packed weights once a step. A small batch is cut by units instead, step by step; a
 * thread then keeps to the panels it had in the step before, and takes them in the opposite order, so that those it
 * used last are still in its cache. */
#include <stdatomic.h>

#include "kernels/body/cells.h"

/* Blocks of CELL_ROWS samples from which on a batch is cut by samples. */
enum { BLOCKS = 4, PARTS = 16, LINE = 64 };

static void *at(const void *base, size_t offset) {
    return base == NULL ? NULL : (char *)(uintptr_t)base + offset;
}

/* A pass over the steps. `part` is the forward or backward work on one block of samples and one panel of units. */
struct walk {
    const struct cells *c;
    void (*part)(const struct cells *c, size_t i, size_t panel, size_t row, size_t rows);
    int back, pieces;
};

/* The step that is taken i-th on the way forward. */
static size_t step_of(const struct cells *c, size_t i) {
    return c->reverse ? c->steps - 1 - i : i;
}

static struct cell_part part_of(const struct cells *c, size_t i, size_t panel, size_t row) {
    size_t t = step_of(c, i), n = c->hidden, first = panel * CELL_UNITS, one = row * n + first, state = c->batch * n;
    size_t here = (t * state + one) * sizeof(real), reverse = c->reverse ? 1 : 0, before = here + reverse * state * sizeof(real),
           behind = here + (1 - reverse) * state * sizeof(real);
    size_t gates = ((t * c->batch + row) * cell_gates(c->kind) * n + first) * sizeof(real);
    size_t out = ((c->last ? 0 : t * c->out_step) + row * c->out_stride + first) * sizeof(elem);
    int puts_out = !c->last || i == c->steps - 1;
    float symbol = c->symbols == NULL ? 0 : c->symbols[t * c->batch + row];
    return (struct cell_part){
        .kind = c->kind,
        .n = body_least(CELL_UNITS, n - first),
        .stride = n,
        .ended = symbol <= SYMBOL_PADDING && symbol >= SYMBOL_PADDING,
        .hold = c->last,
        .gates = at(c->gates, gates),
        .extra = at(c->extra, here),
        .h_before = at(c->h, before),
        .c_before = at(c->c, before),
        .h = at(c->h, behind),
        .c = at(c->c, behind),
        .bias_ih = at(c->bias_ih, first * sizeof(real)),
        .bias_hh = at(c->bias_hh, first * sizeof(real)),
        .out = puts_out ? at(c->out, out) : NULL,
        .dout = puts_out ? at(c->dout, out) : NULL,
        .dh = at(c->dh, one * sizeof(real)),
        .dc = at(c->dc, one * sizeof(real)),
    };
}

/* What the gates of these samples will read, asked for before the product that comes first: rows lie too far apart for
 * any prefetcher. A block of units fills a line or two. */
static void ask_for(const struct cells *c, size_t i, size_t panel, size_t row, size_t rows) {
    for (size_t r = 0; r < rows; r++) {
        struct cell_part part = part_of(c, i, panel, row + r);
        const void *others[] = {part.c_before, part.c, part.dout};
        for (size_t gate = 0; gate < cell_gates(c->kind); gate++) {
            __builtin_prefetch(part.gates + gate * part.stride, 1);
        }
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            __builtin_prefetch(others[k]);
        }
    }
}

static void forward_part(const struct cells *c, size_t i, size_t panel, size_t row, size_t rows) {
    _Alignas(LINE) real sums[CELL_ROWS * CELL_GATES * CELL_UNITS];
    size_t n = c->hidden, gates = cell_gates(c->kind), before = step_of(c, i) + (c->reverse ? 1 : 0);
    struct cell_product product = {.rows = rows,
                                   .panels = gates,
                                   .depth = n,
                                   .lda = n,
                                   .a = (const real *)c->h + (before * c->batch + row) * n,
                                   .b = (const real *)c->packed + panel * gates * n * CELL_UNITS,
                                   .sums = sums};
    ask_for(c, i, panel, row, rows);
    K(cell_multiply)(&product);
    for (size_t r = 0; r < rows; r++) {
        struct cell_part part = part_of(c, i, panel, row + r);
        part.products = sums + r * gates * CELL_UNITS;
        K(cell_forward)(&part);
    }
}

/* What the gradients of the gates of the step taken after the i-th give this panel's states. gru's third gate has the
 * gradient of its product with the state in extra. */
static void products_back(const struct cells *c, size_t i, size_t panel, size_t row, size_t rows, real *sums) {
    size_t n = c->hidden, gates = cell_gates(c->kind), sample = step_of(c, i + 1) * c->batch + row;
    size_t panels = cell_panels(n) * CELL_UNITS * gates * n;
    struct cell_product product = {.rows = rows,
                                   .panels = 1,
                                   .depth = c->kind == CELL_GRU ? 2 * n : gates * n,
                                   .lda = gates * n,
                                   .a = (const real *)c->gates + sample * gates * n,
                                   .b = (const real *)c->packed + panels + panel * gates * n * CELL_UNITS,
                                   .sums = sums};
    K(cell_multiply)(&product);
    if (c->kind == CELL_GRU) {
        product.b += product.depth * CELL_UNITS;
        product.a = (const real *)c->extra + sample * n;
        product.lda = product.depth = n;
        product.add = 1;
        K(cell_multiply)(&product);
    }
}

static void backward_part(const struct cells *c, size_t i, size_t panel, size_t row, size_t rows) {
    _Alignas(LINE) real sums[CELL_ROWS * CELL_UNITS];
    int is_end = i == c->steps - 1;
    ask_for(c, i, panel, row, rows);
    if (!is_end) {
        products_back(c, i, panel, row, rows, sums);
    }
    for (size_t r = 0; r < rows; r++) {
        struct cell_part part = part_of(c, i, panel, row + r);
        part.products = is_end ? NULL : sums + r * CELL_UNITS;
        if (is_end) {
            memset(part.dh, 0, part.n * sizeof(real));
            memset(part.dc, 0, part.n * sizeof(real));
        }
        K(cell_backward)(&part);
    }
}

/* ---- the walk ---- */

static size_t blocks_of(const struct cells *c) {
    return (c->batch + CELL_ROWS - 1) / CELL_ROWS;
}

/* A panel of a step, over blocks of samples. */
static void walk_panel(const struct walk *w, size_t i, size_t panel, size_t begin, size_t end) {
    for (size_t block = begin; block < end; block++) {
        size_t row = block * CELL_ROWS;
        w->part(w->c, i, panel, row, body_least(CELL_ROWS, w->c->batch - row));
    }
}

/* Units are blocks of samples: all steps. */
static void walk_samples(void *job, size_t begin, size_t end) {
    const struct walk *w = job;
    size_t steps = w->c->steps, panels = cell_panels(w->c->hidden);
    for (size_t s = 0; s < steps; s++) {
        for (size_t p = 0; p < panels; p++) {
            walk_panel(w, w->back ? steps - 1 - s : s, s % 2 == 0 ? p : panels - 1 - p, begin, end);
        }
    }
}

/* One step, by panels: pieces are handed out by what thread asks, from its own part first. */
struct step {
    const struct walk *w;
    size_t i;
    int turn, parts;
    struct {
        _Alignas(LINE) atomic_int taken;
    } part[PARTS];
};

static int take(struct step *s, int thread) {
    for (int k = 0;; k = (k + 1) % s->parts) {
        int part = (thread + k) % s->parts, begin = (int)body_begin((size_t)s->w->pieces, part, s->parts);
        int end = (int)body_begin((size_t)s->w->pieces, part + 1, s->parts);
        int taken = atomic_load(&s->part[part].taken) < end - begin ? atomic_fetch_add(&s->part[part].taken, 1) : end - begin;
        if (taken < end - begin) {
            return s->turn ? end - 1 - taken : begin + taken;
        }
    }
}

static void step_piece(void *arg, int piece, int thread) {
    struct step *s = arg;
    const struct walk *w = s->w;
    size_t panels = cell_panels(w->c->hidden), blocks = blocks_of(w->c);
    piece = take(s, thread);
    size_t begin = body_begin(panels, piece, w->pieces), end = body_begin(panels, piece + 1, w->pieces);
    for (size_t p = begin; p < end; p++) {
        walk_panel(w, s->i, s->turn ? begin + end - 1 - p : p, 0, blocks);
    }
}

static void walk_units(struct threads *t, struct walk *w) {
    size_t steps = w->c->steps;
    struct step s = {.w = w, .parts = threads_count(t) < PARTS ? threads_count(t) : PARTS};
    for (size_t i = 0; i < steps; i++) {
        s.i = w->back ? steps - 1 - i : i;
        s.turn = i % 2 != 0;
        for (int part = 0; part < s.parts; part++) {
            atomic_store(&s.part[part].taken, 0);
        }
        threads_run(t, w->pieces, step_piece, &s);
    }
}

/* As many pieces of samples as threads: each reads all weights once a step, and no sum is cut, so that how many there
 * are changes no bit. */
static void walk(struct threads *t, struct walk *w) {
    const struct cells *c = w->c;
    size_t blocks = blocks_of(c), team = (size_t)threads_count(t);
    if (blocks >= BLOCKS) {
        struct body_split s = {walk_samples, w, blocks, (int)body_least(blocks, team)};
        threads_run(t, s.pieces, body_split_piece, &s);
        return;
    }
    w->pieces = body_pieces_of(cell_panels(c->hidden), c->batch * c->hidden * c->hidden * cell_gates(c->kind));
    walk_units(t, w);
}

void K(cells)(struct threads *t, const struct cells *c) {
    struct walk w = {.c = c, .part = forward_part};
    walk(t, &w);
}

void K(cells_back)(struct threads *t, const struct cells *c) {
    struct walk w = {.c = c, .part = backward_part, .back = 1};
    walk(t, &w);
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
