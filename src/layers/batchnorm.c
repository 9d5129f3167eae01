/* Batch normalization (Ioffe and Szegedy, ICML 2015), in PyTorch's terms: the batch's biased variance normalizes, its
 * unbiased one enters the running statistics. A section of its own, and what batch_normalize=1 adds to a layer. */
#include "layers/batchnorm.h"

#include <math.h>
#include "layers/layer.h"

enum { GAMMA, BETA, MEAN, VARIANCE };     /* its slots */
struct own { double eps, momentum; };

static const struct key keys[] = {
    {"bn_eps", KEY_REAL, "1e-5", 0, 1, NULL, "eps", "Added to the variance."},
    {"bn_momentum", KEY_REAL, "0.1", 0, 1, NULL, "momentum", "Weight of the newest batch in the running statistics."},
    {"bn_scale", KEY_BOOL, "1", 0, 0, NULL, NULL, BN_SCALE_HELP},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    (void)err;
    struct own *own = node->own = mem_need(1, sizeof *own);
    own->eps = config_real(node->section, "bn_eps");
    own->momentum = config_real(node->section, "bn_momentum");
    node->out = node_input(node, 0);
    const int dims[] = {node->out.c, 0};
    const struct init zero = {.kind = INIT_ZERO}, one = {.kind = INIT_ONE};
    struct slot *gamma = node_slot(node, SLOT_PARAM, "gamma", one, 1, 1, dims);
    gamma->frozen |= !config_bool(node->section, "bn_scale");
    node_slot(node, SLOT_PARAM, "beta", zero, 1, 1, dims)->rate *= config_real(node->graph->net, "bn_bias_rate");
    node_slot(node, SLOT_STATE, "running_mean", zero, 1, 1, dims);
    node_slot(node, SLOT_STATE, "running_var", one, 1, 1, dims);
    return 0;
}

static void plan(struct op *op, const struct target *target) {
    op_plan_pointwise(op, target);
    struct shape s = op->node->out;
    size_t samples = (size_t)target->batch * (size_t)s.t;
    struct view view =
        view_make(op->out_layout, target->kernels->lanes, samples, (size_t)s.c, (size_t)s.h, (size_t)s.w);
    op->in_place = 1;
    op->is_scale = !target->training;
    op->takes_relu = 1;
    op->backward_reads_in = 1;
    op->saved_bytes = target->training ? layer_reals(target->kernels, 2 * (size_t)s.c) : 0;
    op->scratch_bytes = target->kernels->batchnorm_scratch(view);
}

/* bn_scale=0 freezes gamma alone. */
int batchnorm_is_frozen(const struct node *node) {
    return node->slots[BETA].frozen;
}

/* A frozen batch norm keeps its running statistics. */
static int by_batch(const struct op *op, const struct exec *exec) {
    return exec->training && !batchnorm_is_frozen(op->node);
}

static struct batchnorm call(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    char *saved = op->saved;
    return (struct batchnorm){
        .view = tensor_view(op->out, exec), .eps = own->eps, .momentum = own->momentum,
        .gamma = op->slots[GAMMA].data, .beta = op->slots[BETA].data, .relu = op->activation == ACT_RELU, .running_mean = op->slots[MEAN].data,
        .running_var = op->slots[VARIANCE].data, .dgamma = op->slots[GAMMA].grad, .dbeta = op->slots[BETA].grad,
        .mean = saved, .inv_std = saved ? saved + layer_reals(exec->kernels, (size_t)op->node->out.c) : NULL,
        .scratch = op->scratch,
    };
}

static void forward(const struct op *op, const struct exec *exec) {
    struct batchnorm b = call(op, exec);
    if (by_batch(op, exec)) {
        exec->kernels->batchnorm_train(exec->threads, &b, op->in[0]->data, op->out->data);
    } else {
        exec->kernels->batchnorm_infer(exec->threads, &b, op->in[0]->data, op->out->data);
    }
}

static void backward(const struct op *op, const struct exec *exec) {
    struct batchnorm b = call(op, exec);
    if (by_batch(op, exec)) {
        exec->kernels->batchnorm_back(exec->threads, &b, op->in[0]->data, op->out->grad, op->in[0]->grad, op->add[0]);
    } else {
        exec->kernels->batchnorm_back_frozen(exec->threads, &b, op->in[0]->data, op->out->grad, op->in[0]->grad,
                                             op->add[0]);
    }
}

static double get(const struct kernels *kernels, const void *reals, size_t i) {
    return kernels->dtype == DTYPE_F64 ? ((const double *)reals)[i] : (double)((const float *)reals)[i];
}

void batchnorm_fold(const struct op *norm, const struct kernels *kernels, const void *bias, void *scale, void *folded) {
    const struct own *own = norm->node->own;
    const struct value *slots = norm->slots;
    for (size_t c = 0; c < (size_t)norm->node->out.c; c++) {
        double by = get(kernels, slots[GAMMA].data, c) / sqrt(get(kernels, slots[VARIANCE].data, c) + own->eps);
        double from = (bias ? get(kernels, bias, c) : 0) - get(kernels, slots[MEAN].data, c);
        layer_put_real(kernels, scale, c, by);
        layer_put_real(kernels, folded, c, from * by + get(kernels, slots[BETA].data, c));
    }
}

static const struct key *const tables[] = {keys, keys_activation, NULL};
const struct layer_ops layer_batchnorm = {
    .name = "batchnorm",
    .help = "Batch normalization of each channel: (x - mean) / sqrt(variance + bn_eps) * gamma + beta, by the "
            "batch's statistics in training and by the running ones otherwise (Ioffe and Szegedy 2015). freeze=1 "
            "uses the running ones always.",
    .example = "[batchnorm]\nactivation=relu\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
