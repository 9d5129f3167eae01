/* Where everything lies in a pass of a recurrent layer. Kept for backward, per direction, reals:
 *
 *     gates   [t][batch][gates][hidden]; to infer, of some steps at a time
 *     h       [t + 1][batch][hidden]: the first direction's state before step t is at t, the one behind it at t + 1;
 *             of the second direction it is the other way round
 *     c       the same, lstm
 *     extra   as gates: [t][batch][hidden], gru */
#ifndef DLCLI_RECURRENT_PASS_H
#define DLCLI_RECURRENT_PASS_H

#include "layers/recurrent.h"

/* Slots of a direction. */
enum { SLOT_WEIGHT_IH, SLOT_WEIGHT_HH, SLOT_BIAS_IH, SLOT_BIAS_HH, SLOTS };

/* A layer: node->own. */
struct recurrent {
    enum cell_kind kind;
    int gates, steps, inputs, hidden, directions, last;
    int ends;           /* sequences may end before the last step: the network's input is symbols, a step of it one of ours */
};

/* Of what is kept of one direction, in reals; at_once: steps whose gates are. */
struct recurrent_sizes {
    size_t gates, h, c, extra, all, at_once;
};
struct recurrent_sizes recurrent_sizes(const struct recurrent *own, size_t batch, int training);

/* Scratch, in reals: gradients of the state, then (bfloat16) the inputs as floats; the matrix products' own stands
 * behind. */
struct recurrent_room {
    size_t dh, dc, x, all;
};
struct recurrent_room recurrent_room(const struct recurrent *own, size_t batch, const struct kernels *kernels);

/* One direction of one pass. */
struct recurrent_pass {
    const struct op *op;
    const struct exec *exec;
    const struct recurrent *own;
    size_t batch, real, at_once;
    int reverse;
    char *gates, *h, *c, *extra; /* saved */
    char *dh, *dc, *x, *rest;    /* scratch */
    const struct value *slots;
};

struct recurrent_pass pass_make(const struct op *op, const struct exec *exec, int direction);
/* Elements of a state. */
size_t pass_state(const struct recurrent_pass *p);
/* The state before step t (behind: 0) or behind it (1); states: p->h or p->c. */
char *pass_state_at(const struct recurrent_pass *p, char *states, int t, int behind);
/* Whether the plan is for training. */
int pass_training(const struct op *op, const struct kernels *kernels);
/* Where a direction's packed weights begin. */
void *pass_packed(const struct op *op, int direction);
/* `steps` of them from step t on, for the kernels; of all, or of as many as gates are kept. */
struct cells pass_cells(const struct recurrent_pass *p, size_t t, size_t steps);
/* The product g of these, all reals. */
void pass_product(const struct recurrent_pass *p, struct gemm g, const void *a, const void *b, void *c);
/* The input as reals: itself, or (bfloat16) a copy in scratch. */
const void *pass_input(const struct recurrent_pass *p);

#endif
