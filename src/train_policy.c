/* What follows from how training goes (trainer.h): the rate of a step, which validation is best, when to stop. */
#include <math.h>

#include "trainer.h"

double policy_rate(const struct trainer *t, uint64_t step) {
    if (t->sweep != NULL) {
        return sweep_rate(t->sweep, step);
    }
    double rate = schedule_rate(t->schedule, step);
    if (t->state.plateau_factor < 1) {
        rate = fmax(rate * t->state.plateau_factor, config_real(t->model->graph.net, "learning_rate_min"));
    }
    return rate * t->state.rate_factor;
}

/* Highest top-1, else lowest loss; a tie is no better. */
static int is_better(const struct trainer *t, const struct measure *valid) {
    double before = t->state.best;
    return valid->regression ? valid->loss < before || (isnan(before) && isfinite(valid->loss))
                             : valid->top1 > before || (isnan(before) && !isnan(valid->top1));
}

/* As PyTorch's ReduceLROnPlateau: after more than plateau_patience epochs without improvement. */
static void plateau(struct trainer *t) {
    const struct section *net = t->model->graph.net;
    if (schedule_is_plateau(t->schedule) &&
        t->state.plateau_bad > (uint64_t)config_int(net, "plateau_patience")) {
        t->state.plateau_factor *= config_real(net, "plateau_factor");
        t->state.plateau_bad = 0;
    }
}

int policy_judge(struct trainer *t, const struct measure *valid) {
    uint64_t patience = (uint64_t)config_int(t->model->graph.net, "patience");
    if (is_better(t, valid)) {
        t->state.best = valid->regression ? valid->loss : valid->top1;
        t->state.best_step = t->state.step;
        t->state.plateau_bad = t->state.patience_bad = 0;
        return 1;
    }
    t->state.plateau_bad++;
    t->state.patience_bad++;
    plateau(t);
    t->state.finished |= patience > 0 && t->state.patience_bad >= patience;
    return 0;
}
