/* Tiles of CONV_TILE_R rows by CONV_TILE_N vectors of sums, as large as registers allow, and all smaller ones: each shape is a function of its own, since
 * its sums must be registers. */
#ifndef DLCLI_KERNELS_BODY_CONV_SHAPES_H
#define DLCLI_KERNELS_BODY_CONV_SHAPES_H

#include "kernels/body/conv.h"

/* CONV_EACH_ROW(one) is one(UPTO, r) for every r, and UPTO(what, r) is what(r, n) for every n. CONV_EACH_THIN(one) is that for the tiles of one vector
 * that have more rows, up to CONV_THIN_R: with few sums a multiply-add waits for the one before it. */
#define CONV_UPTO_1(what, r) what(r, 1)
#define CONV_UPTO_2(what, r) what(r, 1) what(r, 2)
#define CONV_UPTO_3(what, r) CONV_UPTO_2(what, r) what(r, 3)
#if CONV_SUMS == 24
enum { CONV_TILE_R = 8, CONV_TILE_N = 3, CONV_THIN_R = 8 };
#define CONV_EACH_ROW(one) one(CONV_UPTO_3, 1) one(CONV_UPTO_3, 2) one(CONV_UPTO_3, 3) one(CONV_UPTO_3, 4) \
    one(CONV_UPTO_3, 5) one(CONV_UPTO_3, 6) one(CONV_UPTO_3, 7) one(CONV_UPTO_3, 8)
#define CONV_EACH_THIN(one)
#elif CONV_SUMS == 12
enum { CONV_TILE_R = 6, CONV_TILE_N = 2, CONV_THIN_R = 8 };
#define CONV_EACH_ROW(one) one(CONV_UPTO_2, 1) one(CONV_UPTO_2, 2) one(CONV_UPTO_2, 3) one(CONV_UPTO_2, 4) one(CONV_UPTO_2, 5) one(CONV_UPTO_2, 6)
#define CONV_EACH_THIN(one) one(CONV_UPTO_1, 7) one(CONV_UPTO_1, 8)
#else
enum { CONV_TILE_R = 3, CONV_TILE_N = 2, CONV_THIN_R = 6 };
#define CONV_EACH_ROW(one) one(CONV_UPTO_2, 1) one(CONV_UPTO_2, 2) one(CONV_UPTO_2, 3)
#define CONV_EACH_THIN(one) one(CONV_UPTO_1, 4) one(CONV_UPTO_1, 5) one(CONV_UPTO_1, 6)
#endif

#endif
