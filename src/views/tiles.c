/* Grids of tiles (tiles.h). */
#include <math.h>
#include <stdlib.h>

#include "views/tiles.h"

enum { SIDE = 1000, MOST_SCALE = 24, LEAST_DOT = 4, LEAST_LABELLED = 56, WORDS = 12, MARGIN = 10, TITLE = 14 };

struct span { float least, most; };

static struct span span_of(const float *values, size_t n) {
    struct span s = {INFINITY, -INFINITY};
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            s.least = fminf(s.least, values[i]);
            s.most = fmaxf(s.most, values[i]);
        }
    }
    return s;
}

/* A tile without any difference is grey in the middle; what is not finite is black. */
static uint8_t shade(struct span s, float value) {
    if (!isfinite(value)) {
        return 0;
    }
    double at = s.most > s.least ? ((double)value - s.least) / ((double)s.most - s.least) : 0.5;
    return (uint8_t)lround(255 * fmin(fmax(at, 0), 1));
}

static void draw_tile(const struct tiles *t, struct canvas *c, size_t index, struct canvas_point at, double scale) {
    size_t dots = (size_t)t->height * (size_t)t->width, size = dots * (size_t)t->channels;
    size_t shared = t->together > 1 ? t->together : 1, first = index / shared * shared;
    struct span span = {t->least, t->most};
    if (!(span.most > span.least)) {
        span = span_of(t->values + first * size, size * (first + shared > t->count ? t->count - first : shared));
    }
    struct image image = {t->width, t->height, t->channels, mem_need(size, 1)};
    const float *values = t->values + index * size;
    for (size_t i = 0; i < dots; i++) {
        for (int k = 0; k < t->channels; k++) {
            image.pixels[i * (size_t)t->channels + (size_t)k] = shade(span, values[(size_t)k * dots + i]);
        }
    }
    canvas_image(c, at.x, at.y, scale, &image);
    image_free(&image);
}

static size_t columns_of(const struct tiles *t) {
    if (t->columns > 0) {
        return t->columns;
    }
    double ratio = (double)t->height / t->width;
    size_t columns = (size_t)ceil(sqrt((double)t->count * ratio));
    return columns < 1 ? 1 : columns > t->count ? t->count : columns;
}

static void draw_label(const struct tiles *t, struct canvas *c, size_t index, double x, double y, double width) {
    char *label = canvas_text_fit(WORDS, t->labels[index], width);
    canvas_text(c, x + width / 2, y, (struct canvas_font){.size = WORDS, .anchor = ANCHOR_MIDDLE, .colour = 0x222222ff},
                label);
    free(label);
}

double tiles_draw(const struct tiles *t, struct canvas *c, double y, double *width) {
    size_t columns = columns_of(t);
    double gap = t->width < 8 ? 2 : 3;
    double scale = fmin(MOST_SCALE, floor((SIDE / (double)columns - gap) / fmax(t->width, t->height)));
    double rows = ceil((double)t->count / (double)columns);
    scale = fmin(scale, fmax(LEAST_DOT, floor((SIDE / rows - gap) / t->height)));
    if (t->labels != NULL) {
        scale = fmax(scale, ceil((double)LEAST_LABELLED / t->width));
    }
    scale = fmax(1, scale);
    double across = t->width * scale + gap, down = t->height * scale + gap + (t->labels != NULL ? WORDS + 6 : 0);
    y += MARGIN;
    if (t->title != NULL) {
        canvas_text(c, MARGIN, y + TITLE, (struct canvas_font){.size = TITLE, .bold = 1, .colour = 0x222222ff},
                    t->title);
        *width = fmax(*width, 2 * MARGIN + 1.15 * canvas_text_width(TITLE, t->title));
        y += TITLE + 10;
    }
    for (size_t i = 0; i < t->count; i++) {
        struct canvas_point at = {MARGIN + (double)(i % columns) * across, y + (double)(i / columns) * down};
        draw_tile(t, c, i, at, scale);
        if (t->labels != NULL) {
            draw_label(t, c, i, at.x, at.y + t->height * scale + WORDS + 2, t->width * scale);
        }
    }
    *width = fmax(*width, 2 * MARGIN + (double)columns * across - gap);
    return y + (double)((t->count + columns - 1) / columns) * down + MARGIN - gap;
}
