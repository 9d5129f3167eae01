/* A chart on a canvas: title, legend, frame, ticks, lines, bubbles. */
#include <math.h>
#include <stdlib.h>

#include "views/chart.h"

static const uint32_t INK = 0x222222ff, GREY = 0x666666ff, GRID = 0xe4e4e4ff, FRAME = 0x999999ff;
enum { TITLE = 16, WORDS = 13, SAMPLE = 26, LEGEND_LINE = 20, BELOW = 46, MARGIN = 14, TICK_GAP = 8 };

/* The frame inside and its axes. */
struct drawing { struct canvas *c; struct canvas_box frame; struct chart_scale x, y; };

static struct canvas_point place_of(const struct drawing *d, double x, double y) {
    return (struct canvas_point){d->frame.x + d->frame.width * chart_scale_at(&d->x, x),
                                 d->frame.y + d->frame.height * (1 - chart_scale_at(&d->y, y))};
}

static void draw_sample(const struct chart_series *s, struct canvas *c, double x, double y) {
    if (s->dot > 0) {
        canvas_line(c, (struct canvas_point[]){{x + SAMPLE / 2.0, y - 4}}, 1, 2 * s->dot, 0, s->colour);
    } else {
        canvas_line(c, (struct canvas_point[]){{x, y - 4}, {x + SAMPLE, y - 4}}, 2, 2, s->dash, s->colour);
    }
    canvas_text(c, x + SAMPLE + 6, y, (struct canvas_font){.size = WORDS, .colour = INK}, s->label);
}

/* Samples of the lines with their labels, in as many rows as they need from y on. Returns where they end. c NULL: nothing is drawn. */
static double draw_legend(const struct chart *chart, struct canvas *c, double left, double right, double y) {
    double x = left;
    for (size_t i = 0; i < chart->series_count; i++) {
        const struct chart_series *s = &chart->series[i];
        double width = SAMPLE + 6 + canvas_text_width(WORDS, s->label) + 18;
        if (x > left && x + width > right) {
            x = left;
            y += LEGEND_LINE;
        }
        if (c != NULL) {
            draw_sample(s, c, x, y);
        }
        x += width;
    }
    return chart->series_count > 0 ? y + LEGEND_LINE : y;
}

static double widest_tick(const struct chart_scale *scale) {
    char text[32];
    double widest = 0;
    for (int i = 0; !isnan(chart_scale_tick(scale, i, text)); i++) {
        widest = fmax(widest, canvas_text_width(WORDS, text));
    }
    return widest;
}

static void draw_ticks(const struct drawing *d) {
    const struct canvas_box *f = &d->frame;
    struct canvas_font font = {.size = WORDS, .colour = GREY, .anchor = ANCHOR_MIDDLE};
    char text[32];
    double at;
    for (int i = 0; !isnan(at = chart_scale_tick(&d->x, i, text)); i++) {
        double x = f->x + f->width * chart_scale_at(&d->x, at);
        canvas_line(d->c, (struct canvas_point[]){{x, f->y}, {x, f->y + f->height}}, 2, 1, 0, GRID);
        canvas_text(d->c, x, f->y + f->height + 18, font, text);
    }
    font.anchor = ANCHOR_END;
    for (int i = 0; !isnan(at = chart_scale_tick(&d->y, i, text)); i++) {
        double y = f->y + f->height * (1 - chart_scale_at(&d->y, at));
        canvas_line(d->c, (struct canvas_point[]){{f->x, y}, {f->x + f->width, y}}, 2, 1, 0, GRID);
        canvas_text(d->c, f->x - TICK_GAP, y + 4.5, font, text);
    }
}

static void draw_dots(const struct drawing *d, const struct chart_series *s) {
    for (size_t i = 0; i < s->count; i++) {
        struct canvas_point p = place_of(d, s->points[i].x, s->points[i].y);
        if (isfinite(p.x) && isfinite(p.y)) {
            canvas_line(d->c, &p, 1, 2 * s->dot, 0, s->colour);
        }
    }
}

static void draw_series(const struct drawing *d, const struct chart_series *s) {
    if (s->dot > 0) {
        draw_dots(d, s);
        return;
    }
    struct canvas_point *run = mem_need(s->count + 1, sizeof *run);
    size_t n = 0;
    for (size_t i = 0; i <= s->count; i++) {
        struct canvas_point p =
            i < s->count ? place_of(d, s->points[i].x, s->points[i].y) : (struct canvas_point){NAN, NAN};
        if (isfinite(p.x) && isfinite(p.y)) {
            run[n++] = p;
        } else if (n > 0) {
            canvas_line(d->c, run, n, n == 1 ? 5 : 2, n == 1 ? 0 : s->dash, s->colour);
            n = 0;
        }
    }
    free(run);
}

