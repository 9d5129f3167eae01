/* The table of this instruction set and element type (kernels.h), and that of the specification: `ref` convolutions and our own matrix product. */
#include "kernels/body/table.h"

/* Best first. */
static const struct conv_kernel *const ways[] = {
#if !defined(ELEM_f64)
    &K(conv_lanes),
    &K(conv_winograd),
#if defined(ISA_avx512)
    &NARROW(conv_nhwc_thin),
#endif
    &K(conv_nhwc),
#endif
#if defined(ELEM_f32)
    &K(conv_im2col),
#endif
    &K(conv_ref),
    NULL,
};

const struct kernels K(kernels) = TABLE(ISA, K, ways, K(gemm), K(peak), 0);

#if defined(ISA_base)
static const struct conv_kernel *const ref_ways[] = {&K(conv_ref), NULL};
const struct kernels K(kernels_ref) = TABLE(ISA, K, ref_ways, K(gemm_plain), K(peak), 0);
#endif
