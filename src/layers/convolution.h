/* convolution: how an op whose node->own is a struct conv runs on one of the target's convolution kernels. Slot 0 is
 * the weight, slot 1, where there is one, the bias. Shared by convolutional.c and connected.c; deconvolutional.c, whose kernels go the other way round,
 * reads its section so too. */
#ifndef DLCLI_CONVOLUTION_H
#define DLCLI_CONVOLUTION_H

#include "plan.h"

/* Groups that divide both sides' channels, or -1 with a refusal. */
int convolution_groups(const struct node *node, int channels, int filters, struct err *err);
/* bias=, by default what batch_normalize= isn't. */
int convolution_has_bias(const struct section *section);

/* The first kernel of the target that supports the op's convolution, in `layout` (LAYOUT_COUNT: any); NULL where none
 * does. */
const struct conv_kernel *convolution_choose(const struct op *op, const struct target *target, enum layout layout);
/* The same of the 8-bit kernels, for a plan that was calibrated; NULL: none is worth it, or the span of the input isn't known. */
const struct conv_kernel *convolution_choose_int8(const struct op *op, const struct target *target, enum layout layout);
/* The rest is for layer_ops. An op with own memory has the weights that it is to use there, in place of its slot's. */
void convolution_plan(struct op *op, const struct target *target, const struct conv_kernel *kernel);
void convolution_pack(const struct op *op, const struct exec *exec);
void convolution_forward(const struct op *op, const struct exec *exec);
void convolution_backward(const struct op *op, const struct exec *exec);
/* The same with the weights' gradient in `dweight` (reals; NULL: not wanted), or added to what is there. */
void convolution_backward_into(const struct op *op, const struct exec *exec, void *dweight, int add);

#endif
