/* Products of bfloat16 by AMX: tdpbf16ps adds to a tile of 16 x 16 sums the products of 16 x 32 by 32 x 16 numbers, in 16 cycles. A block of 2 x 2 tiles of
 * sums needs four tiles of operands for four such, so that their 4 KB have 64 cycles to come. */
#include "kernels/body/bf16/tiles.h"
#include "kernels/body/transpose.h"

/* `count` units of depth. a, b: the block's first and second sixteen rows and columns; strides in bytes, a_step and b_step from unit to unit. */
struct depth { const char *a[2], *b; ptrdiff_t a_stride, b_stride, a_step, b_step; int count; };

INLINE void multiply(const int rows, const int columns, const struct depth *d) {
    const char *a = d->a[0], *other = d->a[1], *b = d->b;
    for (int i = d->count; i > 0; i--, a += d->a_step, other += d->a_step, b += d->b_step) {
        _tile_loadd(6, b, d->b_stride);
        _tile_loadd(4, a, d->a_stride);
        _tile_dpbf16ps(0, 4, 6);
        if (columns > 1) {
            _tile_loadd(7, b + TILE_BYTES, d->b_stride);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (rows > 1) {
            _tile_loadd(5, other, d->a_stride);
            _tile_dpbf16ps(2, 5, 6);
            if (columns > 1) {
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    }
}

INLINE void sums_zero(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* width: reals of a row of sums. */
INLINE void sums_load(const int rows, const int columns, const real *from, int width) {
    ptrdiff_t stride = (ptrdiff_t)width * (ptrdiff_t)sizeof *from;
    _tile_loadd(0, from, stride);
    if (columns > 1) {
        _tile_loadd(1, from + LANES, stride);
    }
    if (rows > 1) {
        _tile_loadd(2, from + TILE_ROWS * width, stride);
        if (columns > 1) {
            _tile_loadd(3, from + TILE_ROWS * width + LANES, stride);
        }
    }
}

INLINE void sums_store(const int rows, const int columns, real *to, int width) {
    ptrdiff_t stride = (ptrdiff_t)width * (ptrdiff_t)sizeof *to;
    _tile_stored(0, to, stride);
    if (columns > 1) {
        _tile_stored(1, to + LANES, stride);
    }
    if (rows > 1) {
        _tile_stored(2, to + TILE_ROWS * width, stride);
        if (columns > 1) {
            _tile_stored(3, to + TILE_ROWS * width + LANES, stride);
        }
    }
}

INLINE void strip(const int rows, const int columns, const struct bf16_block *b, const struct bf16_strip *s, real *partial) {
    const int width = columns * LANES;
    if (b->first) {
        sums_zero();
    } else {
        sums_load(rows, columns, partial, width);
    }
    for (int i = 0; i < b->run_count; i++) {
        const struct bf16_run *run = &b->runs[i];
        const elem *x = b->x + s->x + run->x;
        struct depth d = {{(const char *)x, (const char *)(x + TILE_ROWS * b->pitch)}, (const char *)(b->w + run->w * width), b->pitch * (ptrdiff_t)sizeof *x, width * 4,
            TILE_BYTES, width * TILE_BYTES, run->length / BF16_UNIT};
        multiply(rows, columns, &d);
    }
    real done[BF16_R * BF16_N * LANES];
    sums_store(rows, columns, b->last ? done : partial, width);
    if (b->last) {
        OWN(bf16_store)(&b->store, s->place, s->count, width, done);
    }
}

static void strip_1_1(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(1, 1, b, s, partial); }
static void strip_1_2(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(1, 2, b, s, partial); }
static void strip_2_1(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(2, 1, b, s, partial); }
static void strip_2_2(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(2, 2, b, s, partial); }

void OWN(bf16_block)(const struct bf16_block *b) {
    static void (*const works[2][BF16_N])(const struct bf16_block *, const struct bf16_strip *, real *) = {{strip_1_1, strip_1_2}, {strip_2_1, strip_2_2}};
    ptrdiff_t each = (ptrdiff_t)BF16_R * b->vectors * LANES;
    tiles_begin(TILE_ROWS);
    for (int i = 0; i < b->strip_count; i++) {
        works[b->strips[i].count > TILE_ROWS][b->vectors - 1](b, &b->strips[i], b->partial + i * each);
    }
    tiles_end();
}

/* ---- gradients ---- */

/* M or 2M channels of dy, from channel `row`. */
INLINE void gradient(const int rows, const int columns, const struct bf16_sums *s, int row) {
    const int width = columns * LANES;
    const elem *dy = s->dy + (ptrdiff_t)row * s->dy_places;
    real *sum = s->sum + (ptrdiff_t)row * width;
    if (s->add) {
        sums_load(rows, columns, sum, width);
    } else {
        sums_zero();
    }
    for (int i = 0; i < s->count; i++) {
        const struct bf16_stretch *at = &s->stretches[i];
        const elem *a = dy + (ptrdiff_t)at->dy * BF16_M;
        struct depth d = {{(const char *)a, (const char *)(a + (ptrdiff_t)BF16_M * s->dy_places)}, (const char *)(s->x + (ptrdiff_t)at->x * width), TILE_BYTES, width * 4,
            TILE_ROWS * TILE_BYTES, width * TILE_BYTES, at->count / BF16_UNIT};
        multiply(rows, columns, &d);
    }
    sums_store(rows, columns, sum, width);
}

static void gradient_1_1(const struct bf16_sums *s, int row) { gradient(1, 1, s, row); }
static void gradient_1_2(const struct bf16_sums *s, int row) { gradient(1, 2, s, row); }
static void gradient_2_1(const struct bf16_sums *s, int row) { gradient(2, 1, s, row); }
static void gradient_2_2(const struct bf16_sums *s, int row) { gradient(2, 2, s, row); }

void OWN(bf16_gradient)(const struct bf16_sums *s) {
    static void (*const works[2][BF16_N])(const struct bf16_sums *, int) = {{gradient_1_1, gradient_1_2}, {gradient_2_1, gradient_2_2}};
    tiles_begin(TILE_ROWS);
    for (int row = 0; row < s->rows; row += BF16_R) {
        works[s->rows - row > BF16_M][s->vectors - 1](s, row);
    }
    tiles_end();
}

/* ---- dy: [tile of M][row][unit of places][M][32 places] ---- */

/* The first `count` of M channels at a (sample n) and b (n + 1; NULL: zeros), as pairs. */
INLINE void load_pairs(vec *v, const elem *a, const elem *b, int count) {
    uint32_t pair[LANES] = {0};
    vec_word low, high = {0};
    if (count == LANES) {
        low = __builtin_convertvector(*(const vec_half *)(const void *)a, vec_word);
        if (b != NULL) {
            high = __builtin_convertvector(*(const vec_half *)(const void *)b, vec_word) << 16;
        }
        *v = (vec)(low | high);
        return;
    }
    for (int i = 0; i < count; i++) {
        pair[i] = a[i] | (b != NULL ? (uint32_t)b[i] << 16 : 0);
    }
    memcpy(v, pair, sizeof *v);
}

/* A row of channels first.. of M: 16 pairs of places by 16 channels are turned at a time. */
static elem *lay_row(const struct bf16_part *part, int row, int first, elem *to) {
    int twos = conv_parts(part->samples, 2), pairs = part->columns * twos, count = conv_least(BF16_M, part->channels - first);
    for (int begin = 0; begin < pairs; begin += LANES, to += LANES * LANES * 2) {
        vec v[LANES] = {{0}};
        for (int i = 0; i < LANES && begin + i < pairs; i++) {
            int n = (begin + i) % twos * 2, column = (begin + i) / twos;
            const elem *a = part->from + n * part->sample + ((ptrdiff_t)row * part->columns + column) * part->pitch + first;
            load_pairs(&v[i], a, n + 1 < part->samples ? a + part->sample : NULL, count);
        }
        vec_transpose(v);
        memcpy(to, v, sizeof v);
    }
    return to;
}

void OWN(bf16_lay_dy)(const struct bf16_part *part, elem *to) {
    for (int first = 0; first < part->channels; first += BF16_M) {
        for (int row = part->row; row < part->row_end; row++) {
            to = lay_row(part, row, first, to);
        }
    }
}
