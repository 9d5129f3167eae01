/* conv_nhwc: the innermost loops. Vectors run over channels, which are neighbours in memory. A tile of R x N vectors keeps its sums in registers: R
 * numbers are broadcast and N vectors loaded for R * N multiply-adds. R and N are constants in each copy, so that the compiler unrolls their loops. */
#include "kernels/body/conv_nhwc.h"

/* What the stores below leave: activations that need a call, elems that are not reals. */
static void store_any(const struct nhwc_tile *t, real *sums, int rows, int width) {
    for (int r = 0; r < rows; r++) {
        real *sum = sums + r * width;
        elem *y = t->y + t->pixels[r].y;
        if (!t->add) {
            K(activate_reals)(t->activation, sum, (size_t)t->columns);
        }
        for (int i = 0; i < t->columns; i += LANES) {
            size_t n = (size_t)conv_least(LANES, t->columns - i);
            vec s, old;
            vec_load_reals(&s, sum + i);
            if (t->add) {
                vec_load_n(&old, y + i, n);
                s += old;
            }
            vec_store_n(y + i, &s, n);
        }
    }
}

/* tail: channels in a pixel's last vector; a constant where it is full. */
INLINE void store(const int R, const int N, const struct nhwc_tile *t, const vec *sum, size_t tail) {
    const vec_int zeros = {0}, negative = t->activation == ACT_RELU ? ~zeros : zeros;
    UNROLL for (int i = 0; i < R * N; i++) {
        vec s = (vec)((vec_int)sum[i] & ~((sum[i] < 0) & negative));
        vec_store_n(t->y + t->pixels[i / N].y + i % N * LANES, &s, i % N == N - 1 ? tail : LANES);
    }
}

INLINE void store_added(const int R, const int N, const struct nhwc_tile *t, const vec *sum) {
    UNROLL for (int i = 0; i < R * N; i++) {
        elem *y = t->y + t->pixels[i / N].y + i % N * LANES;
        vec s;
        vec_load(&s, y);
        s += sum[i];
        vec_store(y, &s);
    }
}

INLINE void finish(const int R, const int N, const struct nhwc_tile *t, const vec *sum) {
    int is_full = t->columns == N * LANES, is_clipped = t->activation == ACT_LINEAR || t->activation == ACT_RELU;
    if (t->last && sizeof(elem) == sizeof(real) && t->add && is_full) {
        store_added(R, N, t, sum);
    } else if (t->last && sizeof(elem) == sizeof(real) && !t->add && is_clipped && is_full) {
        store(R, N, t, sum, LANES);
    } else if (t->last && sizeof(elem) == sizeof(real) && !t->add && is_clipped) {
        store(R, N, t, sum, (size_t)(t->columns - (N - 1) * LANES));
    } else if (!t->last && t->rows != NULL) {
        UNROLL for (int i = 0; i < R * N; i++) {
            vec_store_reals(t->partial + (ptrdiff_t)t->rows[i / N] * (N * LANES) + i % N * LANES, &sum[i]);
        }
    } else {
        real all[CONV_SUMS * LANES], *to = t->last ? all : t->partial;
        UNROLL for (int i = 0; i < R * N; i++) {
            vec_store_reals(to + i * LANES, &sum[i]);
        }
        if (t->last) {
            store_any(t, all, R, N * LANES);
        }
    }
}

/* asks: the tile asks for what comes next. */
INLINE void add_runs(const int R, const int N, const int asks, const struct nhwc_tile *t, vec *sum) {
    const char *ask = t->ask;
    ptrdiff_t ask_step = t->ask_step;
    for (int i = 0; i < t->run_count; i++) {
        const struct run *run = &t->runs[i];
        const real *w = t->w + run->w * (N * LANES), *x[NHWC_THIN];
        UNROLL for (int r = 0; r < R; r++) {
            x[r] = t->x + t->pixels[r].x + run->x;
        }
        for (ptrdiff_t k = 0, length = run->length; k < length; k++, w += N * LANES) {
            vec at[NHWC_N];
            if (asks) {
                __builtin_prefetch(ask, 0, 2);
                ask += ask_step;
            }
            UNROLL for (int n = 0; n < N; n++) {
                vec_load_reals(&at[n], w + n * LANES);
            }
            UNROLL for (int s = 0; s < R * N; s++) {
                sum[s] += at[s % N] * x[s / N][k];
            }
        }
    }
}

