/* Sum with an earlier layer's output (He et al., CVPR 2016). Where the two differ in shape, darknet's rule: over the
 * smaller extents, striding over the larger map, and what the other lacks counts as zero. */
#include "base/rng.h"
#include "layers/layer.h"

static const struct key keys[] = {
    {"from", KEY_TEXT, NULL, 0, 0, NULL, NULL,
     "The layer that is added: a name, an index or a negative number of layers back."},
    {"alpha", KEY_REAL, "1", -1e6, 1e6, NULL, NULL, "Factor of the input."},
    {"beta", KEY_REAL, "1", -1e6, 1e6, NULL, NULL, "Factor of the added layer."},
    {"survival", KEY_REAL, "1", 0, 1, NULL, NULL,
     "Stochastic depth: the probability that a training step takes the input into the sum; otherwise the input is multiplied by it. What is left "
     "out is computed all the same: it gets no gradient, but takes its time, and its batch norms go on measuring."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int inputs(struct node *node, const struct graph *graph, int *in, int most, struct err *err) {
    (void)graph;
    (void)most;
    const char *from = config_text(node->section, "from");
    if (!from) {
        return node_refuse(node, "from", err, "is missing: want the layer to add");
    }
    in[0] = layer_default_input(node, err);
    in[1] = layer_reference(node, "from", from, err);
    return in[0] < 0 || in[1] < 0 ? -1 : 2;
}

/* How far apart places lie on the larger of two extents. */
static int ratio(int larger, int smaller) {
    return larger / smaller > 0 ? larger / smaller : 1;
}

struct own { struct shortcut sum; double survival; };

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0), from = node_input(node, 1);
    char a[48], b[48];
    if (in.t != from.t || ratio(in.h, from.h) != ratio(in.w, from.w) || ratio(from.h, in.h) != ratio(from.w, in.w)) {
        return node_refuse(node, "from", err,
                           "want maps of one size, or one a whole multiple of the other, got %s and %s",
                           shape_text(in, a), shape_text(from, b));
    }
    struct own *own = node->own = mem_need(1, sizeof *own);
    own->sum = (struct shortcut){
        .c = in.c, .h = in.h, .w = in.w, .from_c = from.c, .from_h = from.h, .from_w = from.w,
        .alpha = config_real(s, "alpha"), .beta = config_real(s, "beta"),
    };
    own->survival = config_real(s, "survival");
    node->out = in;
    return 0;
}

static void plan(struct op *op, const struct target *target) {
    op_plan_pointwise(op, target);
    op->in_place = 1;
}

/* Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", 2016: a block is there for a whole mini-batch or isn't, in both
 * directions; what is then measured is its expectation. */
static double share_of_input(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    uint32_t drawn[4];
    if (own->survival == 1 || !exec->training) {
        return own->survival;
    }
    rng_block(exec->seed, (uint64_t)RNG_DEPTH << 48 ^ (uint64_t)op->node->index << 32 ^ exec->step, 0, drawn);
    return drawn[0] * 0x1p-32 < own->survival ? 1 : 0;
}

static struct shortcut call(const struct op *op, const struct exec *exec) {
    struct shortcut s = ((const struct own *)op->node->own)->sum;
    s.alpha *= share_of_input(op, exec);
    s.samples = tensor_samples(op->out, exec);
    s.layout = op->out_layout;
    s.lanes = exec->kernels->lanes;
    return s;
}

static void forward(const struct op *op, const struct exec *exec) {
    struct shortcut s = call(op, exec);
    exec->kernels->shortcut(exec->threads, &s, op->in[0]->data, op->in[1]->data, op->out->data);
}

/* A layer that is added to itself has one gradient for both, which the kernel must not see twice at once. */
static void backward(const struct op *op, const struct exec *exec) {
    struct shortcut s = call(op, exec);
    void *din = op->in[0]->grad, *dfrom = op->in[1]->grad;
    if (din && din == dfrom) {
        exec->kernels->shortcut_back(exec->threads, &s, op->out->grad, din, op->add[0], NULL, 0);
        exec->kernels->shortcut_back(exec->threads, &s, op->out->grad, NULL, 0, dfrom, op->add[1]);
    } else {
        exec->kernels->shortcut_back(exec->threads, &s, op->out->grad, din, op->add[0], dfrom, op->add[1]);
    }
}

static const struct key *const tables[] = {keys, keys_activation, NULL};
const struct layer_ops layer_shortcut = {
    .name = "shortcut",
    .help = "The sum of two layers' outputs: activation(alpha * input + beta * from). With survival below 1 training leaves the input out of "
            "some steps (stochastic depth, Huang et al. 2016). Where shapes differ the output "
            "has the input's; the larger map is read in strides, missing channels count as zero: ResNet's shortcut "
            "without parameters (He et al. 2016).",
    .example = "[shortcut]\nfrom=-3\nactivation=relu\n",
    .keys = tables,
    .flags = LAYER_MANY_INPUTS | LAYER_RANDOM,
    .inputs = inputs,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
