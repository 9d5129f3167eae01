/* Local response normalization across channels (Krizhevsky et al., NIPS 2012): y = x / (k + alpha * sum of squares over
 * `size` channels)^beta. */
#include "layers/layer.h"

static const struct key keys[] = {
    {"size", KEY_INT, "5", 1, 63, NULL, NULL, "Channels in a window, its own in the middle; odd."},
    {"alpha", KEY_REAL, "0.0001", 0, 1e6, NULL, NULL, "Weight of the sum of squares."},
    {"beta", KEY_REAL, "0.75", 0, 1000, NULL, NULL, "Exponent."},
    {"kappa", KEY_REAL, "1", 0, 1e6, NULL, "k", "Added to the sum."},
    {"alpha_over_size", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: alpha / size, as in Caffe and PyTorch; 0: alpha, as in the paper and darknet."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    int size = (int)config_int(s, "size");
    if (size % 2 == 0) {
        return node_refuse(node, "size", err,
                           "want an odd number of channels, got %d: the window has a channel in its middle", size);
    }
    if (config_real(s, "kappa") == 0) {
        return node_refuse(node, "kappa", err, "want more than 0: a window of zeros would be divided by zero");
    }
    struct lrn *lrn = node->own = mem_need(1, sizeof *lrn);
    lrn->size = size;
    lrn->alpha = config_real(s, "alpha") / (config_bool(s, "alpha_over_size") ? size : 1);
    lrn->beta = config_real(s, "beta");
    lrn->k = config_real(s, "kappa");
    node->out = node_input(node, 0);
    return 0;
}

static void plan(struct op *op, const struct target *target) {
    op_plan_pointwise(op, target);
    op->backward_reads_in = 1;
}

static void forward(const struct op *op, const struct exec *exec) {
    exec->kernels->lrn(exec->threads, op->node->own, tensor_view(op->in[0], exec), op->in[0]->data, op->out->data);
}

static void backward(const struct op *op, const struct exec *exec) {
    if (op->in[0]->grad) {
        exec->kernels->lrn_back(exec->threads, op->node->own, tensor_view(op->in[0], exec), op->in[0]->data,
                                op->out->grad, op->in[0]->grad, op->add[0]);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_lrn = {
    .name = "lrn",
    .aliases = "normalization",
    .help = "Local response normalization across channels: x / (kappa + alpha * sum of x^2 over a window of "
            "channels)^beta (Krizhevsky et al. 2012).",
    .example = "[lrn]\nsize=5\nalpha=0.0001\nbeta=0.75\nkappa=2\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
