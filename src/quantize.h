/* quantize: --precision int8. What each convolution and connected layer is given is watched in float32 over some training pictures; a plan made anew
 * then computes their products with 8-bit numbers, one scale a tensor of activations and one a filter (Krishnamoorthi, "Quantizing deep
 * convolutional networks for efficient inference", 2018). What lies between layers is bfloat16 where the processor multiplies that, else float32. */
#ifndef DLCLI_QUANTIZE_H
#define DLCLI_QUANTIZE_H

#include "model.h"

/* Pictures that are watched, drawn by the seed; the batch that they are watched in, the same for any plan's, so that its predictions are too. */
enum { QUANTIZE_SAMPLES = 256, QUANTIZE_BATCH = 32 };

/* model is planned in float32 for QUANTIZE_BATCH, without training; its plan is replaced by one with 8-bit products, its values the same. options: as for model_plan;
 * options->quantize says what is watched. -1 with a sentence where the training data isn't there, or memory. */
int quantize_model(struct model *model, const struct plan_options *options, uint64_t seed, struct err *err);

#endif
