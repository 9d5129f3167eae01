/* canvas: a picture as a list of shapes, written as PNG (antialiased) or as SVG from the same calls. All pictures that
 * people look at are drawn on one: x to the right, y down, lengths in pixels of a screen; PNG has two dots a pixel, as
 * today's screens do. */
#ifndef DLCLI_CANVAS_H
#define DLCLI_CANVAS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/image.h"
#include "base/mem.h"

/* Colours are 0xRRGGBBAA; 0 is none. */
enum canvas_anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };
struct canvas_point { double x, y; };
/* Corners are rounded by `radius`: half the side makes a circle. */
struct canvas_box { double x, y, width, height, radius; uint32_t fill, line; double line_width; };
struct canvas_font {
    double size;
    int bold;
    enum canvas_anchor anchor;
    uint32_t colour;
    int turned;   /* reads upwards */
};

struct canvas;
/* `background` fills all of it. The size may still change until it is written. */
struct canvas *canvas_make(double width, double height, uint32_t background);
void canvas_resize(struct canvas *c, double width, double height);
void canvas_free(struct canvas *c);

void canvas_box(struct canvas *c, struct canvas_box box);
/* Through n >= 1 points, with round ends and joints; dash 0: whole, else so long. */
void canvas_line(struct canvas *c, const struct canvas_point *points, size_t n, double width, double dash,
                 uint32_t colour);
/* The convex polygon of n >= 3 points. */
void canvas_polygon(struct canvas *c, const struct canvas_point *points, size_t n, uint32_t fill);
/* y is the baseline. */
void canvas_text(struct canvas *c, double x, double y, struct canvas_font font, const char *text);
/* A picture whose dots are squares of `scale`; copied. */
void canvas_image(struct canvas *c, double x, double y, double scale, const struct image *image);

/* Of a line of text in PNG; SVG's depends on the reader's font and is about the same. */
double canvas_text_width(double size, const char *text);
/* `text` cut to fit `width`, its end "…" where it doesn't; malloc'ed. */
char *canvas_text_fit(double size, const char *text, double width);

/* Is PATH's suffix one of those that canvas_write knows (.png, .svg; "-" is SVG on stdout)? Else -1 and a sentence. */
int canvas_check(const char *path, const char *flag, struct err *err);
/* By the suffix, atomically. */
int canvas_write(const struct canvas *c, const char *path, struct err *err);
/* The two halves of it; scale: dots a pixel. */
int canvas_render(const struct canvas *c, double scale, struct image *out, struct err *err);
void canvas_svg(const struct canvas *c, struct text *out);

#endif
