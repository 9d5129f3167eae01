/* The parts of conv_int8, inference with 8-bit numbers: tiles of whole-number sums in registers (conv_int8_tile.c) or in AMX's tiles (conv_int8_amx.c),
 * quantization, the walk over outputs and the packed weights (conv_int8.c).
 *
 * Numbers are products of a scale and a whole number: an input (one scale a tensor, calibrated) 0..255 where it is never negative, else
 * -127..127; a weight -127..127, one scale a filter. Sums are exact in int32. Jacob et al., "Quantization and Training of Neural Networks for
 * Efficient Integer-Arithmetic-Only Inference", 2018; Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018.
 *
 * The registers' 32-bit lanes hold words of INT8_GROUP neighbouring channels, and one instruction multiplies and adds them. Without VNNI a word is
 * two int16 (pmaddwd: sums of bytes, as pmaddubsw makes them, saturate); with it, and in tiles, four bytes (vpdpbusd, tdpbusd), of which the inputs' have no sign: inputs
 * that have one are moved up by 128, and each sum down by 128 times its weights' sum. */
#ifndef DLCLI_KERNELS_BODY_CONV_INT8_H
#define DLCLI_KERNELS_BODY_CONV_INT8_H

#include "kernels/body/conv_shapes.h"
#include "kernels/body/int8.h"

/* A tile: up to INT8_R pixels by INT8_N vectors of filters. Words of a run of weights are filled up to INT8_UNIT with zeros; those of inputs are read so far. */
#if defined(ISA_amx)
enum { INT8_R = 32, INT8_N = 2, INT8_UNIT = 16 };
#else
enum { INT8_R = CONV_TILE_R, INT8_N = CONV_TILE_N, INT8_UNIT = 1 };
#endif

/* Sums of `count` pixels x `vectors` of filters over runs of `length` neighbouring words from x + pixels[r] + runs[i], and as many rows of w, [run][word]
 * [vectors * LANES]: set (first) or added to sum, [pixel][vectors * LANES]. */
struct int8_tile {
    const int32_t *x, *w, *pixels, *runs;
    int count, vectors, run_count, length, first;
    int32_t *sum;
};
void K(int8_tile)(const struct int8_tile *t);

/* How many of `count` pixels the next tile takes. */
int K(int8_tile_pixels)(const int32_t *pixels, int count);

#endif
