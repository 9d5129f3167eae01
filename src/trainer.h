/* trainer: what the files of training share: train.c (the loop), train_setup.c, train_check.c and train_resume.c (everything that
 * can be refused), train_step.c (one update), train_divergence.c, train_policy.c (rate, best, patience), train_find_rate.c, train_save.c
 * (checkpoints), train_events.c (metrics.jsonl and what people see). */
#ifndef DLCLI_TRAINER_H
#define DLCLI_TRAINER_H

#include "base/json.h"
#include "measure.h"
#include "run_folder.h"
#include "train.h"

/* How long training is. */
struct length {
    uint64_t samples, epochs, steps;         /* of an epoch; 0: not bounded by it */
    uint64_t steps_per_epoch, whole;         /* whole: steps of all; 0: endless */
    int batch, parts;                        /* samples a pass; passes an update */
};

struct events {
    char *path; FILE *file;                  /* metrics.jsonl, appended to */
    FILE *out;                               /* stdout, or NULL */
    int gone;                                /* whoever read stdout went away */
};

/* Times are this process's: a resume starts them anew. */
struct clock {
    double began, epoch_began, logged, saved;
    uint64_t epoch_images, logged_images;    /* trained since epoch_began; since logged */
};

/* What RUN's last checkpoint holds. */
struct stored { struct tensor_file file; struct config config; struct graph graph; struct progress_state state; };

struct trainer {
    struct model *model;
    const struct train_options *options;
    struct threads *threads;
    struct progress *progress;
    struct run_folder folder;
    struct data data;
    struct optimizer optimizer;
    struct schedule *schedule;
    struct loader *loader; int loader_ended; /* the loader said so of this epoch */
    struct length length;
    size_t answers;                          /* labels of a sample: steps that the network answers at */
    struct events events;
    struct progress_state state;
    float *class_weights;
    double *losses;                          /* of a pass */
    float *outputs;
    struct clock clock;
    const struct rate_sweep *sweep;          /* a learning-rate range test; or NULL */
    int resumed; struct stored stored;       /* its tensors until they are taken */
    int begun;                               /* nothing is refused any more */
    char *diverged;                          /* how and where; malloc'ed, or NULL */
};

/* ---- train_setup.c, train_resume.c ---- */

/* Checks everything, takes the RUN folder, opens data, plan, optimizer. 0; 1: RUN was finished before; -1.
 * trainer_close either way. */
int trainer_open(struct trainer *t, struct err *err);
void trainer_close(struct trainer *t);
/* The loader from where the state stands; the one before is freed. */
int trainer_load(struct trainer *t, struct err *err);
struct section *trainer_section(struct trainer *t, const struct section *section);     /* the same, to be changed */

int stored_read(struct stored *s, const char *path, struct err *err);
void stored_free(struct stored *s);
/* The value of [net]'s or [data]'s key in the stored config, or NULL. */
const char *stored_value(const struct stored *s, const struct section *section, const char *key);
/* Refuses where the config (complete now) or the options would make another run; warns where the machine might. */
int stored_compare(const struct stored *s, const struct trainer *t, struct err *err);

/* ---- train_check.c ---- */

int trainer_validates(const struct trainer *t);
/* Refuses a network without a loss or anything to train, and [net] keys its classes contradict; fills class_weights. */
int trainer_check_network(struct trainer *t, struct err *err);
/* After the length was read and the schedule made: refuses data that the network, the schedule or mixing can't take. */
int trainer_check_data(const struct trainer *t, struct err *err);
/* Fills length from [net] and the training samples; refuses none, or two that differ. */
int trainer_read_length(struct trainer *t, struct err *err);

/* ---- train.c, train_find_rate.c ---- */

/* After the last sample of an epoch: the state moves to the start of the next. */
int trainer_turn_epoch(struct trainer *t, struct err *err);
double sweep_rate(const struct rate_sweep *sweep, uint64_t step);

/* ---- train_step.c ---- */

struct step { double loss, rate; uint64_t images; };
/* One update of the epoch's next samples. 0; 1: diverged (t->diverged says how; nothing was updated); -1. images is 0
 * where no sample of the rest of the epoch could be read: then there was no update. */
int train_step(struct trainer *t, struct step *step, struct err *err);

/* ---- train_divergence.c ---- */

/* Sets t->diverged after a loss that isn't finite (backward 0), or gradients (1): runs the pass again, watched. */
void divergence_locate(struct trainer *t, const struct exec *exec, const float *input, int backward);
/* 1 (with t->diverged) where a weight, a statistic or something that the optimizer keeps of them isn't finite. */
int divergence_in_weights(struct trainer *t);
/* What [net] on_divergence says of divergence at (1-based) step `step`: 0 where training goes on from the last
 * checkpoint, else -1 with STATUS_DIVERGED. */
int divergence_handle(struct trainer *t, uint64_t step, struct err *err);

/* ---- train_policy.c ---- */

/* The rate of (0-based) step `step`, with what plateau and rollbacks make of it. */
double policy_rate(const struct trainer *t, uint64_t step);
/* What a validation changes: best, plateau, patience. 1 where it is the best so far. */
int policy_judge(struct trainer *t, const struct measure *valid);

/* ---- train_save.c ---- */

/* last.safetensors (and best, where nothing is validated). */
int save_last(struct trainer *t, struct err *err);
/* save_last where the steps say so, and not a clock or a signal: on_divergence=rollback goes back to these (rollback.safetensors, while the run
 * lasts), so that it is the same run however it was stopped. */
int save_due(struct trainer *t, struct err *err);
/* A finished run without validation: best's name, which a process killed after its last save_last didn't give. */
int save_mend(struct trainer *t, struct err *err);
int save_best(struct trainer *t, struct err *err);
/* --keep N: after save_last at the end of an epoch. */
int save_keep(struct trainer *t, struct err *err);

/* ---- train_events.c ---- */

int events_open(struct trainer *t, struct err *err);
void events_close(struct events *e);
/* Lines are on their way to the disk. */
int events_sync(struct events *e, struct err *err);
/* Cuts metrics.jsonl back to where the state stands. The file must not be open. */
int events_cut(const struct trainer *t, struct err *err);
int events_start(struct trainer *t, struct err *err);
int events_step(struct trainer *t, const struct step *step, struct err *err);
/* valid: NULL where nothing was validated; rate: of the last step. */
int events_epoch(struct trainer *t, const struct measure *valid, int best, double rate, struct err *err);
/* stored: into metrics.jsonl; else to stdout, and for people. */
int events_done(struct trainer *t, int stored, struct err *err);

#endif
