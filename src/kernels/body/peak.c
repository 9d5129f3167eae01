/* The most multiply-adds this instruction set can do: independent sums in registers, no memory. What bench holds everything against. */
#include "kernels/body/body.h"

#include <string.h>

#include "kernels/body/functions.h"

#ifdef __AVX512F__
enum { PEAK_BYTES = 64 };
#elif defined __AVX__
enum { PEAK_BYTES = 32 };
#else
enum { PEAK_BYTES = 16 };
#endif
enum { PEAK_SUMS = 12 };      /* two a cycle, four to six cycles each: enough to fill the pipes, few enough for sixteen registers */
typedef float peak_vector __attribute__((vector_size(PEAK_BYTES)));

double K(peak)(size_t rounds, float *sink) {
    peak_vector sums[PEAK_SUMS], factor, term;
    for (size_t i = 0; i < sizeof factor / sizeof(float); i++) {
        factor[i] = 1.0f - *sink;
        term[i] = *sink;
    }
    for (int i = 0; i < PEAK_SUMS; i++) sums[i] = term + (float)i;
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < PEAK_SUMS; i++) sums[i] = sums[i] * factor + term;
    for (int i = 0; i < PEAK_SUMS; i++)
        for (size_t j = 0; j < sizeof factor / sizeof(float); j++) *sink += sums[i][j] * 1e-30f;
    return (double)rounds * PEAK_SUMS * 2.0 * (double)(sizeof factor / sizeof(float));
}
