/* conv_lanes: the innermost loops. Vectors run over samples, so a tap of an output is one vector of x times one weight, and any channel count
 * and any map fills them. A tile of M channels x P places keeps its M * P sums in registers: M weights and P vectors are loaded for M * P
 * multiply-adds. M and P are constants in each copy, so that the compiler unrolls their loops and the arrays become registers. */
#include "kernels/body/conv_lanes.h"
#include "kernels/body/conv_lanes_shapes.h"
#include "kernels/body/transpose.h"

/* What the stores below leave: activations that need a call, elems that are not reals. sums: [M][P][LANES]. */
static void store_any(const struct lanes_tile *t, elem *y, real *sums, int M, int P) {
    if (!t->add) {
        K(activate_reals)(t->activation, sums, (size_t)(M * P) * LANES);
    }
    for (int i = 0; i < M * P; i++) {
        elem *to = y + i / P * t->y_m + i % P * t->y_p;
        vec s, old;
        vec_load_reals(&s, sums + i * LANES);
        if (t->add) {
            vec_load(&old, to);
            s += old;
        }
        vec_store(to, &s);
    }
}

INLINE void store(const int M, const int P, const struct lanes_tile *t, elem *y, const vec *sum) {
    const ptrdiff_t y_m = t->y_m, y_p = t->y_p;
    const vec_int zeros = {0}, negative = t->activation == ACT_RELU ? ~zeros : zeros;
    UNROLL for (int i = 0; i < M * P; i++) {
        vec s = (vec)((vec_int)sum[i] & ~((sum[i] < 0) & negative));
        vec_store(y + i / P * y_m + i % P * y_p, &s);
    }
}

INLINE void store_added(const int M, const int P, const struct lanes_tile *t, elem *y, const vec *sum) {
    const ptrdiff_t y_m = t->y_m, y_p = t->y_p;
    UNROLL for (int i = 0; i < M * P; i++) {
        vec s;
        vec_load(&s, y + i / P * y_m + i % P * y_p);
        s += sum[i];
        vec_store(y + i / P * y_m + i % P * y_p, &s);
    }
}

INLINE void finish(const int M, const int P, const struct lanes_tile *t, elem *y, const vec *sum) {
    if (sizeof(elem) == sizeof(real) && t->add) {
        store_added(M, P, t, y, sum);
    } else if (sizeof(elem) == sizeof(real) && (t->activation == ACT_LINEAR || t->activation == ACT_RELU)) {
        store(M, P, t, y, sum);
    } else {
        real all[CONV_SUMS * LANES];
        UNROLL for (int i = 0; i < M * P; i++) {
            vec_store_reals(all + i * LANES, &sum[i]);
        }
        store_any(t, y, all, M, P);
    }
}

INLINE void one_tile(const int M, const int P, const struct lanes_tile *t, const real *x_tile, elem *y) {
    vec sum[CONV_SUMS];
    UNROLL for (int i = 0; i < M * P; i++) {
        sum[i] = (vec){0} + (t->bias == NULL ? 0 : t->bias[i / P]);
    }
    for (int c = 0; c < t->c; c++) {
        for (int i = 0; i < t->kh; i++) {
            const real *x = x_tile + c * t->x_c + i * t->x_h, *w = t->w + c * t->w_c + i * t->w_h;
            for (int j = 0; j < t->kw; j++, x += t->x_w, w += t->w_w) {
                vec at[LANES_P];
                UNROLL for (int p = 0; p < P; p++) {
                    vec_load_reals(&at[p], x + p * t->x_p);
                }
                UNROLL for (int i_sum = 0; i_sum < M * P; i_sum++) {
                    sum[i_sum] += at[i_sum % P] * w[i_sum / P];
                }
            }
        }
    }
    finish(M, P, t, y, sum);
}

INLINE void tile(const int M, const int P, const struct lanes_tile *t) {
    for (int i = 0; i < t->tiles; i++) {
        one_tile(M, P, t, t->x + i * t->x_tile, t->y + i * t->y_tile);
    }
}

/* slides: the columns are neighbouring taps, and all but the last are those of the place before. */
INLINE void gradient(const int M, const int N, const int slides, const struct lanes_sums *s) {
    vec sum[CONV_SUMS];
    UNROLL for (int i = 0; i < M * N; i++) {
        sum[i] = s->sum[i / N * s->sum_m + i % N * s->sum_n];
    }
    for (int b = 0; b < s->blocks; b++) {
        for (int r = 0; r < s->rows; r++) {
            const real *x = s->x + b * s->x_block + r * s->x_row, *dy = s->dy + b * s->dy_block + r * s->dy_row;
            vec at[CONV_SUMS];
            UNROLL for (int n = 1; n < N; n++) {
                if (slides) {
                    vec_load_reals(&at[n], x + (n - 1) * s->x_n);
                }
            }
            for (int q = 0; q < s->cols; q++, x += s->x_col, dy += s->dy_col) {
                UNROLL for (int n = 0; n < N; n++) {
                    if (slides && n < N - 1) {
                        at[n] = at[n + 1];
                    } else {
                        vec_load_reals(&at[n], x + n * s->x_n);
                    }
                }
                UNROLL for (int m = 0; m < M; m++) {
                    vec d;
                    vec_load_reals(&d, dy + m * s->dy_m);
                    UNROLL for (int n = 0; n < N; n++) {
                        sum[m * N + n] += at[n] * d;
                    }
                }
            }
        }
    }
    UNROLL for (int i = 0; i < M * N; i++) {
        s->sum[i / N * s->sum_m + i % N * s->sum_n] = sum[i];
    }
}

