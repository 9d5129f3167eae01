/* test's results, as they are said and drawn. */
#ifndef DLCLI_TEST_REPORT_H
#define DLCLI_TEST_REPORT_H

#include "base/mem.h"
#include "measure.h"

/* What --calibrate found: the loss and calibration error were these before; calibration is what the model's softmax has now. temperature 0: not asked for. */
struct fit { double temperature, calibration, loss, ece; };

/* Adds the result to `out`: CLI.md's object, or the table for people. `data` names the classes and the samples. */
void report_json(struct text *out, const struct measure *m, const struct fit *fit, const struct data *data, enum split split);
void report_table(struct text *out, const struct measure *m, const struct fit *fit, const struct data *data, enum split split);
/* Draws the confusion matrix to `path`, by its suffix; nothing where path is NULL. */
int report_confusion(const char *path, const struct measure *m, const struct data *data, enum split split, struct err *err);

#endif
