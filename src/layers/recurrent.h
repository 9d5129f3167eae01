/* What rnn, lstm and gru share: they differ in their cell alone. */
#ifndef DLCLI_RECURRENT_H
#define DLCLI_RECURRENT_H

#include "layers/layer.h"

/* output, bidirectional, sequence, form. */
extern const struct key keys_recurrent[];

/* shape() of a layer with that cell of `gates` gates. */
int recurrent_shape(struct node *node, enum cell_kind kind, int gates, struct err *err);
void recurrent_plan(struct op *op, const struct target *target);
void recurrent_pack(const struct op *op, const struct exec *exec);
void recurrent_forward(const struct op *op, const struct exec *exec);
void recurrent_backward(const struct op *op, const struct exec *exec);

#endif
