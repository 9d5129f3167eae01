/* Recurrent layers' steps. A step's products with the state need the whole state before, so steps come one after the
 * other, but samples don't meet: a batch that is large enough is cut into pieces that go through all steps by
 * themselves, each reading the packed weights once a step, and multiplying with the inputs on the way: those sums never
 * go through memory. A small batch is cut by units instead, step by step; a thread then keeps to the panels it had in
 * the step before, and takes them in the opposite order, so that those it used last are still in its cache. There the
 * inputs of all steps are multiplied before, at once: their weights are read once. */
#include <stdatomic.h>

#include "kernels/body/cells.h"

/* Samples up to which a batch is cut by units: three blocks of rows. */
enum { CUT_BY_UNITS = 3 * CELL_ROWS, PARTS = 16, LINE = 64 };

/* (8-bit products have no product of matrices to be ready with.) */
static enum cell_input input(size_t batch) {
#if defined(QUANTIZED)
    (void)batch;
    return CELL_INPUT_X;
#else
    return batch > CUT_BY_UNITS ? CELL_INPUT_X : CELL_INPUT_READY;
#endif
}

static struct cell_packed packed_of(const struct cells *c) {
    struct cell_weights w = {.kind = c->kind, .input = c->input, .hidden = c->hidden, .inputs = c->inputs, .training = 1};
    return K(cell_packed)(&w);
}

static void *at(const void *base, size_t offset) {
    return base == NULL ? NULL : (char *)(uintptr_t)base + offset;
}

/* Of the i-th step that is taken, at most CELL_SPAN samples and one panel of units; that of those which come next. */
struct place {
    size_t i, panel, next, row, rows;
    struct cell_rows *inputs, *states;
};

/* A pass over the steps; `part` is the forward or backward work on a place. */
struct walk {
    const struct cells *c;
    void (*part)(const struct cells *c, const struct place *at);
    int back, pieces;
};

/* The step that is taken i-th on the way forward. */
static size_t step_of(const struct cells *c, size_t i) {
    return c->reverse ? c->steps - 1 - i : i;
}

/* Where a state lies among those that are kept: that before step t, or (behind: 1) the one behind it. */
static size_t state_of(const struct cells *c, size_t t, int behind) {
    return (c->first + t + (behind != c->reverse ? 1 : 0)) % c->states;
}

/* A sample's products with its input, where they are not to be multiplied: NULL for an id that is none. */
static const real *input_of(const struct cells *c, size_t t, size_t row) {
    size_t n = cell_gates(c->kind) * c->hidden, sample = t * c->batch + row;
    if (c->input == CELL_INPUT_READY) {
        return (const real *)c->gates + sample * n;
    }
    if (c->input == CELL_INPUT_X) {
        return NULL;
    }
    float id = c->ids[sample];
    return id >= 0 && (double)id < (double)c->inputs ? (const real *)c->packed + (size_t)id * n : NULL;
}

