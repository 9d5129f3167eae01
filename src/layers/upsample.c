/* Nearest-neighbour upsampling: each value becomes a square of stride x stride. It is the mirror of pooling by
 * sums over squares that don't overlap: forward spreads as that one's backward does. */
#include "layers/layer.h"
#include "layers/pool.h"

static const struct key keys[] = {
    {"stride", KEY_INT, "2", 1, 1024, NULL, NULL, "How many times wider and higher the maps become."},
    {"scale", KEY_REAL, "1", -1e6, 1e6, NULL, NULL, "Factor of the values."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

/* own is the pooling that leads from the output back to the input. */
static int shape(struct node *node, struct err *err) {
    struct shape in = node_input(node, 0);
    int s = (int)config_int(node->section, "stride");
    if ((double)in.h * s > 65536 || (double)in.w * s > 65536) {
        return node_refuse(node, "stride", err, "maps of %dx%d would be more than 65536 a side", in.h, in.w);
    }
    struct pool *own = node->own = mem_need(1, sizeof *own);
    *own = (struct pool){.h = in.h * s, .w = in.w * s, .oh = in.h, .ow = in.w, .size_h = s, .size_w = s,
                         .stride_h = s, .stride_w = s, .sums = 1};
    node->out = (struct shape){in.t, in.c, in.h * s, in.w * s};
    return 0;
}

static void scale(const struct op *op, const struct exec *exec, void *elems, size_t count) {
    double by = config_real(op->node->section, "scale");
    if (by != 1) {
        exec->kernels->scale(exec->threads, elems, count, by);
    }
}

/* Scratch: the input's gradient, where it is to be added to another. */
static void plan(struct op *op, const struct target *target) {
    op_plan_pointwise(op, target);
    size_t lanes = (size_t)target->kernels->lanes, samples = (size_t)target->batch * (size_t)op->node->out.t;
    size_t room = (samples + lanes - 1) / lanes * lanes;
    op->scratch_bytes = target->training ? layer_elems(target->kernels, room * shape_step(node_input(op->node, 0))) : 0;
}

static void forward(const struct op *op, const struct exec *exec) {
    struct pool pool = pool_call(op, exec);
    exec->kernels->avgpool_back(exec->threads, &pool, op->in[0]->data, op->out->data, 0);
    scale(op, exec, op->out->data, tensor_elems(op->out, exec));
}

static void backward(const struct op *op, const struct exec *exec) {
    struct pool pool = pool_call(op, exec);
    size_t n = tensor_elems(op->in[0], exec);
    void *din = op->add[0] ? op->scratch : op->in[0]->grad;
    if (!op->in[0]->grad) {
        return;
    }
    exec->kernels->avgpool(exec->threads, &pool, op->out->grad, din);
    scale(op, exec, din, n);
    if (op->add[0]) {
        exec->kernels->add(exec->threads, din, op->in[0]->grad, n);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_upsample = {
    .name = "upsample",
    .help = "Each value becomes a square of stride x stride of it, times scale: maps grow without parameters.",
    .example = "[upsample]\nstride=2\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
