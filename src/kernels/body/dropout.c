/* Dropout (Srivastava et al., 2014), inverted. Element i is decided by word i % 4 of block i / 4 of the counter-based generator of
 * base/rng.h: the mask is a function of (key, stream, i) and need not be kept. Blocks are drawn several at a time, in vectors. */
#include "kernels/body/functions.h"

enum { ROUNDS = 10, BLOCKS = 32, WORDS = 4 * BLOCKS };

struct job { uint64_t key, stream; uint32_t threshold; real scale; const elem *x; elem *y; size_t n; int add; };

/* The words of BLOCKS blocks from `first`: rng_block, block by block. */
static void draw(const struct job *j, uint64_t first, uint32_t *restrict words) {
    uint32_t a[BLOCKS], b[BLOCKS], c[BLOCKS], d[BLOCKS], k = (uint32_t)j->key, l = (uint32_t)(j->key >> 32);
    for (size_t i = 0; i < BLOCKS; i++) {
        a[i] = (uint32_t)(first + i);
        b[i] = (uint32_t)((first + i) >> 32);
        c[i] = (uint32_t)j->stream;
        d[i] = (uint32_t)(j->stream >> 32);
    }
    for (int round = 0; round < ROUNDS; round++, k += 0x9E3779B9u, l += 0xBB67AE85u) {
        for (size_t i = 0; i < BLOCKS; i++) {
            uint64_t p = (uint64_t)0xD2511F53u * a[i], q = (uint64_t)0xCD9E8D57u * c[i];
            a[i] = (uint32_t)(q >> 32) ^ b[i] ^ k;
            b[i] = (uint32_t)q;
            c[i] = (uint32_t)(p >> 32) ^ d[i] ^ l;
            d[i] = (uint32_t)p;
        }
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        words[4 * i] = a[i];
        words[4 * i + 1] = b[i];
        words[4 * i + 2] = c[i];
        words[4 * i + 3] = d[i];
    }
}

/* Units are blocks. */
static void dropout_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    uint32_t words[WORDS], threshold = j->threshold;
    real kept[WORDS], scale = j->scale;
    for (size_t block = begin; block < end; block += BLOCKS) {
        size_t at = 4 * block, n = body_least(body_least(WORDS, 4 * (end - block)), j->n - at);
        const elem *x = j->x + at;
        elem *y = j->y + at;
        draw(j, block, words);
        for (size_t i = 0; i < n; i++) {
            real scaled = LOAD(x, i) * scale;
            kept[i] = words[i] >= threshold ? scaled : 0;
        }
        for (size_t i = 0; j->add && i < n; i++) {
            kept[i] += LOAD(y, i);
        }
        for (size_t i = 0; i < n; i++) {
            STORE(y, i, kept[i]);
        }
    }
}

void K(dropout)(struct threads *t, double p, uint64_t key, uint64_t stream, const void *x, void *y, size_t n, int add) {
    double threshold = p * 0x1p32;
    uint32_t limit = threshold >= 4294967295.0 ? 0xffffffffu : (uint32_t)threshold;
    struct job job = {key, stream, limit, (real)(p < 1 ? 1 / (1 - p) : 0), x, y, n, add};
    body_split(t, (n + 3) / 4, 4 * n, dropout_range, &job);
}
