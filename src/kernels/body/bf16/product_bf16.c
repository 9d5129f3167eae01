/* Products of bfloat16 by AVX512-BF16: vdpbf16ps adds the products of 16 pairs of numbers to 16 sums. A tile of up to R x N vectors keeps its sums in
 * registers: of each pair of depth, R are broadcast and N vectors loaded for R * N dot products. */
#include "kernels/body/bf16/bf16.h"
#include "kernels/body/bf16/dot.h"

INLINE void tile(const int R, const int N, const struct bf16_block *b, const struct bf16_strip *strip, real *partial) {
    vec sum[CONV_SUMS];
    UNROLL for (int i = 0; i < R * N; i++) {
        sum[i] = (vec){0};
    }
    if (!b->first) {
        UNROLL for (int i = 0; i < R * N; i++) {
            vec_load_reals(&sum[i], partial + i * LANES);
        }
    }
    for (int i = 0; i < b->run_count; i++) {
        const struct bf16_run *run = &b->runs[i];
        const word_at *w = (const word_at *)(const void *)b->w + run->w / 2 * (N * LANES), *x[BF16_R];
        UNROLL for (int r = 0; r < R; r++) {
            x[r] = (const word_at *)(const void *)(b->x + strip->x + r * b->pitch + run->x);
        }
        for (ptrdiff_t k = 0, length = run->length / 2; k < length; k++, w += N * LANES) {
            vec_word at[BF16_N];
            UNROLL for (int n = 0; n < N; n++) {
                load_words(&at[n], w + n * LANES);
            }
            UNROLL for (int s = 0; s < R * N; s++) {
                dot(&sum[s], x[s / N][k], &at[s % N]);
            }
        }
    }
    real done[CONV_SUMS * LANES], *to = b->last ? done : partial;
    UNROLL for (int i = 0; i < R * N; i++) {
        vec_store_reals(to + i * LANES, &sum[i]);
    }
    if (b->last) {
        OWN(bf16_store)(&b->store, strip->place, R, N * LANES, done);
    }
}

/* M channels of dy from channel `row`. */
INLINE void gradient(const int M, const int N, const struct bf16_sums *s, int row) {
    real *to = s->sum + row * N * LANES;
    vec sum[CONV_SUMS];
    UNROLL for (int i = 0; i < M * N; i++) {
        sum[i] = (vec){0};
    }
    if (s->add) {
        UNROLL for (int i = 0; i < M * N; i++) {
            vec_load_reals(&sum[i], to + i * LANES);
        }
    }
    for (int i = 0; i < s->count; i++) {
        const word_at *x = (const word_at *)(const void *)s->x + (ptrdiff_t)s->stretches[i].x / 2 * (N * LANES);
        const word_at *dy = (const word_at *)(const void *)(s->dy + (ptrdiff_t)row * s->dy_places) + (ptrdiff_t)s->stretches[i].dy / 2 * BF16_M;
        for (int n = s->stretches[i].count / 2; n > 0; n--, x += N * LANES, dy += BF16_M) {
            vec_word at[BF16_N];
            UNROLL for (int v = 0; v < N; v++) {
                load_words(&at[v], x + v * LANES);
            }
            UNROLL for (int t = 0; t < M * N; t++) {
                dot(&sum[t], dy[t / N], &at[t % N]);
            }
        }
    }
    UNROLL for (int i = 0; i < M * N; i++) {
        vec_store_reals(to + i * LANES, &sum[i]);
    }
}

/* One copy of each shape, and the tables of them. */
#define TILE(r, n) static void tile_##r##_##n(const struct bf16_block *b, const struct bf16_strip *strip, real *partial) { tile(r, n, b, strip, partial); }
#define TILE_NAME(r, n) tile_##r##_##n,
#define UPTO_3(what, r) what(r, 1) what(r, 2) what(r, 3)
#define EACH(one) one(UPTO_3, 1) one(UPTO_3, 2) one(UPTO_3, 3) one(UPTO_3, 4) one(UPTO_3, 5) one(UPTO_3, 6) one(UPTO_3, 7) one(UPTO_3, 8)
#define DEFINE(upto, r) upto(TILE, r)
#define TILE_ROW(upto, r) {upto(TILE_NAME, r)},
EACH(DEFINE)
typedef void tile_work(const struct bf16_block *b, const struct bf16_strip *strip, real *partial);
static tile_work *const tiles[BF16_R][BF16_N] = {EACH(TILE_ROW)};

void OWN(bf16_block)(const struct bf16_block *b) {
    ptrdiff_t each = (ptrdiff_t)BF16_R * b->vectors * LANES;
    for (int i = 0; i < b->strip_count; i++) {
        tiles[b->strips[i].count - 1][b->vectors - 1](b, &b->strips[i], b->partial + i * each);
    }
}

static void gradient_1(const struct bf16_sums *s, int row) { gradient(BF16_M, 1, s, row); }
static void gradient_2(const struct bf16_sums *s, int row) { gradient(BF16_M, 2, s, row); }
static void gradient_3(const struct bf16_sums *s, int row) { gradient(BF16_M, 3, s, row); }

void OWN(bf16_gradient)(const struct bf16_sums *s) {
    static void (*const works[BF16_N])(const struct bf16_sums *s, int row) = {gradient_1, gradient_2, gradient_3};
    for (int row = 0; row < s->rows; row += BF16_M) {
        works[s->vectors - 1](s, row);
    }
}

typedef elem tile_channels __attribute__((vector_size(BF16_M * sizeof(elem)), aligned(2), may_alias));
typedef elem tile_pairs __attribute__((vector_size(2 * BF16_M * sizeof(elem)), aligned(2), may_alias));

/* The first `count` of M channels at a and b (NULL: zeros), as pairs. */
INLINE void lay_pairs(const elem *a, const elem *b, int count, elem *to) {
    tile_channels first = {0}, second = {0};
    if (count == BF16_M) {
        first = *(const tile_channels *)(const void *)a;
        second = b != NULL ? *(const tile_channels *)(const void *)b : second;
    } else {
        for (int i = 0; i < count; i++) {
            first[i] = a[i];
            second[i] = b != NULL ? b[i] : 0;
        }
    }
    *(tile_pairs *)(void *)to = __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

/* Pairs of samples of M channels, zeros where there are no more: [tile][row][column, pair of samples][M][2]. */
void OWN(bf16_lay_dy)(const struct bf16_part *part, elem *to) {
    ptrdiff_t begin = (ptrdiff_t)part->row * part->columns, end = (ptrdiff_t)part->row_end * part->columns;
    ptrdiff_t pairs = conv_parts(part->samples, 2), tile = (end - begin) * pairs * 2 * BF16_M;
    for (ptrdiff_t place = begin; place < end; place++) {
        for (int n = 0; n < part->samples; n += 2, to += 2 * BF16_M) {
            const elem *a = part->from + n * part->sample + place * part->pitch, *b = n + 1 < part->samples ? a + part->sample : NULL;
            for (int first = 0; first < part->channels; first += BF16_M) {
                lay_pairs(a + first, b == NULL ? NULL : b + first, conv_least(BF16_M, part->channels - first), to + first / BF16_M * tile);
            }
        }
    }
}
