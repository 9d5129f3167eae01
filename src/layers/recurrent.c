/* Recurrent layers: h[t] = cell(x[t], h[t-1]). The kernels choose whether the products with all inputs are one product of
 * matrices before the steps; one-hot vectors are not multiplied: their rows of the weights are looked up. A second direction reads the steps from last to first; its outputs stand behind the first's.
 * Backward is in recurrent_back.c, what both share in recurrent_pass.c. */
#include "layers/recurrent_pass.h"

#include <math.h>
#include <string.h>

const struct key keys_recurrent[] = {
    {"output", KEY_INT, "1", 1, 1048576, NULL, "hidden",
     "Units: values of the state, and of the output of each direction."},
    {"bidirectional", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: a second set of weights reads the sequence from its end; the outputs of both stand side by side."},
    {"sequence", KEY_CHOICE, "all", 0, 0, "all|last", NULL,
     "What is put out: the state behind each step, or behind the last alone (of the second direction: behind the first "
     "step), as a classifier of sequences wants it."},
    {"form", KEY_CHOICE, "pytorch", 0, 0, "pytorch", NULL, "The cell's form: PyTorch's. darknet's is not offered."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

/* PyTorch's names, shapes and distribution. */
static int add_parameters(struct node *node, const struct recurrent *own, int rows, struct err *err) {
    static const char *const names[2][SLOTS] = {
        {"weight_ih", "weight_hh", "bias_ih", "bias_hh"},
        {"weight_ih_reverse", "weight_hh_reverse", "bias_ih_reverse", "bias_hh_reverse"},
    };
    const int dims[SLOTS][3] = {{rows, own->inputs, 0}, {rows, own->hidden, 0}, {rows, 0}, {rows, 0}};
    double limit = 1 / sqrt((double)own->hidden);
    struct init standard = {.kind = INIT_UNIFORM, .a = -limit, .b = limit};
    for (int i = 0; i < SLOTS * own->directions; i++) {
        int which = i % SLOTS;
        struct init init = standard;
        if (which < SLOT_BIAS_IH && node_init(node, &init, err) < 0) {
            return -1;
        }
        node_slot(node, SLOT_PARAM, names[i / SLOTS][which], init, (size_t)dims[which][1], (size_t)own->hidden,
                  dims[which]);
    }
    return 0;
}

int recurrent_shape(struct node *node, enum cell_kind kind, int gates, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0);
    struct recurrent *own = node->own = mem_need(1, sizeof *own);
    *own = (struct recurrent){
        .kind = kind,
        .gates = gates,
        .steps = in.t,
        .inputs = (int)shape_step(in),
        .hidden = (int)config_int(s, "output"),
        .directions = 1 + config_bool(s, "bidirectional"),
        .last = config_choice(s, "sequence") == 1,
    };
    own->by_ids = node->graph->nodes[node->in[0]].one_hot;
    own->ends = graph_reads_symbols(node->graph) && in.t == node->graph->input.t;
    if ((double)gates * own->hidden * fmax(own->hidden, own->inputs) > 2147483647.0) {
        return node_refuse(node, "output", err, "%d units with %d inputs: the weights are too large", own->hidden,
                           own->inputs);
    }
    int rows = gates * own->hidden;
    if (add_parameters(node, own, rows, err) < 0) {
        return -1;
    }
    node->out = (struct shape){own->last ? 1 : in.t, own->hidden * own->directions, 1, 1};
    node->flops = 2.0 * in.t * rows * ((double)own->inputs + own->hidden) * own->directions;
    node->time = own->directions == 1 ? TIME_FORWARD : TIME_BOTH;
    return 0;
}

void recurrent_plan(struct op *op, const struct target *target) {
    const struct recurrent *own = op->node->own;
    const struct kernels *kernels = target->kernels;
    const struct recurrent_way *way = recurrent_way(own, target);
    struct cell_weights weights = recurrent_weights(own, way);
    size_t batch = (size_t)target->batch;
    int rows = target->batch * own->steps, gates = own->gates * own->hidden;
    struct gemm largest = {.m = rows, .n = gates, .k = own->inputs > own->hidden ? own->inputs : own->hidden};
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->cells = recurrent_cells(own, target);
    op->implementation = op->cells == kernels->cells ? "cells" : "int8";
    op->backward_reads_in = 1;
    op->kernel = way;
    op->reads_ids = own->by_ids;
    op->saved_bytes = layer_reals(kernels, recurrent_sizes(own, batch, way).all * (size_t)own->directions);
    op->scratch_bytes = layer_reals(kernels, recurrent_room(own, batch, kernels).all) +
                        kernels->gemm_scratch(&largest, target->threads);
    op->packed_bytes = (size_t)own->directions * op->cells->packed(&weights);
    if (own->directions == 1) {
        op->carry_count = own->kind == CELL_LSTM ? 2 : 1;
        op->carry_width = (size_t)own->hidden;
        op->carry_bytes = layer_reals(kernels, batch * (size_t)own->hidden);
        op->own_bytes = (size_t)op->carry_count * op->carry_bytes;
    }
}

void recurrent_pack(const struct op *op, const struct exec *exec) {
    const struct recurrent *own = op->node->own;
    struct cell_weights weights = recurrent_weights(own, op->kernel);
    for (int d = 0; d < own->directions; d++) {
        weights.ih = op->slots[SLOTS * d + SLOT_WEIGHT_IH].data;
        weights.hh = op->slots[SLOTS * d + SLOT_WEIGHT_HH].data;
        op->cells->pack(exec->threads, &weights, pass_packed(op, d));
    }
}

/* ---- forward ---- */

/* Carried states lie in own: h of all samples, then c. */
static void carry(const struct recurrent_pass *p, int in) {
    size_t bytes = pass_state(p) * p->real;
    char *states[] = {p->h, p->c}, *own = p->op->own;
    for (int i = 0; i < (p->own->kind == CELL_LSTM ? 2 : 1); i++) {
        char *first = pass_state_at(p, states[i], p->reverse ? p->own->steps - 1 : 0, 0),
             *last = pass_state_at(p, states[i], p->own->steps - 1, 1);
        char *carried = own == NULL ? NULL : own + (size_t)i * p->op->carry_bytes;
        int carries = p->exec->carry && carried != NULL;
        if (!in && carries) {
            memcpy(carried, last, bytes);
        } else if (in && carries) {
            memcpy(first, carried, bytes);
        } else if (in) {
            memset(first, 0, bytes);
        }
    }
}

/* The products of `rows` inputs from x on, reals, at once. */
static void products_with_inputs(const struct recurrent_pass *p, const char *x, size_t rows) {
    const struct recurrent *own = p->own;
    size_t inputs = (size_t)own->inputs, gates = (size_t)own->gates * (size_t)own->hidden;
    struct gemm g = {.transpose_b = 1,
                     .m = (int)rows,
                     .n = (int)gates,
                     .k = own->inputs,
                     .lda = inputs,
                     .ldb = inputs,
                     .ldc = gates};
    pass_product(p, g, x, p->slots[SLOT_WEIGHT_IH].data, p->gates);
}

/* `steps` from step t on. x: all inputs, reals; NULL: not read. */
static void forward_steps(const struct recurrent_pass *p, const char *x, size_t t, size_t steps) {
    struct cells cells = pass_cells(p, t, steps);
    if (x != NULL) {
        x += t * p->batch * (size_t)p->own->inputs * p->real;
    }
    if (p->way->input == CELL_INPUT_READY) {
        products_with_inputs(p, x, p->batch * steps);
    }
    cells.x = x;
    p->op->cells->forward(p->exec->threads, &cells);
}

static void forward_direction(const struct recurrent_pass *p) {
    const char *x = p->own->by_ids ? NULL : pass_input(p);
    size_t all = (size_t)p->own->steps;
    carry(p, 1);
    for (size_t done = 0, steps; done < all; done += steps) {
        steps = all - done < p->at_once ? all - done : p->at_once;
        forward_steps(p, x, p->reverse ? all - done - steps : done, steps);
    }
    carry(p, 0);
}

void recurrent_forward(const struct op *op, const struct exec *exec) {
    const struct recurrent *own = op->node->own;
    for (int d = 0; d < own->directions; d++) {
        struct recurrent_pass p = pass_make(op, exec, d);
        forward_direction(&p);
    }
}
