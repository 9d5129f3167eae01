/* Reals on their way to products of bfloat16 (rounded.h): rounded, and laid out as rows of pairs. */
#include "kernels/body/bf16/rounded.h"

void K(rounded_lay)(const real *from, size_t rows, size_t depth, size_t step, word_at *to) {
    for (size_t row = 0; row < rows; row++, from += step, to += ROUNDED_PITCH) {
        elem *out = (elem *)(void *)to;
        size_t whole = depth / (2 * LANES) * (2 * LANES);
        for (size_t k = 0; k < whole; k += 2 * LANES) {
            vec low, high;
            vec_word words;
            vec_load_reals(&low, from + k);
            vec_load_reals(&high, from + k + LANES);
            round_both(&low, &high, &words);
            memcpy(out + k, &words, sizeof words);
        }
        for (size_t k = whole; k < depth; k += LANES) {
            vec v;
            vec_load_reals_n(&v, from + k, body_least(LANES, depth - k));
            vec_store_n(out + k, &v, body_least(LANES, depth - k));
        }
        for (size_t k = depth; k < 2 * rounded_pairs(depth); k++) {
            out[k] = 0;
        }
    }
}
