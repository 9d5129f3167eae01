/* The recurrent cells' matrix product (cells.h) in 8-bit numbers, to infer. A row (a sample's state or input) is quantized here, by its own largest number, which
 * becomes 127: nothing has to be known of it before, and a sample's results don't depend on those beside it. Weights were when they were packed, by their
 * unit's largest number. vpdpbusd wants one side without a sign: rows are moved up by 128, and each sum down by 128 times its weights' sum. Sums are exact
 * in int32 (CELL_INT8_DEPTH). */
#include "kernels/body/cells.h"

#if defined(QUANTIZED)
#include "kernels/body/int8.h"
#include "kernels/body/math.h"

enum { PITCH = CELL_DEPTH / INT8_GROUP, MOVED = 128 };      /* words of a row */

/* A part of the depth, first .. first + depth, and whether it is the first or the last. */
struct part {
    const struct cell_product *p;
    size_t first, depth;
    const int32_t *rows;                /* [row][PITCH] */
    const real *scales;                 /* of rows */
    int32_t *sums;                      /* between parts, [row][panel][CELL_UNITS] */
    int is_first, is_last;
};

/* A 127th of the row's largest number; NaN where there is one: as integers, numbers without a sign have the same order, and NaN comes last. */
static real row_scale(const real *a, size_t depth) {
    vec_int most = {0}, also = {0};
    vec v, w;
    size_t k = 0;
    for (; k + 2 * LANES <= depth; k += 2 * LANES) {
        vec_load_reals(&v, a + k);
        vec_load_reals(&w, a + k + LANES);
        vec_keep_larger(&most, &v);
        vec_keep_larger(&also, &w);
    }
    for (; k < depth; k += LANES) {
        vec_load_reals_n(&v, a + k, body_least(LANES, depth - k));
        vec_keep_larger(&most, &v);
    }
    v = (vec)also;
    vec_keep_larger(&most, &v);
    return vec_largest(&most) / 127;
}

static void quantize(const real *a, size_t depth, real scale, uint8_t *to) {
    const struct int8_quantum quantum = {scale > 0 ? 1 / scale : 0, -127, 127, MOVED};
    int8_quantize_reals(&quantum, a, depth, to);
    for (size_t k = depth; k < cell_depth(depth); k++) {
        to[k] = MOVED;                  /* meets a weight of 0 */
    }
}

/* One vector of units of a row: to the sums between parts, or, finished, to the product's. */
INLINE void put(const struct part *part, size_t row, size_t panel, size_t j, const vec_int *sum) {
    const struct cell_product *p = part->p;
    if (!part->is_last) {
        memcpy(part->sums + (row * p->panels + panel) * CELL_UNITS + j, sum, sizeof *sum);
        return;
    }
    struct cell_scales scales = cell_scales((const char *)p->b + panel * cell_panel(p->depth), p->depth);
    real *to = p->sums + row * p->stride + panel * CELL_UNITS + j;
    vec_int moved;
    vec v, scale, old;
    memcpy(&moved, scales.sum + j, sizeof moved);
    vec_load_reals(&scale, scales.scale + j);
    v = __builtin_convertvector(*sum - moved * MOVED, vec) * (scale * part->scales[row]);
    if (p->add) {
        vec_load_reals(&old, to);
        v += old;
    }
    vec_store_reals(to, &v);
}

INLINE void get(const struct part *part, size_t row, size_t panel, size_t j, vec_int *sum) {
    if (part->is_first) {
        *sum = (vec_int){0};
    } else {
        memcpy(sum, part->sums + (row * part->p->panels + panel) * CELL_UNITS + j, sizeof *sum);
    }
}

/* R rows with P panels from `panel`; constants. One row alone takes several panels: a product waits for the one before it on the same sum. */
INLINE void multiply(const size_t R, const size_t P, const struct part *part, size_t row, size_t panel) {
    const size_t n = P * CELL_VECS, step = cell_panel(part->p->depth) / sizeof(int32_t);
    const int32_t *b = (const int32_t *)part->p->b + panel * step + part->first / 4 * CELL_UNITS, *a = part->rows + row * PITCH;
    vec_int sum[CELL_ROWS * CELL_VECS];
    UNROLL
    for (size_t i = 0; i < R * n; i++) {
        get(part, row + i / n, panel + i % n / CELL_VECS, i % CELL_VECS * LANES, &sum[i]);
    }
    for (size_t k = 0, words = (part->depth + 3) / 4; k < words; k++, b += CELL_UNITS) {
        UNROLL
        for (size_t i = 0; i < R * n; i++) {
            dot(&sum[i], a[i / n * PITCH + k], b + i % n / CELL_VECS * step + i % CELL_VECS * LANES);
        }
    }
    UNROLL
    for (size_t i = 0; i < R * n; i++) {
        put(part, row + i / n, panel + i % n / CELL_VECS, i % CELL_VECS * LANES, &sum[i]);
    }
}

/* A copy for each height, since sums must be registers. */
typedef void block_work(const struct part *part, size_t row, size_t panel);
#define BLOCK(n) static void multiply_##n(const struct part *part, size_t row, size_t panel) { multiply(n, 1, part, row, panel); }
#define NAME(n) multiply_##n,
BLOCK_UPTO(BLOCK)
static block_work *const blocks[CELL_ROWS] = {BLOCK_UPTO(NAME)};

static void multiply_one(const struct part *part) {
    switch (part->p->panels) {
    case 4: multiply(1, 4, part, 0, 0); break;
    case 3: multiply(1, 3, part, 0, 0); break;
    case 2: multiply(1, 2, part, 0, 0); break;
    default: multiply(1, 1, part, 0, 0);
    }
}

static void multiply_part(const struct part *part) {
    int count = (int)((part->p->rows + CELL_ROWS - 1) / CELL_ROWS);
    if (part->p->rows == 1) {
        multiply_one(part);
        return;
    }
    for (size_t panel = 0; panel < part->p->panels; panel++) {
        for (int i = 0; i < count; i++) {
            size_t row = body_begin(part->p->rows, i, count);
            blocks[body_begin(part->p->rows, i + 1, count) - row - 1](part, row, panel);
        }
    }
}

/* Unless they are there from the panel before. */
static void quantize_rows(const struct cell_product *p, size_t first, size_t depth) {
    struct cell_rows *as = p->as;
    for (size_t r = 0; r < p->rows && as->a != p->a; r++) {
        as->scales[r] = row_scale(p->a + r * p->lda, p->depth);
    }
    for (size_t r = 0; r < p->rows && (as->a != p->a || as->first != first); r++) {
        quantize(p->a + r * p->lda + first, depth, as->scales[r], as->bytes + r * CELL_DEPTH);
    }
    as->a = p->a, as->first = first;
}

void K(cell_multiply)(const struct cell_product *p) {
    _Alignas(64) int32_t sums[CELL_SPAN * CELL_GATES * CELL_UNITS];
    for (size_t first = 0; first < p->depth; first += CELL_DEPTH) {
        size_t depth = body_least(CELL_DEPTH, p->depth - first);
        struct part part = {p, first, depth, (const int32_t *)(const void *)p->as->bytes, p->as->scales, sums, first == 0, first + depth == p->depth};
        quantize_rows(p, first, depth);
        multiply_part(&part);
    }
}
#endif
