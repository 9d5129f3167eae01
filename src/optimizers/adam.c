/* Adam: Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015; decay is part of the gradient.
 * AdamW: Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019; decay shrinks the weight by itself. */
#include "optimizers/rules.h"

static void adam_update(const struct exec *exec, struct update *u) {
    u->decoupled = 0;
    exec->kernels->adam(exec->threads, u);
}

static void adamw_update(const struct exec *exec, struct update *u) {
    u->decoupled = 1;
    exec->kernels->adam(exec->threads, u);
}

const struct optimizer_ops optimizer_adam = {
    .name = "adam",
    .help = "Steps by running means of the gradient (b1) over the root of those of its square (b2).",
    .states = 2,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .update = adam_update,
};

const struct optimizer_ops optimizer_adamw = {
    .name = "adamw",
    .help = "Adam with weight decay apart from the gradient: weight *= 1 - rate * decay.",
    .states = 2,
    .state_names = {"exp_avg", "exp_avg_sq"},
    .update = adamw_update,
};
