/* train: config -> graph -> plan -> run -> checkpoint, in a loop. True epochs; validation after each; best and last;
 * resume bit for bit. */
#ifndef DLCLI_TRAIN_H
#define DLCLI_TRAIN_H

#include <signal.h>
#include <stdio.h>
#include "base/progress.h"
#include "base/threads.h"
#include "model.h"
#include "sources/source.h"

struct train_options {
    const char *run;                 /* folder; made; NULL: runs/<config name> */
    int resume, force;
    const char *weights; int partial;/* what the model was opened with: named where a resume doesn't read it */
    double epochs;                   /* -1: the config's */
    long max_batches;                /* -1: the config's */
    int keep;                        /* also keep the last N epochs' checkpoints: epoch-0007.safetensors; 0: none */
    uint64_t seed; int has_seed;
    enum dtype precision; enum isa isa; int ref_only;
    FILE *events;                    /* stdout with --json, else NULL */
    const volatile sig_atomic_t *stop;   /* signal number once asked to stop, else 0; NULL: never */
};
/* best_valid_top1: NaN where nothing was validated. */
struct train_result { char best[4096], last[4096]; double best_valid_top1, seconds; };

/* Trains model (opened, not planned; its config becomes the complete one that is stored). 0, or -1 with the status in
 * err: REFUSED before work, FAILED, DIVERGED, INTERRUPTED/TERMINATED (saved). */
int train_run(struct model *model, const struct train_options *options, struct threads *threads,
    struct progress *progress, struct train_result *result, struct err *err);

/* What train_run would refuse, but for RUN and memory: the network, [net]'s schedule and length, the data set. */
int train_check(struct model *model, const struct train_options *options, struct progress *progress, struct err *err);

/* ---- learning-rate range test: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017 ---- */

/* The rate rises from least to most, by the same factor at each of so many updates (fewer where the loss runs away). */
struct rate_sweep { double least, most; uint64_t steps; };
struct rate_point { double rate, loss, smooth; };          /* smooth: a running mean of the losses */
/* lowest: where the smoothed loss is least; suggested: a tenth of that; NaN where it never falls. */
struct rate_test { struct rate_point *points; size_t count; double suggested, lowest; char run[4096]; };
/* Trains for the sweep's updates, and writes RUN/find-rate.jsonl: a line an update and one of the outcome, the same to options->events. Nothing else in
 * RUN is touched, the model is left as it is then. 0 or -1 as train_run. Free with rate_test_free either way. */
int train_find_rate(struct model *model, const struct train_options *options, const struct rate_sweep *sweep, struct threads *threads,
    struct progress *progress, struct rate_test *test, struct err *err);
void rate_test_free(struct rate_test *test);

/* ---- measuring, shared with `test` and validation ---- */
struct measure {
    uint64_t images; double loss, top1, top5, seconds;     /* loss: mean, without class weights and label smoothing */
    uint64_t *confusion; int classes;                      /* classes x classes, [true][said]; malloc'ed. An answer with a NaN says nothing */
    double ece;                                            /* expected calibration error; NaN where nothing says probabilities */
    int sequence;                                          /* each symbol was measured: images counts them */
    double rmse, r2; int regression;                       /* of all outputs together; regression: top1, top5 are NaN */
};
/* Runs every sample of the split through the planned model(s) and measures. Several are an ensemble: outputs averaged,
 * the loss that of the average. What makes no ensemble is refused. Samples without a label count nothing. Free *out either way. */
int measure_run(struct model *const *models, int model_count, const struct data *data, enum split split,
    struct threads *threads, struct progress *progress, struct measure *out, struct err *err);
void measure_free(struct measure *m);

#endif
