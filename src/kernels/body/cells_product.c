/* The recurrent cells' matrix product: a few samples' states, as they lie, with weights that were packed once. The
 * panels of a pass stream from the caches; sums stay in registers (Goto and van de Geijn, "Anatomy of High-Performance
 * Matrix Multiplication", 2008). */
#include "kernels/body/cells.h"

/* Registers for sums: a block of CELL_ROWS samples with one panel, or one sample with all gates' panels. */
enum { SUMS = ((int)CELL_ROWS > (int)CELL_GATES ? (int)CELL_ROWS : (int)CELL_GATES) * CELL_VECS };

/* Depth of a panel that is in the first-level cache while the blocks of samples pass by: 16 KB of float. */
enum { DEPTH = 256 };

/* A part of a product: rows from `row`, panels from `panel`, k from `first`. */
struct part {
    size_t row, panel, first, depth;
    int add;
};

/* rows and panels are constants. One sample alone takes several panels at once: a multiply-add waits for the one before
 * it on the same sum. */
INLINE void multiply(const struct cell_product *p, const struct part *part, size_t rows, size_t panels) {
    const size_t n = panels * CELL_VECS, panel_reals = p->depth * CELL_UNITS;
    const real *a = p->a + part->row * p->lda + part->first;
    const real *b = p->b + part->panel * panel_reals + part->first * CELL_UNITS;
    real *sums = p->sums + part->row * p->stride + part->panel * CELL_UNITS;
    vec sum[SUMS] = {{0}}, weight[CELL_GATES * CELL_VECS];
    if (part->add) {
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            UNROLL
            for (size_t j = 0; j < n; j++) {
                vec_load_reals(&sum[i * n + j], sums + i * p->stride + j * LANES);
            }
        }
    }
    for (size_t k = 0; k < part->depth; k++, b += CELL_UNITS) {
        UNROLL
        for (size_t j = 0; j < n; j++) {
            vec_load_reals(&weight[j], b + j / CELL_VECS * panel_reals + j % CELL_VECS * LANES);
        }
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            UNROLL
            for (size_t j = 0; j < n; j++) {
                sum[i * n + j] += a[i * p->lda + k] * weight[j];
            }
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        UNROLL
        for (size_t j = 0; j < n; j++) {
            vec_store_reals(sums + i * p->stride + j * LANES, &sum[i * n + j]);
        }
    }
}

/* A copy for each height, since sums must be registers. */
typedef void block_work(const struct cell_product *p, const struct part *part);
#define BLOCK(n) static void multiply_##n(const struct cell_product *p, const struct part *part) { multiply(p, part, n, 1); }
#define NAME(n) multiply_##n,
#define UPTO_2(what) what(1) what(2)
#define UPTO_4(what) UPTO_2(what) what(3) what(4)
#define UPTO_6(what) UPTO_4(what) what(5) what(6)
#define UPTO_12(what) UPTO_6(what) what(7) what(8) what(9) what(10) what(11) what(12)
#define UPTO_(rows) UPTO_##rows
#define UPTO(rows) UPTO_(rows)
UPTO(BLOCK_ROWS)(BLOCK)
static block_work *const blocks[CELL_ROWS] = {UPTO(BLOCK_ROWS)(NAME)};

/* All rows with a part of one panel, in blocks of about the same height. */
static void multiply_rows(const struct cell_product *p, struct part *part) {
    int count = (int)((p->rows + CELL_ROWS - 1) / CELL_ROWS);
    for (int i = 0; i < count; i++) {
        part->row = body_begin(p->rows, i, count);
        blocks[body_begin(p->rows, i + 1, count) - part->row - 1](p, part);
    }
}

static void multiply_panel(const struct cell_product *p, size_t panel) {
    for (size_t first = 0; first < p->depth; first += DEPTH) {
        struct part part = {.panel = panel, .first = first, .depth = body_least(DEPTH, p->depth - first), .add = p->add || first > 0};
        multiply_rows(p, &part);
    }
}

static void multiply_one(const struct cell_product *p) {
    struct part part = {.depth = p->depth, .add = p->add};
    switch (p->panels) {
    case 4:
        multiply(p, &part, 1, 4);
        return;
    case 3:
        multiply(p, &part, 1, 3);
        return;
    case 2:
        multiply(p, &part, 1, 2);
        return;
    default:
        multiply(p, &part, 1, 1);
    }
}

