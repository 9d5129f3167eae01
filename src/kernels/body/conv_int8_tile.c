/* conv_int8: the innermost loops, as in conv_nhwc_tile.c but of whole numbers. */
#include "kernels/body/conv_int8.h"

#if defined(INT8_CONVOLUTIONS)

INLINE void tile(const int R, const int N, const struct int8_tile *t) {
    vec_int sum[CONV_SUMS];
    const int32_t *w = t->w, *x[INT8_R];
    int32_t *to = t->sum;
    UNROLL for (int i = 0; i < R * N; i++) {
        sum[i] = (vec_int){0};
    }
    if (!t->first) {
        UNROLL for (int i = 0; i < R * N; i++) {
            memcpy(&sum[i], to + i * LANES, sizeof *sum);
        }
    }
    for (int i = 0; i < t->run_count; i++) {
        UNROLL for (int r = 0; r < R; r++) {
            x[r] = t->x + t->pixels[r] + t->runs[i];
        }
        for (ptrdiff_t k = 0, length = t->length; k < length; k++, w += N * LANES) {
            UNROLL for (int s = 0; s < R * N; s++) {
                dot(&sum[s], x[s / N][k], w + s % N * LANES);
            }
        }
    }
    UNROLL for (int i = 0; i < R * N; i++) {
        memcpy(to + i * LANES, &sum[i], sizeof *sum);
    }
}

#define TILE(r, n) static void tile_##r##_##n(const struct int8_tile *t) { tile(r, n, t); }
#define TILE_NAME(r, n) tile_##r##_##n,

#define DEFINE(upto, r) upto(TILE, r)
#define TILE_ROW(upto, r) {upto(TILE_NAME, r)},
CONV_EACH_ROW(DEFINE)
typedef void tile_work(const struct int8_tile *t);
static tile_work *const tiles[INT8_R][INT8_N] = {CONV_EACH_ROW(TILE_ROW)};

void K(int8_tile)(const struct int8_tile *t) {
    tiles[t->count - 1][t->vectors - 1](t);
}

/* Tiles of about the same height. */
int K(int8_tile_pixels)(const int32_t *pixels, int count) {
    (void)pixels;
    return conv_parts(count, conv_parts(count, INT8_R));
}
#endif
