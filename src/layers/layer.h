/* The one interface of all layers. A layer type is one file here with one static const struct layer_ops, and one line
 * in list.h. Layers know shapes and slots; arithmetic is the kernels' (through exec->kernels). Nobody asks a layer its
 * type. */
#ifndef DLCLI_LAYER_H
#define DLCLI_LAYER_H

#include "graph.h"
#include "plan.h"

enum layer_flags {
    LAYER_LOSS = 1,          /* computes losses from exec->truth: training needs one */
    LAYER_MANY_INPUTS = 2,   /* shape() takes any number of inputs; others take one */
    LAYER_INTERNAL = 4,      /* not a section of its own: never found by name in a config (input, reorder) */
    LAYER_RANDOM = 8,        /* training differs from inference by chance, which the step fixes (dropout) */
    LAYER_BARE = 16,         /* hands on its input as it is: a bare loss, never the network's output (cost) */
};

struct layer_ops {
    const char *name;                    /* section name: "convolutional" */
    const char *aliases;                 /* "conv", "a|b" or NULL */
    const char *help;                    /* a few sentences for `dlcli help NAME`: formula, paper */
    const char *example;                 /* a section as one would write it */
    const struct key *const *keys;       /* NULL-terminated list of tables (keys_common is checked besides) */
    unsigned flags;

    /* Which layers it reads, as references: NULL = the default (input= if given, else the layer before). Returns how
     * many were written to in[] (node indices), or -1. Only for layers with keys of their own for it (route, shortcut).
     */
    int (*inputs)(struct node *node, const struct graph *graph, int *in, int most, struct err *err);

    /* Works out node->out, own, flops and slots from the section and the input shapes. The only one that may refuse. */
    int (*shape)(struct node *node, struct err *err);

    /* 1 where this node does compute a loss (a type with LAYER_LOSS may not: a softmax in the middle, a cost behind a
     * softmax). Asked of complete graphs only. NULL: never. */
    int (*has_loss)(const struct node *node);

    /* Decides how this node runs on that target: layouts, kernel, bytes. Cannot fail. NULL: op_plan_pointwise (any
     * layout, out as in). */
    void (*plan)(struct op *op, const struct target *target);

    /* After parameters changed (first use, each update): packs weights. May be NULL. */
    void (*pack)(const struct op *op, const struct exec *exec);

    void (*forward)(const struct op *op, const struct exec *exec);
    /* Reads op->out->grad, gives op->in[i]->grad where not NULL (set, or added to where op->add[i]), adds parameter
     * gradients to op->slots[j].grad where not NULL. Called only where node->learns. */
    void (*backward)(const struct op *op, const struct exec *exec);
};

/* name, learning_rate, freeze, input, and darknet's common keys. */
extern const struct key keys_common[];
/* For tables of layers that can carry them; graph.c appends the nodes. */
extern const struct key keys_activation[];        /* activation, default linear */
extern const struct key keys_activation_logistic[];  /* the same with darknet's default, logistic */
extern const struct key keys_batch_normalize[];   /* batch_normalize, bn_eps, bn_momentum, bn_scale */
#define BN_SCALE_HELP "0: no factor for each channel: gamma stays at 1, and only beta is trained."
extern const struct key keys_init[];              /* init, init_dirac, init_gain, init_min/max/mean/std */
extern const char activation_choices[];           /* in the order of enum activation */

/* The node that `text`, the value of `key`, names in node's section: the layer of that name or index, or, negative, so
 * many layers before this one; "input" is the network's input where no layer has that name. Only layers before this
 * one. Returns the node, or -1 with a refusal. */
int layer_reference(const struct node *node, const char *key, const char *text, struct err *err);
/* The node read by default: that of input= where given, else the last node of the layer before (the network's input for
 * the first). */
int layer_default_input(const struct node *node, struct err *err);
/* weights= and biases= of the section become the starting values of its main node's slots (INIT_VALUES). -1 with
 * refusals: no such parameter, another count, no number, no such file. */
int layer_given(struct node *node, struct err *err);
/* Refuses the keys about learning (learning_rate, decay, l1, max_norm, freeze_weights, bias_epochs) that no parameter of the layer heeds. */
int layer_learning(const struct graph *graph, const struct layer *layer, struct err *err);
/* node->ops->has_loss, 0 where NULL. */
int layer_has_loss(const struct node *node);
/* How many nodes compute a loss. */
int layer_losses(const struct graph *graph);
/* Bytes of n reals (parameters, sums) and of n elems (tensors). */
size_t layer_reals(const struct kernels *kernels, size_t n);
/* reals[i] = value. */
void layer_put_real(const struct kernels *kernels, void *reals, size_t i, double value);
size_t layer_elems(const struct kernels *kernels, size_t n);

/* Every layer type, NULL at the end (from list.h). */
#define LAYER(name) extern const struct layer_ops layer_##name;
#include "layers/list.h"
#undef LAYER
extern const struct layer_ops *const layer_list[];
const struct layer_ops *layer_find(const char *name);      /* by name or alias; NULL */
const char *layer_type(const char *section);               /* the name of that type; NULL where a section of this name is no layer */
extern const struct layer_ops layer_input, layer_reorder, layer_sparsity;    /* LAYER_INTERNAL: not in the list */

#endif
