/* The letters of pictures: strokes on a small grid, drawn by the canvas with round ends, so that they are smooth at any
 * size and in any direction. ASCII and what our own pictures write besides; another letter is a small box. */
#ifndef DLCLI_FONT_H
#define DLCLI_FONT_H

#include <stddef.h>

enum { FONT_MOST_SEGMENTS = 256 };
struct font_segment {
    double x0, y0, x1, y1;
}; /* in units of the letter's size; x from its left, y up from the baseline */

/* The code point at *text, which moves behind it; a byte that is not UTF-8 gives 0xFFFD. 0 at the end. */
unsigned font_next(const char **text);
/* From this letter's left to the next one's, in units of the size. */
double font_advance(unsigned letter);
/* The strokes of a letter; at most FONT_MOST_SEGMENTS. A dot is a segment of no length. */
size_t font_segments(unsigned letter, struct font_segment *to);
/* Of a line of text, in units of the size. */
double font_width(const char *text);

#endif
