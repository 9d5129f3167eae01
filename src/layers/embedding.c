/* Symbols as vectors that are learnt (Bengio et al., "A Neural Probabilistic Language Model", 2003). */
#include "layers/symbols.h"

static const struct key keys[] = {
    {"output", KEY_INT, "1", 1, 1048576, NULL, NULL, "Length of the vectors."},
    {"size", KEY_INT, NULL, 1, 16777216, NULL, "vocabulary", "How many symbols there are."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    int size = (int)config_int(s, "size"), width = (int)config_int(s, "output");
    if (!config_given(s, "size")) {
        return node_refuse(node, "size", err, "is missing: how many symbols there are");
    }
    if ((double)size * width > 2147483647.0) {
        return node_refuse(node, "size", err, "%d vectors of %d values are too many", size, width);
    }
    const int dims[] = {size, width, 0};
    struct init init = {.kind = INIT_NORMAL, .a = 0, .b = 1};
    if (node_init(node, &init, err) < 0) {
        return -1;
    }
    node_slot(node, SLOT_PARAM, "weight", init, (size_t)size, (size_t)width, dims);
    return symbols_shape(node, width, err);
}

static struct lookup call_of(const struct op *op, const struct exec *exec) {
    struct lookup call = symbols_lookup(op, exec, (size_t)op->node->slots[0].dims[0]);
    call.table = op->slots[0].data;
    call.dtable = op->slots[0].grad;
    return call;
}

static void forward(const struct op *op, const struct exec *exec) {
    struct lookup call = call_of(op, exec);
    exec->kernels->lookup(exec->threads, &call);
}

static void backward(const struct op *op, const struct exec *exec) {
    struct lookup call = call_of(op, exec);
    if (call.dtable) {
        exec->kernels->lookup_back(exec->threads, &call);
    }
    symbols_input_back(op, exec);
}

static const struct key *const tables[] = {keys, keys_init, NULL};
const struct layer_ops layer_embedding = {
    .name = "embedding",
    .help = "Each step's symbol, a number from 0 to size - 1, as a vector of its own that is learnt: a row of weight "
            "(size x output), which starts normal with deviation 1, as PyTorch's nn.Embedding; a symbol that there is "
            "none of is all zeros (Bengio et al. 2003).",
    .example = "[embedding]\nsize=65\noutput=32\n",
    .keys = tables,
    .shape = shape,
    .plan = symbols_plan,
    .forward = forward,
    .backward = backward,
};
