/* checkpoint: the last room. Parameters, running statistics, optimizer state, where training stood, the best so far:
 * one safetensors file that PyTorch opens as it is, written atomically. Its metadata holds all that `predict` and
 * `--resume` need:
 *     format=pt, dlcli.version
 *     dlcli.config    INI, complete: mean, std, --set applied
 *     dlcli.classes   JSON list of names
 *     dlcli.training  JSON of struct progress_state
 *     dlcli.checksum  over names, shapes and values of all tensors and over all other texts; an altered file is refused
 * Chance needs no state: it is a function of the seed, the step and the place (rng.h). */
#ifndef DLCLI_CHECKPOINT_H
#define DLCLI_CHECKPOINT_H

#include "config.h"
#include "formats/format.h"
#include "optimizers/optimizer.h"
#include "plan.h"

/* Where training stands. */
struct progress_state {
    uint64_t step, epoch, position;          /* updates done; epoch (0-based) and samples of it consumed */
    uint64_t seed;
    double best; uint64_t best_step;         /* NaN before the first validation */
    double plateau_factor; uint64_t plateau_bad, patience_bad;
    /* Sums of the epoch under way, so that its line is the same after a resume; the loss is divided by the weight. */
    double epoch_loss, epoch_weight; uint64_t epoch_correct, epoch_seen;
    uint64_t epoch_answers;                  /* of those that are seen, which have a label */
    double loss;                             /* of the last step */
    double rate_factor; uint64_t tries;      /* rollbacks so far */
    uint64_t finished;
    uint64_t seed_given, length_given;       /* by --seed, by --epochs or --max-batches: a resume needn't repeat them */
    char isa[16], precision[8], blas[64];    /* a resume on another says so */
};

/* Writes PATH atomically. With [net] ema averages and weights must have changed places (optimizer_swap). optimizer NULL: without its state (a best model); state NULL too: a bare model (import). */
int checkpoint_write(const char *path, const struct config *config, char *const *classes, int class_count,
    const struct plan *plan, const struct optimizer *optimizer, const struct progress_state *state, struct err *err);

/* Sets a key of a section (its place in the config) in the checkpoint PATH, and nothing else, atomically. */
int checkpoint_put(const char *path, size_t section, const char *key, const char *value, struct err *err);

/* Takes tensors from a read file into the plan by name and shape. partial: those that fit; the names of the others are
 * warnings; else each missing or ill-shaped tensor is an error naming it, and tensors the network lacks are errors too
 * (optimizer.* aside). Values that are not finite are refused. Weights have to be packed afterwards (run_pack). */
int checkpoint_fill(struct plan *plan, const struct tensor_file *file, const char *path, int partial, struct err *err);
/* Optimizer state and progress, after checkpoint_fill (with [net] ema the tensors are the averages, the weights are with the optimizer's
 * state); refuses a file without them. */
int checkpoint_resume(struct optimizer *optimizer, struct progress_state *state, const struct tensor_file *file,
    const char *path, struct err *err);
/* 0 where the checksum agrees, or the file is none of dlcli's; else -1. */
int checkpoint_verify(const struct tensor_file *file, const char *path, struct err *err);

/* ---- in checkpoint_state.c ---- */

/* The state as one JSON object, malloc'ed; and back. */
char *progress_state_text(const struct progress_state *state);
int progress_state_read(struct progress_state *state, const char *text, const char *path, struct err *err);

#endif
