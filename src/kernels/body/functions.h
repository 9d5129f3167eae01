/* The functions that table.c puts into K(kernels), declared with the types they have there. */
#ifndef DLCLI_KERNELS_BODY_FUNCTIONS_H
#define DLCLI_KERNELS_BODY_FUNCTIONS_H

#include "kernels/body/body.h"

#define BODY_FUNCTION(name) __typeof__(*((const struct kernels *)0)->name) K(name)

BODY_FUNCTION(gemm_scratch);
BODY_FUNCTION(gemm);
BODY_FUNCTION(fill);
BODY_FUNCTION(add);
BODY_FUNCTION(scale);
BODY_FUNCTION(activate);
BODY_FUNCTION(activate_back);
BODY_FUNCTION(bias);
BODY_FUNCTION(bias_back);
BODY_FUNCTION(reorder);
BODY_FUNCTION(from_f32);
BODY_FUNCTION(to_f32);
BODY_FUNCTION(copy);
BODY_FUNCTION(shortcut);
BODY_FUNCTION(shortcut_back);
BODY_FUNCTION(maxpool);
BODY_FUNCTION(maxpool_back);
BODY_FUNCTION(fractional);
BODY_FUNCTION(fractional_back);
BODY_FUNCTION(avgpool);
BODY_FUNCTION(avgpool_back);
BODY_FUNCTION(lrn);
BODY_FUNCTION(lrn_back);
BODY_FUNCTION(batchnorm_scratch);
BODY_FUNCTION(batchnorm_train);
BODY_FUNCTION(batchnorm_infer);
BODY_FUNCTION(batchnorm_back);
BODY_FUNCTION(batchnorm_back_frozen);
BODY_FUNCTION(dropout);
BODY_FUNCTION(softmax);
BODY_FUNCTION(softmax_loss);
BODY_FUNCTION(softmax_loss_back);
BODY_FUNCTION(softmax_back);
BODY_FUNCTION(loss);
BODY_FUNCTION(loss_back);
BODY_FUNCTION(lookup);
BODY_FUNCTION(lookup_back);
BODY_FUNCTION(column_sums);
BODY_FUNCTION(one_hot_sums);
BODY_FUNCTION(peak);
BODY_FUNCTION(sum_squares);
BODY_FUNCTION(finite);
BODY_FUNCTION(sgd);
BODY_FUNCTION(adam);
BODY_FUNCTION(adamax);
BODY_FUNCTION(adagrad);
BODY_FUNCTION(rmsprop);
BODY_FUNCTION(max_norm);
BODY_FUNCTION(average);

/* The matrix product in our own loops, without OpenBLAS. */
void K(gemm_plain)(struct threads *t, const struct gemm *g, void *scratch);

/* Products of at most four rows with a transposed matrix: gemm asks for them where they are supported. No scratch. */
int K(gemm_few_supports)(const struct gemm *g);
void K(gemm_few)(struct threads *t, const struct gemm *g);

extern const struct cell_kernels K(cell_kernels);

/* Ways to convolve. */
extern const struct conv_kernel K(conv_ref), K(conv_im2col), K(conv_lanes), K(conv_nhwc), K(conv_nhwc_thin), K(conv_winograd);

/* table.c; kernels_ref for base alone. */
extern const struct kernels K(kernels), K(kernels_ref);

#endif
