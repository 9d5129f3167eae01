/* Products of bfloat16 by AMX: a tile of 16 x 16 sums gets the products of 16 x 32 by 32 x 16 numbers. */
#include "kernels/body/bf16/bf16.h"
#define TILES_DOT _tile_dpbf16ps
#include "kernels/body/tiles.h"
#include "kernels/body/transpose.h"

INLINE void strip(const int rows, const int columns, const struct bf16_block *b, const struct bf16_strip *s, real *partial) {
    const ptrdiff_t line = columns * TILE_BYTES, pitch = b->pitch * (ptrdiff_t)sizeof *b->x;
    real done[BF16_R * BF16_N * LANES];
    tiles_load(rows, columns, b->first ? NULL : partial, line);
    for (int i = 0; i < b->run_count; i++) {
        const struct bf16_run *run = &b->runs[i];
        struct tiles_depth d = {.a = b->x + s->x + run->x, .b = b->w + run->w * columns * LANES, .a_second = TILE_ROWS * pitch, .a_stride = pitch, .b_stride = line,
            .a_step = TILE_BYTES, .b_step = TILE_ROWS * line, .count = run->length / BF16_UNIT};
        tiles_multiply(rows, columns, &d);
    }
    tiles_store(rows, columns, b->last ? done : partial, line);
    if (b->last) {
        OWN(bf16_store)(&b->store, s->place, s->count, columns * LANES, done);
    }
}

static void strip_1_1(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(1, 1, b, s, partial); }
static void strip_1_2(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(1, 2, b, s, partial); }
static void strip_2_1(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(2, 1, b, s, partial); }
static void strip_2_2(const struct bf16_block *b, const struct bf16_strip *s, real *partial) { strip(2, 2, b, s, partial); }

void OWN(bf16_block)(const struct bf16_block *b) {
    static void (*const works[2][BF16_N])(const struct bf16_block *, const struct bf16_strip *, real *) = {{strip_1_1, strip_1_2}, {strip_2_1, strip_2_2}};
    ptrdiff_t each = (ptrdiff_t)BF16_R * b->vectors * LANES;
    tiles_begin(2 * TILE_ROWS);
    for (int i = 0; i < b->strip_count; i++) {
        works[b->strips[i].count > TILE_ROWS][b->vectors - 1](b, &b->strips[i], b->partial + i * each);
    }
    tiles_end();
}

/* ---- gradients ---- */

/* M or 2M channels of dy, from channel `row`. */
INLINE void gradient(const int rows, const int columns, const struct bf16_sums *s, int row) {
    const ptrdiff_t line = columns * TILE_BYTES;
    const elem *dy = s->dy + (ptrdiff_t)row * s->dy_places;
    real *sum = s->sum + (ptrdiff_t)row * columns * LANES;
    tiles_load(rows, columns, s->add ? sum : NULL, line);
    for (int i = 0; i < s->count; i++) {
        const struct bf16_stretch *at = &s->stretches[i];
        struct tiles_depth d = {.a = dy + (ptrdiff_t)at->dy * BF16_M, .b = s->x + (ptrdiff_t)at->x * columns * LANES,
            .a_second = (ptrdiff_t)BF16_M * s->dy_places * (ptrdiff_t)sizeof *dy, .a_stride = TILE_BYTES, .b_stride = line,
            .a_step = TILE_ROWS * TILE_BYTES, .b_step = TILE_ROWS * line, .count = at->count / BF16_UNIT};
        tiles_multiply(rows, columns, &d);
    }
    tiles_store(rows, columns, sum, line);
}

static void gradient_1_1(const struct bf16_sums *s, int row) { gradient(1, 1, s, row); }
static void gradient_1_2(const struct bf16_sums *s, int row) { gradient(1, 2, s, row); }
static void gradient_2_1(const struct bf16_sums *s, int row) { gradient(2, 1, s, row); }
static void gradient_2_2(const struct bf16_sums *s, int row) { gradient(2, 2, s, row); }

void OWN(bf16_gradient)(const struct bf16_sums *s) {
    static void (*const works[2][BF16_N])(const struct bf16_sums *, int) = {{gradient_1_1, gradient_1_2}, {gradient_2_1, gradient_2_2}};
    tiles_begin(2 * TILE_ROWS);
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
        vec_load_halves(&low, a);
        if (b != NULL) {
            vec_load_halves(&high, b);
        }
        *v = (vec)(low | high << 16);
        return;
    }
    for (int i = 0; i < count; i++) {
        pair[i] = a[i] | (b != NULL ? (uint32_t)b[i] << 16 : 0);
    }
    memcpy(v, pair, sizeof *v);
}

/* 16 pairs of neighbouring places: samples n and n + 1 of a column each. a NULL: no such pair; b NULL: no second one. */
struct pairs { const elem *a[LANES], *b[LANES]; };

/* `count` of M channels from `first` on: 16 pairs of places by 16 channels are turned. */
INLINE void lay_tile(const struct pairs *p, int first, int count, elem *to) {
    vec v[LANES];
    for (int i = 0; i < LANES; i++) {
        v[i] = (vec){0};
        if (p->a[i] != NULL) {
            load_pairs(&v[i], p->a[i] + first, p->b[i] != NULL ? p->b[i] + first : NULL, count);
        }
    }
    vec_transpose(v);
    memcpy(to, v, sizeof v);
}

/* The next so many pairs of a row, of which `left` are left; the next pair's column is at `at`, its first sample n. What comes `ahead` behind them is asked for. */
static struct pairs next_pairs(const struct bf16_part *part, const elem **at, int *n, int left, ptrdiff_t ahead) {
    struct pairs p = {{NULL}, {NULL}};
    for (int i = 0; i < LANES && i < left; i++) {
        p.a[i] = *at + *n * part->sample;
        p.b[i] = *n + 1 < part->samples ? p.a[i] + part->sample : NULL;
        for (int c = 0; c < part->channels; c += TILE_BYTES / (int)sizeof **at) {
            __builtin_prefetch(p.a[i] + ahead + c);
            __builtin_prefetch(p.a[i] + part->sample + ahead + c);
        }
        *n += 2;
        if (*n >= part->samples) {
            *n = 0, *at += part->pitch;
        }
    }
    return p;
}

void OWN(bf16_lay_dy)(const struct bf16_part *part, elem *to) {
    int twos = conv_parts(part->samples, 2);
    ptrdiff_t tile = (ptrdiff_t)(part->row_end - part->row) * bf16_dy_row(part->columns, part->samples) * BF16_M, ahead = conv_parts(LANES, twos) * part->pitch;
    for (int row = part->row; row < part->row_end; row++) {
        const elem *at = part->from + (ptrdiff_t)row * part->columns * part->pitch;
        int n = 0;
        for (int left = part->columns * twos; left > 0; left -= LANES, to += LANES * LANES * 2) {
            struct pairs p = next_pairs(part, &at, &n, left, ahead);
            for (int first = 0; first < part->channels; first += BF16_M) {
                lay_tile(&p, first, conv_least(BF16_M, part->channels - first), to + first / BF16_M * tile);
            }
        }
    }
}
