/* What a run wrote of its training (metrics.jsonl, CLI.md), read back for pictures. */
#ifndef DLCLI_METRICS_H
#define DLCLI_METRICS_H

#include <stddef.h>
#include "base/err.h"

/* NaN where the run had none (no validation; a regression's accuracy). */
struct metrics_epoch { double epoch, step, train_loss, train_top1, valid_loss, valid_top1; };
struct metrics_step { double step, loss; };
struct metrics {
    char *path;
    struct metrics_epoch *epochs; size_t epoch_count, epoch_room;
    struct metrics_step *steps; size_t step_count, step_room;
};
/* Reads RUN/metrics.jsonl, or the file itself. Every line is checked; all that is wrong is told (STATUS_REFUSED,
 * FILE:LINE). A last line without its end, as a run that is being written may have, is left out with a warning.
 * metrics_free either way. */
int metrics_read(struct metrics *m, const char *run, struct err *err);
void metrics_free(struct metrics *m);

#endif
