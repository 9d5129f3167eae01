/* Backpropagation through time (Werbos, "Backpropagation Through Time: What It Does and How to Do It", 1990): backward
 * goes through the steps of the window and ends where it begins; states carried in from the window before are
 * constants. */
#include "layers/recurrent_pass.h"

/* The gradients of the state's products: those of the gates, but that gru's third gate has its own. Two blocks of
 * columns. */
struct block {
    const char *from;
    size_t stride;
    int first, columns;
};

static int blocks_of(const struct recurrent_pass *p, struct block blocks[2]) {
    const struct recurrent *own = p->own;
    int gates = own->gates * own->hidden, is_gru = own->kind == CELL_GRU;
    blocks[0] = (struct block){p->gates, (size_t)gates, 0,
                               is_gru ? 2 * own->hidden : gates};
    blocks[1] = (struct block){p->extra, (size_t)own->hidden, 2 * own->hidden,
                               own->hidden};
    return is_gru ? 2 : 1;
}

/* Of the weights that stand before the state: over all steps at once. */
static void weights_hh_back(const struct recurrent_pass *p, int rows) {
    const struct recurrent *own = p->own;
    const struct value *weight = &p->slots[SLOT_WEIGHT_HH];
    size_t hidden = (size_t)own->hidden;
    struct block blocks[2];
    int count = blocks_of(p, blocks);
    for (int i = 0; i < count && weight->grad; i++) {
        const struct block *b = &blocks[i];
        struct gemm g = {.transpose_a = 1,
                         .add = 1,
                         .m = b->columns,
                         .n = own->hidden,
                         .k = rows,
                         .lda = b->stride,
                         .ldb = hidden,
                         .ldc = hidden};
        pass_product(p, g, b->from, pass_state_at(p, p->h, 0, 0), (char *)weight->grad + (size_t)b->first * hidden * p->real);
    }
}

static void weights_ih_back(const struct recurrent_pass *p, int rows) {
    const struct recurrent *own = p->own;
    const struct value *weight = &p->slots[SLOT_WEIGHT_IH];
    size_t gates = (size_t)own->gates * (size_t)own->hidden, inputs = (size_t)own->inputs;
    if (weight->grad && own->by_ids) {
        p->exec->kernels->one_hot_sums(p->exec->threads, (size_t)rows, gates, gates, p->gates, p->op->input->exact, inputs,
                                       weight->grad);
    } else if (weight->grad) {
        struct gemm g = {.transpose_a = 1,
                         .add = 1,
                         .m = (int)gates,
                         .n = own->inputs,
                         .k = rows,
                         .lda = gates,
                         .ldb = inputs,
                         .ldc = inputs};
        pass_product(p, g, p->gates, pass_input(p), weight->grad);
    }
}

/* Both biases have the same gradient but where the state's products have one of their own. */
static void biases_back(const struct recurrent_pass *p, int rows) {
    const struct kernels *k = p->exec->kernels;
    size_t gates = (size_t)p->own->gates * (size_t)p->own->hidden;
    char *ih = p->slots[SLOT_BIAS_IH].grad, *hh = p->slots[SLOT_BIAS_HH].grad;
    struct block blocks[2];
    int count = blocks_of(p, blocks);
    for (int i = 0; i < count; i++) {
        const struct block *b = &blocks[i];
        size_t columns = (size_t)b->columns, first = (size_t)b->first * p->real;
        char *of_ih = ih ? ih + first : NULL, *of_hh = hh ? hh + first : NULL;
        int same = b->from == p->gates;
        k->column_sums(p->exec->threads, (size_t)rows, columns, b->stride, b->from, of_hh, same ? of_ih : NULL);
        if (!same) {
            k->column_sums(p->exec->threads, (size_t)rows, columns, gates, p->gates + first, of_ih, NULL);
        }
    }
}

static void inputs_back(const struct recurrent_pass *p, int rows) {
    const struct recurrent *own = p->own;
    const struct kernels *k = p->exec->kernels;
    const struct tensor *in = p->op->in[0];
    size_t gates = (size_t)own->gates * (size_t)own->hidden, inputs = (size_t)own->inputs,
           elems = tensor_elems(in, p->exec);
    int is_bf16 = k->dtype == DTYPE_BF16, add = p->reverse || p->op->add[0];
    struct gemm g = {
        .add = add, .m = rows, .n = own->inputs, .k = (int)gates, .lda = gates, .ldb = inputs, .ldc = inputs};
    if (is_bf16 && add) {
        k->to_f32(p->exec->threads, in->grad, (float *)(void *)p->x, elems);
    }
    pass_product(p, g, p->gates, p->slots[SLOT_WEIGHT_IH].data, is_bf16 ? (void *)p->x : in->grad);
    if (is_bf16) {
        k->from_f32(p->exec->threads, (const float *)(const void *)p->x, in->grad, elems);
    }
}

void recurrent_backward(const struct op *op, const struct exec *exec) {
    const struct recurrent *own = op->node->own;
    int rows = exec->batch * own->steps;
    for (int d = 0; d < own->directions; d++) {
        struct recurrent_pass p = pass_make(op, exec, d);
        struct cells cells = pass_cells(&p, 0, (size_t)own->steps);
        op->cells->back(exec->threads, &cells);
        weights_hh_back(&p, rows);
        weights_ih_back(&p, rows);
        biases_back(&p, rows);
        if (op->in[0]->grad) {
            inputs_back(&p, rows);
        }
    }
}
