/* The recurrent cells' matrix product: a few samples' states, as they lie, with weights that were packed once. The
 * panels of a pass stream from the caches; sums stay in registers (Goto and van de Geijn, "Anatomy of High-Performance
 * Matrix Multiplication", 2008). */
#include "kernels/body/cells.h"

/* Registers for sums: a block of CELL_ROWS samples with one panel, or one sample with all gates' panels. */
enum { SUMS = ((int)CELL_ROWS > (int)CELL_GATES ? (int)CELL_ROWS : (int)CELL_GATES) * CELL_VECS };

/* Depth of a panel that is in the first-level cache while the blocks of samples pass by: 16 KB of float. */
enum { DEPTH = 256 };

/* A line of the weights that come after is asked for every so many steps of depth: four blocks (eight with AVX-512) ask for a whole
 * panel. They come from the third-level cache, and a first block that waited for its own would take a quarter longer. */
enum { ASK_STEPS = 4, LINE = 64 };

/* A part of a product: rows from `row`, panels from `panel`, k from `first`. */
struct part {
    size_t row, panel, first, depth;
    const char *ask;                    /* where the lines to ask for begin */
    int add;
};

/* Step k of the depth: sums += a's column times b's row. */
INLINE void multiply_step(const struct cell_product *p, const real *a, const real *b, size_t rows, size_t panels, vec *sum) {
    const size_t n = panels * CELL_VECS, panel_reals = p->depth * CELL_UNITS;
    vec weight[CELL_GATES * CELL_VECS];
    UNROLL
    for (size_t j = 0; j < n; j++) {
        vec_load_reals(&weight[j], b + j / CELL_VECS * panel_reals + j % CELL_VECS * LANES);
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        UNROLL
        for (size_t j = 0; j < n; j++) {
            sum[i * n + j] += a[i * p->lda] * weight[j];
        }
    }
}

/* rows and panels are constants. One sample alone takes several panels at once: a multiply-add waits for the one before
 * it on the same sum. */
INLINE void multiply(const struct cell_product *p, const struct part *part, size_t rows, size_t panels) {
    const size_t n = panels * CELL_VECS, panel_reals = p->depth * CELL_UNITS;
    const real *a = p->a + part->row * p->lda + part->first;
    const real *b = (const real *)p->b + part->panel * panel_reals + part->first * CELL_UNITS;
    real *sums = p->sums + part->row * p->stride + part->panel * CELL_UNITS;
    vec sum[SUMS] = {{0}};
    if (part->add) {
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            UNROLL
            for (size_t j = 0; j < n; j++) {
                vec_load_reals(&sum[i * n + j], sums + i * p->stride + j * LANES);
            }
        }
    }
    const real *end = a + part->depth;
    for (const char *ask = part->ask; end - a >= ASK_STEPS; ask += LINE) {
        __builtin_prefetch(ask, 0, 2);
        UNROLL
        for (size_t step = 0; step < ASK_STEPS; step++, a++, b += CELL_UNITS) {
            multiply_step(p, a, b, rows, panels, sum);
        }
    }
    for (; a < end; a++, b += CELL_UNITS) {
        multiply_step(p, a, b, rows, panels, sum);
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
BLOCK_UPTO(BLOCK)
static block_work *const blocks[CELL_ROWS] = {BLOCK_UPTO(NAME)};

/* All rows with a part of one panel, in blocks of about the same height. after: the weights that come behind this part. */
static void multiply_rows(const struct cell_product *p, struct part *part, const char *after) {
    int count = (int)((p->rows + CELL_ROWS - 1) / CELL_ROWS);
    size_t lines = part->depth / ASK_STEPS, panel_lines = part->depth * CELL_UNITS * sizeof(real) / LINE;
    for (int i = 0; i < count; i++) {
        size_t asked = (size_t)i * lines;
        part->ask = after + (asked < panel_lines ? asked : 0) * LINE;
        part->row = body_begin(p->rows, i, count);
        blocks[body_begin(p->rows, i + 1, count) - part->row - 1](p, part);
    }
}

static void multiply_panel(const struct cell_product *p, size_t panel) {
    for (size_t first = 0, depth; first < p->depth; first += depth) {
        depth = body_least(DEPTH, p->depth - first);
        struct part part = {.panel = panel, .first = first, .depth = depth, .add = p->add || first > 0};
        int is_last = panel == p->panels - 1 && first + depth == p->depth;
        const real *behind = (const real *)p->b + (panel * p->depth + first + depth) * CELL_UNITS;
        multiply_rows(p, &part, is_last ? p->next : (const char *)behind);
    }
}

static void multiply_one(const struct cell_product *p) {
    struct part part = {.depth = p->depth, .ask = p->next, .add = p->add};
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
