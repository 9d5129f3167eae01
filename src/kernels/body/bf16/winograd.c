/* conv_winograd beside products of bfloat16: forward and for x of 16-bit numbers (int16/), which are as fast. For the gradient of the weights, where both sides
 * are wide, x's frequencies and dy's are rounded to bfloat16, two tiles of a channel to a word, as tiles' units would not leave the sums: the root mean
 * square of a gradient's error is 0.7 to 1.7% of the gradient's on test_conv's shapes, of numbers drawn at random. */
#include "kernels/body/bf16/bf16.h"
#include "kernels/body/bf16/dot.h"
#include "kernels/body/conv_winograd.h"
#include "kernels/body/int16/int16.h"

enum { WIDTH = NHWC_N * LANES };            /* channels at a time */

/* Frequencies of n <= WIDTH channels of up to two tiles. */
struct pair { const struct wino_tiles *t; size_t n; real of[WINO_TOGETHER][WINO_F * WIDTH]; };

typedef void transform(const struct wino_tile *t, const elem *x, size_t n, real *to, ptrdiff_t step);

static void pair_make(struct pair *p, const struct wino_tiles *t, transform *make, int channel, size_t n) {
    p->t = t, p->n = n;
    for (int i = 0; i < t->count; i++) {
        make(&t->tile[i], t->image[i] + channel, n, p->of[i], WIDTH);
    }
}

/* Tile i's frequency f from channel c on; zeros where there is no such tile, or it doesn't have it. */
INLINE void frequency(const struct pair *p, int i, int f, size_t c, vec *v) {
    *v = (vec){0};
    if (i < p->t->count && wino_has(&p->t->tile[i], f)) {
        vec_load_reals(v, p->of[i] + f * WIDTH + c);
    }
}

INLINE void words_of(const struct pair *p, int f, size_t c, vec_word *words) {
    vec first, second;
    frequency(p, 0, f, c, &first);
    frequency(p, 1, f, c, &second);
    round_pairs(&first, &second, words);
}

/* [pair of tiles][width][2] */
static void lay_x(const struct wino_tiles *t, int channel, size_t n, const struct wino_frequencies *to, int i) {
    struct pair p;
    pair_make(&p, t, K(wino_input), channel, n);
    for (int f = 0; f < WINO_F; f++) {
        word_at *words = (word_at *)(void *)(to->at + f * to->step) + (ptrdiff_t)(i / 2) * to->width;
        for (size_t c = 0; c < n; c += LANES) {
            vec_word w;
            words_of(&p, f, c, &w);
            memcpy(words + c, &w, sizeof w);
        }
    }
}

/* [BF16_M channels][pair of tiles][BF16_M][2], as bf16_gradient reads it; from channel `first` of the frequencies. */
static void lay_dy_some(const struct pair *p, const struct wino_frequencies *to, size_t first, int i) {
    for (int f = 0; f < WINO_F; f++) {
        word_at *words = (word_at *)(void *)(to->at + f * to->step) + (ptrdiff_t)(i / 2) * BF16_M;
        for (size_t c = 0; c < p->n; c += LANES) {
            vec_word w;
            words_of(p, f, c, &w);
            for (size_t m = 0; m < LANES; m += BF16_M) {
                memcpy(words + (first + c + m) * (size_t)(to->room / 2), (const word_at *)(const void *)&w + m, BF16_M * sizeof *words);
            }
        }
    }
}

static void lay_dy(const struct wino_tiles *t, int channel, size_t n, const struct wino_frequencies *to, int i) {
    struct pair p;
    for (size_t c = 0; c < n; c += WIDTH) {
        pair_make(&p, t, K(wino_gradient), channel + (int)c, body_least(WIDTH, n - c));
        lay_dy_some(&p, to, c, i);
    }
}

/* Of whole pairs: their other tiles have zeros. */
static void multiply(const struct wino_product *p) {
    int begin = p->tiles.begin / 2 * 2, end = conv_parts(p->tiles.end, 2) * 2;
    struct bf16_stretch all = {begin, begin, p->tiles.begin < p->tiles.end ? end - begin : 0};
    struct bf16_sums s = {.x = (const elem *)(const void *)(p->x->at + p->f * p->x->step), .dy = (const elem *)(const void *)(p->dy->at + p->f * p->dy->step),
        .stretches = &all, .count = 1, .rows = p->count, .dy_places = p->dy->room, .vectors = p->x->width / LANES, .add = p->add, .sum = p->sum};
    OWN(bf16_gradient)(&s);
}

static const struct wino_products rounded = {WINO_TOGETHER, 128, sizeof(elem), lay_x, lay_dy, multiply};

/* Thin layers have too few products to pay for the rounding. */
static const struct wino_products *products_of(const struct conv *c) {
    enum { THIN = 24 };
    return c->c < THIN || c->k < THIN ? &K(wino_products) : &rounded;
}

static const struct wino_numbers *const numbers = &OWN(wino_int16);

#include "kernels/body/conv_winograd_way.h"

/* To infer, transformed weights are four times those of bfloat16. */
static int supports(const struct conv *c, int batch, int training) {
    return K(wino_worth)(c, batch, 16, training ? 32 : 48, 1.9);
}

const struct conv_kernel OWN(conv_winograd) = WINO_WAY("winograd", supports);
/* What `--precision int8` takes among bfloat16 (int16/winograd.c). */
const struct conv_kernel OWN(conv_winograd16) = WINO_WAY("winograd16", int16_beside_int8);
