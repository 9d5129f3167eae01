/* Records shapes (canvas.h) and picks the writer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "views/canvas_shapes.h"
#include "views/font.h"

enum { DOTS_A_PIXEL = 2, MOST_DOTS = 16384 };

struct canvas *canvas_make(double width, double height, uint32_t background) {
    struct canvas *c = mem_need(1, sizeof *c);
    c->background = background;
    canvas_resize(c, width, height);
    return c;
}

void canvas_resize(struct canvas *c, double width, double height) {
    c->width = ceil(width);
    c->height = ceil(height);
}

void canvas_free(struct canvas *c) {
    for (size_t i = 0; c != NULL && i < c->count; i++) {
        free(c->shapes[i].points);
        free(c->shapes[i].text);
        image_free(&c->shapes[i].image);
    }
    if (c != NULL) {
        free(c->shapes);
        free(c);
    }
}

static struct canvas_shape *add(struct canvas *c, enum shape_kind kind, const struct canvas_point *points, size_t n) {
    c->shapes = mem_grow(c->shapes, &c->room, c->count, sizeof *c->shapes);
    struct canvas_shape *shape = &c->shapes[c->count++];
    *shape = (struct canvas_shape){.kind = kind, .count = n};
    if (n > 0) {
        shape->points = mem_need(n, sizeof *points);
        memcpy(shape->points, points, n * sizeof *points);
    }
    return shape;
}

void canvas_box(struct canvas *c, struct canvas_box box) {
    add(c, SHAPE_BOX, NULL, 0)->box = box;
}

void canvas_line(struct canvas *c, const struct canvas_point *points, size_t n, double width, double dash,
                 uint32_t colour) {
    struct canvas_shape *shape = add(c, SHAPE_LINE, points, n);
    shape->width = width;
    shape->dash = dash;
    shape->colour = colour;
}

void canvas_polygon(struct canvas *c, const struct canvas_point *points, size_t n, uint32_t fill) {
    add(c, SHAPE_POLYGON, points, n)->colour = fill;
}

void canvas_text(struct canvas *c, double x, double y, struct canvas_font font, const char *text) {
    struct canvas_shape *shape = add(c, SHAPE_TEXT, &(struct canvas_point){x, y}, 1);
    shape->font = font;
    shape->text = mem_copy(text);
}

void canvas_image(struct canvas *c, double x, double y, double scale, const struct image *image) {
    struct canvas_shape *shape = add(c, SHAPE_IMAGE, &(struct canvas_point){x, y}, 1);
    size_t bytes = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    shape->scale = scale;
    shape->image = *image;
    shape->image.pixels = mem_need(bytes, 1);
    memcpy(shape->image.pixels, image->pixels, bytes);
}

double canvas_text_width(double size, const char *text) {
    return size * font_width(text);
}

char *canvas_text_fit(double size, const char *text, double width) {
    if (canvas_text_width(size, text) <= width) {
        return mem_copy(text);
    }
    const char *at = text, *end = text;
    double used = canvas_text_width(size, "…");
    for (unsigned letter; (letter = font_next(&at)) != 0 && (used += size * font_advance(letter)) <= width;) {
        end = at;
    }
    return mem_format("%.*s…", (int)(end - text), text);
}

static int ends(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcmp(path + n - m, suffix) == 0;
}

int canvas_check(const char *path, const char *flag, struct err *err) {
    if (ends(path, ".png") || ends(path, ".svg") || strcmp(path, "-") == 0) {
        return 0;
    }
    return err_add(err, STATUS_REFUSED,
                   "%s: want a picture's name that ends in .png or .svg (- is SVG on stdout), got \"%s\"", flag, path);
}

static int write_png(const struct canvas *c, const char *path, struct err *err) {
    double longest = fmax(c->width, c->height);
    if (longest > MOST_DOTS) {
        return err_add(err, STATUS_FAILED,
                       "%s: a picture of %.0f x %.0f is too large for PNG, whose most is %d: write .svg", path,
                       c->width, c->height, MOST_DOTS);
    }
    struct image image = {0};
    int bad = canvas_render(c, longest * DOTS_A_PIXEL > MOST_DOTS ? 1 : DOTS_A_PIXEL, &image, err);
    bad = bad || image_write_png(path, &image, err);
    image_free(&image);
    return bad ? -1 : 0;
}

int canvas_write(const struct canvas *c, const char *path, struct err *err) {
    if (ends(path, ".png")) {
        return write_png(c, path, err);
    }
    struct text svg = {0};
    canvas_svg(c, &svg);
    int bad = file_write(path, svg.text, svg.length, err);
    text_free(&svg);
    return bad;
}
