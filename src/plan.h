/* plan: the third room. graph + batch + mode + precision + this CPU -> kernels, layouts, lifetimes, one arena. The plan owns all
 * numbers: parameters and running statistics (for as long as it lives) and the arena of everything else, reused by lifetime.
 * Everything that can fail fails here; what runs afterwards can't. */
#ifndef DLCLI_PLAN_H
#define DLCLI_PLAN_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include "graph.h"
#include "kernels/kernels.h"

/* What a value was seen to lie within, 0 among it; nothing was seen where low == high. */
struct span { float low, high; };

/* What a plan is for. */
struct target {
    const struct kernels *kernels;
    const struct conv_kernel *const *int8;   /* to be preferred for nodes whose input's span is known */
    const struct cell_kernels *int8_cells;   /* the same for recurrent layers, whatever they read; NULL: none */
    const struct span *spans;                /* by node: of its first input; NULL: none is known */
    int batch;                  /* most samples a call (a mini-batch of the subdivisions) */
    int training;               /* backward will run */
    int threads;
};

/* The values of one node for a whole batch: batch * t samples of c,h,w in `layout` (time steps outermost: [t][batch]), and their gradient. */
struct tensor {
    struct shape shape;
    enum layout layout;
    void *data;                 /* elems */
    void *grad;                 /* elems, NULL where no gradient is wanted */
    void *grad_place;           /* where it lies while what comes before learns */
    int external;               /* data is set by run (the input of an F32 plan; other types get a converted copy) */
    const float *exact;         /* of the network's input: the numbers given, which bfloat16 would round (symbols); else NULL */
    size_t bytes;               /* at the plan's batch, lanes rounded up */
};

/* A parameter or running statistic: reals. */
struct value { const struct node *node; const struct slot *slot; void *data, *grad; };   /* grad NULL: frozen, a STATE, or inference */

/* A node made ready to run. */
struct op {
    const struct node *node;    /* of a reorder: the node whose value it copies */
    const struct layer_ops *ops;
    int in_count;
    struct tensor **in, *out;
    int *add;                   /* per input: its gradient is added to rather than set */
    struct value *slots;        /* node->slot_count */
    const struct tensor *input; /* the network's */
    /* set by ops->plan(): */
    enum layout in_layout, out_layout;      /* of all inputs; of the output */
    int in_place;               /* may write its output over its input, and its input's gradient over its output's, if nobody else minds */
    int backward_reads_in, backward_reads_out;   /* values that must live until its backward */
    size_t saved_bytes, scratch_bytes, packed_bytes, own_bytes;
    const char *implementation; /* for bench: "nhwc", "lanes", "ref"... */
    int takes_activation;       /* forward can apply `activation` to its output itself (bias and activation fused) */
    int takes_relu;             /* a relu behind it, forward and backward; it is then told by `activation` */
    int takes_relu_before;      /* its backward can do that of a relu before it, too */
    int takes_scale;            /* pack can fold a batch norm into its weights in inference */
    enum activation is_activation;   /* this op is nothing but that activation: the op before it may take it over (ACT_LINEAR: no) */
    int is_scale;               /* in inference this op is nothing but a scale and a shift per channel: the op before it may take it over */
    const void *kernel;         /* the layer's choice, e.g. a struct conv_kernel */
    int reads_given;            /* does not read its input, the network's, but the floats given for it (input->exact): nobody need round or turn them */
    int reads_ids;              /* does not read its input, one-hot vectors, but the symbols that they stand for (input->exact) */
    struct span span;           /* of the first input, where the kernel is one of target->int8 */
    const struct cell_kernels *cells;       /* of a recurrent layer */
    int sets_weight;            /* backward sets the gradient of slot 0, rather than adding to it, where exec->fresh */
    int carry_count;            /* states that own begins with, which a pass with exec->carry takes up and leaves for the next: */
    size_t carry_width, carry_bytes;    /* each samples x width reals; bytes apart */
    /* set by the plan afterwards: */
    void *saved, *scratch, *packed, *own;   /* bytes as booked, NULL where none; scratch is shared by all ops; own is small and zeroed (a place for decisions) */
    enum activation activation; /* fused epilogue; ACT_LINEAR if none */
    int relu_before;            /* its backward does that of the relu before it */
    const struct op *folded;    /* the batchnorm op that was folded into this one's weights */
    int skip;                   /* fused into another op, or read by none: forward does nothing */
    int skip_backward;          /* nor backward */
    int learns;                 /* its backward runs: a loss lies behind it, and a parameter in it or before it */
    int rests;                  /* not in this epoch, as those parameters have all been trained for their bias_epochs */
};