INLINE void tile(const int R, const int N, const struct nhwc_tile *t) {
    vec sum[CONV_SUMS];
    if (!t->first && t->rows != NULL) {
        UNROLL for (int i = 0; i < R * N; i++) {
            vec_load_reals(&sum[i], t->partial + (ptrdiff_t)t->rows[i / N] * (N * LANES) + i % N * LANES);
        }
    } else if (!t->first) {
        UNROLL for (int i = 0; i < R * N; i++) {
            vec_load_reals(&sum[i], t->partial + i * LANES);
        }
    } else if (t->bias != NULL) {
        UNROLL for (int i = 0; i < R * N; i++) {
            vec_load_reals(&sum[i], t->bias + i % N * LANES);
        }
    } else {
        UNROLL for (int i = 0; i < R * N; i++) {
            sum[i] = (vec){0};
        }
    }
    if (t->ask != NULL) {
        add_runs(R, N, 1, t, sum);
    } else {
        add_runs(R, N, 0, t, sum);
    }
    finish(R, N, t, sum);
}

INLINE void gradient(const int M, const int N, const struct nhwc_sums *s) {
    ptrdiff_t dy_step = s->dy_step;
    vec sum[CONV_SUMS];
    UNROLL for (int i = 0; i < M * N; i++) {
        sum[i] = (vec){0};
    }
    for (int i = 0; i < s->count; i++) {
        const real *x = s->x + (ptrdiff_t)s->stretches[i].x * (N * LANES), *dy = s->dy + s->stretches[i].dy * dy_step;
        for (int n = s->stretches[i].count; n > 0; n--, x += (ptrdiff_t)s->x_step * (N * LANES), dy += dy_step) {
            vec at[NHWC_N];
            UNROLL for (int v = 0; v < N; v++) {
                vec_load_reals(&at[v], x + v * LANES);
            }
            UNROLL for (int t = 0; t < M * N; t++) {
                sum[t] += at[t % N] * dy[t / N];
            }
        }
    }
    if (s->add) {
        UNROLL for (int i = 0; i < M * N; i++) {
            vec old;
            vec_load_reals(&old, s->sum + i / N * s->sum_m + i % N * LANES);
            sum[i] += old;
        }
    }
    UNROLL for (int i = 0; i < M * N; i++) {
        vec_store_reals(s->sum + i / N * s->sum_m + i % N * LANES, &sum[i]);
    }
}

/* One copy of each shape, and the tables of them. */
#define TILE(r, n) static void tile_##r##_##n(const struct nhwc_tile *t) { tile(r, n, t); }
#define GRADIENT(r, n) static void gradient_##r##_##n(const struct nhwc_sums *s) { gradient(r, n, s); }
#define TILE_NAME(r, n) tile_##r##_##n,
#define GRADIENT_NAME(r, n) gradient_##r##_##n,

#define DEFINE(upto, r) upto(TILE, r)
#define DEFINE_GRADIENT(upto, r) upto(GRADIENT, r)
#define TILE_ROW(upto, r) {upto(TILE_NAME, r)},
#define GRADIENT_ROW(upto, r) {upto(GRADIENT_NAME, r)},
CONV_EACH_ROW(DEFINE)
CONV_EACH_THIN(DEFINE)
CONV_EACH_ROW(DEFINE_GRADIENT)
nhwc_tile_work *const K(nhwc_tiles)[NHWC_THIN][NHWC_N] = {CONV_EACH_ROW(TILE_ROW) CONV_EACH_THIN(TILE_ROW)};
nhwc_sums_work *const K(nhwc_gradients)[NHWC_R][NHWC_N] = {CONV_EACH_ROW(GRADIENT_ROW)};
