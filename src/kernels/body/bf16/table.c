/* The table of these products: AVX-512's for bfloat16 but for wide convolutions, products of reals (rounded.h), recurrent cells and the peak. Winograd's way, which multiplies floats, isn't among them: its
 * products, rounded to bfloat16, would lose what the transforms add and take away. */
#include "kernels/body/bf16/bf16.h"
#include "kernels/body/table.h"

/* Best first. */
static const struct conv_kernel *const ways[] = {&OWN(conv), &K(conv_lanes), &K(conv_nhwc), &K(conv_ref), NULL};

#define ROUNDED_NAME(name) BODY_JOIN(name, rounded, ELEM)
#define ROUNDED_FUNCTION(name) extern __typeof__(*((const struct kernels *)0)->name) ROUNDED_NAME(name)
ROUNDED_FUNCTION(gemm_scratch);
ROUNDED_FUNCTION(gemm);
ROUNDED_FUNCTION(cells_input);
ROUNDED_FUNCTION(cells_packed);
ROUNDED_FUNCTION(cells_pack);
ROUNDED_FUNCTION(cells);
ROUNDED_FUNCTION(cells_back);

const struct kernels OWN(kernels) = TABLE(PRODUCTS, ROUNDED_NAME, ways, ROUNDED_NAME(gemm), OWN(bf16_peak), 1);
