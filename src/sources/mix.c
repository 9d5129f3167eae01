/* Samples mixed in pairs once their batch is whole (parts.h): mixup (Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk
 * Minimization", 2018) and cutmix (Yun et al., "CutMix", 2019). The first sample of a batch goes with the last, the second with the last but
 * one: the order is a shuffle, so that these are pairs by chance, and both can be mixed where they lie. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "sources/parts.h"

/* Marsaglia, Tsang, "A Simple Method for Generating Gamma Variables", 2000; shape below 1 by way of shape + 1. */
static double draw_gamma(struct rng *rng, double shape) {
    double boost = shape < 1 ? pow(rng_uniform(rng), 1 / shape) : 1, d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = rng_normal(rng), v = 1 + c * x, u = 1 - rng_uniform(rng);
        v = v * v * v;
        if (v > 0 && log(u) < x * x / 2 + d - d * v + d * log(v)) {
            return boost * d * v;
        }
    }
}

/* Of Beta(alpha, alpha) or one less that, whichever is larger: a pair is the same either way round, and each sample stays the most of what it
 * becomes. */
static double draw_share(struct rng *rng, double alpha) {
    double a = draw_gamma(rng, alpha), b = draw_gamma(rng, alpha), share = a + b > 0 ? a / (a + b) : 1;
    return fmax(share, 1 - share);
}

static void mix_values(float *a, float *b, size_t count, float share) {
    for (size_t i = 0; i < count; i++) {
        float x = a[i], y = b[i];
        a[i] = share * x + (1 - share) * y;
        b[i] = share * y + (1 - share) * x;
    }
}

struct box { int x0, y0, x1, y1; };

static int within(int n, int most) {
    return n < 0 ? 0 : n > most ? most : n;
}

/* A box of the picture's proportions over 1 - share of its area, its centre anywhere; what hangs over is cut off. */
static struct box draw_box(struct rng *rng, double share, int height, int width) {
    double side = sqrt(1 - share);
    int h = (int)(height * side), w = (int)(width * side);
    int y = (int)rng_below(rng, (uint64_t)height) - h / 2, x = (int)rng_below(rng, (uint64_t)width) - w / 2;
    return (struct box){within(x, width), within(y, height), within(x + w, width), within(y + h, height)};
}

static void swap_rows(float *a, float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float x = a[i];
        a[i] = b[i];
        b[i] = x;
    }
}

static void swap_box(float *a, float *b, const struct preprocess *p, const struct box *box) {
    for (int row = 0; row < p->channels * p->height; row++) {
        int y = row % p->height;
        size_t at = (size_t)row * (size_t)p->width + (size_t)box->x0;
        if (y >= box->y0 && y < box->y1) {
            swap_rows(a + at, b + at, (size_t)(box->x1 - box->x0));
        }
    }
}

void mix_batch(const struct mix *mix, struct batch *batch) {
    const struct augment *a = mix->augment;
    const struct preprocess *p = mix->preprocess;
    struct rng rng = rng_make(mix->seed, RNG_MIX, (mix->epoch & 0xFFFF) << 32 | mix->at);
    size_t values = (size_t)p->channels * (size_t)p->height * (size_t)p->width, classes = (size_t)mix->classes;
    int cuts = a->cutmix > 0 && (a->mixup <= 0 || (rng_u32(&rng) & 1));
    double share = draw_share(&rng, cuts ? a->cutmix : a->mixup);
    struct box box = {0};
    if (cuts) {
        box = draw_box(&rng, share, p->height, p->width);
        share = 1 - (double)(box.x1 - box.x0) * (box.y1 - box.y0) / ((double)p->width * p->height);
    }
    memset(batch->shares, 0, (size_t)batch->count * classes * sizeof *batch->shares);
    for (int i = 0, j = batch->count - 1; i <= j; i++, j--) {
        float *first = batch->input + (size_t)i * values, *second = batch->input + (size_t)j * values;
        int of_first = batch->labels[i], of_second = batch->labels[j], mixes = i < j && of_first >= 0 && of_second >= 0;
        float mine = mixes ? (float)share : 1, other = mixes ? (float)(1 - share) : 0;
        if (mixes && cuts) {
            swap_box(first, second, p, &box);
        } else if (mixes) {
            mix_values(first, second, values, mine);
        }
        if (of_first >= 0) {
            batch->shares[(size_t)i * classes + (size_t)of_first] += mine;
            batch->shares[(size_t)j * classes + (size_t)of_first] += other;
        }
        if (of_second >= 0 && i < j) {
            batch->shares[(size_t)j * classes + (size_t)of_second] += mine;
            batch->shares[(size_t)i * classes + (size_t)of_second] += other;
        }
    }
}
