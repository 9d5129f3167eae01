/* graph: the second room. A checked config becomes nodes with shapes; anything a user got wrong about the network is refused here,
 * with file:line. The graph owns descriptions only: no numbers, no memory for them, no choice of kernels.
 *
 * A section of the config is a *layer* (what users name, count and see in tables). It becomes one *node* or a few: `batch_normalize=1` and `activation=`
 * of a section are nodes of their own behind its main node, so that each node is one operation; the plan fuses them again where that is faster. */
#ifndef DLCLI_GRAPH_H
#define DLCLI_GRAPH_H

#include <stddef.h>
#include "config.h"
#include "base/err.h"

/* The shape of one sample: `t` time steps (1: none) of C,H,W. A flat vector of n values is {1, n, 1, 1}. */
struct shape { int t, c, h, w; };
size_t shape_count(struct shape s);                 /* t * c * h * w; shapes are refused beyond 2^31 - 1 elements */
size_t shape_step(struct shape s);                  /* c * h * w: of one time step */
int shape_same(struct shape a, struct shape b);
const char *shape_text(struct shape s, char buffer[48]);   /* "3x32x32", "10", "64x65 (64 steps)" */

/* How a parameter starts; darknet's habit and the papers' names. */
enum init_kind { INIT_ZERO, INIT_ONE, INIT_HE_NORMAL, INIT_HE_UNIFORM, INIT_GLOROT_NORMAL, INIT_GLOROT_UNIFORM, INIT_DARKNET_UNIFORM,
    INIT_UNIFORM, INIT_NORMAL, INIT_DIRAC, INIT_ORTHOGONAL, INIT_PYTORCH,
    INIT_WHITENING /* of the training data; before it is measured as INIT_HE_NORMAL */, INIT_VALUES };
struct init { enum init_kind kind; double a, b;     /* uniform: a..b; normal: mean a, deviation b; others: gain a (1) */
    int dirac;                                      /* the first filters are INIT_DIRAC, the others `kind` */
    float *values; };                               /* INIT_VALUES: all elements, owned by the graph */

/* A slot that lives as long as the model: what the optimizer updates, or what training updates (running statistics). */
enum slot_kind { SLOT_PARAM, SLOT_STATE };
struct slot {
    const char *suffix;           /* "weight", "gamma": the tensor's name is <layer>.<suffix>; a literal */
    enum slot_kind kind;
    int ndim, dims[4];            /* PyTorch's order */
    size_t count;
    size_t fan_in, fan_out;
    struct init init;
    int decays;                   /* weight decay applies by default (weights, not biases nor batch norm) */
    double rate;                  /* learning-rate multiplier of its layer */
    double decay, l1, max_norm;   /* its layer's, in place of [net]'s; -1: not given */
    size_t unit_blocks, unit_outer, units;   /* of the tensor's order: an output unit's weights are those of one place in blocks and units of
                                              * [blocks][outer][units][rest]; 1, 1, dims[0] unless said */
    int frozen;                   /* freeze=1 (or freeze_weights, bn_scale): neither updated nor counted as trainable */
    int epochs;                   /* updated in so many epochs only; 0: in all */
};

enum { NODE_MOST_SLOTS = 16 };
/* How a recurrent layer reads the steps: from the first on, so that its state can be carried from one window of a text to the next, or from both ends. */
enum time_kind { TIME_NONE, TIME_FORWARD, TIME_BOTH };
struct layer_ops;
struct graph;
struct node {
    int index;                    /* place in graph.nodes; inputs come before */
    int layer;                    /* place in graph.layers */
    const struct layer_ops *ops;
    const struct section *section;/* its layer's; borrowed from the config, which outlives the graph */
    const struct graph *graph;
    int in_count, *in;            /* nodes it reads; node 0 is the network's input */
    struct shape out;
    struct slot slots[NODE_MOST_SLOTS]; int slot_count;
    void *own;                    /* what shape() worked out; freed with free() by the graph */
    double flops;                 /* forward, one sample; a multiply-add is two */
    int classes;                  /* set by shape() where the node ends a classifier: how many classes it tells apart */
    int takes_shares;             /* set by shape() of a loss: probabilities of classes may stand in place of a label (mixup) */
    int consumers;                /* how many nodes read it */
    int symbols;                  /* set by shape() where it reads the network's input as symbols: numbers that stand for something */
    int one_hot;                  /* set by shape() where it hands such symbols on as one-hot vectors */
    enum time_kind time;          /* set by shape() where steps depend on one another */
    int learns;                   /* it, or something before it, has an unfrozen parameter: a gradient must reach it */
};
struct layer {                    /* one section */
    char *name;                   /* name= or <type><ordinal>; owned */
    const char *type;             /* proper type name; from layer_ops */
    const struct layer_ops *ops;
    struct section *section;
    const struct key **tables;    /* its type's and the common keys; owned */
    int first, last;              /* its nodes; consumers read `last` */
};
struct graph {
    struct config *config;        /* borrowed */
    const struct section *net, *data;   /* data NULL where there is none */
    struct shape input;           /* of one sample */
    struct layer *layers; int layer_count;
    struct node *nodes; int node_count;
    int output;                   /* node whose values predict writes: the last (a loss hands its input on) */
    int classes;                  /* the output node's */
    int gives_probabilities;      /* the output is a softmax of the classes; else it is scores, or values */
    int carries;                  /* [net] carry_state: states are carried from each window of a text to the next */
    size_t parameters, trainable; /* counts of SLOT_PARAM elements */
    double flops;
};

/* Checks every section against its table and builds the graph. The config must outlive it. -1 with all sentences that could be told
 * apart. `graph` must be freed either way. */
int graph_build(struct graph *graph, struct config *config, struct err *err);
void graph_free(struct graph *graph);

/* The layer of that name or index ("conv2", "3", "-1" from the end), or -1 with a sentence (nearest name). */
int graph_find_layer(const struct graph *graph, const char *reference, struct err *err);
/* 1 where chance decides how a parameter starts: 0 where all are given or fixed, so that the network can be used untrained. */
int graph_starts_by_chance(const struct graph *graph);
/* Does a node read the network's input as symbols? */
int graph_reads_symbols(const struct graph *graph);
/* "<layer>.<suffix>" in buffer. */
const char *graph_slot_name(const struct graph *graph, const struct node *node, const struct slot *slot, char *buffer, size_t size);

/* ---- for layers' shape() ---- */

/* Adds a slot and returns it. dims are given outermost first, ended by 0. rate, freeze, init= come from the section. */
struct slot *node_slot(struct node *node, enum slot_kind kind, const char *suffix, struct init init, size_t fan_in, size_t fan_out, const int *dims);
/* Shape of input i. */
struct shape node_input(const struct node *node, int i);
/* Whether a parameter of that name in its layer is added (a bias, a batch norm's beta), not multiplied with. */
int slot_is_bias(const char *suffix);
/* Of *init, which is the layer's own, what init= and the keys beside it say otherwise; -1 with a refusal of those that its kind doesn't read. */
int node_init(const struct node *node, struct init *init, struct err *err);
/* A refusal with file:line and [type] key. Returns -1. */
int node_refuse(const struct node *node, const char *key, struct err *err, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Refuses a key that is given and that nobody would read: -1. Not in a checkpoint's config, which may be older than the refusal: 0. */
int node_useless(const struct node *node, const char *key, struct err *err, const char *why);

#endif
