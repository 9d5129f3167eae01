/* Layers that read symbols (symbols.h). The plan's own copy of the network's input may be bfloat16, which knows no
 * whole numbers beyond 256: symbols are taken from what was given. */
#include "layers/symbols.h"

int symbols_shape(struct node *node, int width, struct err *err) {
    struct shape in = node_input(node, 0);
    char text[48];
    if (shape_step(in) != 1) {
        return node_refuse(node, NULL, err, "reads symbols, one number a step (inputs=1); its input is %s",
                           shape_text(in, text));
    }
    node->out = (struct shape){in.t, width, 1, 1};
    node->symbols = node->in[0] == 0;
    return 0;
}

void symbols_plan(struct op *op, const struct target *target) {
    (void)target;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->implementation = "lookup";
    op->backward_reads_in = 1;
}

struct lookup symbols_lookup(const struct op *op, const struct exec *exec, size_t count) {
    return (struct lookup){.rows = tensor_samples(op->out, exec),
                           .count = count,
                           .width = shape_step(op->out->shape),
                           .ids = op->in[0]->data,
                           .exact = op->in[0]->exact,
                           .out = op->out->data,
                           .dout = op->out->grad};
}

void symbols_input_back(const struct op *op, const struct exec *exec) {
    if (op->in[0]->grad && !op->add[0]) {
        exec->kernels->fill(exec->threads, op->in[0]->grad, tensor_elems(op->in[0], exec), 0);
    }
}
