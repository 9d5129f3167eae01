/* model: what commands work with. A checkpoint (which carries its config, classes and preprocessing) or a config (with
 * -w weights, or starting values) opened into config + graph + plan, ready to run. */
#ifndef DLCLI_MODEL_H
#define DLCLI_MODEL_H

#include "base/threads.h"
#include "checkpoint.h"
#include "config.h"
#include "graph.h"
#include "plan.h"
#include "preprocess.h"
#include "run.h"

/* The graph points into the config of the same struct: a model must not be moved once it is open. */
struct model {
    char *path;
    struct config config;
    struct graph graph;
    struct plan plan; int planned;
    struct tensor_file file; int has_file;      /* until model_plan took them */
    char *file_path; int partial;
    int is_checkpoint;
    char **classes; int class_count;            /* names; the checkpoint's, or classes= of [data]; or NULL */
};
struct model_options {
    const char *weights; int partial;           /* -w */
    const char *const *sets; size_t set_count;  /* --set */
};
/* Reads config and graph (and the tensors). Says STATUS_REFUSED sentences. model_close either way. */
int model_open(struct model *model, const char *path, const struct model_options *options, struct err *err);
/* Makes the plan, fills it from the file's tensors (else, or where they are partial, with starting values from the
 * seed) and packs it; where options->quantize asks for it, of 8-bit products (quantize.h). The tensors read are freed. */
int model_plan(struct model *model, const struct plan_options *options, uint64_t seed, struct err *err);
/* Sets the names of the classes (copied; count 0: there are none). */
void model_set_classes(struct model *model, char *const *classes, int count);
/* Can its answers be averaged with those of `first`: as many, of the same classes, both probabilities or both not? -1 with a sentence where not. */
int model_agrees(const struct model *model, const struct model *first, struct err *err);
void model_close(struct model *model);
/* An exec for the plan, inference, full batch. */
struct exec model_exec(const struct model *model, struct threads *threads);

#endif
