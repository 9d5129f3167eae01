/* The table of these products: AVX-512's for bfloat16 but for wide convolutions, products of reals (rounded.h), recurrent cells and the peak. */
#include "kernels/body/bf16/bf16.h"
#include "kernels/body/table.h"

/* Best first. Winograd's way multiplies floats but for the gradient of the weights (winograd.c). A pair of bfloat16 at the rate of a float only halves the
 * products, a tile is beyond it. */
static const struct conv_kernel *const ways[] = {
#if !defined(ISA_amx)
    &OWN(conv_winograd),
#endif
    &OWN(conv), &K(conv_lanes), &NARROW(conv_nhwc_thin), &K(conv_nhwc), &K(conv_ref), NULL,
};

#if defined(ISA_amx)
#define ROUNDED_NAME(name) BODY_JOIN(name, roundedamx, ELEM)
#else
#define ROUNDED_NAME(name) BODY_JOIN(name, roundedbf16, ELEM)
#endif
#define ROUNDED_FUNCTION(name) extern __typeof__(*((const struct kernels *)0)->name) ROUNDED_NAME(name)
ROUNDED_FUNCTION(gemm_scratch);
ROUNDED_FUNCTION(gemm);
extern const struct cell_kernels ROUNDED_NAME(cell_kernels);

const struct kernels OWN(kernels) = TABLE(PRODUCTS, ROUNDED_NAME, ways, ROUNDED_NAME(gemm), OWN(bf16_peak), 1);
