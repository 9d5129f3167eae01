/* Stochastic gradient descent with momentum, in PyTorch's form: the rate multiplies the whole buffer, not each gradient
 * as it enters. Nesterov's: Sutskever et al., "On the importance of initialization and momentum in deep
 * learning", 2013. */
#include "optimizers/rules.h"

static void sgd_update(const struct exec *exec, struct update *u) {
    exec->kernels->sgd(exec->threads, u);
}

/* Without momentum, decay and l1, whatever they say: the perceptron's rule as it was given (Rosenblatt, "The perceptron", 1958). */
static void perceptron_update(const struct exec *exec, struct update *u) {
    u->momentum = 0;
    u->decay = u->l1 = 0;
    u->nesterov = 0;
    exec->kernels->sgd(exec->threads, u);
}

const struct optimizer_ops optimizer_perceptron = {
    .name = "perceptron",
    .help = "weight += rate * (target - output) * input: plain gradient descent, and [cost] passes target - output "
            "through the step unit before it.",
    .update = perceptron_update,
};

const struct optimizer_ops optimizer_sgd = {
    .name = "sgd",
    .help = "v = momentum * v + gradient; weight -= rate * v (nesterov: rate * (gradient + momentum * v)).",
    .states = 1,
    .state_names = {"momentum"},
    .update = sgd_update,
};