/* One copy of each shape, and the tables of them. */
#define TILE(m, p) static void tile_##m##_##p(const struct lanes_tile *t) { tile(m, p, t); }
#define GRADIENT(m, n) static void gradient_##m##_##n(const struct lanes_sums *s) { gradient(m, n, 0, s); }
#define NEIGHBOURS(m, n) static void neighbours_##m##_##n(const struct lanes_sums *s) { gradient(m, n, 1, s); }
#define NAME_TILE(m, p) tile_##m##_##p,
#define NAME_GRADIENT(m, n) gradient_##m##_##n,
#define NAME_NEIGHBOURS(m, n) neighbours_##m##_##n,
#define ROW(upto, name, m) {upto(name, m)},

#if CONV_SUMS == 24
#define ALL_GRADIENTS(one) one(LANES_UPTO_4, 1) one(LANES_UPTO_4, 2) one(LANES_UPTO_4, 3) one(LANES_UPTO_4, 4) \
    one(LANES_UPTO_4, 5) one(LANES_UPTO_4, 6) one(LANES_UPTO_3, 7) one(LANES_UPTO_3, 8)
#define ALL_NEIGHBOURS(one) one(LANES_UPTO_7, 1) one(LANES_UPTO_7, 2) one(LANES_UPTO_7, 3) one(LANES_UPTO_5, 4) \
    one(LANES_UPTO_4, 5) one(LANES_UPTO_4, 6) one(LANES_UPTO_3, 7) one(LANES_UPTO_3, 8)
#elif CONV_SUMS == 12
#define ALL_GRADIENTS(one) one(LANES_UPTO_4, 1) one(LANES_UPTO_4, 2) one(LANES_UPTO_4, 3) one(LANES_UPTO_3, 4) one(LANES_UPTO_2, 5) one(LANES_UPTO_2, 6)
#define ALL_NEIGHBOURS(one) one(LANES_UPTO_1, 1) one(LANES_UPTO_1, 2) one(LANES_UPTO_1, 3) one(LANES_UPTO_1, 4) one(LANES_UPTO_1, 5) one(LANES_UPTO_1, 6)
#else
#define ALL_GRADIENTS(one) one(LANES_UPTO_4, 1) one(LANES_UPTO_3, 2) one(LANES_UPTO_2, 3)
#define ALL_NEIGHBOURS(one) one(LANES_UPTO_1, 1) one(LANES_UPTO_1, 2) one(LANES_UPTO_1, 3)
#endif

#define DEFINE_TILES(upto, m) upto(TILE, m)
#define DEFINE_GRADIENTS(upto, m) upto(GRADIENT, m)
#define DEFINE_NEIGHBOURS(upto, m) upto(NEIGHBOURS, m)
#define LIST_TILES(upto, m) ROW(upto, NAME_TILE, m)
#define LIST_GRADIENTS(upto, m) ROW(upto, NAME_GRADIENT, m)
#define LIST_NEIGHBOURS(upto, m) ROW(upto, NAME_NEIGHBOURS, m)
LANES_EACH_TILE(DEFINE_TILES)
ALL_GRADIENTS(DEFINE_GRADIENTS)
ALL_NEIGHBOURS(DEFINE_NEIGHBOURS)
lanes_tile_work *const K(lanes_tiles)[LANES_M][LANES_P] = {LANES_EACH_TILE(LIST_TILES)};
lanes_sums_work *const K(lanes_gradients)[LANES_M][LANES_N] = {ALL_GRADIENTS(LIST_GRADIENTS)};
lanes_sums_work *const K(lanes_neighbours)[LANES_M][LANES_TAPS] = {ALL_NEIGHBOURS(LIST_NEIGHBOURS)};

/* Sums of lanes, LANES vectors at a time: a step adds neighbours of both of two vectors, so that log2(LANES) steps leave each vector's sum
 * in a lane of its own. */
#define HALVE(v, n, step) \
    for (int i = 0; i < (n); i++) { \
        (v)[i] = __builtin_shufflevector((v)[2 * i], (v)[2 * i + 1], UPPER_##step) + __builtin_shufflevector((v)[2 * i], (v)[2 * i + 1], LOWER_##step); \
    }

void K(lanes_reduce)(const vec *v, size_t n, real *out) {
    for (; n >= LANES; n -= LANES, v += LANES, out += LANES) {
        vec sums[LANES];
        memcpy(sums, v, sizeof sums);
        HALVE(sums, LANES / 2, 1)
        HALVE(sums, LANES / 4, 2)
        HALVE(sums, LANES / 8, 4)
#if LANES == 16
        HALVE(sums, 1, 8)
#endif
        vec_store_reals(out, &sums[0]);
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (real)vec_sum(&v[i], LANES);
    }
}
