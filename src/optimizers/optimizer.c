/* Walks all parameters of a plan with a rule (optimizer.h): decay, l1 and max_norm where they apply, each layer's rate,
 * clipping by the norm of all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "optimizers/rules.h"

const struct optimizer_ops *const optimizer_list[] = {&optimizer_sgd, &optimizer_adam, &optimizer_adamw, &optimizer_perceptron, &optimizer_adagrad,
                                                     &optimizer_rmsprop, &optimizer_adamax, &optimizer_nadam, NULL};

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

double optimizer_eps(const struct section *net) {
    const struct optimizer_ops *ops;
    struct err ignored = {0};   /* optimizer_make refuses */
    if (config_given(net, "eps")) {
        return config_real(net, "eps");
    }
    rule_find(net, &ops, &ignored);
    err_free(&ignored);
    return ops->eps;
}

/* With constant gradients a step of momentum is 1 / (1 - momentum) of them, Nesterov's one more. The decay is that at
 * the schedule's height, and follows the schedule as the rate does. */
static int decouple(struct optimizer *o, const struct section *net, struct err *err) {
    if (!config_bool(net, "decoupled")) {
        return 0;
    }
    double height = config_real(net, "learning_rate");
    if (o->ops != &optimizer_sgd || o->momentum == 1 || height == 0) {
        return config_refuse(net, "net", "decoupled", err,
                             "want optimizer=sgd with a momentum below 1 and a learning_rate above 0");
    }
    o->unit = (double)config_int(net, "batch") / 1024 / (o->nesterov + 1 / (1 - o->momentum));
    o->height = height;
    return 0;
}

/* A real for each that is updated. */
static void **reals_make(const struct optimizer *o, struct err *err) {
    size_t values = (size_t)o->plan->value_count;
    void **reals = mem_need(values + 1, sizeof *reals);
    for (size_t i = 0; i < values; i++) {
        const struct value *v = &o->plan->values[i];
        if (v->grad != NULL && (reals[i] = mem_aligned(v->slot->count * optimizer_real(o->plan))) == NULL) {
            err_add(err, STATUS_FAILED, "out of memory for the state of %s", o->ops->name);
            break;
        }
    }
    return reals;
}

static void reals_free(const struct optimizer *o, void **reals) {
    for (int i = 0; reals != NULL && i < o->plan->value_count; i++) {
        free(reals[i]);
    }
    free(reals);
}

static int states_make(struct optimizer *o, struct err *err) {
    int before = err->count;
    for (int s = 0; s < o->ops->states; s++) {
        o->state[s] = reals_make(o, err);
    }
    o->average = o->ema > 0 ? reals_make(o, err) : NULL;
    for (int i = 0; o->average != NULL && i < o->plan->value_count && err->count == before; i++) {
        const struct value *v = &o->plan->values[i];
        if (v->grad != NULL) {   /* where nothing was updated yet, the weights are their own average */
            memcpy(o->average[i], v->data, v->slot->count * optimizer_real(o->plan));
        }
    }
    return err->count == before ? 0 : -1;
}

/* All that [net] says, before there is a plan. */
static int read_settings(struct optimizer *o, const struct section *net, struct err *err) {
    const struct optimizer_ops *ops;
    *o = (struct optimizer){0};
    if (rule_find(net, &ops, err) != 0) {
        return -1;
    }
    *o = (struct optimizer){
        .ops = ops,
        .momentum = config_real(net, "momentum"),
        .decay = config_real(net, "decay"),
        .l1 = config_real(net, "l1"),
        .max_norm = config_real(net, "max_norm"),
        .beta1 = config_real(net, "b1"),
        .beta2 = config_real(net, "b2"),
        .rmsprop_alpha = config_real(net, "rmsprop_alpha"),
        .rmsprop_momentum = config_real(net, "rmsprop_momentum"),
        .momentum_decay = config_real(net, "momentum_decay"),
        .eps = optimizer_eps(net),
        .clip = config_real(net, "clip"),
        .ema = config_real(net, "ema"),
        .nesterov = config_bool(net, "nesterov"),
        .decay_all = config_bool(net, "decay_all"),
        .unit = 1,
    };
    for (int i = 0; i < 2; i++) {   /* at 1 the moments would stay at 0, and their correction divide by it */
        const char *key = i == 0 ? "b1" : "b2";
        if (config_real(net, key) == 1) {
            return config_refuse(net, "net", key, err, "want a number below 1");
        }
    }
    return decouple(o, net, err);
}

