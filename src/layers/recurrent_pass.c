/* Where everything lies in a pass (recurrent_pass.h). */
#include "layers/recurrent_pass.h"

/* Samples of steps whose gates are kept to infer: enough for a large product with the inputs, few enough for a cache.
 * A smaller batch never needs more room. */
static size_t rows_at_once(const struct recurrent *own, size_t batch) {
    enum { ROWS = 512 };
    size_t all = batch * (size_t)own->steps, some = batch > ROWS ? batch : ROWS;
    return some < all ? some : all;
}

const struct recurrent_way *recurrent_way(const struct recurrent *own, const struct target *target) {
    static const struct recurrent_way ways[][2] = {[CELL_INPUT_READY] = {{CELL_INPUT_READY, 0}, {CELL_INPUT_READY, 1}},
                                                   [CELL_INPUT_X] = {{CELL_INPUT_X, 0}, {CELL_INPUT_X, 1}},
                                                   [CELL_INPUT_IDS] = {{CELL_INPUT_IDS, 0}, {CELL_INPUT_IDS, 1}}};
    enum cell_input input = own->by_ids ? CELL_INPUT_IDS : recurrent_cells(own, target)->input((size_t)target->batch);
    return &ways[input][target->training != 0];
}

const struct cell_kernels *recurrent_cells(const struct recurrent *own, const struct target *target) {
    int fits = own->hidden <= CELL_INT8_DEPTH && own->inputs <= CELL_INT8_DEPTH;
    return target->int8_cells && !target->training && fits ? target->int8_cells : target->kernels->cells;
}

struct recurrent_sizes recurrent_sizes(const struct recurrent *own, size_t batch, const struct recurrent_way *way) {
    size_t hidden = (size_t)own->hidden, steps = (size_t)own->steps, gates = hidden * (size_t)own->gates;
    struct recurrent_sizes s = {.at_once = steps, .states = way->training ? steps + 1 : 2};
    s.h = s.states * batch * hidden;
    s.c = own->kind == CELL_LSTM ? s.h : 0;
    if (way->training) {
        s.gates = batch * steps * gates;
        s.extra = own->kind == CELL_GRU ? batch * steps * hidden : 0;
    } else if (way->input == CELL_INPUT_READY) {
        size_t rows = rows_at_once(own, batch);
        s.gates = rows * gates;
        s.at_once = rows / batch;
    }
    s.all = s.gates + s.h + s.c + s.extra;
    return s;
}

struct cell_weights recurrent_weights(const struct recurrent *own, const struct recurrent_way *way) {
    return (struct cell_weights){.kind = own->kind,
                                 .input = way->input,
                                 .hidden = (size_t)own->hidden,
                                 .inputs = (size_t)own->inputs,
                                 .training = way->training};
}

struct recurrent_room recurrent_room(const struct recurrent *own, size_t batch, const struct kernels *kernels) {
    size_t state = batch * (size_t)own->hidden;
    struct recurrent_room r = {.dh = state, .dc = state};
    r.x = kernels->dtype == DTYPE_BF16 ? batch * (size_t)own->steps * (size_t)own->inputs : 0;
    r.all = (r.dh + r.dc + r.x + 15) / 16 * 16;
    return r;
}

struct recurrent_pass pass_make(const struct op *op, const struct exec *exec, int direction) {
    const struct recurrent *own = op->node->own;
    size_t batch = (size_t)exec->batch, real = layer_reals(exec->kernels, 1);
    const struct recurrent_way *way = op->kernel;
    struct recurrent_sizes s = recurrent_sizes(own, batch, way);
    struct recurrent_room r = recurrent_room(own, batch, exec->kernels);
    struct recurrent_pass p = {.op = op,
                               .exec = exec,
                               .own = own,
                               .way = way,
                               .batch = batch,
                               .states = s.states,
                               .at_once = s.at_once,
                               .real = real,
                               .reverse = direction,
                               .slots = op->slots + SLOTS * direction};
    char *saved = (char *)op->saved + s.all * (size_t)direction * real;
    p.gates = s.gates ? saved : NULL;
    p.h = saved + s.gates * real;
    p.c = p.h + s.h * real;
    p.extra = s.extra ? p.c + s.c * real : NULL;
    p.dh = op->scratch;
    p.dc = p.dh + r.dh * real;
    p.x = p.dc + r.dc * real;
    p.rest = p.dh + r.all * real;
    return p;
}

size_t pass_state(const struct recurrent_pass *p) {
    return p->batch * (size_t)p->own->hidden;
}

char *pass_state_at(const struct recurrent_pass *p, char *states, int t, int behind) {
    return states + (size_t)(t + (behind != p->reverse)) % p->states * pass_state(p) * p->real;
}

void *pass_packed(const struct op *op, int direction) {
    const struct recurrent *own = op->node->own;
    return (char *)op->packed + (size_t)direction * (op->packed_bytes / (size_t)own->directions);
}

/* This direction's half of an output or of its gradient, from step t on; NULL stays. Where only the step taken last
 * puts out, it is NULL for others. */
static void *half_of(const struct recurrent_pass *p, void *base, size_t t, size_t steps) {
    size_t elem = dtype_size(p->exec->kernels->dtype), hidden = (size_t)p->own->hidden;
    int has_end = p->reverse ? t == 0 : t + steps == (size_t)p->own->steps;
    if (base == NULL || (p->own->last && !has_end)) {
        return NULL;
    }
    size_t first = p->own->last ? 0 : t * p->batch * hidden * (size_t)p->own->directions;
    return (char *)base + (first + (size_t)p->reverse * hidden) * elem;
}

struct cells pass_cells(const struct recurrent_pass *p, size_t t, size_t steps) {
    const struct recurrent *own = p->own;
    size_t row = (size_t)own->hidden * (size_t)own->directions;
    return (struct cells){
        .kind = own->kind,
        .input = p->way->input,
        .batch = p->batch,
        .hidden = (size_t)own->hidden,
        .inputs = (size_t)own->inputs,
        .steps = steps,
        .reverse = p->reverse,
        .packed = pass_packed(p->op, p->reverse),
        .ids = own->by_ids ? p->op->input->exact : NULL,
        .gates = p->gates,
        .bias_ih = p->slots[SLOT_BIAS_IH].data,
        .bias_hh = p->slots[SLOT_BIAS_HH].data,
        .h = p->h,
        .c = own->kind == CELL_LSTM ? p->c : NULL,
        .first = t,
        .states = p->states,
        .extra = p->extra,
        .out = half_of(p, p->op->out->data, t, steps),
        .dout = half_of(p, p->op->out->grad, t, steps),
        .out_stride = row,
        .out_step = p->batch * row,
        .last = own->last,
        .symbols = own->ends ? p->op->input->exact + t * p->batch : NULL,
        .dh = p->dh,
        .dc = p->dc,
    };
}

void pass_product(const struct recurrent_pass *p, struct gemm g, const void *a, const void *b, void *c) {
    g.a = a;
    g.b = b;
    g.c = c;
    p->exec->kernels->gemm(p->exec->threads, &g, p->rest);
}

const void *pass_input(const struct recurrent_pass *p) {
    const struct tensor *in = p->op->in[0];
    if (p->exec->kernels->dtype != DTYPE_BF16) {
        return in->data;
    }
    p->exec->kernels->to_f32(p->exec->threads, in->data, (float *)(void *)p->x, tensor_elems(in, p->exec));
    return p->x;
}
