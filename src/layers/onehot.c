/* Symbols as one-hot vectors. */
#include "layers/symbols.h"

static const struct key keys[] = {
    {"size", KEY_INT, NULL, 1, 1048576, NULL, "vocabulary", "How many symbols there are."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    if (!config_given(node->section, "size")) {
        return node_refuse(node, "size", err, "is missing: how many symbols there are");
    }
    int bad = symbols_shape(node, (int)config_int(node->section, "size"), err);
    node->one_hot = !bad && node->symbols;
    return bad;
}

static void forward(const struct op *op, const struct exec *exec) {
    struct lookup call = symbols_lookup(op, exec, shape_step(op->out->shape));
    exec->kernels->lookup(exec->threads, &call);
}

static void backward(const struct op *op, const struct exec *exec) {
    symbols_input_back(op, exec);
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_onehot = {
    .name = "onehot",
    .aliases = "one_hot",
    .help = "Each step's symbol, a number from 0 to size - 1, as a vector that is 1 there and 0 elsewhere; a symbol "
            "that there is none of is all zeros.",
    .example = "[onehot]\nsize=65\n",
    .keys = tables,
    .shape = shape,
    .plan = symbols_plan,
    .forward = forward,
    .backward = backward,
};