int optimizer_check(const struct section *net, uint64_t total_steps, struct err *err) {
    struct optimizer o;
    return read_settings(&o, net, err) != 0 || lookahead_check(net, total_steps, err) != 0 ? -1 : 0;
}

int optimizer_make(struct optimizer *o, const struct section *net, struct plan *plan, struct err *err) {
    if (read_settings(o, net, err) != 0) {
        return -1;
    }
    o->plan = plan;
    if (states_make(o, err) != 0) {
        optimizer_free(o);
        return -1;
    }
    return 0;
}

void optimizer_free(struct optimizer *o) {
    lookahead_free(o);
    for (int s = 0; s < 2; s++) {
        reals_free(o, o->state[s]);
    }
    reals_free(o, o->average);
    *o = (struct optimizer){0};
}

/* Of all gradients together, in a fixed order. They lie in one block, with zeros between them. */
static double gradient_norm(const struct plan *plan, const struct exec *exec) {
    double scratch[SCRATCH];
    size_t n = plan->gradient_bytes / optimizer_real(plan);
    return n == 0 ? 0 : sqrt(exec->kernels->sum_squares(exec->threads, plan->gradients, n, scratch));
}

size_t optimizer_bytes(const struct section *net, const struct graph *graph) {
    const struct optimizer_ops *ops;
    struct err ignored = {0};   /* optimizer_make refuses */
    size_t moved = graph->trainable, states = 0;
    rule_find(net, &ops, &ignored);
    err_free(&ignored);
    for (int i = 0; i < graph->node_count; i++) {
        for (int j = 0; j < graph->nodes[i].slot_count; j++) {
            const struct slot *slot = &graph->nodes[i].slots[j];
            states += slot->kind == SLOT_STATE ? slot->count : 0;
        }
    }
    size_t reals = moved * ((size_t)ops->states + (config_real(net, "ema") > 0)) + (config_int(net, "lookahead") > 0 ? moved + states : 0);
    return reals * sizeof(float);
}

const char *optimizer_overflown(const struct optimizer *o, const struct exec *exec, const struct value **of) {
    void *const *const kept[] = {o->state[0], o->state[1], o->average, o->lookahead == NULL ? NULL : o->lookahead->slow};
    const char *const names[] = {o->ops->state_names[0], o->ops->state_names[1], "average", "lookahead"};
    double scratch[SCRATCH];
    for (int k = 0; k < 4; k++) {
        for (int i = 0; kept[k] != NULL && i < o->plan->value_count; i++) {
            const struct value *v = &o->plan->values[i];
            if (kept[k][i] != NULL && !isfinite(exec->kernels->sum_squares(exec->threads, kept[k][i], v->slot->count, scratch))) {
                *of = v;
                return names[k];
            }
        }
    }
    return NULL;
}

/* What the layer says, else what [net] does; of biases and batch norms only with decay_all. */
static void penalties(const struct optimizer *o, const struct slot *slot, struct update *u) {
    int counts = slot->decays || o->decay_all;
    u->decay = !counts ? 0 : slot->decay >= 0 ? slot->decay : o->decay;
    u->decay /= o->height > 0 && slot->rate > 0 ? o->height * slot->rate : 1;
    u->l1 = !counts ? 0 : slot->l1 >= 0 ? slot->l1 : o->l1;
}

