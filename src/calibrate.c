/* Calibration (calibrate.h). The loss is convex in b = 1 / temperature: its slope, mean over the rows of E[logit] - logit of the label under
 * softmax(b * logits), rises with b, and its root is found by bisection. */
#include "calibrate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const double COLDEST = 0.01, HOTTEST = 100;

void calibration_add(struct calibration *c, double confidence, int is_right) {
    double place = ceil(confidence * CALIBRATION_BINS) - 1;
    int bin = !(place > 0) ? 0 : place > CALIBRATION_BINS - 1 ? CALIBRATION_BINS - 1 : (int)place;
    c->confidence[bin] += confidence;
    c->right[bin] += is_right != 0;
    c->count[bin]++;
}

double calibration_error(const struct calibration *c) {
    double error = 0, all = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        error += fabs((double)c->right[i] - c->confidence[i]);
        all += (double)c->count[i];
    }
    return all > 0 ? error / all : (double)NAN;
}

int logits_add(struct logits *l, const float *probabilities, size_t classes, double soften, int32_t label) {
    if (l->count == l->room) {
        size_t room = l->room > 0 ? 2 * l->room : 1024;
        float *rows = room > SIZE_MAX / sizeof *rows / classes ? NULL : realloc(l->rows, room * classes * sizeof *rows);
        int32_t *labels = rows == NULL ? NULL : realloc(l->labels, room * sizeof *labels);
        l->rows = rows != NULL ? rows : l->rows;
        if (labels == NULL) {
            return -1;
        }
        l->labels = labels;
        l->room = room;
    }
    for (size_t c = 0; c < classes; c++) {
        l->rows[l->count * classes + c] = (float)(soften * log(probabilities[c] < FLT_MIN ? FLT_MIN : (double)probabilities[c]));
    }
    l->classes = classes;
    l->labels[l->count++] = label;
    return 0;
}

void logits_free(struct logits *l) {
    free(l->rows);
    free(l->labels);
    *l = (struct logits){0};
}

/* Of one row, with b = 1 / temperature: loss and slope. */
struct at { double loss, slope; };

static struct at row_at(const struct logits *l, size_t row, double b) {
    const float *x = l->rows + row * l->classes;
    double most = x[0], sum = 0, mean = 0, right = x[l->labels[row]];
    for (size_t c = 1; c < l->classes; c++) {
        most = fmax(most, x[c]);
    }
    for (size_t c = 0; c < l->classes; c++) {
        double e = exp(b * (x[c] - most));
        sum += e;
        mean += e * x[c];
    }
    return (struct at){log(sum) + b * (most - right), mean / sum - right};
}

static struct at mean_at(const struct logits *l, double b) {
    struct at all = {0, 0};
    for (size_t row = 0; row < l->count; row++) {
        struct at one = row_at(l, row, b);
        all.loss += one.loss / (double)l->count;
        all.slope += one.slope / (double)l->count;
    }
    return all;
}

double logits_loss(const struct logits *l, double temperature) {
    return mean_at(l, 1 / temperature).loss;
}

double logits_temperature(const struct logits *l) {
    double low = 1 / HOTTEST, high = 1 / COLDEST;
    if (!(mean_at(l, low).slope < 0) || !(mean_at(l, high).slope > 0)) {
        return (double)NAN;
    }
    for (int i = 0; i < 40; i++) {   /* to 1e-11 of its logarithm */
        double middle = sqrt(low * high);
        if (mean_at(l, middle).slope > 0) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return 1 / sqrt(low * high);
}
