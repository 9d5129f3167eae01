/* A canvas as SVG 1.1: the same shapes as elements, text as text. */
#include <stdlib.h>
#include <string.h>

#include "views/canvas_shapes.h"
#include "views/font.h"

/* "12.5", whatever the locale says: lengths have two decimals at most. */
static void add_number(struct text *out, double value) {
    long hundredths = (long)(value * 100 + (value < 0 ? -0.5 : 0.5)), whole = labs(hundredths) / 100,
         rest = labs(hundredths) % 100;
    text_add(out, "%s%ld", hundredths < 0 ? "-" : "", whole);
    if (rest != 0) {
        text_add(out, rest % 10 == 0 ? ".%ld" : ".%02ld", rest % 10 == 0 ? rest / 10 : rest);
    }
}

static void add_length(struct text *out, const char *name, double value) {
    text_add(out, " %s=\"", name);
    add_number(out, value);
    text_add(out, "\"");
}

static void add_colour(struct text *out, const char *name, uint32_t colour) {
    if (colour == 0) {
        text_add(out, " %s=\"none\"", name);
        return;
    }
    text_add(out, " %s=\"#%06x\"", name, (unsigned)(colour >> 8));
    if ((colour & 255) != 255) {
        text_add(out, " %s-opacity=\"0.%02u\"", name, (unsigned)((colour & 255) * 100 / 256));
    }
}

static void add_points(struct text *out, const struct canvas_shape *shape) {
    text_add(out, " points=\"");
    for (size_t i = 0; i < shape->count; i++) {
        text_add(out, "%s", i > 0 ? " " : "");
        add_number(out, shape->points[i].x);
        text_add(out, ",");
        add_number(out, shape->points[i].y);
    }
    text_add(out, "\"");
}

/* What XML reserves is escaped; what it can't hold (control characters, bytes that aren't UTF-8) becomes U+FFFD. */
static void add_words(struct text *out, const char *words) {
    for (const char *at = words, *from = words;; from = at) {
        unsigned letter = font_next(&at);
        if (letter == 0) {
            return;
        }
        if (letter == '<' || letter == '>' || letter == '&' || letter == '"') {
            text_add(out, "&#%u;", letter);
        } else if (letter == 0xFFFD || letter < ' ' || letter == 0xFFFE || letter == 0xFFFF) {
            text_add(out, "&#xFFFD;");
        } else {
            text_add_n(out, from, (size_t)(at - from));
        }
    }
}

static void add_box(struct text *out, const struct canvas_box *box) {
    text_add(out, "<rect");
    add_length(out, "x", box->x);
    add_length(out, "y", box->y);
    add_length(out, "width", box->width);
    add_length(out, "height", box->height);
    if (box->radius > 0) {
        add_length(out, "rx", box->radius);
    }
    add_colour(out, "fill", box->fill);
    if (box->line != 0) {
        add_colour(out, "stroke", box->line);
        add_length(out, "stroke-width", box->line_width);
    }
    text_add(out, "/>\n");
}

static void add_line(struct text *out, const struct canvas_shape *shape) {
    text_add(out, "<polyline");
    add_points(out, shape);
    if (shape->count == 1) {
        struct canvas_point at = shape->points[0];
        out->length -= 1; /* a line of one point is drawn nowhere: it gets a second one in the same place */
        text_add(out, " ");
        add_number(out, at.x);
        text_add(out, ",");
        add_number(out, at.y);
        text_add(out, "\"");
    }
    text_add(out, " fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\"");
    add_colour(out, "stroke", shape->colour);
    add_length(out, "stroke-width", shape->width);
    if (shape->dash > 0) {
        add_length(out, "stroke-dasharray", shape->dash);
    }
    text_add(out, "/>\n");
}

static void add_text(struct text *out, const struct canvas_shape *shape) {
    static const char *const anchors[] = {"start", "middle", "end"};
    text_add(out, "<text");
    if (shape->font.turned) {
        text_add(out, " transform=\"translate(");
        add_number(out, shape->points[0].x);
        text_add(out, " ");
        add_number(out, shape->points[0].y);
        text_add(out, ") rotate(-90)\"");
    } else {
        add_length(out, "x", shape->points[0].x);
        add_length(out, "y", shape->points[0].y);
    }
    add_length(out, "font-size", shape->font.size);
    text_add(out, " text-anchor=\"%s\"%s", anchors[shape->font.anchor],
             shape->font.bold ? " font-weight=\"bold\"" : "");
    add_colour(out, "fill", shape->font.colour);
    text_add(out, ">");
    add_words(out, shape->text);
    text_add(out, "</text>\n");
}

/* Runs of equal dots as rectangles: no reader of SVG has to unpack anything, and none smooths them. */
static void add_image(struct text *out, const struct canvas_shape *shape) {
    const struct image *image = &shape->image;
    size_t channels = (size_t)image->channels;
    text_add(out, "<g shape-rendering=\"crispEdges\" transform=\"translate(");
    add_number(out, shape->points[0].x);
    text_add(out, " ");
    add_number(out, shape->points[0].y);
    text_add(out, ") scale(");
    add_number(out, shape->scale);
    text_add(out, ")\">\n");
    for (int y = 0; y < image->height; y++) {
        const uint8_t *row = image->pixels + (size_t)y * (size_t)image->width * channels;
        for (int x = 0, end; x < image->width; x = end) {
            const uint8_t *dot = row + (size_t)x * channels;
            for (end = x + 1; end < image->width && memcmp(dot, row + (size_t)end * channels, channels) == 0;) {
                end++;
            }
            text_add(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"1\" fill=\"#%02x%02x%02x\"/>\n", x, y, end - x,
                     dot[0], dot[channels == 3 ? 1 : 0], dot[channels == 3 ? 2 : 0]);
        }
    }
    text_add(out, "</g>\n");
}

void canvas_svg(const struct canvas *c, struct text *out) {
    text_add(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
             "font-family=\"Helvetica, Arial, sans-serif\">\n",
             c->width, c->height, c->width, c->height);
    add_box(out, &(struct canvas_box){.width = c->width, .height = c->height, .fill = c->background});
    for (size_t i = 0; i < c->count; i++) {
        const struct canvas_shape *shape = &c->shapes[i];
        switch (shape->kind) {
        case SHAPE_BOX: add_box(out, &shape->box); break;
        case SHAPE_LINE: add_line(out, shape); break;
        case SHAPE_POLYGON:
            text_add(out, "<polygon");
            add_points(out, shape);
            add_colour(out, "fill", shape->colour);
            text_add(out, "/>\n");
            break;
        case SHAPE_TEXT: add_text(out, shape); break;
        case SHAPE_IMAGE: add_image(out, shape); break;
        }
    }
    text_add(out, "</svg>\n");
}
