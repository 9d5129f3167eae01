/* Where everything lies in a pass of a recurrent layer. Kept for backward, per direction, reals:
 *
 *     gates   [t][batch][gates][hidden]; to infer, of some steps at a time, or (inputs multiplied in the steps) not at all
 *     h       [t + 1][batch][hidden]: the first direction's state before step t is number t, the one behind it t + 1;
 *             of the second direction it is the other way round. To infer two: an even number's, an odd one's
 *     c       the same, lstm
 *     extra   [t][batch][hidden], gru, training */
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
    int by_ids;         /* the input is one-hot vectors of the network's symbols: their rows are looked up, the vectors not read */
};

/* How a layer runs in a plan: op->kernel. */
struct recurrent_way {
    enum cell_input input;
    int training;
};
const struct recurrent_way *recurrent_way(const struct recurrent *own, const struct target *target);
/* What computes its steps there: 8-bit products to infer, where they are asked for, are there, and their sums fit. */
const struct cell_kernels *recurrent_cells(const struct recurrent *own, const struct target *target);

/* Of what is kept of one direction, in reals; states: how many, at_once: steps that the kernel is given. */
struct recurrent_sizes {
    size_t gates, states, h, c, extra, all, at_once;
};
struct recurrent_sizes recurrent_sizes(const struct recurrent *own, size_t batch, const struct recurrent_way *way);

/* Scratch, in reals: gradients of the state, then (bfloat16) the inputs as floats; the matrix products' own stands
 * behind. */
struct recurrent_room {
    size_t dh, dc, x, all;
};
struct recurrent_room recurrent_room(const struct recurrent *own, size_t batch, const struct kernels *kernels);

/* What a direction's weights are packed for; ih, hh to be set. */
struct cell_weights recurrent_weights(const struct recurrent *own, const struct recurrent_way *way);

/* One direction of one pass. */
struct recurrent_pass {
    const struct op *op;
    const struct exec *exec;
    const struct recurrent *own;
    const struct recurrent_way *way;
    size_t batch, real, states, at_once;
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
/* Where a direction's packed weights begin. */
void *pass_packed(const struct op *op, int direction);
/* `steps` of them from step t on, for the kernels; of all, or of as many as gates are kept. */
struct cells pass_cells(const struct recurrent_pass *p, size_t t, size_t steps);
/* The product g of these, all reals. */
void pass_product(const struct recurrent_pass *p, struct gemm g, const void *a, const void *b, void *c);
/* The input as reals: itself, or (bfloat16) a copy in scratch. */
const void *pass_input(const struct recurrent_pass *p);

#endif
