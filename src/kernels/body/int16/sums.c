/* Sums of 16-bit products (int16.h), on tiles as conv_nhwc's: R words are broadcast and N vectors of words loaded for R * N pairs of products a lane. */
#include "kernels/body/conv_shapes.h"
#include "kernels/body/int16/int16.h"

typedef int32_t word_at __attribute__((may_alias));

/* sum += the two numbers of x, the same in all lanes, times w's. */
INLINE void dot(vec_int *sum, int32_t x, const vec_int *w) {
#if defined(__AVX512VNNI__)
    *sum = (vec_int)_mm512_dpwssd_epi32((__m512i)*sum, _mm512_set1_epi32(x), (__m512i)*w);
#elif defined(__AVX512BW__)
    *sum = (vec_int)_mm512_add_epi32((__m512i)*sum, _mm512_madd_epi16(_mm512_set1_epi32(x), (__m512i)*w));
#elif defined(__AVX2__) && LANES == 8
    *sum = (vec_int)_mm256_add_epi32((__m256i)*sum, _mm256_madd_epi16(_mm256_set1_epi32(x), (__m256i)*w));
#else
    vec_int low = (vec_int)((vec_word)*w << 16) >> 16, high = *w >> 16;
    *sum = (vec_int)((vec_word)*sum + (vec_word)(low * (int16_t)(x & 0xffff)) + (vec_word)(high * (x >> 16)));
#endif
}

/* Tiles from `from` on. ask: what they ask for, ask_step bytes further at each word. */
INLINE void tile(const int R, const int N, const struct wino_sums *s, int from, const char *ask, ptrdiff_t ask_step) {
    const word_at *w = (const word_at *)(const void *)s->w, *x[CONV_TILE_R];
    vec_int sum[CONV_SUMS];
    UNROLL for (int i = 0; i < R * N; i++) {
        sum[i] = (vec_int){0};
    }
    UNROLL for (int r = 0; r < R; r++) {
        x[r] = (const word_at *)(const void *)(s->x + (from + r) * s->pitch);
    }
    for (ptrdiff_t k = 0, length = s->length; k < length; k++, w += N * LANES, ask += ask_step) {
        vec_int at[CONV_TILE_N];
        __builtin_prefetch(ask, 0, 2);
        UNROLL for (int n = 0; n < N; n++) {
            memcpy(&at[n], w + n * LANES, sizeof at[n]);
        }
        UNROLL for (int i = 0; i < R * N; i++) {
            dot(&sum[i], x[i / N][k], &at[i % N]);
        }
    }
    UNROLL for (int i = 0; i < R * N; i++) {
        real *to = s->sum + (from + i / N) * (N * LANES) + i % N * LANES;
        vec unit, old = {0};
        vec_load_reals(&unit, s->w_units + i % N * LANES);
        if (!s->first) {
            vec_load_reals(&old, to);
        }
        old += __builtin_convertvector(sum[i], vec) * unit * s->x_units[from + i / N];
        vec_store_reals(to, &old);
    }
}

/* One copy of each shape, and the table of them. */
typedef void tile_work(const struct wino_sums *s, int from, const char *ask, ptrdiff_t ask_step);
#define TILE(r, n) static void tile_##r##_##n(const struct wino_sums *s, int from, const char *ask, ptrdiff_t ask_step) { tile(r, n, s, from, ask, ask_step); }
#define TILE_NAME(r, n) tile_##r##_##n,
#define DEFINE(upto, r) upto(TILE, r)
#define TILE_ROW(upto, r) {upto(TILE_NAME, r)},
CONV_EACH_ROW(DEFINE)
static tile_work *const tiles[CONV_TILE_R][CONV_TILE_N] = {CONV_EACH_ROW(TILE_ROW)};

/* Where nothing is asked for, the weights at hand are, which are in the cache. */
void OWN(int16_sums)(const struct wino_sums *s) {
    int rows = conv_parts(s->tiles, CONV_TILE_R);
    const char *ask = (const char *)(s->next != NULL ? s->next : s->w);
    ptrdiff_t step = s->next != NULL ? (ptrdiff_t)((size_t)s->next_count * sizeof(real)) / conv_most(1, rows * s->length) : 0;
    for (int i = 0; i < rows; i++, ask += step * s->length) {
        int from = conv_part(s->tiles, rows, i);
        tiles[conv_part(s->tiles, rows, i + 1) - from - 1][s->vectors - 1](s, from, ask, step);
    }
}
