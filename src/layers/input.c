/* The network's input, node 0 of every graph. Its values are the caller's: run puts them in place before the first
 * layer. */
#include "layers/layer.h"

static void plan(struct op *op, const struct target *target) {
    (void)target;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->implementation = "input";
}

/* Nothing to compute: the tensor was filled from outside. */
static void forward(const struct op *op, const struct exec *exec) {
    (void)op;
    (void)exec;
}

const struct layer_ops layer_input = {.name = "input", .flags = LAYER_INTERNAL, .plan = plan, .forward = forward};
