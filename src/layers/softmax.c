/* Softmax, and at the end of a classifier the cross-entropy with it: computed from the logits, its gradient is
 * probability - target. In the middle of a network (something else than a loss reads it) it is a plain layer. */
#include "layers/layer.h"

static const struct key keys[] = {
    {"groups", KEY_INT, "1", 1, 1048576, NULL, NULL,
     "Parts that the values are split into, each with a softmax of its own (and then no loss)."},
    {"temperature", KEY_REAL, "1", 1e-6, 1e6, NULL, NULL, "Divides the inputs."},
    {"calibration", KEY_REAL, "1", 1e-6, 1e6, NULL, NULL,
     "Divides the inputs outside training too, so that probabilities are as sure as they are right: `dlcli test MODEL --calibrate` writes it "
     "(temperature scaling, Guo et al. 2017)."},
    {"noloss", KEY_BOOL, "0", 0, 0, NULL, NULL, "1: a plain layer, without a loss."},
    {"loss_weight", KEY_REAL, "1", 0, 1e6, NULL, NULL,
     "Weight of this loss where a network has several (auxiliary classifiers)."},
    {"spatial", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"tree", KEY_TEXT, NULL, 0, 0, NULL, NULL, "A hierarchy of classes is not offered."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

struct own { int groups, noloss; double temperature, weight, calibration; };

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0);
    struct own *own = node->own = mem_need(1, sizeof *own);
    *own = (struct own){(int)config_int(s, "groups"), config_bool(s, "noloss"), config_real(s, "temperature"),
                        config_real(s, "loss_weight"), config_real(s, "calibration")};
    int values = (int)shape_step(in);
    if (config_given(s, "tree")) {
        return node_refuse(node, "tree", err, "a hierarchy of classes is not offered");
    }
    if (values % own->groups) {
        return node_refuse(node, "groups", err, "%d parts do not divide the %d values evenly", own->groups, values);
    }
    node->out = (struct shape){in.t, values, 1, 1};
    node->classes = own->groups == 1 ? values : 0;
    node->takes_shares = own->groups == 1;
    return 0;
}

/* It ends the network where nothing but bare losses, which hand it on to nobody, read it. */
static int has_loss(const struct node *node) {
    const struct own *own = node->own;
    const struct node *reader = node;
    for (int found = 0; found < node->consumers;) {
        reader++;
        for (int j = 0; j < reader->in_count; j++) {
            if (reader->in[j] != node->index) {
                continue;
            }
            if (!(reader->ops->flags & LAYER_BARE) || reader->consumers) {
                return 0;
            }
            found++;
        }
    }
    return own->groups == 1 && !own->noloss;
}

static size_t losses_bytes(size_t rows) {
    return (rows * sizeof(double) + 63) / 64 * 64;
}

/* What the inputs are divided by; the network's answer further, where a calibration looks for a temperature. Backward is only ever of training. */
static double temperature_of(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    double t = exec->training ? own->temperature : own->temperature * own->calibration;
    return op->node->index == op->node->graph->output && exec->soften > 0 ? t * exec->soften : t;
}

/* Scratch: the loss of each row, then room for the logits divided by the temperature. op->kernel is set where
 * there is a loss. */
static void plan(struct op *op, const struct target *target) {
    const struct own *own = op->node->own;
    int loss = has_loss(op->node);
    size_t rows = (size_t)target->batch * (size_t)op->node->out.t;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->backward_reads_out = 1;
    op->kernel = loss ? own : NULL;
    op->implementation = loss ? "loss" : "pointwise";
    op->scratch_bytes = loss ? losses_bytes(rows) : 0;
    if (loss) {
        op->scratch_bytes += layer_elems(target->kernels, rows * shape_step(op->node->out));
    }
}

static struct softmax_loss loss_call(const struct op *op, const struct exec *exec) {
    const struct truth *truth = exec->truth;
    const struct own *own = op->node->own;
    return (struct softmax_loss){
        .rows = tensor_samples(op->out, exec), .classes = shape_step(op->node->out), .labels = truth->labels,
        .target = truth->values, .class_weight = truth->class_weight, .label_smoothing = truth->label_smoothing,
        .scale = exec->loss_scale * own->weight / own->temperature,
    };
}

/* The kernel sets a loss a row; a network may have several losses, so they are added up here. */
static void add_loss(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    struct softmax_loss call = loss_call(op, exec);
    const void *logits = op->in[0]->data;
    double *loss = op->scratch, temperature = temperature_of(op, exec);
    if (temperature != 1) {
        size_t n = call.rows * call.classes;
        void *scaled = (char *)op->scratch + losses_bytes(call.rows);
        exec->kernels->activate(exec->threads, ACT_LINEAR, logits, scaled, n);
        exec->kernels->scale(exec->threads, scaled, n, 1 / temperature);
        logits = scaled;
    }
    exec->kernels->softmax_loss(exec->threads, &call, logits, op->out->data, loss);
    for (size_t i = 0; i < call.rows; i++) {
        exec->loss[i] += own->weight * loss[i];
    }
}

static void forward(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    size_t groups = (size_t)own->groups, rows = tensor_samples(op->out, exec) * groups;
    exec->kernels->softmax(exec->threads, rows, shape_step(op->node->out) / groups, temperature_of(op, exec), op->in[0]->data,
                           op->out->data);
    if (op->kernel && exec->truth && exec->loss) {
        add_loss(op, exec);
    }
}

static void backward(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    if (!op->in[0]->grad) {
        return;
    }
    if (op->kernel) {
        struct softmax_loss call = loss_call(op, exec);
        exec->kernels->softmax_loss_back(exec->threads, &call, op->out->data, op->in[0]->grad, op->add[0]);
    } else {
        size_t groups = (size_t)own->groups, rows = tensor_samples(op->out, exec) * groups;
        exec->kernels->softmax_back(exec->threads, rows, shape_step(op->node->out) / groups, own->temperature,
                                    op->out->data, op->out->grad, op->in[0]->grad, op->add[0]);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_softmax = {
    .name = "softmax",
    .aliases = "soft",
    .help = "Probabilities of the classes: exp(x / temperature) over its sum. At the end of a network it holds the "
            "cross-entropy loss, the mean over the batch; a [cost] behind it changes nothing.",
    .example = "[softmax]\n",
    .keys = tables,
    .flags = LAYER_LOSS,
    .shape = shape,
    .has_loss = has_loss,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
