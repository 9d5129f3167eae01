/* Philox4x32-10 (rng.h): key = the seed; counter = 64 bits of position below 64 bits of stream. */
#include "base/rng.h"

#include <math.h>

enum { ROUNDS = 10 };

void rng_block(uint64_t key, uint64_t stream, uint64_t counter, uint32_t out[4]) {
    uint32_t a = (uint32_t)counter, b = (uint32_t)(counter >> 32), c = (uint32_t)stream, d = (uint32_t)(stream >> 32);
    uint32_t k = (uint32_t)key, l = (uint32_t)(key >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * a, q = (uint64_t)0xCD9E8D57u * c;
        a = (uint32_t)(q >> 32) ^ b ^ k;
        b = (uint32_t)q;
        c = (uint32_t)(p >> 32) ^ d ^ l;
        d = (uint32_t)p;
        k += 0x9E3779B9u;
        l += 0xBB67AE85u;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

struct rng rng_make(uint64_t seed, enum rng_use use, uint64_t index) {
    return (struct rng){.key = seed, .stream = (uint64_t)use << 48 ^ index};
}

uint32_t rng_u32(struct rng *r) {
    if (r->left == 0) {
        rng_block(r->key, r->stream, r->counter++, r->buffer);
        r->left = 4;
    }
    return r->buffer[4 - r->left--];
}

/* Lemire, "Fast Random Integer Generation in an Interval" (2019): the high word of value * n, refused where the low
 * word says that a result would come up once too often. */
static uint32_t below_32(struct rng *r, uint32_t n) {
    uint32_t unfair = -n % n;
    uint64_t product;
    do {
        product = (uint64_t)rng_u32(r) * n;
    } while ((uint32_t)product < unfair);
    return (uint32_t)(product >> 32);
}

uint64_t rng_below(struct rng *r, uint64_t n) {
    if (n <= UINT32_MAX) {
        return below_32(r, (uint32_t)n);
    }
    uint64_t value, unfair = -n % n;
    do {
        value = (uint64_t)rng_u32(r) << 32;
        value |= rng_u32(r);
    } while (value < unfair);
    return value % n;
}

double rng_uniform(struct rng *r) {
    return rng_u32(r) * 0x1p-32;
}

double rng_normal(struct rng *r) {
    double radius = sqrt(-2 * log((rng_u32(r) + 1.0) * 0x1p-32));   /* of (0, 1]: never log 0 */
    return radius * cos(2 * 3.14159265358979323846 * rng_uniform(r));
}

void rng_shuffle(struct rng *r, uint32_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(r, i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
