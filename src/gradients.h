/* gradients: backpropagation proved by finite differences, on a small copy of any config, in float64. */
#ifndef DLCLI_GRADIENTS_H
#define DLCLI_GRADIENTS_H

#include <signal.h>
#include "base/threads.h"
#include "config.h"
#include "graph.h"

/* What the differences say of one layer: the largest relative error over its outputs' and its parameters' gradients, and where. */
struct gradient_check { int layer; double error; const char *where; int checked; };

enum { GRADIENTS_MOST_FILTERS = 4, GRADIENTS_MOST_OUTPUTS = 16, GRADIENTS_MOST_STEPS = 6, GRADIENTS_BATCH = 3 };

/* Cuts filters= and output= of every layer down, so that the reference kernels in float64 are quick; geometry and topology stay. */
void gradients_shrink(struct config *config);

/* Checks every layer of graph (of a shrunk config). For each tensor T, with a random direction v, the derivative of the loss along v by
 * backpropagation, <dL/dT, v>, is held against (L(T + hv) - L(T - hv)) / 2h. checks: graph->layer_count, filled. -1 where the network has
 * no loss, memory can't be had, or *stop is not 0 any more (looked at between layers; NULL: never). */
int gradients_check(const struct graph *graph, uint64_t seed, struct threads *threads, const volatile sig_atomic_t *stop, struct gradient_check *checks,
    struct err *err);

#endif
