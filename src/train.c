/* The loop of training (train.h): steps until the epoch is over, then validation, lines, checkpoints. Whatever happens
 * between two steps, the state says exactly where training stands. */
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "trainer.h"

/* How a part of the loop ended, besides -1 with a sentence. */
enum outcome { GOES_ON = 0, HAS_DIVERGED, WAS_STOPPED };

static int stop_asked(const struct trainer *t) {
    return t->options->stop != NULL && *t->options->stop != 0;
}

static int length_over(const struct trainer *t) {
    const struct length *l = &t->length;
    return (l->steps > 0 && t->state.step >= l->steps) || (l->epochs > 0 && t->state.epoch >= l->epochs);
}

/* A checkpoint that holds what isn't finite would be worse than none. */
static int save_checked(struct trainer *t, int (*save)(struct trainer *t, struct err *err), struct err *err) {
    return divergence_in_weights(t) ? HAS_DIVERGED : save(t, err);
}

static int save_between(struct trainer *t, struct err *err) {
    const struct section *net = t->model->graph.net;
    uint64_t steps = (uint64_t)config_int(net, "checkpoint_steps");
    double seconds = 60 * config_real(net, "checkpoint_minutes");
    if (steps > 0 && t->state.step % steps == 0) {
        return save_checked(t, save_due, err);
    }
    return seconds > 0 && progress_now() - t->clock.saved >= seconds ? save_checked(t, save_last, err) : GOES_ON;
}

static int step_once(struct trainer *t, struct err *err) {
    struct step step;
    int result = train_step(t, &step, err);
    if (result != 0) {
        return result;
    }
    if (step.images > 0 && events_step(t, &step, err) != 0) {
        return -1;
    }
    int at_end = t->state.position >= t->length.samples;   /* then a checkpoint follows anyway */
    return at_end ? GOES_ON : save_between(t, err);
}

/* The weights, or their average with [net] ema, in the plan. */
static void swap_weights(struct trainer *t) {
    struct exec exec = model_exec(t->model, t->threads);
    if (t->optimizer.average != NULL) {
        optimizer_swap(&t->optimizer);
        run_pack(&t->model->plan, &exec);
    }
}

static int validate(struct trainer *t, struct measure *valid, struct err *err) {
    struct model *models[] = {t->model};
    struct measure_job job = {.models = models, .count = 1, .data = &t->data, .split = SPLIT_VALID,
                              .threads = t->threads, .progress = t->progress, .stop = t->options->stop};
    swap_weights(t);
    int result = measure_do(&job, valid, err);
    swap_weights(t);
    return result == 1 ? WAS_STOPPED : result;
}

/* The state moves to the start of the next epoch. */
static void next_epoch(struct trainer *t) {
    struct progress_state *s = &t->state;
    s->epoch++;
    s->position = 0;
    s->epoch_loss = s->epoch_weight = 0;
    s->epoch_correct = s->epoch_answers = s->epoch_seen = 0;
    s->finished |= length_over(t);
    t->clock.epoch_images = 0;
    t->clock.epoch_began = progress_now();
}

/* Waits for the loader's word that the epoch is over, which its next one stands behind. */
static int loader_finish(struct trainer *t, struct err *err) {
    struct batch *batch = NULL;
    if (!t->loader_ended && t->state.position >= t->length.samples) {
        if (loader_next(t->loader, &batch, err) != 0) {
            return -1;
        }
    }
    t->loader_ended = 0;
    return 0;
}

int trainer_turn_epoch(struct trainer *t, struct err *err) {
    int result = loader_finish(t, err);
    next_epoch(t);
    return result;
}

/* Validates, writes the epoch's line, then the checkpoints: a process killed in between does the same again. */
static int end_epoch(struct trainer *t, struct err *err) {
    struct measure valid = {0};
    int validates = trainer_validates(t), best = 0;
    if (divergence_in_weights(t)) {
        return HAS_DIVERGED;
    }
    int result = validates ? validate(t, &valid, err) : GOES_ON;
    progress_warn(t->progress, err);
    if (result == GOES_ON) {
        double rate = policy_rate(t, t->state.step > 0 ? t->state.step - 1 : 0);   /* before judging changes it */
        best = validates && policy_judge(t, &valid);
        int bad = events_epoch(t, validates ? &valid : NULL, best, rate, err) != 0 || loader_finish(t, err) != 0;
        result = bad ? -1 : GOES_ON;
    }
    measure_free(&valid);
    if (result != GOES_ON) {
        return result;
    }
    next_epoch(t);
    uint64_t every = (uint64_t)config_int(t->model->graph.net, "checkpoint_epochs");
    int due = t->state.finished || best || t->options->keep > 0 || t->state.epoch % every == 0;
    if ((t->state.finished && events_done(t, 1, err) != 0) || (best && save_best(t, err) != 0) ||
        (due && (save_due(t, err) != 0 || save_keep(t, err) != 0))) {
        return -1;
    }
    return GOES_ON;
}

static int stopped(struct trainer *t, struct err *err) {
    int terminated = *t->options->stop == SIGTERM;
    int result = save_checked(t, save_last, err);
    if (result < 0) {
        return -1;
    }
    return err_add(err, terminated ? STATUS_TERMINATED : STATUS_INTERRUPTED,
                   "%s after step %llu%s: --resume goes on from %s", terminated ? "terminated" : "interrupted",
                   (unsigned long long)t->state.step,
                   result == HAS_DIVERGED ? ", which isn't saved as it holds values that are not finite" : "",
                   t->folder.last);
}

/* 0 at the end, or where stdout's reader went away; -1. */
static int loop(struct trainer *t, struct err *err) {
    while (!t->state.finished) {
        if (stop_asked(t)) {
            return stopped(t, err);
        }
        int stepping = t->state.position < t->length.samples && !length_over(t);
        uint64_t step = t->state.step + (uint64_t)stepping;
        int result = stepping ? step_once(t, err) : end_epoch(t, err);
        if (result == HAS_DIVERGED) {
            step = t->state.step < step ? step : t->state.step;
            result = divergence_handle(t, step, err);
        }
        if (result < 0) {
            return -1;
        }
        if (t->events.gone) {
            return save_checked(t, save_last, err) == GOES_ON ? 0 : -1;
        }
    }
    return events_done(t, 0, err);
}

static void tell(const struct trainer *t, struct train_result *result) {
    snprintf(result->best, sizeof result->best, "%s", t->folder.best);
    snprintf(result->last, sizeof result->last, "%s", t->folder.last);
    result->best_valid_top1 = t->model->graph.classes > 0 ? t->state.best : (double)NAN;
    result->seconds = progress_now() - t->clock.began;
}

/* --resume of a run that is over. */
static int finish_again(struct trainer *t, struct err *err) {
    return save_mend(t, err) != 0 ? -1 : events_done(t, 0, err);
}

int train_run(struct model *model, const struct train_options *options, struct threads *threads,
              struct progress *progress, struct train_result *result, struct err *err) {
    struct trainer t = {.model = model, .options = options, .threads = threads, .progress = progress};
    t.folder.lock = -1;
    int opened = trainer_open(&t, err);
    int done = opened < 0 ? -1 : opened == 1 ? finish_again(&t, err) : loop(&t, err);
    if (done == 0) {
        tell(&t, result);
    }
    trainer_close(&t);
    return done;
}
