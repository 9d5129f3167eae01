/* What the files of measuring share: measure.c (the walk over a split), measure_setup.c (what it needs, and all that can be refused). */
#ifndef DLCLI_MEASURE_PARTS_H
#define DLCLI_MEASURE_PARTS_H

#include "measure.h"

/* One model of the ensemble. Where its samples become numbers in another way it has a loader of its own. */
struct member { struct model *model; struct preprocess preprocess; struct loader *loader; };

struct measuring {
    const struct measure_job *job;
    struct member *members;
    size_t width, rows;                      /* outputs of a row; rows of a batch, at most */
    int batch, from_outputs;                 /* the loss is the cross-entropy of the outputs, not the networks' own */
    const struct op *loss_op;                /* the first network's loss, to be run on the outputs; or NULL */
    float *outputs, *room;                   /* rows x width: averaged; of one model */
    float *views;                            /* the sum of one model's outputs for a picture's views */
    float *view;                             /* a batch of one model's inputs, changed as job->tta says */
    struct calibration calibration;
    double *loss, *losses;                   /* per row: of one model; summed over models */
    double error, *target, *target_squares;  /* regression: sums, the latter two per column */
    struct measure *out;
    uint64_t top1, top5;
};

/* Opens the members and takes the memory for job and out, which are set. -1 with sentences: measuring_free either way. */
int measuring_make(struct measuring *m, struct err *err);
void measuring_free(struct measuring *m);

#endif
