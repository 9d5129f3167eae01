/* What the kernels compute of recurrent layers: all steps of one direction at a time, reals but for out and dout (kernels.h says what these are). */
#ifndef DLCLI_KERNELS_RECURRENT_H
#define DLCLI_KERNELS_RECURRENT_H

#include <stddef.h>
#include "base/threads.h"

enum cell_kind { CELL_TANH, CELL_RELU, CELL_LSTM /* gates i, f, g, o */, CELL_GRU /* r, z, n */ };
/* Where the products with the inputs come from: they are in `gates`; x is multiplied in the steps; or the inputs are one-hot vectors, and the rows of
 * weight_ih's transpose that `ids` names are they. */
enum cell_input { CELL_INPUT_READY, CELL_INPUT_X, CELL_INPUT_IDS };
struct cell_weights {
    enum cell_kind kind;
    enum cell_input input;
    size_t hidden, inputs;
    int training;                       /* for the way back too */
    const void *ih, *hh;                /* G * hidden x inputs (READY: not needed), G * hidden x hidden */
};
struct cells {
    enum cell_kind kind;
    enum cell_input input;
    size_t batch, hidden, inputs, steps;
    int reverse;                        /* steps are taken from the last to the first */
    const void *packed;                 /* what was packed of the weights */
    const void *x;                      /* INPUT_X: steps x batch x inputs */
    const float *ids;                   /* INPUT_IDS: steps x batch, 0 to inputs - 1; what is none gives nothing */
    void *gates;                        /* steps x batch x G x hidden: products with the input (READY) -> values of the gates (as backward wants them) -> gradients of their sums; NULL to infer, unless READY */
    const void *bias_ih, *bias_hh;      /* G x hidden */
    void *h, *c;                        /* states x batch x hidden: the state before step t is number `first` + t, the one behind it the next; reverse: the other way round. Number n lies at n % states. c of lstm only */
    size_t first, states;               /* backward wants all states kept: states more than first + steps; to infer two are enough */
    void *extra;                        /* gru, steps x batch x hidden: the third gate's product with the state, then its gradient; NULL to infer */
    void *out; const void *dout;        /* h, and the gradient that comes from there: of step t from element t * out_step on, rows out_stride apart */
    size_t out_stride, out_step;
    int last;                           /* only the step taken last puts out, at 0 */
    const float *symbols;               /* steps x batch: where it is SYMBOL_PADDING the row's sequence has ended: it keeps its state, and puts out zeros, with `last` its state. Or NULL */
    void *dh, *dc;                      /* scratch for backward, batch x hidden each */
};

/* Units or inputs whose 8-bit products' sum fits into int32: 255 * 127 each. */
enum { CELL_INT8_DEPTH = 66000 };

/* What a recurrent layer calls. */
struct cell_kernels {
    /* INPUT_X where steps of so many samples had better multiply with the inputs themselves; else READY */
    enum cell_input (*input)(size_t batch);
    /* packed: of that many bytes, 64-aligned */
    size_t (*packed)(const struct cell_weights *w);
    void (*pack)(struct threads *t, const struct cell_weights *w, void *packed);
    void (*forward)(struct threads *t, const struct cells *c);
    void (*back)(struct threads *t, const struct cells *c);     /* not of 8-bit products, which only infer */
};

#endif
