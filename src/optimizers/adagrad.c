/* Rates of each weight's own, by the squares of its gradients: their sum, AdaGrad (Duchi, Hazan, Singer, "Adaptive Subgradient
 * Methods for Online Learning and Stochastic Optimization", 2011), or their running mean, RMSProp (Tieleman, Hinton,
 * "Lecture 6.5 - rmsprop", 2012). */
#include "optimizers/rules.h"

static void adagrad_update(const struct exec *exec, struct update *u) {
    exec->kernels->adagrad(exec->threads, u);
}

static void rmsprop_begin(struct optimizer *o, struct update *all, uint64_t step) {
    (void)step;
    all->beta2 = o->rmsprop_alpha;
    all->momentum = o->rmsprop_momentum;
}

static void rmsprop_update(const struct exec *exec, struct update *u) {
    exec->kernels->rmsprop(exec->threads, u);
}

const struct optimizer_ops optimizer_adagrad = {
    .name = "adagrad",
    .help = "s += gradient^2; weight -= rate * gradient / (sqrt(s) + eps): rates fall fastest where gradients were large.",
    .states = 1,
    .state_names = {"sum"},
    .eps = 1e-10,
    .update = adagrad_update,
};

const struct optimizer_ops optimizer_rmsprop = {
    .name = "rmsprop",
    .help = "s = rmsprop_alpha * s + (1 - rmsprop_alpha) * gradient^2; v = rmsprop_momentum * v + gradient / (sqrt(s) + eps); "
            "weight -= rate * v.",
    .states = 2,
    .state_names = {"square_avg", "momentum_buffer"},
    .eps = 1e-8,
    .begin = rmsprop_begin,
    .update = rmsprop_update,
};
