/* When a loss, gradient or weight isn't finite (trainer.h): where it began, and what becomes of the run. Numbers can't
 * be traced back, so the pass is made again and every operation's result looked at. */
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "trainer.h"

/* Looking at a pass; `what` is set by the first thing that isn't finite: a tensor's suffix, or an end of the layer. */
struct look { const struct exec *exec; const struct node *node; const char *what; int gradient; };

static int reals_finite(const struct exec *exec, const void *reals, size_t count) {
    double scratch[64];
    return isfinite(exec->kernels->sum_squares(exec->threads, reals, count, scratch));
}

static int tensor_finite(const struct tensor *tensor, const void *elems, const struct exec *exec) {
    return elems == NULL || exec->kernels->finite(exec->threads, elems, tensor_elems(tensor, exec));
}

static void note(struct look *l, const struct node *node, const char *what, int gradient) {
    l->what = what;
    l->node = node;
    l->gradient = gradient;
}

static void look_forward(struct look *l, const struct op *op) {
    for (int i = 0; i < op->node->slot_count && op->slots != NULL; i++) {
        const struct value *v = &op->slots[i];
        if (!reals_finite(l->exec, v->data, v->slot->count)) {
            note(l, op->node, v->slot->suffix, 0);
            return;
        }
    }
    if (!tensor_finite(op->out, op->out->data, l->exec)) {
        note(l, op->node, "the output", 0);
    }
}

static void look_backward(struct look *l, const struct op *op) {
    for (int i = 0; i < op->node->slot_count && op->slots != NULL; i++) {
        const struct value *v = &op->slots[i];
        if (v->grad != NULL && !reals_finite(l->exec, v->grad, v->slot->count)) {
            note(l, op->node, v->slot->suffix, 1);
            return;
        }
    }
    for (int i = 0; i < op->in_count; i++) {
        if (!tensor_finite(op->in[i], op->in[i]->grad, l->exec)) {
            note(l, op->node, "the input", 1);
            return;
        }
    }
}

static void see(void *arg, const struct op *op, int backward, int begin) {
    struct look *l = arg;
    if (l->what == NULL && !begin) {
        if (backward) {
            look_backward(l, op);
        } else {
            look_forward(l, op);
        }
    }
}

static void say(struct trainer *t, const struct look *l) {
    const struct node *node = l->node;
    free(t->diverged);
    if (node == NULL) {
        t->diverged = mem_copy(l->what);
    } else if (node->layer < 0) {
        t->diverged = mem_copy("the data holds values that are not finite");
    } else {
        const struct layer *layer = &t->model->graph.layers[node->layer];
        t->diverged = mem_format("%s%s of layer \"%s\" ([%s], %s:%d) was the first that is not finite",
                                 l->gradient ? "the gradient of " : "", l->what, layer->name, layer->type,
                                 layer->section->file, layer->section->line);
    }
}

/* Backward goes from the last layer to the first: the last gradient that isn't finite was there first. */
static void look_at_gradients(struct look *l, const struct plan *plan) {
    for (int i = plan->value_count - 1; i >= 0 && l->what == NULL; i--) {
        const struct value *v = &plan->values[i];
        if (v->grad != NULL && !reals_finite(l->exec, v->grad, v->slot->count)) {
            note(l, v->node, v->slot->suffix, 1);
        }
    }
}

void divergence_locate(struct trainer *t, const struct exec *exec, const float *input, int backward) {
    struct plan *plan = &t->model->plan;
    struct look again = {.exec = exec}, as_is = again;
    struct run_watch watch = {see, &again};
    if (backward) {
        look_at_gradients(&as_is, plan);   /* what an earlier pass of the batch left */
    }
    if (input != NULL) {
        run_forward_watched(plan, exec, input, &watch);
        if (backward && again.what == NULL) {
            run_zero(plan, exec);
            run_backward_watched(plan, exec, &watch);
        }
    }
    if (again.what == NULL && as_is.what == NULL) {
        as_is.what = backward ? "the gradients' norm is too large for a number" : "the loss itself is not finite";
    }
    say(t, again.what != NULL ? &again : &as_is);
}

