/* The update rules, for the list in optimizer.c: their order is that of the choices of [net] optimizer. */
#ifndef DLCLI_RULES_H
#define DLCLI_RULES_H

#include "optimizers/optimizer.h"

extern const struct optimizer_ops optimizer_sgd, optimizer_perceptron, optimizer_adam, optimizer_adamw, optimizer_adagrad,
    optimizer_rmsprop, optimizer_adamax, optimizer_nadam;

#endif
