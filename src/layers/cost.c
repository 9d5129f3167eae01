/* A loss on whatever comes before it; hands its input on. Behind a softmax that holds its own loss it changes nothing
 * (darknet's habit). */
#include <string.h>

#include "layers/layer.h"

static const struct key keys[] = {
    {"type", KEY_CHOICE, "sse", 0, 0,
     "sse=mse=l2=seg=masked=wgan|l1=L1|smooth|bce|kl|hinge|cross_entropy=cross-entropy|perceptron", NULL,
     "The loss: mse, l1, smooth (L1), kl on values; bce, hinge, cross_entropy on logits; perceptron on the output of a "
     "step unit, whose input it corrects by target - output (the default with optimizer=perceptron)."},
    {"scale", KEY_REAL, "1", 0, 1e6, NULL, "loss_weight", "Weight of the loss."},
    {"ratio", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"noobj", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"thresh", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

/* The choices of type are in the order of enum loss_kind; the cross-entropy stands behind them: it is the softmax
 * kernels'. */
enum { CROSS_ENTROPY = LOSS_HINGE + 1, PERCEPTRON };
struct own { int type; double weight; };

static int type_of(const struct node *node) {
    const char *rule = config_text(node->graph->net, "optimizer");
    if (!config_given(node->section, "type") && strcmp(rule, "perceptron") == 0) {
        return PERCEPTRON;
    }
    return config_choice(node->section, "type");
}

/* The perceptron's rule goes past the step, which has no slope: it reads what the step unit read, too. */
static int inputs(struct node *node, const struct graph *graph, int *in, int most, struct err *err) {
    (void)most;
    in[0] = layer_default_input(node, err);
    if (in[0] < 0 || type_of(node) != PERCEPTRON) {
        return in[0] < 0 ? -1 : 1;
    }
    const struct node *step = &graph->nodes[in[0]];
    const char *unit = step->ops == &layer_activation ? config_text(step->section, "activation") : "";
    if (strcmp(unit, "heaviside") != 0 && strcmp(unit, "sign") != 0) {
        return node_refuse(node, "type", err, "perceptron: want a layer with activation=heaviside or sign before it");
    }
    in[1] = step->in[0];
    return 2;
}

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    const struct node *before = &node->graph->nodes[node->in[0]];
    struct own *own = node->own = mem_need(1, sizeof *own);
    *own = (struct own){type_of(node), config_real(s, "scale")};
    node->out = node_input(node, 0);
    node->classes = own->type == LOSS_HINGE || own->type == CROSS_ENTROPY ? (int)shape_step(node->out) : before->classes;
    node->takes_shares = own->type == CROSS_ENTROPY;
    if (layer_has_loss(before) && config_given(s, "type") && own->type != LOSS_MSE) {
        err_warn(err,
                 "%s:%d: [cost] type: the layer before it holds a loss of its own: this one changes nothing (noloss=1 "
                 "there makes it count)",
                 s->file, s->line);
    }
    return 0;
}

static int has_loss(const struct node *node) {
    return !layer_has_loss(&node->graph->nodes[node->in[0]]);
}

/* Cross-entropy: probabilities are kept for backward, losses of the rows go through scratch. op->kernel is set where
 * there is a loss. */
static void plan(struct op *op, const struct target *target) {
    const struct own *own = op->node->own;
    size_t rows = (size_t)target->batch * (size_t)op->node->out.t;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->in_place = 1;
    op->implementation = "loss";
    op->kernel = has_loss(op->node) ? own : NULL;
    if (op->kernel) {
        op->backward_reads_in = own->type != CROSS_ENTROPY;
        op->saved_bytes =
            own->type == CROSS_ENTROPY ? layer_elems(target->kernels, rows * shape_step(op->node->out)) : 0;
        op->scratch_bytes = own->type == CROSS_ENTROPY ? rows * sizeof(double) : 0;
    }
}

static struct value_loss values_call(const struct op *op, const struct exec *exec) {
    const struct truth *truth = exec->truth;
    const struct own *own = op->node->own;
    return (struct value_loss){
        .kind = own->type == PERCEPTRON ? LOSS_MSE : (enum loss_kind)own->type,
        .rows = tensor_samples(op->out, exec), .width = shape_step(op->node->out), .labels = truth->labels,
        .target = truth->values, .class_weight = truth->class_weight, .label_smoothing = truth->label_smoothing,
        .weight = own->weight, .scale = exec->loss_scale,
    };
}

static struct softmax_loss classes_call(const struct op *op, const struct exec *exec) {
    const struct truth *truth = exec->truth;
    const struct own *own = op->node->own;
    return (struct softmax_loss){
        .rows = tensor_samples(op->out, exec), .classes = shape_step(op->node->out), .labels = truth->labels,
        .target = truth->values, .class_weight = truth->class_weight, .label_smoothing = truth->label_smoothing,
        .scale = exec->loss_scale * own->weight,
    };
}

static void cross_entropy(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    struct softmax_loss call = classes_call(op, exec);
    double *loss = op->scratch;
    exec->kernels->softmax(exec->threads, call.rows, call.classes, 1, op->in[0]->data, op->saved);
    exec->kernels->softmax_loss(exec->threads, &call, op->in[0]->data, op->saved, loss);
    for (size_t i = 0; exec->loss && i < call.rows; i++) {
        exec->loss[i] += own->weight * loss[i];
    }
}

/* The hinge is between classes: it takes labels, not values. */
static int has_truth(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    const struct truth *truth = exec->truth;
    return op->kernel && truth && (truth->labels || (truth->values && own->type != LOSS_HINGE));
}

static void forward(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    if (has_truth(op, exec) && own->type == CROSS_ENTROPY) {
        cross_entropy(op, exec);
    } else if (has_truth(op, exec) && exec->loss) {
        struct value_loss call = values_call(op, exec);
        exec->kernels->loss(exec->threads, &call, op->in[0]->data, exec->loss);
    }
    if (op->out->data != op->in[0]->data) {
        exec->kernels->activate(exec->threads, ACT_LINEAR, op->in[0]->data, op->out->data, tensor_elems(op->out, exec));
    }
}

static void add_gradient(const struct op *op, const struct exec *exec, int add) {
    const struct own *own = op->node->own;
    if (own->type == CROSS_ENTROPY) {
        struct softmax_loss call = classes_call(op, exec);
        exec->kernels->softmax_loss_back(exec->threads, &call, op->saved, op->in[0]->grad, add);
    } else {
        struct value_loss call = values_call(op, exec);
        exec->kernels->loss_back(exec->threads, &call, op->in[0]->data, op->in[0]->grad, add);
    }
}

/* output - target, to the step unit's input: half of the squared error's gradient, the sum over the outputs. Nothing goes
 * to the step unit itself. */
static void correct(const struct op *op, const struct exec *exec) {
    void *din = op->in[1]->grad;
    size_t n = tensor_elems(op->in[1], exec);
    if (!din) {
        return;
    }
    if (has_truth(op, exec)) {
        struct value_loss call = values_call(op, exec);
        call.weight *= (double)call.width / 2;
        exec->kernels->loss_back(exec->threads, &call, op->in[0]->data, din, op->add[1]);
    } else if (!op->add[1]) {
        exec->kernels->fill(exec->threads, din, n, 0);
    }
}

/* This loss's gradient, on top of what readers of the output sent back. */
static void backward(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    void *din = op->in[0]->grad;
    const void *dout = op->out->grad;
    size_t n = tensor_elems(op->out, exec);
    if (op->kernel && own->type == PERCEPTRON) {
        correct(op, exec);
    }
    if (!din) {
        return;
    }
    if (dout && dout != din && op->add[0]) {
        exec->kernels->add(exec->threads, dout, din, n);
    } else if (dout && dout != din) {
        exec->kernels->activate(exec->threads, ACT_LINEAR, dout, din, n);
    }
    if (has_truth(op, exec) && own->type != PERCEPTRON) {
        add_gradient(op, exec, op->add[0] || dout);
    } else if (!dout && !op->add[0]) {
        exec->kernels->fill(exec->threads, din, n, 0);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_cost = {
    .name = "cost",
    .help = "The loss that training lowers, the mean over the batch. mse, l1, smooth and bce are means over the "
            "outputs, too; kl and hinge (the multiclass support vector machine's) are sums over them. Behind "
            "[softmax], which has its own loss, it changes nothing. perceptron is Rosenblatt's rule (1958): with plain "
            "gradient descent each sample changes the weights by rate * (target - output) * input.",
    .example = "[cost]\ntype=mse\n",
    .keys = tables,
    .flags = LAYER_LOSS | LAYER_BARE | LAYER_MANY_INPUTS,
    .inputs = inputs,
    .shape = shape,
    .has_loss = has_loss,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