void K(cell_multiply)(const struct cell_product *p) {
    if (p->rows == 1) {
        multiply_one(p);
        return;
    }
    for (size_t panel = 0; panel < p->panels; panel++) {
        multiply_panel(p, panel);
    }
}

/* ---- packing ---- */

struct packing {
    const real *weight;
    real *to;
    size_t gates, hidden, depth;
};

/* Units are panels of the way forward: of a block of units one of each gate; to[k][unit] = weight[gate, unit][k]. */
static void pack_range(void *job, size_t begin, size_t end) {
    const struct packing *p = job;
    size_t n = p->hidden;
    for (size_t panel = begin; panel < end; panel++) {
        size_t first = panel / p->gates * CELL_UNITS, gate = panel % p->gates;
        real *to = p->to + panel * p->depth * CELL_UNITS;
        for (size_t unit = 0; unit < CELL_UNITS; unit++) {
            const real *from = p->weight + (gate * n + first + unit) * p->depth;
            for (size_t k = 0; k < p->depth; k++) {
                to[k * CELL_UNITS + unit] = first + unit < n ? from[k] : 0;
            }
        }
    }
}

/* Of the way back: to[gate, k][unit] = weight[gate, k][unit]. */
static void pack_back_range(void *job, size_t begin, size_t end) {
    const struct packing *p = job;
    size_t n = p->hidden, depth = p->gates * n;
    for (size_t panel = begin; panel < end; panel++) {
        size_t first = panel * CELL_UNITS, units = body_least(CELL_UNITS, n - first);
        real *to = p->to + panel * depth * CELL_UNITS;
        for (size_t k = 0; k < depth; k++) {
            for (size_t unit = 0; unit < CELL_UNITS; unit++) {
                to[k * CELL_UNITS + unit] = unit < units ? p->weight[k * n + first + unit] : 0;
            }
        }
    }
}

/* Units are the inputs' kinds: to[kind][gate, unit] = weight[gate, unit][kind]. */
static void turn_range(void *job, size_t begin, size_t end) {
    const struct packing *p = job;
    size_t rows = p->gates * p->hidden;
    for (size_t kind = begin; kind < end; kind++) {
        for (size_t row = 0; row < rows; row++) {
            p->to[kind * rows + row] = p->weight[row * p->depth + kind];
        }
    }
}

struct cell_packed K(cell_packed)(const struct cell_weights *w) {
    size_t line = 64 / sizeof(real), gates = cell_gates(w->kind), units = cell_panels(w->hidden) * CELL_UNITS * gates;
    size_t inputs = w->input == CELL_INPUT_X ? units * w->inputs : w->input == CELL_INPUT_IDS ? gates * w->hidden * w->inputs : 0;
    struct cell_packed at = {.state = (inputs + line - 1) / line * line};
    at.back = at.state + (units * w->hidden + line - 1) / line * line;
    at.all = at.back + (w->training ? at.back - at.state : 0);
    return at;
}

size_t K(cells_packed)(const struct cell_weights *w) {
    return K(cell_packed)(w).all * sizeof(real);
}

void K(cells_pack)(struct threads *t, const struct cell_weights *w, void *packed) {
    struct cell_packed at = K(cell_packed)(w);
    size_t gates = cell_gates(w->kind), panels = cell_panels(w->hidden);
    struct packing input = {w->ih, (real *)packed + at.input, gates, w->hidden, w->inputs};
    struct packing state = {w->hh, (real *)packed + at.state, gates, w->hidden, w->hidden};
    struct packing back = {w->hh, (real *)packed + at.back, gates, w->hidden, w->hidden};
    if (w->input == CELL_INPUT_X) {
        body_split(t, panels * gates, at.state, pack_range, &input);
    } else if (w->input == CELL_INPUT_IDS) {
        body_split(t, w->inputs, at.state, turn_range, &input);
    }
    body_split(t, panels * gates, at.back - at.state, pack_range, &state);
    if (w->training) {
        body_split(t, panels, at.all - at.back, pack_back_range, &back);
    }
}
