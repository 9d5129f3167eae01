/* conv_winograd of 16-bit numbers among floats: what `--precision int8` takes for 3x3 layers that have tiles enough to read its weights for, eight times
 * those of 8 bits. Nothing needs to be calibrated for it. */
#include "kernels/body/int16/int16.h"

static const struct wino_numbers *const numbers = &OWN(wino_int16);

static const struct wino_products *products_of(const struct conv *c) {
    (void)c;
    return &K(wino_products);
}

#include "kernels/body/conv_winograd_way.h"

const struct conv_kernel OWN(conv_winograd16) = WINO_WAY("winograd16", int16_beside_int8);
