/* The recurrent cells' matrix product: a few samples' states, as they lie, with weights that were packed once. The
 * panels of a pass stream from the caches; sums stay in registers (Goto and van de Geijn, "Anatomy of High-Performance
 * Matrix Multiplication", 2008). */
#include "kernels/body/cells.h"

/* Registers for sums: a block of CELL_ROWS samples with one panel, or one sample with all gates' panels. */
enum { SUMS = ((int)CELL_ROWS > (int)CELL_GATES ? (int)CELL_ROWS : (int)CELL_GATES) * CELL_VECS };

/* rows samples from `row` on with `panels` panels from `panel` on. One sample alone takes several panels at once:
 * a multiply-add waits for the one before it on the same sum. */
INLINE void multiply(const struct cell_product *p, size_t row, size_t rows, size_t panel, size_t panels) {
    const size_t n = panels * CELL_VECS, panel_reals = p->depth * CELL_UNITS;
    const real *a = p->a + row * p->lda, *b = p->b + panel * panel_reals;
    real *sums = p->sums + (row * p->panels + panel) * CELL_UNITS;
    vec sum[SUMS] = {{0}}, weight[CELL_GATES * CELL_VECS];
    if (p->add) {
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            UNROLL
            for (size_t j = 0; j < n; j++) {
                vec_load_reals(&sum[i * n + j], sums + i * p->panels * CELL_UNITS + j * LANES);
            }
        }
    }
    for (size_t k = 0; k < p->depth; k++, b += CELL_UNITS) {
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
            vec_store_reals(sums + i * p->panels * CELL_UNITS + j * LANES, &sum[i * n + j]);
        }
    }
}

static void multiply_block(const struct cell_product *p) {
    for (size_t panel = 0; panel < p->panels; panel++) {
        multiply(p, 0, CELL_ROWS, panel, 1);
    }
}

static void multiply_two(const struct cell_product *p, size_t row) {
    for (size_t panel = 0; panel < p->panels; panel++) {
        multiply(p, row, 2, panel, 1);
    }
}

static void multiply_one(const struct cell_product *p, size_t row) {
    switch (p->panels) {
    case 4:
        multiply(p, row, 1, 0, 4);
        return;
    case 3:
        multiply(p, row, 1, 0, 3);
        return;
    default:
        multiply(p, row, 1, 0, 1);
    }
}

void K(cell_multiply)(const struct cell_product *p) {
    size_t row = 0;
    if (p->rows == CELL_ROWS) {
        multiply_block(p);
        return;
    }
#if !defined(ELEM_f64)
    for (; row + 4 <= p->rows; row += 4) {
        for (size_t panel = 0; panel < p->panels; panel++) {
            multiply(p, row, 4, panel, 1);
        }
    }
#endif
    for (; row + 2 <= p->rows; row += 2) {
        multiply_two(p, row);
    }
    for (; row < p->rows; row++) {
        multiply_one(p, row);
    }
}

/* ---- packing ---- */

struct packing {
    const real *weight;
    real *to;
    size_t gates, hidden;
};

/* Units are panels of the way forward: of a block of units one of each gate; to[k][unit] = weight[gate, unit][k]. */
static void pack_range(void *job, size_t begin, size_t end) {
    const struct packing *p = job;
    size_t n = p->hidden;
    for (size_t panel = begin; panel < end; panel++) {
        size_t first = panel / p->gates * CELL_UNITS, gate = panel % p->gates;
        real *to = p->to + panel * n * CELL_UNITS;
        for (size_t unit = 0; unit < CELL_UNITS; unit++) {
            const real *from = p->weight + (gate * n + first + unit) * n;
            for (size_t k = 0; k < n; k++) {
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

/* Reals of the panels of one way. */
static size_t panels_reals(enum cell_kind kind, size_t hidden) {
    return cell_panels(hidden) * CELL_UNITS * cell_gates(kind) * hidden;
}

size_t K(cells_packed)(enum cell_kind kind, size_t hidden, int training) {
    return ((training ? 2 : 1) * panels_reals(kind, hidden) * sizeof(real) + 63) / 64 * 64;
}

void K(cells_pack)(struct threads *t, enum cell_kind kind, size_t hidden, int training, const void *weight,
                   void *packed) {
    struct packing p = {weight, packed, cell_gates(kind), hidden};
    size_t panels = cell_panels(hidden), work = panels_reals(kind, hidden);
    body_split(t, panels * p.gates, work, pack_range, &p);
    if (training) {
        p.to += work;
        body_split(t, panels, work, pack_back_range, &p);
    }
}
