/* An initializer of struct kernels: the functions of this instruction set (functions.h), but for what differs from table to table. name: of the set;
 * R(name): names of the products of reals and of the recurrent cells; ways: to convolve; product: gemm; most: peak; own: bf16_products. */
#ifndef DLCLI_KERNELS_BODY_TABLE_H
#define DLCLI_KERNELS_BODY_TABLE_H

#include "kernels/body/functions.h"

#if defined(ISA_avx512)
/* AVX2's, of the same elements: every processor with AVX-512 has it. */
#define NARROW(name) BODY_JOIN(name, avx2, ELEM)
extern const struct conv_kernel NARROW(conv_nhwc_thin);
#endif

#define TABLE(name, R, ways, product, most, own) { \
    .isa = BODY_TEXT(name), .dtype = BODY_DTYPE, .lanes = LANES, .bf16_products = own, .conv = ways, .gemm_scratch = R(gemm_scratch), .gemm = product, \
    .fill = K(fill), .add = K(add), .scale = K(scale), .activate = K(activate), .activate_back = K(activate_back), .bias = K(bias), \
    .bias_back = K(bias_back), .reorder = K(reorder), .from_f32 = K(from_f32), .to_f32 = K(to_f32), .copy = K(copy), .shortcut = K(shortcut), \
    .shortcut_back = K(shortcut_back), .maxpool = K(maxpool), .maxpool_back = K(maxpool_back), .fractional = K(fractional), \
    .fractional_back = K(fractional_back), .avgpool = K(avgpool), \
    .avgpool_back = K(avgpool_back), .lrn = K(lrn), .lrn_back = K(lrn_back), .batchnorm_scratch = K(batchnorm_scratch), \
    .batchnorm_train = K(batchnorm_train), .batchnorm_infer = K(batchnorm_infer), .batchnorm_back = K(batchnorm_back), \
    .batchnorm_back_frozen = K(batchnorm_back_frozen), .dropout = K(dropout), .softmax = K(softmax), .softmax_loss = K(softmax_loss), \
    .softmax_loss_back = K(softmax_loss_back), .softmax_back = K(softmax_back), .loss = K(loss), .loss_back = K(loss_back), .cells = &R(cell_kernels), \
    .lookup = K(lookup), .lookup_back = K(lookup_back), .column_sums = K(column_sums), \
    .one_hot_sums = K(one_hot_sums), .peak = most, \
    .sum_squares = K(sum_squares), .finite = K(finite), .sgd = K(sgd), .adam = K(adam), .adamax = K(adamax), \
    .adagrad = K(adagrad), .rmsprop = K(rmsprop), .max_norm = K(max_norm), .average = K(average), \
}
#define BODY_TEXT(name) BODY_TEXT_(name)
#define BODY_TEXT_(name) #name

#endif
