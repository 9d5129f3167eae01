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
    double eps;                          /* where [net] doesn't say */
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
    double momentum, decay, l1, max_norm, beta1, beta2, rmsprop_alpha, rmsprop_momentum, momentum_decay, eps, clip;
    int nesterov, decay_all;
    double ema;                          /* 0: off */
    void **average;                      /* per plan value, with ema: the averaged weights; NULL where it isn't updated */
    double product; uint64_t products;   /* of nadam's momenta over so many steps */
    double unit;                         /* of the schedule's rate: what decoupled=1 multiplies it by, else 1 */
    double height;                       /* decoupled=1: the schedule's, which decay is divided by, as by a tensor's own rate; else 0 */
    struct lookahead *lookahead;         /* owned; NULL: none */
};
/* What optimizer_make and lookahead_make would refuse of [net] in a run of so many steps (0: endless), for which no plan is needed. */
int optimizer_check(const struct section *net, uint64_t total_steps, struct err *err);
int optimizer_make(struct optimizer *o, const struct section *net, struct plan *plan, struct err *err);
void optimizer_free(struct optimizer *o);
/* What is added to the denominator: [net] eps, or where it doesn't say the rule's own. */
double optimizer_eps(const struct section *net);
/* One update with learning rate `rate` at (0-based) step `step`, the gradients multiplied by `scale` first; then what lookahead makes of
 * it, and ema's average of that. Returns the gradients' norm before clipping (not finite: nothing was updated). Tensors that aren't updated in
 * (0-based) epoch `epoch` keep their state too. Weights have to be packed afterwards (run_pack). */
double optimizer_step(struct optimizer *o, const struct exec *exec, double rate, double scale, uint64_t step,
                      uint64_t epoch);
/* With ema: averages and weights change places, for validating and saving, and back again; else nothing. Then pack. */
void optimizer_swap(struct optimizer *o);
/* Bytes of a real of the plan. */
size_t optimizer_real(const struct plan *plan);
/* Bytes that training the graph as [net] says keeps beside weights and gradients: the rule's states, ema's average, lookahead's. */
size_t optimizer_bytes(const struct section *net, const struct graph *graph);
/* What is kept of a value beside it and isn't finite any more ("exp_avg_sq"), with the value in *of; NULL where all is. */
const char *optimizer_overflown(const struct optimizer *o, const struct exec *exec, const struct value **of);

/* ---- lookahead.c: the slow average of all weights and running statistics (Zhang et al., "Lookahead Optimizer: k steps
 * forward, 1 step back", 2019; with a share that grows: Jordan, "94% on CIFAR-10 in 3.29 Seconds", 2024) ---- */

struct lookahead {
    int every; double keep, power;       /* [net] lookahead, lookahead_keep, lookahead_power */
    uint64_t length;                     /* steps of the whole run; 0: endless */
    void **slow;                         /* reals, per plan value; NULL where nothing changes it */
};
/* What [net] says for a run of so many steps; the average starts at the plan's values. 0 where it says nothing of it
 * (o->lookahead stays NULL); -1 with a refusal, or where memory can't be had. */
int lookahead_check(const struct section *net, uint64_t total_steps, struct err *err);
int lookahead_make(struct optimizer *o, const struct section *net, uint64_t total_steps, struct err *err);
void lookahead_free(struct optimizer *o);

/* Learning rate as a pure function of the (0-based) step, warm-up included; plateau's factor is state of the trainer.
 * The policies are described in schedule.c. total_steps 0: endless, which policies over the whole length refuse. */
struct schedule;
struct schedule *schedule_make(const struct section *net, uint64_t total_steps, uint64_t seed, struct err *err);
double schedule_rate(const struct schedule *s, uint64_t step);
int schedule_is_plateau(const struct schedule *s);
void schedule_free(struct schedule *s);

#endif
