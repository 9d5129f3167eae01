/* Charts: series of points over round ticks, a title, a legend; on a canvas (chart.c) or as characters in a terminal
 * (chart_terminal.c). */
#ifndef DLCLI_CHART_H
#define DLCLI_CHART_H

#include "base/mem.h"
#include "views/canvas.h"

/* y that is not finite is a gap; so are x and y <= 0 on a logarithmic axis. */
struct chart_series {
    char *label;
    uint32_t colour;
    double dash;
    double dot;   /* 0: a line through the points; else a dot of that radius at each */
    struct canvas_point *points;
    size_t count, room;
};
/* A bubble has an area and a label beside it. */
struct chart_bubble { char *label; double x, y, radius; uint32_t colour; };
/* percent: fractions, written as percentages. whole: a tick lies on whole numbers only. */
struct chart_axis { const char *label; int logarithmic, percent, whole; };
struct chart {
    const char *title;
    struct chart_axis x, y;
    struct chart_series *series; size_t series_count, series_room;
    struct chart_bubble *bubbles; size_t bubble_count, bubble_room;
};
/* label is copied. The series may move when another is added. */
struct chart_series *chart_add(struct chart *chart, const char *label, uint32_t colour, double dash);
void chart_point(struct chart_series *series, double x, double y);
void chart_bubble(struct chart *chart, const char *label, double x, double y, double radius, uint32_t colour);
void chart_free(struct chart *chart);
/* Is there anything to draw? */
int chart_any(const struct chart *chart);
/* The i-th of a palette that the colour-blind can tell apart too (Okabe, Ito, 2008). */
uint32_t chart_colour(size_t i);

/* An axis worked out: from `least` to `most`, a tick each `step`, all round; of a logarithmic one they are decades. */
struct chart_scale { double least, most, step; int logarithmic, percent; };
struct chart_scale chart_scale_of(const struct chart *chart, int vertical, int ticks);
/* 0 at least, 1 at most. */
double chart_scale_at(const struct chart_scale *scale, double value);
/* Tick i, or NaN when there are no more; *text its label. */
double chart_scale_tick(const struct chart_scale *scale, int i, char text[32]);

/* What a chart of that width and height needs for the rows of its legend behind the first, too. */
double chart_height(const struct chart *chart, double width, double height);
void chart_draw(const struct chart *chart, struct canvas *c, struct canvas_box place);
/* `columns` wide; colour: dots of braille in colours, else a letter for each series. */
void chart_print(const struct chart *chart, int columns, int rows, int colour, struct text *out);

#endif
