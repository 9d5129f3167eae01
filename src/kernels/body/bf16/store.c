/* Products of bfloat16: finished sums become outputs (bf16.h). */
#include "kernels/body/bf16/bf16.h"

static void add_row(const real *sums, elem *y, int columns) {
    for (int i = 0; i < columns; i += LANES) {
        size_t n = (size_t)conv_least(LANES, columns - i);
        vec old, v;
        vec_load_n(&old, y + i, n);
        vec_load_reals(&v, sums + i);
        v += old;
        vec_narrow_n(y + i, &v, n);
    }
}

static void store_row(const struct bf16_store *s, real *sums, elem *y) {
    const vec_int zeros = {0}, negative = s->activation == ACT_RELU ? ~zeros : zeros;
    if (s->activation != ACT_RELU && s->activation != ACT_LINEAR) {
        for (int i = 0; i < s->columns; i++) {
            sums[i] += s->bias[i];
        }
        K(activate_reals)(s->activation, sums, (size_t)s->columns);
    }
    for (int i = 0; i < s->columns; i += LANES) {
        int n = conv_least(LANES, s->columns - i);
        vec v, bias = {0};
        vec_load_reals(&v, sums + i);
        if (s->activation == ACT_RELU || s->activation == ACT_LINEAR) {
            vec_load_reals(&bias, s->bias + i);
        }
        v += bias;
        v = (vec)((vec_int)v & ~((v < 0) & negative));
        vec_narrow_n(y + i, &v, (size_t)n);
    }
}

void OWN(bf16_store)(const struct bf16_store *s, int place, int count, int width, real *sums) {
    for (int r = 0; r < count; r++) {
        elem *y = s->y + s->places[place + r];
        if (s->add) {
            add_row(sums + r * width, y, s->columns);
        } else {
            store_row(s, sums + r * width, y);
        }
    }
}
