/* The recurrent cells' weights, packed once for all steps: in panels of CELL_UNITS units, as the products read them. */
#include "kernels/body/cells.h"
#if defined(QUANTIZED)
#include "kernels/body/int8.h"
#endif

struct packing {
    const real *weight;
    char *to;
    enum cell_kind kind;
    size_t gates, hidden, depth;
};

#if defined(QUANTIZED)

/* Column `unit` of a panel, whose largest number becomes 127; from NULL: zeros. */
static void put_column(void *panel, size_t depth, size_t unit, const real *from) {
    struct cell_scales scales = cell_scales(panel, depth);
    real scale = int8_scale(from, from == NULL ? 0 : depth, 1);
    scales.scale[unit] = scale, scales.sum[unit] = 0;
    for (size_t k = 0; k < cell_depth(depth); k++) {
        int8_t weight = (int8_t)(from != NULL && k < depth ? lrintf(from[k] / scale) : 0);
        ((int8_t *)panel)[(k / 4 * CELL_UNITS + unit) * 4 + k % 4] = weight;
        scales.sum[unit] += weight;
    }
}

#else

/* Row k, column `unit` of a panel. */
static inline void put(void *panel, size_t k, size_t unit, real value) {
#if defined(ROUNDED)
    STORE((elem *)panel, (k / 2 * CELL_UNITS + unit) * 2 + k % 2, value);
#else
    ((real *)panel)[k * CELL_UNITS + unit] = value;
#endif
}

/* A whole column; from NULL: zeros. */
static void put_column(void *panel, size_t depth, size_t unit, const real *from) {
    for (size_t k = 0; k < cell_depth(depth); k++) {
        put(panel, k, unit, from != NULL && k < depth ? from[k] : 0);
    }
}

#endif

/* Units are panels of the way forward: of a block of units one of each gate; row k, column unit is weight[gate, unit][k]. */
static void pack_range(void *job, size_t begin, size_t end) {
    const struct packing *p = job;
    size_t n = p->hidden;
    for (size_t panel = begin; panel < end; panel++) {
        size_t first = panel / p->gates * CELL_UNITS, gate = panel % p->gates;
        char *to = p->to + panel * cell_panel(p->depth);
        for (size_t unit = 0; unit < CELL_UNITS; unit++) {
            put_column(to, p->depth, unit, first + unit < n ? p->weight + (gate * n + first + unit) * p->depth : NULL);
        }
    }
}

#if !defined(QUANTIZED)

/* Of the way back: row (gate, k) from `row` on, column unit is weight[gate, k][first + unit]. */
static void pack_back_rows(const struct packing *p, size_t first, size_t row, size_t depth, char *to) {
    size_t units = body_least(CELL_UNITS, p->hidden - first);
    for (size_t k = 0; k < cell_depth(depth); k++) {
        for (size_t unit = 0; unit < CELL_UNITS; unit++) {
            put(to, k, unit, unit < units && k < depth ? p->weight[(row + k) * p->hidden + first + unit] : 0);
        }
    }
}

static void pack_back_range(void *job, size_t begin, size_t end) {
    const struct packing *p = job;
    size_t together = cell_together(p->kind) * p->hidden;
    for (size_t panel = begin; panel < end; panel++) {
        char *to = p->to + panel * cell_panel_back(p->kind, p->hidden);
        pack_back_rows(p, panel * CELL_UNITS, 0, together, to);
        pack_back_rows(p, panel * CELL_UNITS, together, p->gates * p->hidden - together, to + cell_panel(together));
    }
}

#endif

/* Units are the inputs' kinds: reals, [kind][gate, unit] = weight[gate, unit][kind]. */
static void turn_range(void *job, size_t begin, size_t end) {
    const struct packing *p = job;
    size_t rows = p->gates * p->hidden;
    for (size_t kind = begin; kind < end; kind++) {
        for (size_t row = 0; row < rows; row++) {
            ((real *)(void *)p->to)[kind * rows + row] = p->weight[row * p->depth + kind];
        }
    }
}

static size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

struct cell_packed K(cell_packed)(const struct cell_weights *w) {
    size_t gates = cell_gates(w->kind), panels = cell_panels(w->hidden) * gates, table = gates * w->hidden * w->inputs * sizeof(real);
    size_t inputs = w->input == CELL_INPUT_X ? panels * cell_panel(w->inputs) : w->input == CELL_INPUT_IDS ? table : 0;
    struct cell_packed at = {.state = whole_lines(inputs)};
    at.back = at.state + whole_lines(panels * cell_panel(w->hidden));
    at.all = at.back + (w->training ? whole_lines(cell_panels(w->hidden) * cell_panel_back(w->kind, w->hidden)) : 0);
    return at;
}

size_t K(cells_packed)(const struct cell_weights *w) {
    return K(cell_packed)(w).all;
}

void K(cells_pack)(struct threads *t, const struct cell_weights *w, void *packed) {
    struct cell_packed at = K(cell_packed)(w);
    char *to = packed;
    size_t gates = cell_gates(w->kind), panels = cell_panels(w->hidden);
    struct packing input = {w->ih, to + at.input, w->kind, gates, w->hidden, w->inputs};
    struct packing state = {w->hh, to + at.state, w->kind, gates, w->hidden, w->hidden};
    if (w->input == CELL_INPUT_X) {
        body_split(t, panels * gates, at.state, pack_range, &input);
    } else if (w->input == CELL_INPUT_IDS) {
        body_split(t, w->inputs, at.state, turn_range, &input);
    }
    body_split(t, panels * gates, at.back - at.state, pack_range, &state);
#if !defined(QUANTIZED)
    struct packing back = {w->hh, to + at.back, w->kind, gates, w->hidden, w->hidden};
    if (w->training) {
        body_split(t, panels, at.all - at.back, pack_back_range, &back);
    }
#endif
}
