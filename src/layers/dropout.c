/* Dropout (Srivastava et al., JMLR 2014) in its inverted form: training drops an element with the given probability and
 * scales the others up, inference does nothing. The mask is never stored: backward draws it again. */
#include "layers/layer.h"

#include "base/rng.h"

static const struct key keys[] = {
    {"probability", KEY_REAL, "0.5", 0, 0.999999, NULL, NULL, "Share of the elements that training sets to zero."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    (void)err;
    double *probability = node->own = mem_need(1, sizeof *probability);
    *probability = config_real(node->section, "probability");
    node->out = node_input(node, 0);
    return 0;
}

static void plan(struct op *op, const struct target *target) {
    op_plan_pointwise(op, target);
    op->in_place = 1;
}

/* The same for both directions: a step and a node have one mask. */
static void drop(const struct op *op, const struct exec *exec, const void *x, void *y, int add) {
    uint64_t stream = (uint64_t)RNG_DROPOUT << 48 ^ (uint64_t)op->node->index << 32 ^ exec->step;
    exec->kernels->dropout(exec->threads, *(const double *)op->node->own, exec->seed, stream, x, y,
                           tensor_elems(op->out, exec), add);
}

static void forward(const struct op *op, const struct exec *exec) {
    const void *in = op->in[0]->data;
    if (exec->training) {
        drop(op, exec, in, op->out->data, 0);
    } else if (op->out->data != in) {
        exec->kernels->activate(exec->threads, ACT_LINEAR, in, op->out->data, tensor_elems(op->out, exec));
    }
}

static void backward(const struct op *op, const struct exec *exec) {
    if (op->in[0]->grad) {
        drop(op, exec, op->out->grad, op->in[0]->grad, op->add[0]);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_dropout = {
    .name = "dropout",
    .help = "Regularization by chance: training sets each element to zero with the given probability and multiplies "
            "the others by 1 / (1 - probability); otherwise the input is handed on (Srivastava et al. 2014).",
    .example = "[dropout]\nprobability=0.5\n",
    .keys = tables,
    .flags = LAYER_RANDOM,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
