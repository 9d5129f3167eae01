/* Confusion matrices (matrix.h). Counts stand in the cells while they fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "views/matrix.h"

enum { WORDS = 13, TITLE = 16, MARGIN = 16, MOST_NAMED = 100, MOST_COUNTED = 30, LONGEST_NAME = 160 };
static const uint32_t INK = 0x1a1a1aff;

struct drawing {
    struct canvas *c;
    const uint64_t *counts;
    int classes;
    const char *const *names;
    double left, top, cell;
};

static uint64_t row_sum(const struct drawing *d, int row) {
    uint64_t sum = 0;
    for (int i = 0; i < d->classes; i++) {
        sum += d->counts[(size_t)row * (size_t)d->classes + (size_t)i];
    }
    return sum;
}

/* From white to a deep blue; small shares are raised, since they are what one looks for. */
static uint32_t blue(double share) {
    double t = sqrt(share);
    uint32_t r = (uint32_t)(255 - t * 247), g = (uint32_t)(255 - t * 207), b = (uint32_t)(255 - t * 148);
    return r << 24 | g << 16 | b << 8 | 255;
}

static void draw_cell(const struct drawing *d, int row, int column, uint64_t sum) {
    uint64_t count = d->counts[(size_t)row * (size_t)d->classes + (size_t)column];
    double share = sum > 0 ? (double)count / (double)sum : 0, x = d->left + column * d->cell,
           y = d->top + row * d->cell;
    canvas_box(d->c, (struct canvas_box){.x = x, .y = y, .width = d->cell, .height = d->cell, .fill = blue(share)});
    if (d->classes <= MOST_COUNTED) {
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long)count);
        double size = fmin(WORDS, WORDS * (d->cell - 6) / fmax(1, canvas_text_width(WORDS, text)));
        canvas_text(
            d->c, x + d->cell / 2, y + d->cell / 2 + size * 0.35,
            (struct canvas_font){.size = size, .anchor = ANCHOR_MIDDLE, .colour = sqrt(share) > 0.6 ? 0xffffffff : INK},
            text);
    }
}

static void draw_name(const struct drawing *d, int i) {
    double size = fmin(WORDS, d->cell), at = (i + 0.5) * d->cell + size * 0.35;
    char *name = canvas_text_fit(size, d->names[i], LONGEST_NAME);
    canvas_text(d->c, d->left - 8, d->top + at, (struct canvas_font){.size = size, .anchor = ANCHOR_END, .colour = INK},
                name);
    canvas_text(d->c, d->left + at, d->top - 8, (struct canvas_font){.size = size, .turned = 1, .colour = INK}, name);
    free(name);
}

static double longest_name(const struct drawing *d) {
    double longest = 0;
    for (int i = 0; i < d->classes; i++) {
        longest = fmax(longest, canvas_text_width(WORDS, d->names[i]));
    }
    return d->classes <= MOST_NAMED ? fmin(LONGEST_NAME, 1.1 * longest) : 0;
}

struct canvas *matrix_draw(const char *title, const uint64_t *counts, int classes, const char *const *names) {
    struct drawing d = {canvas_make(1, 1, 0xffffffff),
                        counts,
                        classes,
                        names,
                        0,
                        0,
                        classes <= 12             ? 48
                        : classes <= MOST_COUNTED ? 36
                        : classes <= MOST_NAMED   ? 12
                                                  : fmax(1, floor(1000.0 / classes))};
    double names_width = longest_name(&d), side = d.cell * classes;
    d.left = MARGIN + WORDS + 10 + names_width + 8;
    d.top = MARGIN + TITLE + 14 + WORDS + 10 + names_width + 8;
    canvas_resize(d.c, fmax(d.left + side, 1.1 * canvas_text_width(TITLE, title)) + MARGIN, d.top + side + MARGIN);
    canvas_text(d.c, MARGIN, MARGIN + TITLE - 2, (struct canvas_font){.size = TITLE, .bold = 1, .colour = INK}, title);
    struct canvas_font font = {.size = WORDS, .anchor = ANCHOR_MIDDLE, .colour = 0x555555ff};
    canvas_text(d.c, d.left + side / 2, MARGIN + TITLE + 20, font, "said");
    font.turned = 1;
    canvas_text(d.c, MARGIN + WORDS - 2, d.top + side / 2, font, "true");
    for (int row = 0; row < classes; row++) {
        uint64_t sum = row_sum(&d, row);
        for (int column = 0; column < classes; column++) {
            draw_cell(&d, row, column, sum);
        }
        if (classes <= MOST_NAMED) {
            draw_name(&d, row);
        }
    }
    canvas_box(d.c, (struct canvas_box){
                        .x = d.left, .y = d.top, .width = side, .height = side, .line = 0x888888ff, .line_width = 1});
    return d.c;
}
