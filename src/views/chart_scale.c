/* What a chart holds, and its axes: round numbers from below the least value to above the most. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "views/chart.h"

struct chart_series *chart_add(struct chart *chart, const char *label, uint32_t colour, double dash) {
    chart->series = mem_grow(chart->series, &chart->series_room, chart->series_count, sizeof *chart->series);
    struct chart_series *s = &chart->series[chart->series_count++];
    *s = (struct chart_series){.label = mem_copy(label), .colour = colour, .dash = dash};
    return s;
}

void chart_point(struct chart_series *series, double x, double y) {
    series->points = mem_grow(series->points, &series->room, series->count, sizeof *series->points);
    series->points[series->count++] = (struct canvas_point){x, y};
}

void chart_bubble(struct chart *chart, const char *label, double x, double y, double radius, uint32_t colour) {
    chart->bubbles = mem_grow(chart->bubbles, &chart->bubble_room, chart->bubble_count, sizeof *chart->bubbles);
    chart->bubbles[chart->bubble_count++] = (struct chart_bubble){mem_copy(label), x, y, radius, colour};
}

void chart_free(struct chart *chart) {
    for (size_t i = 0; i < chart->series_count; i++) {
        free(chart->series[i].label);
        free(chart->series[i].points);
    }
    for (size_t i = 0; i < chart->bubble_count; i++) {
        free(chart->bubbles[i].label);
    }
    free(chart->series);
    free(chart->bubbles);
    *chart = (struct chart){0};
}

uint32_t chart_colour(size_t i) {
    static const uint32_t palette[] = {0x0072b2ff, 0xd55e00ff, 0x009e73ff, 0xcc79a7ff,
                                       0xe69f00ff, 0x56b4e9ff, 0x6a3d9aff, 0x666666ff};
    return palette[i % (sizeof palette / sizeof *palette)];
}

struct bounds { double least, most; };

static void take(struct bounds *b, const struct chart_axis *axis, double value) {
    if (isfinite(value) && (value > 0 || !axis->logarithmic)) {
        b->least = fmin(b->least, value);
        b->most = fmax(b->most, value);
    }
}

static struct bounds bounds_of(const struct chart *chart, int vertical) {
    struct bounds b = {INFINITY, -INFINITY};
    const struct chart_axis *axis = vertical ? &chart->y : &chart->x;
    for (size_t s = 0; s < chart->series_count; s++) {
        for (size_t i = 0; i < chart->series[s].count; i++) {
            const struct canvas_point *p = &chart->series[s].points[i];
            take(&b, axis, !isfinite(p->x) || !isfinite(p->y) ? (double)NAN : vertical ? p->y : p->x);
        }
    }
    for (size_t i = 0; i < chart->bubble_count; i++) {
        take(&b, axis, vertical ? chart->bubbles[i].y : chart->bubbles[i].x);
    }
    return b;
}

int chart_any(const struct chart *chart) {
    struct bounds b = bounds_of(chart, 1);
    return b.least <= b.most;
}

/* The least of 1, 2 and 5 times a power of ten that is `least` or more. */
static double round_step(double least) {
    double power = pow(10, floor(log10(least)));
    double times = least / power;
    return power * (times <= 1.0000001 ? 1 : times <= 2.0000001 ? 2 : times <= 5.0000001 ? 5 : 10);
}

struct chart_scale chart_scale_of(const struct chart *chart, int vertical, int ticks) {
    const struct chart_axis *axis = vertical ? &chart->y : &chart->x;
    struct bounds b = bounds_of(chart, vertical);
    struct chart_scale scale = {b.least, b.most, 1, axis->logarithmic, axis->percent};
    if (!(b.least <= b.most)) {
        return (struct chart_scale){0, 1, 0.2, 0, axis->percent};
    }
    if (axis->logarithmic) {
        double room = chart->bubble_count > 0 ? 1.6 : 1;      /* a bubble is wider than its middle */
        scale.least = floor(log10(b.least / room));
        scale.most = fmax(scale.least + 1, ceil(log10(b.most * room)));
        scale.step = fmax(1, ceil((scale.most - scale.least) / ticks));
        return scale;
    }
    double span = b.most - b.least, small = fmax(fabs(b.most), fabs(b.least));
    if (span <= small * 1e-9) {
        span = small > 0 ? small : 1;
    }
    scale.step = fmax(axis->whole ? 1 : 0, round_step(span / ticks));
    double room = chart->bubble_count > 0 ? 0.16 * span : 0;
    scale.least = floor((b.least - room) / scale.step + 1e-9) * scale.step;
    scale.most = ceil((b.most + room) / scale.step - 1e-9) * scale.step;
    if (scale.most <= scale.least) {
        scale.most = scale.least + scale.step;
    }
    return scale;
}

double chart_scale_at(const struct chart_scale *scale, double value) {
    if (scale->logarithmic) {
        value = value > 0 ? log10(value) : (double)NAN;
    }
    return (value - scale->least) / (scale->most - scale->least);
}

/* "1.5M" */
static void short_number(double value, char text[32]) {
    static const char units[] = "\0kMGTP";
    int unit = 0;
    while (fabs(value) >= 999.5 && unit < 5) {
        value /= 1000;
        unit++;
    }
    snprintf(text, 32, "%.4g%.1s", value, units + unit);
}

double chart_scale_tick(const struct chart_scale *scale, int i, char text[32]) {
    double at = scale->least + i * scale->step;
    if (at > scale->most + scale->step * 1e-6) {
        return (double)NAN;
    }
    if (scale->logarithmic) {
        short_number(pow(10, at), text);
        return pow(10, at);
    }
    double shown = scale->percent ? 100 * at : at, step = scale->percent ? 100 * scale->step : scale->step;
    int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    if (fabs(shown) < step / 2) {
        shown = 0;                                            /* not -0 */
    }
    if (step >= 10000) {
        short_number(shown, text);
    } else if (decimals > 6) {
        snprintf(text, 32, "%.3g", shown);
    } else {
        snprintf(text, 32, "%.*f%s", decimals, shown, scale->percent ? "%" : "");
    }
    return at;
}
