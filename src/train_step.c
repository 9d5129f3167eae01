/* One update (trainer.h): the passes of a batch, their losses summed in order, the optimizer. Whatever the number of
 * passes, the gradient is that of the mean over all samples of the update. */
#include <math.h>

#include "trainer.h"

/* Sums over the passes of an update. */
struct sums { double loss, weight; uint64_t seen, correct, answers, position; };

/* What the mean divides by: samples, or the weights of their classes. Samples without a label count nothing. */
static double batch_weight(const struct trainer *t, const struct batch *batch) {
    double weight = 0;
    if (batch->targets != NULL) {
        return batch->count;
    }
    for (size_t i = 0; i < (size_t)batch->count * t->answers; i++) {
        int label = batch->labels[i];
        weight += label < 0 ? 0 : t->class_weights == NULL ? 1 : (double)t->class_weights[label];
    }
    return weight;
}

static uint64_t count_answers(const struct trainer *t, const struct batch *batch) {
    uint64_t answers = 0;
    for (size_t i = 0; i < (size_t)batch->count * t->answers; i++) {
        answers += batch->labels[i] >= 0;
    }
    return answers;
}

static uint64_t count_correct(const struct trainer *t, const struct exec *exec, const struct batch *batch) {
    const struct plan *plan = &t->model->plan;
    int classes = t->model->graph.classes;
    uint64_t correct = 0;
    if (classes == 0) {
        return 0;
    }
    const float *outputs = output_floats(plan, exec, t->outputs);
    for (size_t i = 0; i < (size_t)batch->count * t->answers; i++) {
        const float *row = outputs + i * (size_t)classes;
        correct += batch->labels[i] >= 0 && label_rank(row, classes, batch->labels[i]) == 0;
    }
    return correct;
}

/* Forward and backward of one batch. 1 where its loss isn't finite. */
static int pass(struct trainer *t, struct exec *exec, const struct batch *batch, struct sums *sums) {
    struct plan *plan = &t->model->plan;
    double loss = 0;
    exec->batch = batch->count;
    run_forward(plan, exec, batch->input);
    for (size_t i = 0; i < (size_t)batch->count * t->answers; i++) {
        loss += t->losses[i];
    }
    sums->loss += loss;
    sums->seen += (uint64_t)batch->count;
    sums->answers += count_answers(t, batch);
    sums->correct += count_correct(t, exec, batch);
    if (!isfinite(loss)) {
        divergence_locate(t, exec, batch->input, 0);
        return 1;
    }
    run_backward(plan, exec);
    return 0;
}

/* The next batch of this epoch; NULL at its end. */
static int next_batch(struct trainer *t, struct batch **batch, struct sums *sums, struct err *err) {
    *batch = NULL;
    if (sums->position >= t->length.samples) {
        return 0;
    }
    int result = loader_next(t->loader, batch, err);
    progress_warn(t->progress, err);   /* of samples that can't be read */
    if (result == 0 && *batch == NULL) {
        t->loader_ended = 1;
        sums->position = t->length.samples;
    } else if (result == 0) {
        sums->position += (uint64_t)((*batch)->count + (*batch)->skipped);
    }
    return result;
}

static void commit(struct trainer *t, const struct sums *sums, double rate, struct step *step) {
    struct progress_state *s = &t->state;
    s->step++;
    s->epoch_loss += sums->loss;
    s->epoch_weight += sums->weight;
    s->epoch_correct += sums->correct;
    s->epoch_answers += sums->answers;
    s->epoch_seen += sums->seen;
    s->loss = sums->weight > 0 ? sums->loss / sums->weight : 0;
    t->clock.epoch_images += sums->seen;
    t->clock.logged_images += sums->seen;
    *step = (struct step){.loss = s->loss, .rate = rate, .images = sums->seen};
}

static struct exec step_exec(const struct trainer *t) {
    struct exec exec = model_exec(t->model, t->threads);
    exec.training = 1;
    exec.carry = t->model->graph.carries;
    exec.seed = t->state.seed;
    exec.step = t->state.step * (uint64_t)t->length.parts;
    exec.loss = t->losses;
    return exec;
}

static struct truth batch_truth(const struct trainer *t, const struct batch *batch, double weight) {
    uint64_t answers = batch->targets == NULL ? count_answers(t, batch) : (uint64_t)batch->count;
    return (struct truth){
        .labels = batch->targets == NULL ? batch->labels : NULL,
        .values = batch->shares != NULL ? batch->shares : batch->targets,
        .width = shape_step(t->model->plan.output->shape),
        .class_weight = t->class_weights,
        .label_smoothing = config_real(t->model->graph.net, "label_smoothing"),
        .mean_weight = answers > 0 ? weight / (double)answers : 0,
    };
}

/* What the gradients of all passes change. `share`: what the passes' weight would have been, over what it was. 1: training has diverged, which
 * is said; seen: the last pass. */
static int update(struct trainer *t, struct exec *exec, const struct sums *sums, double share, const struct batch *seen, struct step *step) {
    double rate = policy_rate(t, t->state.step);
    if (!isfinite(optimizer_step(&t->optimizer, exec, rate, share, t->state.step, t->state.epoch))) {
        exec->step--;   /* of the last pass */
        divergence_locate(t, exec, seen == NULL ? NULL : seen->input, 1);
        return 1;
    }
    run_pack(&t->model->plan, exec);
    commit(t, sums, rate, step);
    return 0;
}

int train_step(struct trainer *t, struct step *step, struct err *err) {
    const struct length *l = &t->length;
    struct exec exec = step_exec(t);
    struct sums sums = {.position = t->state.position};
    struct batch *batch = NULL;
    struct truth truth;
    double whole = (double)l->batch * l->parts * (double)t->answers;
    *step = (struct step){0};
    if (exec.carry && t->state.position == 0) {
        plan_forget(&t->model->plan);
    }
    plan_epoch(&t->model->plan, t->state.epoch);
    exec.fresh = 1;
    run_zero(&t->model->plan, &exec);
    for (int part = 0; part < l->parts; part++, exec.step++) {
        if (next_batch(t, &batch, &sums, err) != 0) {
            return -1;
        }
        if (batch == NULL) {
            break;
        }
        double weight = batch_weight(t, batch);
        truth = batch_truth(t, batch, weight);
        sums.weight += weight;
        /* The weight of all passes is known at their end only: until then a whole batch is assumed. */
        exec.loss_scale = 1 / (l->parts > 1 ? whole : weight > 0 ? weight : 1);
        exec.truth = &truth;
        if (pass(t, &exec, batch, &sums) != 0) {
            return 1;
        }
        exec.fresh = 0;
    }
    double share = l->parts > 1 && sums.weight > 0 ? whole / sums.weight : 1;
    if (sums.seen > 0 && update(t, &exec, &sums, share, batch, step) != 0) {
        return 1;
    }
    t->state.position = sums.position;
    return 0;
}
