/* mean=auto, std=auto: what the training pictures say (parts.h). Sums are of whole numbers, so that they have no order
 * and no rounding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sources/parts.h"

enum { MOST_FILES = 10000 };

struct sums {
    uint64_t count, sum[PREPROCESS_MOST_CHANNELS], squares[PREPROCESS_MOST_CHANNELS];
};

/* 32 bits hold the sums of a row: 65536 * 255 * 255 < 2^32. */
static void add_row(const uint8_t *from, ptrdiff_t step, int count, uint64_t *sum, uint64_t *squares) {
    uint32_t row_sum = 0, row_squares = 0;
    for (int i = 0; i < count; i++) {
        uint32_t value = from[i * step];
        row_sum += value;
        row_squares += value * value;
    }
    *sum += row_sum;
    *squares += row_squares;
}

static void add_pixels(const struct preprocess *p, const struct pixels *view, struct sums *sums) {
    for (int c = 0; c < p->channels; c++) {
        int at = c < PREPROCESS_MOST_CHANNELS ? c : PREPROCESS_MOST_CHANNELS - 1;
        const uint8_t *plane = preprocess_plane(p, view, c);
        for (int y = 0; y < p->height; y++) {
            add_row(plane + y * view->row_step, view->pixel_step, p->width, &sums->sum[at], &sums->squares[at]);
        }
    }
    sums->count++;
}

/* The sample as the network would see it, before mean and std. */
static int add_sample(const struct preprocess *p, const struct sample *sample, struct sums *sums, struct err *err) {
    struct pixels view = pixels_of_sample(sample);
    struct image in, copy, fitted;
    if (sample->pixels == NULL) {
        return err_add(err, STATUS_REFUSED, "mean and std can be measured of pictures only; give numbers");
    }
    if (pixels_fit(p, &view)) {
        add_pixels(p, &view, sums);
        return 0;
    }
    if (pixels_borrow(&view, view.channels, &in, &copy, err) != 0) {
        return -1;
    }
    int result = preprocess_fit(p, &in, &fitted, err);
    image_free(&copy);
    if (result == 0) {
        view = pixels_of_image(&fitted);
        add_pixels(p, &view, sums);
        image_free(&fitted);
    }
    return result;
}

/* Pictures that can't be read are passed over. */
static int add_set(const struct dataset *set, const struct preprocess *p, struct sums *sums, struct err *err) {
    const struct source *source = set->source;
    size_t count = set->count > MOST_FILES && !(source->ops->flags & SOURCE_IN_MEMORY) ? MOST_FILES : set->count;
    for (size_t i = 0; i < count; i++) {
        size_t item = set->items[(size_t)((uint64_t)i * set->count / count)];
        struct sample sample = {0};
        struct err unread = {0};
        if (source->ops->read(source, item, &sample, &unread) != 0) {
            err_warn(err, "%s; left out of mean and std",
                     unread.count > 0 ? unread.sentences[0] : "a sample can't be read");
            err_free(&unread);
            continue;
        }
        int result = add_sample(p, &sample, sums, err);
        sample_free(&sample);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

/* 6 digits: what a stored config says is then exactly what was used. */
static double rounded(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.6g", value);
    return strtod(text, NULL);
}

static void conclude(const struct sums *sums, struct preprocess *p, int channel, int mean, int std) {
    int sharing = channel == PREPROCESS_MOST_CHANNELS - 1 && p->channels > channel ? p->channels - channel : 1;
    double n = (double)sums->count * p->height * p->width * sharing, unit = p->range / 255;
    double average = (double)sums->sum[channel] / n;
    double variance = (double)sums->squares[channel] / n - average * average;
    if (mean) {
        p->mean[channel] = rounded(average * unit);
    }
    if (std) { /* a channel that never varies is left as it is */
        p->std[channel] = variance > 1e-6 ? rounded(sqrt(variance) * unit) : 1;
    }
}

int data_measure(const struct dataset *set, struct preprocess *p, int mean, int std, struct err *err) {
    struct sums *sums = mem_need(1, sizeof *sums);
    int result = add_set(set, p, sums, err);
    if (result == 0 && sums->count == 0) {
        result =
            err_add(err, STATUS_REFUSED, "mean and std: none of the %zu training samples could be read", set->count);
    }
    for (int c = 0; result == 0 && c < p->channels && c < PREPROCESS_MOST_CHANNELS; c++) {
        conclude(sums, p, c, mean, std);
    }
    free(sums);
    return result;
}
