/* Adam and AdaMax: Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015; decay is part of the gradient.
 * AdamW: Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019; decay shrinks the weight by itself.
 * Nadam: Dozat, "Incorporating Nesterov Momentum into Adam", 2016, with PyTorch's schedule of the momentum. */
#include <math.h>

#include "optimizers/rules.h"

static void adam_begin(struct optimizer *o, struct update *all, uint64_t step) {
    all->correction1 = 1 - pow(o->beta1, (double)step + 1);
    all->correction2 = 1 - pow(o->beta2, (double)step + 1);
}

static void adam_update(const struct exec *exec, struct update *u) {
    exec->kernels->adam(exec->threads, u);
}

static void adamw_update(const struct exec *exec, struct update *u) {
    u->decoupled = 1;
    exec->kernels->adam(exec->threads, u);
}

static void adamax_update(const struct exec *exec, struct update *u) {
    exec->kernels->adamax(exec->threads, u);
}

/* The momentum of update t, counted from 1. */
static double momentum_at(const struct optimizer *o, double t) {
    return o->beta1 * (1 - 0.5 * pow(0.96, t * o->momentum_decay));
}

/* The product of the momenta up to update `count`: always multiplied in this order, so that a resumed run has the same bits. */
static double product_of(struct optimizer *o, uint64_t count) {
    if (o->products == 0 || o->products > count) {
        o->product = 1;
        o->products = 0;
    }
    while (o->products < count) {
        o->product *= momentum_at(o, (double)++o->products);
    }
    return o->product;
}

static void nadam_begin(struct optimizer *o, struct update *all, uint64_t step) {
    double product = product_of(o, step + 1), next = momentum_at(o, (double)step + 2);
    adam_begin(o, all, step);
    all->correction1 = (1 - product * next) / next;
    all->ahead = (1 - momentum_at(o, (double)step + 1)) / (1 - product);
}

const struct optimizer_ops optimizer_adam = {
    .name = "adam",
    .help = "Steps by running means of the gradient (b1) over the root of those of its square (b2).",
    .states = 2,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .eps = 1e-8,
    .begin = adam_begin,
    .update = adam_update,
};

const struct optimizer_ops optimizer_adamw = {
    .name = "adamw",
    .help = "Adam with weight decay apart from the gradient: weight *= 1 - rate * decay.",
    .states = 2,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .eps = 1e-8,
    .begin = adam_begin,
    .update = adamw_update,
};

const struct optimizer_ops optimizer_adamax = {
    .name = "adamax",
    .help = "Adam over the greatest of the absolute gradients, of which the older count less (b2): the infinity norm in place of the "
            "second.",
    .states = 2,
    .state_names = {"exp_avg", "exp_inf"},
    .eps = 1e-8,
    .begin = adam_begin,
    .update = adamax_update,
};

const struct optimizer_ops optimizer_nadam = {
    .name = "nadam",
    .help = "Adam with Nesterov's momentum, which rises to b1 as m = b1 * (1 - 0.96 ^ (step * momentum_decay) / 2).",
    .states = 2,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .eps = 1e-8,
    .begin = nadam_begin,
    .update = adam_update,
};
