/* Walks all parameters of a plan with a rule (optimizer.h): decay where it applies, each layer's rate, clipping by
 * the norm of all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "optimizers/rules.h"

const struct optimizer_ops *const optimizer_list[] = {&optimizer_sgd, &optimizer_adam, &optimizer_adamw, &optimizer_perceptron, NULL};

enum { SCRATCH = 64 };   /* doubles that kernels.sum_squares wants */

size_t optimizer_real(const struct plan *plan) {
    return plan->target.kernels->dtype == DTYPE_F64 ? sizeof(double) : sizeof(float);
}

/* darknet's adam=1 stands for optimizer=adam; said both ways they have to agree. */
static int rule_find(const struct section *net, const struct optimizer_ops **ops, struct err *err) {
    int choice = config_choice(net, "optimizer");
    *ops = optimizer_list[choice];
    if (config_given(net, "adam") && config_bool(net, "adam") && *ops == &optimizer_sgd) {
        if (config_given(net, "optimizer")) {
            return config_refuse(net, "net", "adam", err, "1 contradicts optimizer=%s", (*ops)->name);
        }
        *ops = &optimizer_adam;
    }
    return 0;
}

static int states_make(struct optimizer *o, struct err *err) {
    size_t values = (size_t)o->plan->value_count;
    for (int s = 0; s < o->ops->states; s++) {
        o->state[s] = mem_need(values + 1, sizeof *o->state[s]);
        for (size_t i = 0; i < values; i++) {
            const struct value *v = &o->plan->values[i];
            if (v->grad == NULL) {
                continue;
            }
            o->state[s][i] = mem_aligned(v->slot->count * optimizer_real(o->plan));
            if (o->state[s][i] == NULL) {
                return err_add(err, STATUS_FAILED, "out of memory for the state of %s", o->ops->name);
            }
        }
    }
    return 0;
}

int optimizer_make(struct optimizer *o, const struct section *net, struct plan *plan, struct err *err) {
    *o = (struct optimizer){
        .plan = plan,
        .momentum = config_real(net, "momentum"),
        .decay = config_real(net, "decay"),
        .beta1 = config_real(net, "b1"),
        .beta2 = config_real(net, "b2"),
        .eps = config_real(net, "eps"),
        .clip = config_real(net, "clip"),
        .nesterov = config_bool(net, "nesterov"),
        .decay_all = config_bool(net, "decay_all"),
    };
    if (rule_find(net, &o->ops, err) != 0) {
        return -1;
    }
    if (states_make(o, err) != 0) {
        optimizer_free(o);
        return -1;
    }
    return 0;
}

void optimizer_free(struct optimizer *o) {
    for (int s = 0; s < 2 && o->state[s] != NULL; s++) {
        for (int i = 0; i < o->plan->value_count; i++) {
            free(o->state[s][i]);
        }
        free(o->state[s]);
    }
    *o = (struct optimizer){0};
}

/* Of all gradients together, in a fixed order. They lie in one block, with zeros between them. */
static double gradient_norm(const struct plan *plan, const struct exec *exec) {
    double scratch[SCRATCH];
    size_t n = plan->gradient_bytes / optimizer_real(plan);
    return n == 0 ? 0 : sqrt(exec->kernels->sum_squares(exec->threads, plan->gradients, n, scratch));
}

double optimizer_step(struct optimizer *o, const struct exec *exec, double rate, double scale, uint64_t step) {
    double norm = scale * gradient_norm(o->plan, exec);
    if (!isfinite(norm)) {
        return norm;
    }
    /* the divisor of PyTorch's clip_grad_norm_, whose results these are to be */
    double clipped = norm + 1e-6 > o->clip ? scale * o->clip / (norm + 1e-6) : scale;
    struct update all = {
        .momentum = o->momentum, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps, .nesterov = o->nesterov,
        .first = step == 0,
        .grad_scale = o->clip > 0 ? clipped : scale,
        .correction1 = 1 - pow(o->beta1, (double)step + 1),
        .correction2 = 1 - pow(o->beta2, (double)step + 1),
    };
    for (int i = 0; i < o->plan->value_count; i++) {
        const struct value *v = &o->plan->values[i];
        if (v->grad == NULL) {
            continue;
        }
        struct update u = all;
        u.n = v->slot->count;
        u.weight = v->data;
        u.grad = v->grad;
        u.m = o->state[0] == NULL ? NULL : o->state[0][i];
        u.v = o->state[1] == NULL ? NULL : o->state[1][i];
        u.rate = rate * v->slot->rate;
        u.decay = v->slot->decays || o->decay_all ? o->decay : 0;
        o->ops->update(exec, &u);
    }
    return norm;
}
