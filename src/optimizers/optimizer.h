/* optimizers: update rules (PyTorch's, to rounding) and learning-rate schedules. A rule is one struct and one line in
 * optimizer_list, whose order is that of the choices of [net] optimizer. */
#ifndef DLCLI_OPTIMIZER_H
#define DLCLI_OPTIMIZER_H

#include "config.h"
#include "kernels/kernels.h"
#include "plan.h"

struct optimizer;
struct optimizer_ops {
    const char *name, *help;
    int states;                          /* reals per parameter kept beside it: 0..2 */
    const char *state_names[2];          /* "momentum"; "exp_avg", "exp_avg_sq": optimizer.<state>.<tensor> in files */
    double momentum, eps;                /* where [net] doesn't say */
    /* Once an update, before the tensors: what this rule's factors are at step `step`, into `all`. NULL: nothing to add. */
    void (*begin)(struct optimizer *o, struct update *all, uint64_t step);
    /* Updates one tensor; u is filled with all settings, weight, grad and state. */
    void (*update)(const struct exec *exec, struct update *u);
};
extern const struct optimizer_ops *const optimizer_list[];

/* Everything [net] says about updates, for one plan. Owns the state. */
struct optimizer {
    const struct optimizer_ops *ops;
    struct plan *plan;                   /* borrowed */
    void **state[2];                     /* per plan value; NULL where it isn't updated */
    double momentum, decay, l1, max_norm, beta1, beta2, rmsprop_alpha, momentum_decay, eps, clip;
    int nesterov, decay_all;
    double product; uint64_t products;   /* of nadam's momenta over so many steps */
};
int optimizer_make(struct optimizer *o, const struct section *net, struct plan *plan, struct err *err);
void optimizer_free(struct optimizer *o);
/* One update with learning rate `rate` at (0-based) step `step`, the gradients multiplied by `scale` first. Returns
 * their norm before clipping (not finite: nothing was updated). Weights have to be packed afterwards (run_pack). */
double optimizer_step(struct optimizer *o, const struct exec *exec, double rate, double scale, uint64_t step);
/* Bytes of a real of the plan. */
size_t optimizer_real(const struct plan *plan);

/* Learning rate as a pure function of the (0-based) step, warm-up included; plateau's factor is state of the trainer.
 * The policies are described in schedule.c. total_steps 0: endless, which policies over the whole length refuse. */
struct schedule;
struct schedule *schedule_make(const struct section *net, uint64_t total_steps, uint64_t seed, struct err *err);
double schedule_rate(const struct schedule *s, uint64_t step);
int schedule_is_plateau(const struct schedule *s);
void schedule_free(struct schedule *s);

#endif
