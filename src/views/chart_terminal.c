/* A chart as characters: dots of braille in the series' colours, or a letter for each series where there are no
 * colours. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "views/chart.h"

enum { ACROSS = 2, DOWN = 4 };        /* dots of a braille character */

/* Of each cell: the braille dots set, and which series set one last (where any is set). */
struct screen { int columns, rows, colour; unsigned char *dots; int *owner; };

static void set_dot(struct screen *s, double x, double y, int owner) {
    static const unsigned char bits[DOWN][ACROSS] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    int across = s->columns * ACROSS, down = s->rows * DOWN;
    int u = (int)fmin(across - 1, fmax(0, x * (across - 1) + 0.5)),
        v = (int)fmin(down - 1, fmax(0, (1 - y) * (down - 1) + 0.5));
    size_t cell = (size_t)(v / DOWN) * (size_t)s->columns + (size_t)(u / ACROSS);
    s->dots[cell] |= bits[v % DOWN][u % ACROSS];
    s->owner[cell] = owner;
}

static void set_line(struct screen *s, struct canvas_point a, struct canvas_point b, int owner) {
    int steps = 1 + (int)fmax(fabs(b.x - a.x) * s->columns * ACROSS, fabs(b.y - a.y) * s->rows * DOWN);
    for (int i = 0; i <= steps; i++) {
        double t = (double)i / steps;
        set_dot(s, a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), owner);
    }
}

static void set_series(struct screen *s, const struct chart_series *series, const struct chart_scale *x,
                       const struct chart_scale *y, int owner) {
    struct canvas_point before = {NAN, NAN};
    for (size_t i = 0; i < series->count; i++) {
        struct canvas_point p = {chart_scale_at(x, series->points[i].x), chart_scale_at(y, series->points[i].y)};
        if (isfinite(p.x) && isfinite(p.y)) {
            set_line(s, isfinite(before.x) && isfinite(before.y) ? before : p, p, owner);
        }
        before = series->dot > 0 ? (struct canvas_point){NAN, NAN} : p;
    }
}

static void begin_colour(struct text *out, const struct chart *chart, int owner) {
    uint32_t c = chart->series[owner].colour;
    text_add(out, "\033[38;2;%u;%u;%um", (unsigned)(c >> 24), (unsigned)(c >> 16 & 255), (unsigned)(c >> 8 & 255));
}

static void end_colour(struct text *out, int owner) {
    if (owner >= 0) {
        text_add(out, "\033[0m");
    }
}

/* A run of cells of one series is coloured once. */
static void print_row(struct text *out, const struct chart *chart, const struct screen *s, int row) {
    int last = s->columns - 1, coloured = -1;
    const unsigned char *dots = s->dots + (size_t)row * (size_t)s->columns;
    const int *owner = s->owner + (size_t)row * (size_t)s->columns;
    while (last >= 0 && dots[last] == 0) {
        last--;
    }
    for (int i = 0; i <= last; i++) {
        if (s->colour && dots[i] != 0 && owner[i] != coloured) {
            end_colour(out, coloured);
            begin_colour(out, chart, coloured = owner[i]);
        }
        if (dots[i] == 0) {
            text_add(out, " ");
        } else if (s->colour) {
            text_add(out, "\xe2%c%c", (char)(0xA0 | dots[i] >> 6), (char)(0x80 | (dots[i] & 63))); /* U+2800 + dots */
        } else {
            text_add(out, "%c", 'a' + owner[i] % 26);
        }
    }
    end_colour(out, coloured);
    text_add(out, "\n");
}

static void print_legend(struct text *out, const struct chart *chart, int colour) {
    for (size_t i = 0; i < chart->series_count; i++) {
        text_add(out, "  ");
        if (colour) {
            begin_colour(out, chart, (int)i);
            text_add(out, "\xe2\xa0\xb6\xe2\xa0\xb6\033[0m %s\n", chart->series[i].label);
        } else {
            text_add(out, "%c %s\n", (char)('a' + i % 26), chart->series[i].label);
        }
    }
}

static int widest_tick(const struct chart_scale *scale) {
    char text[32];
    size_t widest = 0;
    for (int i = 0; !isnan(chart_scale_tick(scale, i, text)); i++) {
        widest = strlen(text) > widest ? strlen(text) : widest;
    }
    return (int)widest;
}

/* The label of the tick that falls on this row, or "". */
static const char *tick_on(const struct chart_scale *scale, int row, int rows, char text[32]) {
    double at;
    for (int i = 0; !isnan(at = chart_scale_tick(scale, i, text)); i++) {
        if ((int)lround((1 - chart_scale_at(scale, at)) * (rows - 1)) == row) {
            return text;
        }
    }
    return "";
}

static void print_ticks_across(struct text *out, const struct chart_scale *scale, int margin, int columns,
                               const char *label) {
    char text[32], *line = mem_need((size_t)(margin + columns + 40), 1);
    memset(line, ' ', (size_t)(margin + columns + 39));
    int free_from = 0;
    double at;
    for (int i = 0; !isnan(at = chart_scale_tick(scale, i, text)); i++) {
        int length = (int)strlen(text),
            column = margin + (int)lround(chart_scale_at(scale, at) * (columns - 1)) - length / 2;
        column = column + length > margin + columns ? margin + columns - length : column;
        if (column >= free_from) {
            memcpy(line + column, text, (size_t)length);
            free_from = column + length + 1;
        }
    }
    line[free_from > 0 ? free_from - 1 : 0] = '\0';
    text_add(out, "%s\n%*s%s\n", line, margin + (columns - (int)strlen(label)) / 2, "", label);
    free(line);
}

void chart_print(const struct chart *chart, int columns, int rows, int colour, struct text *out) {
    struct chart_scale y = chart_scale_of(chart, 1, rows / 3), x = chart_scale_of(chart, 0, columns / 12);
    int margin = widest_tick(&y) + 2;
    struct screen s = {.columns = columns - margin > 10 ? columns - margin : 10, .rows = rows, .colour = colour};
    size_t cells = (size_t)s.columns * (size_t)rows;
    s.dots = mem_need(cells, 1);
    s.owner = mem_need(cells, sizeof *s.owner);
    for (size_t i = 0; i < chart->series_count; i++) {
        set_series(&s, &chart->series[i], &x, &y, (int)i);
    }
    text_add(out, "%s\n", chart->title);
    print_legend(out, chart, colour);
    for (int row = 0; row < rows; row++) {
        char text[32];
        text_add(out, "%*s |", margin - 2, tick_on(&y, row, rows, text));
        print_row(out, chart, &s, row);
    }
    print_ticks_across(out, &x, margin, s.columns, chart->x.label);
    free(s.dots);
    free(s.owner);
}
