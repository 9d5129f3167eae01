/* What sparsity= adds behind a layer: hands its input on; in training the sum of its absolute values, times sparsity, joins
 * each sample's loss (the L1 activity penalty of sparse autoencoders). Not a loss of its own: a network needs another. */
#include "layers/layer.h"

static int shape(struct node *node, struct err *err) {
    (void)err;
    double *own = node->own = mem_need(1, sizeof *own);
    *own = config_real(node->section, "sparsity");
    node->out = node_input(node, 0);
    return 0;
}

/* The penalty is the L1 distance from a row of zeros, which own memory holds; a row without an answer has none. Whatever the classes weigh, it is
 * the mean over the rows that joins the loss, which is divided by their weights: so each penalty weighs as much as a row does on average. */
static void plan(struct op *op, const struct target *target) {
    size_t rows = (size_t)target->batch * (size_t)op->node->out.t;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->implementation = "penalty";
    op->in_place = 1;
    op->backward_reads_in = 1;
    op->own_bytes = target->training ? rows * shape_step(op->node->out) * sizeof(float) : 0;
}

static struct value_loss call(const struct op *op, const struct exec *exec) {
    size_t width = shape_step(op->node->out);
    return (struct value_loss){
        .kind = LOSS_L1, .rows = tensor_samples(op->out, exec), .width = width, .labels = exec->truth->labels, .target = op->own,
        .weight = *(const double *)op->node->own * (double)width * exec->truth->mean_weight, .scale = exec->loss_scale,
    };
}

static void forward(const struct op *op, const struct exec *exec) {
    if (op->out->data != op->in[0]->data) {
        exec->kernels->activate(exec->threads, ACT_LINEAR, op->in[0]->data, op->out->data, tensor_elems(op->out, exec));
    }
    if (exec->training && exec->truth && exec->loss && op->own) {
        struct value_loss l = call(op, exec);
        exec->kernels->loss(exec->threads, &l, op->in[0]->data, exec->loss);
    }
}

static void backward(const struct op *op, const struct exec *exec) {
    void *din = op->in[0]->grad;
    size_t n = tensor_elems(op->out, exec);
    if (!din) {
        return;
    }
    if (op->out->grad != din && op->add[0]) {
        exec->kernels->add(exec->threads, op->out->grad, din, n);
    } else if (op->out->grad != din) {
        exec->kernels->activate(exec->threads, ACT_LINEAR, op->out->grad, din, n);
    }
    struct value_loss l = call(op, exec);
    exec->kernels->loss_back(exec->threads, &l, op->in[0]->data, din, 1);
}

const struct layer_ops layer_sparsity = {
    .name = "sparsity",
    .help = "What sparsity= stands for.",
    .flags = LAYER_INTERNAL,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
