/* The table of these products: AVX-512's for bfloat16 but for wide convolutions and the peak. Winograd's way, which multiplies floats, isn't among them: its
 * products, rounded to bfloat16, would lose what the transforms add and take away. */
#include "kernels/body/bf16/bf16.h"
#include "kernels/body/table.h"

/* Best first. */
static const struct conv_kernel *const ways[] = {&OWN(conv), &K(conv_lanes), &K(conv_nhwc), &K(conv_ref), NULL};

const struct kernels OWN(kernels) = TABLE(PRODUCTS, ways, K(gemm), OWN(bf16_peak), 1);
