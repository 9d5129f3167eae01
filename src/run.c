/* Walks a plan. */
#include "run.h"

#include <string.h>

#include "layers/layer.h"

void run_pack(struct plan *plan, const struct exec *exec) {
    for (int i = 0; i < plan->op_count; i++)
        if (plan->ops[i].ops->pack) plan->ops[i].ops->pack(&plan->ops[i], exec);
}

void run_zero(struct plan *plan, const struct exec *exec) {
    (void)exec;
    memset(plan->gradients, 0, plan->gradient_bytes);
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
        if (!op->learns || op->rests || op->skip_backward) continue;
        see(watch, op, 1, 1);
        op->ops->backward(op, exec);
        see(watch, op, 1, 0);
    }
}

void run_forward(struct plan *plan, const struct exec *exec, const float *input) { run_forward_watched(plan, exec, input, NULL); }
void run_backward(struct plan *plan, const struct exec *exec) { run_backward_watched(plan, exec, NULL); }
