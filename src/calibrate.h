/* calibrate: how sure a classifier is against how often it is right, and temperature scaling, which makes the two agree: Guo, Pleiss, Sun,
 * Weinberger, "On Calibration of Modern Neural Networks", 2017. */
#ifndef DLCLI_CALIBRATE_H
#define DLCLI_CALIBRATE_H

#include <stddef.h>
#include <stdint.h>

/* Expected calibration error: answers are put into bins of equal width by their confidence; the error is the mean over all answers of
 * |how many of a bin are right - its mean confidence|. */
enum { CALIBRATION_BINS = 15 };
struct calibration { double confidence[CALIBRATION_BINS]; uint64_t right[CALIBRATION_BINS], count[CALIBRATION_BINS]; };
void calibration_add(struct calibration *c, double confidence, int is_right);
double calibration_error(const struct calibration *c);       /* NaN of no answers */

/* Answers to fit a temperature to: rows of logits (up to a constant of each row), and the right class of each. Owned: free with logits_free. */
struct logits { float *rows; int32_t *labels; size_t count, room, classes; };
/* Row of `classes` probabilities that a softmax gave of logits / soften; NaN stays NaN. -1 where memory is out. */
int logits_add(struct logits *l, const float *probabilities, size_t classes, double soften, int32_t label);
void logits_free(struct logits *l);
/* Mean negative log-likelihood of the labels under softmax(logits / temperature). */
double logits_loss(const struct logits *l, double temperature);
/* The temperature of 0.01..100 whose loss is least; count must not be 0. NaN where there is none in between: all answers are right, which the colder
 * the better says, or no better than chance, or not finite. */
double logits_temperature(const struct logits *l);

#endif
