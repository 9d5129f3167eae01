/* Walks a plan. */
#include "run.h"

#include <string.h>

#include "layers/layer.h"

void run_pack(struct plan *plan, const struct exec *exec) {
    for (int i = 0; i < plan->op_count; i++)
        if (plan->ops[i].ops->pack) plan->ops[i].ops->pack(&plan->ops[i], exec);
}

static int runs_back(const struct op *op) {
    return op->learns && !op->rests && !op->skip_backward;
}

struct stretch { char *at; size_t bytes; };
enum { ZERO_BYTES = 1 << 20 };

static void zero_piece(void *arg, int piece, int thread) {
    const struct stretch *all = arg;
    size_t from = (size_t)piece * ZERO_BYTES;
    (void)thread;
    memset(all->at + from, 0, all->bytes - from < ZERO_BYTES ? all->bytes - from : ZERO_BYTES);
}

void run_zero(struct plan *plan, const struct exec *exec) {
    for (int i = 0; i < plan->value_count; i++) {
        const struct value *v = &plan->values[i];
        const struct op *op = &plan->ops[plan->op_of_node[v->node->index]];
        struct stretch all = {v->grad, layer_reals(exec->kernels, v->slot->count)};
        if (!v->grad || (exec->fresh && op->sets_weight && v == &op->slots[0] && runs_back(op))) continue;
        threads_run(exec->threads, (int)((all.bytes + ZERO_BYTES - 1) / ZERO_BYTES), zero_piece, &all);
    }
}

static void see(const struct run_watch *watch, const struct op *op, int backward, int begin) {
    if (watch) watch->see(watch->arg, op, backward, begin);
}

/* float32 serves as it is; other element types get a converted copy in the arena. */
static void take_input(struct plan *plan, const struct exec *exec, const float *input) {
    struct tensor *t = plan->input;
    t->exact = input;
    if (t->external) t->data = (void *)(uintptr_t)input;
    else if (t->bytes > 0) exec->kernels->from_f32(exec->threads, input, t->data, tensor_elems(t, exec));
}

void run_forward_watched(struct plan *plan, const struct exec *exec, const float *input, const struct run_watch *watch) {
    take_input(plan, exec, input);
    if (exec->loss) memset(exec->loss, 0, (size_t)exec->batch * (size_t)plan->output->shape.t * sizeof *exec->loss);
    for (int i = 0; i < plan->op_count; i++) {
        const struct op *op = &plan->ops[i];
        if (op->skip) continue;
        see(watch, op, 0, 1);
        op->ops->forward(op, exec);
        see(watch, op, 0, 0);
    }
}

void run_backward_watched(struct plan *plan, const struct exec *exec, const struct run_watch *watch) {
    for (int i = plan->op_count - 1; i >= 0; i--) {
        const struct op *op = &plan->ops[i];
        if (!runs_back(op)) continue;
        see(watch, op, 1, 1);
        op->ops->backward(op, exec);
        see(watch, op, 1, 0);
    }
}

void run_forward(struct plan *plan, const struct exec *exec, const float *input) { run_forward_watched(plan, exec, input, NULL); }
void run_backward(struct plan *plan, const struct exec *exec) { run_backward_watched(plan, exec, NULL); }
