/* A copy of a node's value in another layout. The plan puts these in where a consumer wants a layout that the producer
 * does not give. */
#include "layers/layer.h"

static void forward(const struct op *op, const struct exec *exec) {
    const struct tensor *in = op->in[0], *out = op->out;
    struct shape s = in->shape;
    exec->kernels->reorder(exec->threads, in->layout, out->layout, tensor_samples(in, exec), (size_t)s.c, (size_t)s.h,
                           (size_t)s.w, in->data, out->data, 0);
}

static void backward(const struct op *op, const struct exec *exec) {
    const struct tensor *in = op->in[0], *out = op->out;
    struct shape s = in->shape;
    if (in->grad) {
        exec->kernels->reorder(exec->threads, out->layout, in->layout, tensor_samples(in, exec), (size_t)s.c,
                               (size_t)s.h, (size_t)s.w, out->grad, in->grad, op->add[0]);
    }
}

const struct layer_ops layer_reorder = {
    .name = "reorder", .flags = LAYER_INTERNAL, .forward = forward, .backward = backward};
