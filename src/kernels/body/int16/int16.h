/* Winograd's frequencies as 16-bit whole numbers, of which pairs are multiplied and added up (vpdpwssd, or vpmaddwd and vpaddd): twice as many products an
 * instruction as of floats. bfloat16 has as many, but too few bits for what the transforms add and take away.
 *
 * A frequency is a unit times a whole number. A tile has one unit for each part of the depth: its largest number becomes MOST. A filter has one for all
 * parts, by which none of its numbers leaves 16 bits, and no sum over a part 32. Sums of a part are exact; they become floats, and parts are added up
 * as floats. On numbers drawn at random sums are off by 0.1 to 0.3% (root mean square).
 *
 * Where frequencies are smaller than TINY they count as zeros; a number that is not finite makes all that it reaches NaNs. */
#ifndef DLCLI_KERNELS_BODY_INT16_H
#define DLCLI_KERNELS_BODY_INT16_H

#include "kernels/body/conv_winograd.h"

/* SUM: of a filter's whole numbers over a part, at most: MOST * SUM < 2^31. */
enum { INT16_DEPTH = 128, INT16_MOST = 8192, INT16_SUM = 262143 };

/* For inference, beside products of 8 bits four times as fast as floats'; or beside those not twice as fast, where these are 1.36 times (Zen 3),
 * and weights half the bytes of floats'. */
static inline int int16_beside_int8(const struct conv *c, int batch, int training) {
#if defined(__AVX512VNNI__)
    return !training && K(wino_worth)(c, batch, 48, 48, 1.9);
#else
    return !training && (K(wino_worth)(c, batch, 64, 48, 1.6) || K(wino_worth)(c, batch, 128, 12, 1.6));
#endif
}

void OWN(int16_sums)(const struct wino_sums *s);
extern const struct wino_numbers OWN(wino_int16);

#endif
