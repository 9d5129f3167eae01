/* tta: test-time augmentation. A picture is shown to the network several times, changed a little, and the outputs are averaged: what `test` and
 * `predict` do with --tta. As in Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012 (mirror: the mean
 * of the probabilities), and Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (mirror-translate: the mean of the logits). */
#ifndef DLCLI_TTA_H
#define DLCLI_TTA_H

#include "base/err.h"
#include "graph.h"

/* In the order of TTA_CHOICES. */
enum tta { TTA_NONE, TTA_MIRROR, TTA_MIRROR_TRANSLATE };
#define TTA_CHOICES "none|mirror|mirror-translate"

/* The choice of that name; NULL is none. */
enum tta tta_of(const char *name);
/* -1 with a sentence where such inputs can't be changed so: no pictures, or sequences. */
int tta_check(enum tta tta, const struct graph *graph, const char *path, struct err *err);
/* How many views there are, the plain one first; what part of the average each is. The parts sum to 1. */
int tta_views(enum tta tta);
double tta_weight(enum tta tta, int view);
/* View `view` of `count` inputs of that shape: from -> to, floats in C,H,W. What is moved in over the edge is the picture mirrored there. */
void tta_view(int view, struct shape shape, size_t count, const float *from, float *to);

/* What one model puts out for its views, averaged: each view's `count` outputs are added to a sum that was zeros, and the sum, of rows of `width`,
 * is finished. mirror-translate averages logits where the graph ends in a softmax: by the probabilities' logarithms, which are the logits but for
 * a constant a row that the softmax in tta_finish takes away. (What is below the least normal float counts as that.) All else is averaged as it is. */
void tta_add(enum tta tta, const struct graph *graph, int view, const float *outputs, size_t count, float *sum);
void tta_finish(enum tta tta, const struct graph *graph, size_t rows, size_t width, float *sum);

#endif