struct plan {
    const struct graph *graph;
    struct target target;
    struct tensor *tensors; int tensor_count;
    struct op *ops; int op_count;
    struct value *values; int value_count;     /* all slots of all nodes, node by node; ops borrow */
    int *op_of_node;                           /* op that computes node i; -1 where the plan leaves it out (auxiliary classifiers in inference) */
    struct tensor *input, *output;             /* the network's, output in NCHW */
    void *arena, *weights, *gradients, *packed, *scratch;
    size_t arena_bytes, weight_bytes, gradient_bytes, packed_bytes, scratch_bytes;
};

/* Spans for 8-bit products (quantize.h): none; of training pictures that [data] names; of noise such as bench makes. */
enum quantize { QUANTIZE_NOT, QUANTIZE_BY_DATA, QUANTIZE_BY_NOISE };

struct plan_options {
    enum isa isa; int ref_only;
    enum dtype dtype;
    const struct span *spans;   /* by node, for 8-bit products in a plan of float32 or bfloat16 that infers; NULL: without */
    void *weights;              /* what plan_end gave of another plan of this graph, float32 or bfloat16: its values, which become this one's; NULL: none */
    int batch, training, threads;
    int keep_layer;             /* a layer whose output must survive the forward pass (predict --layer), else -1 */
    int keep_all;               /* no reuse at all: every value survives (tests, check) */
    enum quantize quantize;         /* what model_plan does to know the spans */
    const volatile sig_atomic_t *stop;      /* it ends, with INTERRUPTED, where that is not 0 any more; NULL: never */
};

/* -1 with a sentence where memory can't be had. Parameters are zero until plan_init or a checkpoint fills them. */
int plan_make(struct plan *plan, const struct graph *graph, const struct plan_options *options, struct err *err);
void plan_free(struct plan *plan);
/* Frees all but the values, which another plan can take over; the caller's to free. */
void *plan_end(struct plan *plan);
/* Starting values from the seed: the same for any plan of the same graph. */
void plan_init(struct plan *plan, uint64_t seed);
/* Bytes that plan_make would allocate in all, without allocating (summary). */
void plan_measure(const struct graph *graph, const struct plan_options *options, size_t *bytes);
/* Has a value been trained for as many epochs as it is to be, or never? Then no update changes it. */
int value_rests(const struct value *v, uint64_t epoch);
/* Passes from now on are those of `epoch`: what rests in it, and so does all before it, gets no gradient. */
void plan_epoch(struct plan *plan, uint64_t epoch);
/* Reading and writing values as float32 (any dtype). */
void value_get(const struct plan *plan, const struct value *v, float *to);
void value_set(const struct plan *plan, const struct value *v, const float *from);
/* The states that passes with exec->carry hand on: state i is one of rows (the plan's batch) x width reals, called "state.<layer>.h" or ".c".
 * Returns how many there are; i beyond that gives nothing. */
struct carried { size_t rows, width; void *data; char name[1024]; };
int plan_carried(const struct plan *plan, int i, struct carried *state);
/* All of them zero: a text begins. */
void plan_forget(struct plan *plan);
const char *value_name(const struct plan *plan, int i, char *buffer, size_t size);
/* The tensor (NCHW or not) of a layer's output, for --layer; needs keep_layer or keep_all. */
const struct tensor *plan_layer_output(const struct plan *plan, int layer);

/* ---- what a pass is told ---- */

/* What the network should have said, one entry per sample (times t). */
struct truth {
    const int32_t *labels;      /* class indices, or NULL */
    const float *values;        /* targets of a regression or soft labels: samples x outputs, or NULL */
    size_t width;               /* of a row of values */
    const float *class_weight;  /* per class, or NULL */
    double label_smoothing;
    double mean_weight;         /* what an answered row of the batch weighs in the loss, on average: 1 without class weights */
};
struct exec {
    const struct kernels *kernels;
    struct threads *threads;
    int batch;                  /* samples in this call, <= the plan's */
    int training;               /* dropout drops, batch norm uses the batch's statistics, losses give gradients */
    int carry;                  /* recurrent layers go on from the states that the pass before left (plan_forget: from zeros) */
    uint64_t seed, step;        /* chance is a function of these, the op and the element */
    const struct truth *truth;  /* NULL: losses compute nothing */
    int fresh;                  /* the first pass of an update: run_zero and backward take it that no parameter has a gradient yet */
    double loss_scale;          /* of gradients: 1 / samples of the whole batch */
    double soften;              /* divides what the softmax at the network's end is given, besides its keys; 0: as it is */
    double *loss;               /* per sample (batch * t), zeroed by run, losses add to it; NULL: not wanted */
};

/* ---- for layers' plan() ---- */
struct view tensor_view(const struct tensor *t, const struct exec *exec);
size_t tensor_elems(const struct tensor *t, const struct exec *exec);   /* stored elements for exec->batch, lanes rounded up */
size_t tensor_samples(const struct tensor *t, const struct exec *exec); /* batch * t */
void op_plan_pointwise(struct op *op, const struct target *target);

#endif