/* Srivastava et al., "Dropout", JMLR 2014, section 5.1. */
static void constrain(const struct optimizer *o, const struct exec *exec, const struct value *v) {
    const struct slot *slot = v->slot;
    double limit = slot->max_norm >= 0 ? slot->max_norm : o->max_norm;
    if (limit > 0 && slot->decays) {
        struct units_of of = {slot->unit_blocks, slot->unit_outer, slot->units, 0};
        of.inner = slot->count / (of.blocks * of.outer * of.units);
        exec->kernels->max_norm(exec->threads, &of, limit, v->data);
    }
}

/* Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, with weights that fall exponentially; from the first
 * update on, as PyTorch's AveragedModel. */
static void average(const struct optimizer *o, const struct exec *exec, int first) {
    for (int i = 0; o->average != NULL && i < o->plan->value_count; i++) {
        const struct value *v = &o->plan->values[i];
        if (v->grad != NULL && first) {
            memcpy(o->average[i], v->data, v->slot->count * optimizer_real(o->plan));
        } else if (v->grad != NULL) {
            exec->kernels->average(exec->threads, v->slot->count, 1 - o->ema, v->data, o->average[i]);
        }
    }
}

void optimizer_swap(struct optimizer *o) {
    char block[4096];
    for (int i = 0; o->average != NULL && i < o->plan->value_count; i++) {
        const struct value *v = &o->plan->values[i];
        size_t size = v->grad == NULL ? 0 : v->slot->count * optimizer_real(o->plan);
        for (size_t at = 0, n; at < size; at += n) {
            n = size - at < sizeof block ? size - at : sizeof block;
            memcpy(block, (char *)v->data + at, n);
            memcpy((char *)v->data + at, (char *)o->average[i] + at, n);
            memcpy((char *)o->average[i] + at, block, n);
        }
    }
}

static void value_update(struct optimizer *o, const struct exec *exec, int i, struct update u) {
    const struct value *v = &o->plan->values[i];
    u.n = v->slot->count;
    u.weight = v->data;
    u.grad = v->grad;
    u.m = o->state[0] == NULL ? NULL : o->state[0][i];
    u.v = o->state[1] == NULL ? NULL : o->state[1][i];
    u.rate *= o->unit * v->slot->rate;
    penalties(o, v->slot, &u);
    o->ops->update(exec, &u);
    constrain(o, exec, v);
}

/* What rests is no part of the gradient's norm either. */
static void forget_resting(const struct plan *plan, uint64_t epoch) {
    for (int i = 0; i < plan->value_count; i++) {
        const struct value *v = &plan->values[i];
        if (v->grad != NULL && value_rests(v, epoch)) {
            memset(v->grad, 0, v->slot->count * optimizer_real(plan));
        }
    }
}

double optimizer_step(struct optimizer *o, const struct exec *exec, double rate, double scale, uint64_t step,
                      uint64_t epoch) {
    forget_resting(o->plan, epoch);
    double norm = scale * gradient_norm(o->plan, exec);
    if (!isfinite(norm)) {
        return norm;
    }
    /* the divisor of PyTorch's clip_grad_norm_, whose results these are to be */
    double clipped = norm + 1e-6 > o->clip ? scale * o->clip / (norm + 1e-6) : scale;
    struct update all = {
        .rate = rate, .momentum = o->momentum, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps, .nesterov = o->nesterov,
        .first = step == 0,
        .grad_scale = o->clip > 0 ? clipped : scale,
    };
    if (o->ops->begin != NULL) {
        o->ops->begin(o, &all, step);
    }
    for (int i = 0; i < o->plan->value_count; i++) {
        if (!value_rests(&o->plan->values[i], epoch)) {
            value_update(o, exec, i, all);
        }
    }
    lookahead_step(o, step + 1);
    average(o, exec, step == 0);
    return norm;
}
