/* What a layer that computes the normalization behind it (op->takes_scale) needs from batchnorm.c. */
#ifndef DLCLI_BATCHNORM_H
#define DLCLI_BATCHNORM_H

#include "plan.h"

/* Inference: norm(w x + b) = (scale w) x + folded. Works out scale and folded (reals, one per channel) from the batch
 * norm's parameters and running statistics and the producer's bias (reals, or NULL: 0). */
void batchnorm_fold(const struct op *norm, const struct kernels *kernels, const void *bias, void *scale, void *folded);
/* Is it frozen, so that it uses its running statistics in training too? */
int batchnorm_is_frozen(const struct node *node);

#endif
