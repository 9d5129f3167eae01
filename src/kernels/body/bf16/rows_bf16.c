/* Products of rounded reals (rounded.h) by AVX512-BF16: a block of sums stays in registers; of each pair of depth a row's word is broadcast. */
#include "kernels/body/bf16/rounded.h"

/* asked: lines that the blocks before have asked for; twos: pairs of lines that each pair of depth asks for. */
INLINE void block(const size_t R, const struct rounded_rows *r, size_t row, size_t asked, size_t twos) {
    size_t asks = asked < rounded_lines(&r->ask) ? twos : 0;
    const word_at *a = r->a + row * ROUNDED_PITCH, *b = r->panel;
    real *to = r->sums + row * r->stride;
    vec sum[BLOCK_ROWS * BLOCK_VECS] = {{0}};
    if (r->add) {
        UNROLL
        for (size_t i = 0; i < R * BLOCK_VECS; i++) {
            vec_load_reals(&sum[i], to + i / BLOCK_VECS * r->stride + i % BLOCK_VECS * LANES);
        }
    }
    for (size_t k = 0; k < r->pairs; k++, b += ROUNDED_COLUMNS) {
        vec_word at[BLOCK_VECS];
        for (size_t i = 0; i < asks; i++, asked += 2) {
            rounded_ask_two(&r->ask, asked);
        }
        UNROLL
        for (size_t j = 0; j < BLOCK_VECS; j++) {
            load_words(&at[j], b + j * LANES);
        }
        UNROLL
        for (size_t i = 0; i < R * BLOCK_VECS; i++) {
            dot(&sum[i], a[i / BLOCK_VECS * ROUNDED_PITCH + k], &at[i % BLOCK_VECS]);
        }
    }
    UNROLL
    for (size_t i = 0; i < R * BLOCK_VECS; i++) {
        vec_store_reals(to + i / BLOCK_VECS * r->stride + i % BLOCK_VECS * LANES, &sum[i]);
    }
}

/* A copy for each height, since sums must be registers. */
typedef void block_work(const struct rounded_rows *r, size_t row, size_t asked, size_t twos);
#define BLOCK(n) static void block_##n(const struct rounded_rows *r, size_t row, size_t asked, size_t twos) { block(n, r, row, asked, twos); }
#define NAME(n) block_##n,
BLOCK_UPTO(BLOCK)
static block_work *const blocks[BLOCK_ROWS] = {BLOCK_UPTO(NAME)};

/* However few the blocks are, all lines are asked for. */
void K(rounded_rows)(const struct rounded_rows *r) {
    int count = (int)((r->rows + BLOCK_ROWS - 1) / BLOCK_ROWS);
    size_t each = 2 * r->pairs, all = each * (size_t)count, twos = (rounded_lines(&r->ask) + all - 1) / all;
    for (int i = 0; i < count; i++) {
        size_t row = body_begin(r->rows, i, count);
        blocks[body_begin(r->rows, i + 1, count) - row - 1](r, row, (size_t)i * each * twos, twos);
    }
}