/* Of sample `row`; the input's products and whether it has ended are set by part_input. */
static struct cell_part part_of(const struct cells *c, size_t i, size_t panel, size_t row) {
    size_t t = step_of(c, i), n = c->hidden, first = panel * CELL_UNITS, one = row * n + first, state = c->batch * n;
    size_t here = (t * state + one) * sizeof(real), before = (state_of(c, t, 0) * state + one) * sizeof(real),
           behind = (state_of(c, t, 1) * state + one) * sizeof(real);
    size_t gates = ((t * c->batch + row) * cell_gates(c->kind) * n + first) * sizeof(real);
    size_t out = ((c->last ? 0 : t * c->out_step) + row * c->out_stride + first) * sizeof(elem);
    int puts_out = !c->last || i == c->steps - 1;
    return (struct cell_part){
        .kind = c->kind,
        .n = body_least(CELL_UNITS, n - first),
        .stride = n,
        .hold = c->last,
        .has_fourth = c->input == CELL_INPUT_X,
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

static void part_input(struct cell_part *p, const struct cells *c, size_t i, size_t panel, size_t row) {
    size_t t = step_of(c, i);
    float symbol = c->symbols == NULL ? 0 : c->symbols[t * c->batch + row];
    p->ended = symbol <= SYMBOL_PADDING && symbol >= SYMBOL_PADDING;
    p->input = at(input_of(c, t, row), panel * CELL_UNITS * sizeof(real));
}

/* The same units of the next sample. */
static void part_next(struct cell_part *p, const struct cells *c) {
    size_t state = c->hidden * sizeof(real), gates = cell_gates(c->kind) * state, out = c->out_stride * sizeof(elem);
    p->gates = at(p->gates, gates);
    p->extra = at(p->extra, state);
    p->h_before = at(p->h_before, state);
    p->c_before = at(p->c_before, state);
    p->h = at(p->h, state);
    p->c = at(p->c, state);
    p->out = at(p->out, out);
    p->dout = at(p->dout, out);
    p->dh = at(p->dh, state);
    p->dc = at(p->dc, state);
}

/* What the gates of these samples will touch, asked for before the product that comes first: rows lie too far apart for
 * any prefetcher. A block of units fills a line or two. Without gates there is little to ask for. */
static void ask_for(const struct cells *c, const struct place *here) {
    struct cell_part part = part_of(c, here->i, here->panel, here->row);
    for (size_t r = 0; r < here->rows && c->gates != NULL; r++, part_next(&part, c)) {
        const void *others[] = {part.c_before, part.c, part.dout};
        for (size_t gate = 0; gate < cell_gates(c->kind); gate++) {
            __builtin_prefetch(part.gates + gate * part.stride, 1);
        }
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            __builtin_prefetch(others[k]);
        }
    }
}

/* Packed weights of all gates of a panel: those before the inputs, before the state. */
static const void *input_weights(const struct cells *c, size_t panel) {
    return at(c->packed, panel * cell_gates(c->kind) * cell_panel(c->inputs));
}

static const void *state_weights(const struct cells *c, size_t panel) {
    return at(c->packed, packed_of(c).state + panel * cell_gates(c->kind) * cell_panel(c->hidden));
}

/* sums (rows x CELL_GATES x CELL_UNITS) = products with the inputs, where they are multiplied here: gru's third gate is
 * put fourth, since it is not added to that with the state. */
static void products_with_input(const struct cells *c, const struct place *here, real *sums) {
    size_t n = c->inputs, sample = step_of(c, here->i) * c->batch + here->row;
    struct cell_product product = {.rows = here->rows,
                                   .panels = c->kind == CELL_GRU ? 2 : cell_gates(c->kind),
                                   .depth = n,
                                   .lda = n,
                                   .stride = CELL_GATES * CELL_UNITS,
                                   .a = (const real *)c->x + sample * n,
                                   .as = here->inputs,
                                   .b = input_weights(c, here->panel),
                                   .next = state_weights(c, here->panel),
                                   .sums = sums};
    K(cell_multiply)(&product);
    if (c->kind == CELL_GRU) {
        product.b = at(product.b, 2 * cell_panel(n));
        product.sums += 3 * CELL_UNITS;
        product.panels = 1;
        K(cell_multiply)(&product);
    }
}

static void products_with_state(const struct cells *c, const struct place *here, real *sums) {
    size_t n = c->hidden, before = state_of(c, step_of(c, here->i), 0);
    int has_input = c->input == CELL_INPUT_X;
    struct cell_product product = {.rows = here->rows,
                                   .panels = cell_gates(c->kind),
                                   .depth = n,
                                   .lda = n,
                                   .stride = CELL_GATES * CELL_UNITS,
                                   .a = (const real *)c->h + (before * c->batch + here->row) * n,
                                   .as = here->states,
                                   .b = state_weights(c, here->panel),
                                   .next = has_input ? input_weights(c, here->next) : state_weights(c, here->next),
                                   .sums = sums,
                                   .add = has_input};
    if (product.add && c->kind == CELL_GRU) {
        product.panels = 2;
        K(cell_multiply)(&product);
        product.b = at(product.b, 2 * cell_panel(n));
        product.sums += 2 * CELL_UNITS;
        product.panels = 1;
        product.add = 0;
    }
    K(cell_multiply)(&product);
}

static void forward_part(const struct cells *c, const struct place *here) {
    _Alignas(LINE) real sums[CELL_SPAN * CELL_GATES * CELL_UNITS];
    ask_for(c, here);
    if (c->input == CELL_INPUT_X) {
        products_with_input(c, here, sums);
    }
    products_with_state(c, here, sums);
    struct cell_part part = part_of(c, here->i, here->panel, here->row);
    for (size_t r = 0; r < here->rows; r++, part_next(&part, c)) {
        part_input(&part, c, here->i, here->panel, here->row + r);
        part.products = sums + r * CELL_GATES * CELL_UNITS;
        K(cell_forward)(&part);
    }
}

/* What the gradients of the gates of the step taken after this one give this panel's states. gru's third gate has the
 * gradient of its product with the state in extra. */
static void products_back(const struct cells *c, const struct place *here, real *sums) {
    size_t n = c->hidden, gates = cell_gates(c->kind), sample = step_of(c, here->i + 1) * c->batch + here->row;
    size_t each = cell_panel_back(c->kind, n);
    const void *weights = at(c->packed, packed_of(c).back);
    struct cell_product product = {.rows = here->rows,
                                   .panels = 1,
                                   .depth = cell_together(c->kind) * n,
                                   .lda = gates * n,
                                   .stride = CELL_UNITS,
                                   .a = (const real *)c->gates + sample * gates * n,
                                   .b = at(weights, here->panel * each),
                                   .next = at(weights, here->next * each),
                                   .sums = sums};
    K(cell_multiply)(&product);
    if (c->kind == CELL_GRU) {
        product.b = at(product.b, cell_panel(product.depth));
        product.a = (const real *)c->extra + sample * n;
        product.lda = product.depth = n;
        product.add = 1;
        K(cell_multiply)(&product);
    }
}

static void backward_part(const struct cells *c, const struct place *here) {
    _Alignas(LINE) real sums[CELL_SPAN * CELL_UNITS];
    int is_end = here->i == c->steps - 1;
    ask_for(c, here);
    if (!is_end) {
        products_back(c, here, sums);
    }
    struct cell_part part = part_of(c, here->i, here->panel, here->row);
    for (size_t r = 0; r < here->rows; r++, part_next(&part, c)) {
        part_input(&part, c, here->i, here->panel, here->row + r);
        part.products = is_end ? NULL : sums + r * CELL_UNITS;
        if (is_end) {
            memset(part.dh, 0, part.n * sizeof(real));
            memset(part.dc, 0, part.n * sizeof(real));
        }
        K(cell_backward)(&part);
    }
}

/* ---- the walk ---- */

/* Panels begin .. end of the i-th step, from the last if `turned`, over samples row .. row_end in spans of about the same length. A panel's weights serve all
 * spans, or, where rows must be made ready for them, a span's rows all panels. */
static void walk_panels(const struct walk *w, size_t i, int turned, size_t begin, size_t end, size_t row, size_t row_end) {
    int spans = (int)((row_end - row + CELL_SPAN - 1) / CELL_SPAN), panels = (int)(end - begin);
    struct cell_rows inputs, states;
    for (int k = 0; k < spans * panels; k++) {
        int s = CELL_READY_ROWS ? k / panels : k % spans, p = CELL_READY_ROWS ? k % panels : k / spans, next = p + 1 < panels ? p + 1 : p;
        struct place here = {.i = i, .inputs = &inputs, .states = &states};
        here.panel = turned ? end - 1 - (size_t)p : begin + (size_t)p;
        here.next = turned ? end - 1 - (size_t)next : begin + (size_t)next;
        here.row = row + body_begin(row_end - row, s, spans);
        here.rows = row + body_begin(row_end - row, s + 1, spans) - here.row;
        if (p == 0 || !CELL_READY_ROWS) {
            inputs.a = states.a = NULL;
        }
        w->part(w->c, &here);
    }
}

/* Units are samples: all steps. */
static void walk_samples(void *job, size_t begin, size_t end) {
    const struct walk *w = job;
    size_t steps = w->c->steps;
    for (size_t s = 0; s < steps; s++) {
        walk_panels(w, w->back ? steps - 1 - s : s, s % 2 != 0, 0, cell_panels(w->c->hidden), begin, end);
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
    size_t panels = cell_panels(w->c->hidden);
    piece = take(s, thread);
    walk_panels(w, s->i, s->turn, body_begin(panels, piece, w->pieces), body_begin(panels, piece + 1, w->pieces), 0, w->c->batch);
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
    if (c->batch > CUT_BY_UNITS) {
        struct body_split s = {walk_samples, w, c->batch, (int)body_least((c->batch + CELL_ROWS - 1) / CELL_ROWS, (size_t)threads_count(t))};
        threads_run(t, s.pieces, body_split_piece, &s);
        return;
    }
    w->pieces = body_pieces_of(cell_panels(c->hidden), c->batch * c->hidden * c->hidden * cell_gates(c->kind));
    walk_units(t, w);
}

static void forward(struct threads *t, const struct cells *c) {
    struct walk w = {.c = c, .part = forward_part};
    walk(t, &w);
}

static void back(struct threads *t, const struct cells *c) {
    struct walk w = {.c = c, .part = backward_part, .back = 1};
    walk(t, &w);
}

const struct cell_kernels K(cell_kernels) = {.input = input, .packed = K(cells_packed), .pack = K(cells_pack), .forward = forward, .back = back};
