/* run: the fourth room. Walks a plan forward and backward. It cannot fail, never allocates, never prints. */
#ifndef DLCLI_RUN_H
#define DLCLI_RUN_H

#include "plan.h"

/* Repacks weights; to be called once after parameters were set, and after each update. */
void run_pack(struct plan *plan, const struct exec *exec);
/* input: exec->batch samples, NCHW float32 whatever the plan's dtype (time steps outermost), borrowed until run_backward is done. */
void run_forward(struct plan *plan, const struct exec *exec, const float *input);
/* After a forward with training and truth. Parameter gradients are added to: zero them first with run_zero, told the same exec->fresh as the first
 * backward. Where that is 1, gradients which this backward will set (op->sets_weight) are left alone, which saves two passes over them. */
void run_backward(struct plan *plan, const struct exec *exec);
void run_zero(struct plan *plan, const struct exec *exec);

/* Observes each op, for bench and for finding where a value stopped being finite: called before (begin = 1) and after each. */
struct run_watch { void (*see)(void *arg, const struct op *op, int backward, int begin); void *arg; };
void run_forward_watched(struct plan *plan, const struct exec *exec, const float *input, const struct run_watch *watch);
void run_backward_watched(struct plan *plan, const struct exec *exec, const struct run_watch *watch);

#endif
