/* train --find-rate, in a file of its own (find_rate.c). */
#ifndef DLCLI_FIND_RATE_H
#define DLCLI_FIND_RATE_H

#include "commands/command.h"
#include "train.h"

enum { FIND_RATE_STEPS = 100 };
#define FIND_RATE_LEAST 1e-6
#define FIND_RATE_MOST 10.0

/* Refuses flags that don't go together with --find-rate, or without it. */
int find_rate_check(const struct args *args, struct err *err);
/* Makes the test, prints what it found, draws RUN/find-rate.png. The team must be there. */
int find_rate(struct context *context, struct model *model, struct train_options options, struct err *err);

#endif
