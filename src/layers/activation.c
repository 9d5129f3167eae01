/* An activation, element by element. It is a section of its own, and the node behind any layer that says activation=;
 * the plan computes it inside its producer where that is faster, and then calls only its backward. */
#include "layers/layer.h"

static int shape(struct node *node, struct err *err) {
    (void)err;
    enum activation *own = node->own = mem_need(1, sizeof *own);
    *own = (enum activation)config_choice(node->section, "activation");
    node->out = node_input(node, 0);
    return 0;
}

static enum activation kind(const struct op *op) {
    return *(const enum activation *)op->node->own;
}

static void plan(struct op *op, const struct target *target) {
    op_plan_pointwise(op, target);
    op->in_place = 1;
    op->is_activation = kind(op);
    op->backward_reads_out = activation_by_output(kind(op));
    op->backward_reads_in = !op->backward_reads_out;
}

static void forward(const struct op *op, const struct exec *exec) {
    exec->kernels->activate(exec->threads, kind(op), op->in[0]->data, op->out->data, tensor_elems(op->out, exec));
}

static void backward(const struct op *op, const struct exec *exec) {
    if (op->in[0]->grad) {
        exec->kernels->activate_back(exec->threads, kind(op), op->backward_reads_in ? op->in[0]->data : NULL,
                                     op->backward_reads_out ? op->out->data : NULL, op->out->grad, op->in[0]->grad,
                                     tensor_elems(op->out, exec), op->add[0]);
    }
}

static const struct key *const tables[] = {keys_activation, NULL};
const struct layer_ops layer_activation = {
    .name = "activation",
    .help = "An activation function of each element. leaky is max(x, 0.1 x), elu has alpha 1, gelu is x times the "
            "normal distribution function (gelu_tanh approximates it), silu is x * logistic(x), mish is x * "
            "tanh(softplus(x)).",
    .example = "[activation]\nactivation=relu\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
