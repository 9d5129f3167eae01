/* measure: what train.h's measure_run does, with what training needs besides. */
#ifndef DLCLI_MEASURE_H
#define DLCLI_MEASURE_H

#include "calibrate.h"
#include "train.h"
#include "tta.h"

struct measure_job {
    struct model *const *models; int count;
    const struct data *data; enum split split;
    struct threads *threads; struct progress *progress;
    const volatile sig_atomic_t *stop;      /* or NULL */
    int confusion;                          /* wanted */
    enum tta tta;                           /* views of each picture, whose outputs are averaged */
    double soften;                          /* exec's: divides the logits of the network's softmax; 0: as they are */
    struct logits *logits;                  /* of all samples with a label, for fitting a temperature (one model, a softmax); or NULL */
};
/* As measure_run; 1 where it was asked to stop before the end. */
int measure_do(const struct measure_job *job, struct measure *out, struct err *err);

/* How many threads a loader is worth beside a team of `team`: decoding is work, what lies in memory is hardly any. */
int loader_threads(const struct dataset *set, int team);
/* The network's output of the pass just made as float32: the plan's own memory, or `room` filled. */
const float *output_floats(const struct plan *plan, const struct exec *exec, float *room);
/* How many outputs of the row beat that of `label` (ties: the lower index wins; NaN is beaten by all): 0 is right. */
int label_rank(const float *row, int classes, int label);

#endif