/* A square of a gradient overflows long before the gradient does; from then on its weight stands still. */
static int divergence_in_state(struct trainer *t, const struct exec *exec) {
    const struct value *of = NULL;
    const char *name = optimizer_overflown(&t->optimizer, exec, &of);
    if (name == NULL) {
        return 0;
    }
    char *what = mem_format("the optimizer's %s of %s", name, of->slot->suffix);
    struct look l = {.exec = exec, .node = of->node, .what = what};
    say(t, &l);
    free(what);
    return 1;
}

int divergence_in_weights(struct trainer *t) {
    const struct plan *plan = &t->model->plan;
    struct exec exec = model_exec(t->model, t->threads);
    struct look l = {.exec = &exec};
    size_t count = plan->weight_bytes / optimizer_real(plan);
    if (count == 0 || reals_finite(&exec, plan->weights, count)) {
        return divergence_in_state(t, &exec);
    }
    for (int i = 0; i < plan->value_count && l.what == NULL; i++) {
        const struct value *v = &plan->values[i];
        if (!reals_finite(&exec, v->data, v->slot->count)) {
            note(&l, v->node, v->slot->suffix, 0);
        }
    }
    l.what = l.what != NULL ? l.what : "the weights' norm is too large for a number";
    say(t, &l);
    return 1;
}

/* ---- what becomes of the run ---- */

static int give_up(const struct trainer *t, uint64_t step, struct err *err) {
    char loss[64];
    char *tried = t->state.tries > 0 ? mem_format("; gone back %llu times", (unsigned long long)t->state.tries)
                                     : mem_copy("");
    snprintf(loss, sizeof loss, t->state.step > 0 ? "the loss before it was %.7g" : "it was the first step",
             t->state.loss);
    err_add(err, STATUS_DIVERGED, "training diverged at step %llu (epoch %llu): %s; %s%s. A lower learning_rate, a "
            "warmup or clip may help", (unsigned long long)step, (unsigned long long)t->state.epoch + 1, t->diverged,
            loss, tried);
    free(tried);
    return -1;
}

/* Everything as the last checkpoint that save_due wrote has it, but for how often that was done; which is the run's last one now, so that
 * a process killed from here on goes on from it. (A run begun before there was rollback.safetensors goes back to last.) */
static int go_back(struct trainer *t, struct err *err) {
    struct tensor_file file = {0};
    double factor = t->state.rate_factor / 2;
    uint64_t tries = t->state.tries + 1;
    const char *path = file_exists(t->folder.rollback) ? t->folder.rollback : t->folder.last;
    int result = format_read(path, &file, err) != 0 || checkpoint_verify(&file, path, err) != 0 ||
                 checkpoint_fill(&t->model->plan, &file, path, 0, err) != 0 ||
                 checkpoint_resume(&t->optimizer, &t->state, &file, path, err) != 0;
    tensor_file_free(&file);
    if (result != 0) {
        return -1;
    }
    t->state.rate_factor = factor;
    t->state.tries = tries;
    struct exec exec = model_exec(t->model, t->threads);
    run_pack(&t->model->plan, &exec);
    if (save_last(t, err) != 0) {
        return -1;
    }
    events_close(&t->events);
    return events_cut(t, err) != 0 || events_open(t, err) != 0 ? -1 : trainer_load(t, err);
}

int divergence_handle(struct trainer *t, uint64_t step, struct err *err) {
    const struct section *net = t->model->graph.net;
    int back = config_choice(net, "on_divergence") == 1;
    if (!back || t->state.tries >= (uint64_t)config_int(net, "rollback_tries")) {
        return give_up(t, step, err);
    }
    if (go_back(t, err) != 0) {
        return -1;
    }
    err_warn(err, "training diverged at step %llu: %s; back to step %llu with %g of the rate", (unsigned long long)step,
             t->diverged, (unsigned long long)t->state.step, t->state.rate_factor);
    progress_warn(t->progress, err);
    return 0;
}
