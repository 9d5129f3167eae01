/* Test-time augmentation (tta.h): views 0 and 1 are the picture and its mirror image, 2 and 3 the same moved a pixel up and left, 4 and 5 down and
 * right. */
#include "tta.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum tta tta_of(const char *name) {
    return name == NULL || strcmp(name, "none") == 0 ? TTA_NONE : strcmp(name, "mirror") == 0 ? TTA_MIRROR : TTA_MIRROR_TRANSLATE;
}

static int gives_pictures(const struct graph *graph) {
    struct shape out = graph->nodes[graph->output].out;
    const char *target = graph->data == NULL ? NULL : config_text(graph->data, "target");
    return out.h > 1 || out.w > 1 || (target != NULL && strcmp(target, "input") == 0);
}

int tta_check(enum tta tta, const struct graph *graph, const char *path, struct err *err) {
    struct shape in = graph->input;
    if (tta == TTA_NONE) {
        return 0;
    }
    if (in.t == 1 && in.h > 1 && in.w > 1) {
        return !gives_pictures(graph) ? 0
            : err_add(err, STATUS_REFUSED, "--tta: %s answers with pictures, which can't be averaged with those of mirrored or moved ones", path);
    }
    return err_add(err, STATUS_REFUSED, "--tta: %s takes no pictures that could be mirrored: its input has no height and width", path);
}

int tta_views(enum tta tta) {
    static const int views[] = {1, 2, 6};
    return views[tta];
}

double tta_weight(enum tta tta, int view) {
    if (tta != TTA_MIRROR_TRANSLATE) {
        return 1.0 / tta_views(tta);
    }
    return view < 2 ? 0.25 : 0.125;
}

static int reflected(int i, int n) {
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

void tta_view(int view, struct shape shape, size_t count, const float *from, float *to) {
    int mirrored = view % 2, by = view < 2 ? 0 : view < 4 ? 1 : -1, h = shape.h, w = shape.w;
    for (size_t plane = 0; plane < count * (size_t)shape.c; plane++, from += (size_t)h * (size_t)w) {
        for (int y = 0; y < h; y++) {
            const float *row = from + (size_t)reflected(y + by, h) * (size_t)w;
            for (int x = 0; x < w; x++) {
                *to++ = row[reflected((mirrored ? w - 1 - x : x) + by, w)];
            }
        }
    }
}

static int of_logits(enum tta tta, const struct graph *graph) {
    return tta == TTA_MIRROR_TRANSLATE && graph->gives_probabilities;
}

void tta_add(enum tta tta, const struct graph *graph, int view, const float *outputs, size_t count, float *sum) {
    int logits = of_logits(tta, graph);
    float weight = (float)tta_weight(tta, view);
    for (size_t i = 0; i < count; i++) {
        sum[i] += weight * (logits ? logf(outputs[i] < FLT_MIN ? FLT_MIN : outputs[i]) : outputs[i]);
    }
}

static void softmax(float *row, size_t width) {
    double most = -HUGE_VAL, total = 0;
    for (size_t i = 0; i < width; i++) {
        most = fmax(most, (double)row[i]);
    }
    for (size_t i = 0; i < width; i++) {
        total += exp((double)row[i] - most);
    }
    for (size_t i = 0; i < width; i++) {
        row[i] = (float)(exp((double)row[i] - most) / total);
    }
}

void tta_finish(enum tta tta, const struct graph *graph, size_t rows, size_t width, float *sum) {
    for (size_t r = 0; of_logits(tta, graph) && r < rows; r++) {
        softmax(sum + r * width, width);
    }
}
