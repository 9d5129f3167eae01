/* The learning-rate range test (train.h): the rate rises from update to update, and the losses say from where on training runs away. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "trainer.h"

/* Weight of the mean so far in the running mean of the losses; a loss so many times the least ends the test. */
static const double KEEP = 0.9, TOO_HIGH = 4;

double sweep_rate(const struct rate_sweep *sweep, uint64_t step) {
    return sweep->least * pow(sweep->most / sweep->least, sweep->steps > 1 ? (double)step / (double)(sweep->steps - 1) : 0);
}

/* ---- what is written ---- */

static void add_line(struct text *lines, FILE *out, struct json *j) {
    json_close(j, '}');
    text_add_n(&j->out, "\n", 1);
    text_add_n(lines, j->out.text, j->out.length);
    if (out != NULL) {
        fwrite(j->out.text, 1, j->out.length, out);
        fflush(out);
    }
    text_free(&j->out);
}

static void add_point(struct text *lines, FILE *out, size_t step, const struct rate_point *point) {
    struct json j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "event", "rate");
    json_int(&j, "step", (long long)step);
    json_real(&j, "learning_rate", point->rate);
    json_real(&j, "loss", point->loss);
    json_real(&j, "smoothed_loss", point->smooth);
    add_line(lines, out, &j);
}

static void add_outcome(struct text *lines, FILE *out, const struct rate_test *test) {
    struct json j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "event", "find_rate");
    json_real(&j, "suggested_rate", test->suggested);
    json_real(&j, "lowest_loss_rate", test->lowest);
    json_text(&j, "run", test->run);
    add_line(lines, out, &j);
}

/* ---- the test ---- */

/* Where the loss is lowest training is about to run away: a tenth of that rate is safe, and not much slower. */
static void judge(struct rate_test *test) {
    size_t lowest = 0;
    for (size_t i = 0; i < test->count; i++) {
        lowest = test->points[i].smooth < test->points[lowest].smooth ? i : lowest;
    }
    test->lowest = lowest > 0 ? test->points[lowest].rate : (double)NAN;
    test->suggested = test->lowest / 10;
}

/* Adds an update's point. 1 where the loss has run away. */
static int add_loss(struct rate_test *test, double rate, double loss, double *mean, double *least) {
    double before = test->count > 0 ? *mean : 0;
    *mean = KEEP * before + (1 - KEEP) * loss;
    struct rate_point point = {rate, loss, *mean / (1 - pow(KEEP, (double)test->count + 1))};
    test->points[test->count++] = point;
    *least = fmin(*least, point.smooth);
    return point.smooth > TOO_HIGH * *least;
}

static int sweep(struct trainer *t, struct rate_test *test, struct text *lines, struct err *err) {
    double mean = 0, least = INFINITY;
    int over = 0;
    test->points = mem_need((size_t)t->sweep->steps, sizeof *test->points);
    while (!over && t->state.step < t->sweep->steps) {
        struct step step;
        if (t->options->stop != NULL && *t->options->stop != 0) {
            return err_add(err, *t->options->stop == SIGTERM ? STATUS_TERMINATED : STATUS_INTERRUPTED, "stopped by a signal: nothing was written");
        }
        if (t->state.position >= t->length.samples && trainer_turn_epoch(t, err) != 0) {
            return -1;
        }
        int result = train_step(t, &step, err);
        if (result < 0) {
            return -1;
        }
        over = result == 1;   /* not finite: no rate beyond this one is worth a try */
        if (!over && step.images > 0) {
            over = add_loss(test, step.rate, step.loss, &mean, &least);
            add_point(lines, t->options->events, test->count, &test->points[test->count - 1]);
            progress_line(t->progress, 0, "rate %.3g  loss %.4f", step.rate, step.loss);
        }
    }
    return 0;
}

int train_find_rate(struct model *model, const struct train_options *options, const struct rate_sweep *sweep_of, struct threads *threads,
                    struct progress *progress, struct rate_test *test, struct err *err) {
    struct trainer t = {.model = model, .options = options, .threads = threads, .progress = progress, .sweep = sweep_of};
    struct text lines = {0};
    *test = (struct rate_test){.suggested = NAN, .lowest = NAN};
    t.folder.lock = -1;
    int bad = trainer_open(&t, err) != 0 || sweep(&t, test, &lines, err) != 0;
    if (!bad && test->count == 0) {
        bad = err_add(err, STATUS_DIVERGED, "the first update's loss was not finite already: %s", t.diverged);
    }
    if (!bad) {
        char *path = mem_format("%s/find-rate.jsonl", t.folder.path);
        snprintf(test->run, sizeof test->run, "%s", t.folder.path);
        judge(test);
        add_outcome(&lines, options->events, test);
        bad = file_write(path, lines.text, lines.length, err);
        free(path);
    }
    text_free(&lines);
    trainer_close(&t);
    return bad ? -1 : 0;
}

void rate_test_free(struct rate_test *test) {
    free(test->points);
    *test = (struct rate_test){0};
}