static double overlap(struct canvas_box a, struct canvas_box b) {
    double across = fmin(a.x + a.width, b.x + b.width) - fmax(a.x, b.x),
           down = fmin(a.y + a.height, b.y + b.height) - fmax(a.y, b.y);
    return across > 0 && down > 0 ? across * down : 0;
}

static struct canvas_box bubble_box(const struct drawing *d, const struct chart_bubble *b) {
    struct canvas_point p = place_of(d, b->x, b->y);
    return (struct canvas_box){p.x - b->radius, p.y - b->radius, 2 * b->radius, 2 * b->radius, b->radius,
                               (b->colour & ~255u) | 0x70, b->colour, 1.2};
}

enum { SIDES = 5 };

/* In the bubble, right of it, left, below, above. */
static struct canvas_box label_box(struct canvas_box b, double width, int side) {
    double middle = b.x + b.width / 2, y = b.y + b.height / 2 - WORDS / 2.0;
    const struct canvas_point at[SIDES] = {
        {middle - width / 2, y}, {b.x + b.width + 5, y}, {b.x - 5 - width, y},
        {middle - width / 2, b.y + b.height + 3}, {middle - width / 2, b.y - WORDS - 3},
    };
    return (struct canvas_box){.x = at[side].x, .y = at[side].y, .width = width, .height = WORDS};
}

/* How much a label there would be in the way: of other bubbles, of earlier labels, of the frame, of its own bubble's edge. */
static double label_cost(const struct drawing *d, const struct chart *chart, const struct canvas_box *labels, size_t i,
                         struct canvas_box at, int side) {
    struct canvas_box own = bubble_box(d, &chart->bubbles[i]);
    double cost = at.width * at.height - overlap(at, d->frame) + (side == 0 && at.width + 8 > own.width ? 1e6 : 0);
    for (size_t k = 0; k < chart->bubble_count; k++) {
        cost += k == i ? 0 : overlap(at, bubble_box(d, &chart->bubbles[k]));
        cost += k < i ? 4 * overlap(at, labels[k]) : 0;
    }
    return cost;
}

static void draw_bubbles(const struct drawing *d, const struct chart *chart) {
    struct canvas_box *labels = mem_need(chart->bubble_count + 1, sizeof *labels);
    for (size_t i = 0; i < chart->bubble_count; i++) {
        canvas_box(d->c, bubble_box(d, &chart->bubbles[i]));
    }
    for (size_t i = 0; i < chart->bubble_count; i++) {
        const struct chart_bubble *b = &chart->bubbles[i];
        double width = canvas_text_width(WORDS, b->label), least = INFINITY;
        for (int side = 0; side < SIDES; side++) {
            struct canvas_box at = label_box(bubble_box(d, b), width, side);
            double cost = label_cost(d, chart, labels, i, at, side);
            if (cost < least) {
                least = cost;
                labels[i] = at;
            }
        }
        canvas_text(d->c, labels[i].x, labels[i].y + WORDS - 2.5, (struct canvas_font){.size = WORDS, .colour = INK}, b->label);
    }
    free(labels);
}

double chart_height(const struct chart *chart, double width, double height) {
    double further = draw_legend(chart, NULL, MARGIN, width - MARGIN - 8, 0) - LEGEND_LINE;
    return height + fmax(0, further);
}

void chart_draw(const struct chart *chart, struct canvas *c, struct canvas_box place) {
    double left = place.x + MARGIN, right = place.x + place.width - MARGIN - 8, y = place.y + MARGIN + TITLE;
    canvas_text(c, left, y, (struct canvas_font){.size = TITLE, .bold = 1, .colour = INK}, chart->title);
    y = draw_legend(chart, c, left, right, y + 24);
    double height = place.y + place.height - BELOW - y;
    struct drawing d = {.c = c, .x = chart_scale_of(chart, 0, (int)fmax(2, (right - left) / 80)),
                        .y = chart_scale_of(chart, 1, (int)fmax(2, height / 45))};
    double x = left + WORDS + 10 + widest_tick(&d.y) + TICK_GAP;
    d.frame = (struct canvas_box){.x = x, .y = y, .width = right - x, .height = height, .line = FRAME, .line_width = 1};
    draw_ticks(&d);
    canvas_box(c, d.frame);
    struct canvas_font font = {.size = WORDS, .colour = INK, .anchor = ANCHOR_MIDDLE};
    canvas_text(c, d.frame.x + d.frame.width / 2, d.frame.y + height + 38, font, chart->x.label);
    font.turned = 1;
    canvas_text(c, left + WORDS - 3, d.frame.y + height / 2, font, chart->y.label);
    for (size_t i = 0; i < chart->series_count; i++) {
        draw_series(&d, &chart->series[i]);
    }
    draw_bubbles(&d, chart);
}
