/* The update rules, for the list in optimizer.c: their order is that of the choices of [net] optimizer. */
#ifndef DLCLI_RULES_H
#define DLCLI_RULES_H

#include "optimizers/optimizer.h"

extern const struct optimizer_ops optimizer_sgd, optimizer_perceptron, optimizer_adam, optimizer_adamw, optimizer_adagrad,
    optimizer_rmsprop, optimizer_adamax, optimizer_nadam;

/* lookahead.c. After the update that makes `steps` of them: every `every` steps average = keep * average + (1 - keep) * weights, and
 * the weights become it; after the last step they become it as it is, unless there were too few for one such move. */
void lookahead_step(const struct optimizer *o, uint64_t steps);

#endif
