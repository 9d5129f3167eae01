/* Tiles of m channels by p places, each a function of its own: LANES_EACH_TILE(one) is one(UPTO, m) for every m up to LANES_M, and UPTO(what, m) is what(m, p) for
 * every p up to lanes_places(m). */
#ifndef DLCLI_KERNELS_BODY_CONV_LANES_SHAPES_H
#define DLCLI_KERNELS_BODY_CONV_LANES_SHAPES_H

#include "kernels/body/conv_lanes.h"

#define LANES_UPTO_1(what, m) what(m, 1)
#define LANES_UPTO_2(what, m) LANES_UPTO_1(what, m) what(m, 2)
#define LANES_UPTO_3(what, m) LANES_UPTO_2(what, m) what(m, 3)
#define LANES_UPTO_4(what, m) LANES_UPTO_3(what, m) what(m, 4)
#define LANES_UPTO_5(what, m) LANES_UPTO_4(what, m) what(m, 5)
#define LANES_UPTO_6(what, m) LANES_UPTO_5(what, m) what(m, 6)
#define LANES_UPTO_7(what, m) LANES_UPTO_6(what, m) what(m, 7)
#define LANES_UPTO_8(what, m) LANES_UPTO_7(what, m) what(m, 8)

#if CONV_SUMS == 24
#define LANES_EACH_TILE(one) one(LANES_UPTO_8, 1) one(LANES_UPTO_8, 2) one(LANES_UPTO_8, 3) one(LANES_UPTO_6, 4) \
    one(LANES_UPTO_4, 5) one(LANES_UPTO_4, 6) one(LANES_UPTO_3, 7) one(LANES_UPTO_3, 8)
#elif CONV_SUMS == 12
#define LANES_EACH_TILE(one) one(LANES_UPTO_8, 1) one(LANES_UPTO_6, 2) one(LANES_UPTO_4, 3) one(LANES_UPTO_3, 4) one(LANES_UPTO_2, 5) one(LANES_UPTO_2, 6)
#else
#define LANES_EACH_TILE(one) one(LANES_UPTO_6, 1) one(LANES_UPTO_3, 2) one(LANES_UPTO_2, 3)
#endif

#endif
