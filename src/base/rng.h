/* Random numbers by counter: a value is a pure function of (seed, stream, counter), so nothing has to be stored to resume,
 * and any thread may draw any value. Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). */
#ifndef DLCLI_RNG_H
#define DLCLI_RNG_H

#include <stddef.h>
#include <stdint.h>

/* Streams keep uses apart: two uses never share (seed, stream). Layer- or epoch-wise streams add an index below 2^48. */
enum rng_use { RNG_INIT = 1, RNG_SHUFFLE, RNG_SPLIT, RNG_AUGMENT, RNG_DROPOUT, RNG_SYNTHETIC, RNG_SAMPLE, RNG_MIX, RNG_CHECK, RNG_RATE, RNG_NOISE, RNG_DEPTH, RNG_POOL, RNG_CROP };

struct rng { uint64_t key, stream, counter; uint32_t buffer[4]; int left; };

/* A sequence for `use` and `index` (layer, epoch, picture...). */
struct rng rng_make(uint64_t seed, enum rng_use use, uint64_t index);
uint32_t rng_u32(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);       /* 0..n-1, unbiased; n > 0 */
double rng_uniform(struct rng *r);                   /* [0, 1), 32 bits */
double rng_normal(struct rng *r);                    /* Box-Muller, mean 0, deviation 1 */
void rng_shuffle(struct rng *r, uint32_t *items, size_t n);   /* Fisher-Yates */

/* The four words at position `counter` of a stream, for kernels (dropout masks). */
void rng_block(uint64_t key, uint64_t stream, uint64_t counter, uint32_t out[4]);

#endif
