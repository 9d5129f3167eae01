/* What embedding and onehot share: their input is symbols, numbers from 0. */
#ifndef DLCLI_SYMBOLS_H
#define DLCLI_SYMBOLS_H

#include "layers/layer.h"

/* Refuses an input of more than one value a step; sets node->out to `width` values a step. */
int symbols_shape(struct node *node, int width, struct err *err);
void symbols_plan(struct op *op, const struct target *target);
/* The call for vectors of `count` symbols, of this pass; table and gradients are the caller's to fill in. */
struct lookup symbols_lookup(const struct op *op, const struct exec *exec, size_t count);
/* Symbols have no derivative: where one is asked for it is zero. */
void symbols_input_back(const struct op *op, const struct exec *exec);

#endif
