/* A way to convolve by conv_winograd, for what includes it and says first which numbers a layer is multiplied in, and how its weights' gradient is:
 *
 *     static const struct wino_numbers *const numbers;
 *     static const struct wino_products *products_of(const struct conv *c);
 */
#ifndef DLCLI_KERNELS_BODY_CONV_WINOGRAD_WAY_H
#define DLCLI_KERNELS_BODY_CONV_WINOGRAD_WAY_H

#include "kernels/body/conv_winograd.h"

static size_t way_packed_bytes(const struct conv *c, int training) {
    return K(wino_packed_bytes)(c, training, numbers);
}

static size_t way_scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    return K(wino_scratch)(c, batch, threads, numbers, training ? products_of(c) : NULL);
}

static void way_pack(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    K(wino_pack)(c, weight, scale, training, packed, threads, numbers);
}

static void way_forward(const struct conv_call *call) {
    K(wino_forward)(call, numbers);
}

static void way_backward_data(const struct conv_call *call) {
    K(wino_backward_data)(call, numbers);
}

static void way_backward_weight(const struct conv_call *call) {
    K(wino_backward_weight)(call, products_of(call->conv));
}

#define WINO_WAY(name, supports) \
    {name, LAYOUT_NHWC, supports, way_packed_bytes, way_scratch_bytes, way_pack, way_forward, way_backward_data, way_backward_weight, 0}

#endif
