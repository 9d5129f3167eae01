/* What a canvas holds; for its own files (canvas.c records, canvas_png.c and canvas_svg.c write). */
#ifndef DLCLI_CANVAS_SHAPES_H
#define DLCLI_CANVAS_SHAPES_H

#include "views/canvas.h"

enum shape_kind { SHAPE_BOX, SHAPE_LINE, SHAPE_POLYGON, SHAPE_TEXT, SHAPE_IMAGE };
struct canvas_shape {
    enum shape_kind kind;
    struct canvas_box box;
    struct canvas_point *points; size_t count;          /* owned; of text and images the first is the place */
    double width, dash, scale;
    uint32_t colour;
    struct canvas_font font;
    char *text;                                         /* owned */
    struct image image;                                 /* owned */
};
struct canvas {
    double width, height;
    uint32_t background;
    struct canvas_shape *shapes; size_t count, room;
};

#endif
