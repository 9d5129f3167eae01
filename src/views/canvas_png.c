/* A canvas as dots: each shape is a distance from its edge, which says how much of a dot lies inside. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "views/canvas_shapes.h"
#include "views/font.h"

struct raster { struct image *image; double scale; };
struct range { int x0, y0, x1, y1; };          /* dots, ends not included */

static void mix(struct raster *r, int x, int y, uint32_t colour, double inside) {
    double share = inside * (colour & 255) / 255;
    uint8_t *at = r->image->pixels + 3 * ((size_t)y * (size_t)r->image->width + (size_t)x);
    for (int k = 0; k < 3; k++) {
        at[k] = (uint8_t)lround(at[k] + share * ((double)(colour >> (24 - 8 * k) & 255) - at[k]));
    }
}

/* How much of a dot at this distance (in dots; negative: inside) from a straight edge is inside. */
static double coverage(double distance) {
    return fmin(1, fmax(0, 0.5 - distance));
}

static struct range range_of(const struct raster *r, double x0, double y0, double x1, double y1) {
    struct range at = {(int)fmax(0, floor(x0 - 1)), (int)fmax(0, floor(y0 - 1)),
                       (int)fmin(r->image->width, ceil(x1 + 1)), (int)fmin(r->image->height, ceil(y1 + 1))};
    return at;
}

/* Signed distance from a rounded rectangle's edge. */
static double box_distance(const struct canvas_box *b, double x, double y) {
    double radius = fmin(b->radius, fmin(b->width, b->height) / 2);
    double qx = fabs(x - b->x - b->width / 2) - b->width / 2 + radius,
           qy = fabs(y - b->y - b->height / 2) - b->height / 2 + radius;
    return hypot(fmax(qx, 0), fmax(qy, 0)) + fmin(fmax(qx, qy), 0) - radius;
}

static void draw_box(struct raster *r, const struct canvas_box *box) {
    double s = r->scale, out = box->line_width * s / 2;
    struct canvas_box b = {.x = box->x * s,
                           .y = box->y * s,
                           .width = box->width * s,
                           .height = box->height * s,
                           .radius = box->radius * s};
    struct range at = range_of(r, b.x - out, b.y - out, b.x + b.width + out, b.y + b.height + out);
    for (int y = at.y0; y < at.y1; y++) {
        for (int x = at.x0; x < at.x1; x++) {
            double d = box_distance(&b, x + 0.5, y + 0.5);
            if (box->fill != 0 && d < 0.5) {
                mix(r, x, y, box->fill, coverage(d));
            }
            if (box->line != 0 && fabs(d) - out < 0.5) {
                mix(r, x, y, box->line, coverage(fabs(d) - out));
            }
        }
    }
}

static double segment_distance(const struct font_segment *s, double x, double y) {
    double dx = s->x1 - s->x0, dy = s->y1 - s->y0, square = dx * dx + dy * dy;
    double t = square > 0 ? fmin(1, fmax(0, ((x - s->x0) * dx + (y - s->y0) * dy) / square)) : 0;
    dx = x - s->x0 - t * dx;
    dy = y - s->y0 - t * dy;
    return sqrt(dx * dx + dy * dy);
}

/* All segments as one stroke: where they meet nothing is drawn twice. */
static void draw_segments(struct raster *r, const struct font_segment *s, size_t n, double width, uint32_t colour) {
    double x0 = INFINITY, y0 = INFINITY, x1 = -INFINITY, y1 = -INFINITY, half = width / 2;
    for (size_t i = 0; i < n; i++) {
        x0 = fmin(x0, fmin(s[i].x0, s[i].x1));
        x1 = fmax(x1, fmax(s[i].x0, s[i].x1));
        y0 = fmin(y0, fmin(s[i].y0, s[i].y1));
        y1 = fmax(y1, fmax(s[i].y0, s[i].y1));
    }
    if (n == 0) {
        return;
    }
    struct range at = range_of(r, x0 - half, y0 - half, x1 + half, y1 + half);
    for (int y = at.y0; y < at.y1; y++) {
        for (int x = at.x0; x < at.x1; x++) {
            double d = INFINITY;
            for (size_t i = 0; i < n; i++) {
                d = fmin(d, segment_distance(&s[i], x + 0.5, y + 0.5));
            }
            if (d - half < 0.5) {
                mix(r, x, y, colour, coverage(d - half));
            }
        }
    }
}

static void draw_piece(struct raster *r, const struct canvas_shape *shape, struct canvas_point a,
                       struct canvas_point b) {
    struct font_segment s = {a.x * r->scale, a.y * r->scale, b.x * r->scale, b.y * r->scale};
    draw_segments(r, &s, 1, shape->width * r->scale, shape->colour);
}

/* Dashes go on around the corners: `walked` is the way from the line's beginning. */
static double draw_dashes(struct raster *r, const struct canvas_shape *shape, struct canvas_point a,
                          struct canvas_point b, double walked) {
    double length = hypot(b.x - a.x, b.y - a.y), period = 2 * shape->dash;
    for (double from = -fmod(walked, period); from < length; from += period) {
        double t = fmax(0, from) / length, u = fmin(length, from + shape->dash) / length;
        if (u > t) {
            draw_piece(r, shape, (struct canvas_point){a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)},
                       (struct canvas_point){a.x + u * (b.x - a.x), a.y + u * (b.y - a.y)});
        }
    }
    return walked + length;
}

static void draw_line(struct raster *r, const struct canvas_shape *shape) {
    double walked = 0;
    if (shape->count == 1) {
        draw_piece(r, shape, shape->points[0], shape->points[0]);
    }
    for (size_t i = 0; i + 1 < shape->count; i++) {
        if (shape->dash > 0) {
            walked = draw_dashes(r, shape, shape->points[i], shape->points[i + 1], walked);
        } else {
            draw_piece(r, shape, shape->points[i], shape->points[i + 1]);
        }
    }
}

/* Twice the area, signed: which side of an edge is inside. */
static double area_of(const struct canvas_point *p, size_t n) {
    double area = 0;
    for (size_t i = 0; i < n; i++) {
        area += p[i].x * p[(i + 1) % n].y - p[(i + 1) % n].x * p[i].y;
    }
    return area;
}

static void draw_polygon(struct raster *r, const struct canvas_shape *shape) {
    const struct canvas_point *p = shape->points;
    size_t n = shape->count;
    double s = r->scale, sign = area_of(p, n) < 0 ? 1 : -1, x0 = INFINITY, y0 = INFINITY, x1 = -INFINITY,
           y1 = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        x0 = fmin(x0, p[i].x * s);
        x1 = fmax(x1, p[i].x * s);
        y0 = fmin(y0, p[i].y * s);
        y1 = fmax(y1, p[i].y * s);
    }
    struct range at = range_of(r, x0, y0, x1, y1);
    for (int y = at.y0; y < at.y1; y++) {
        for (int x = at.x0; x < at.x1; x++) {
            double d = -INFINITY;
            for (size_t i = 0; i < n; i++) {
                struct canvas_point a = p[i], b = p[(i + 1) % n];
                double cross = (b.x - a.x) * (y + 0.5 - a.y * s) - (b.y - a.y) * (x + 0.5 - a.x * s);
                d = fmax(d, sign * cross / hypot(b.x - a.x, b.y - a.y));
            }
            if (d < 0.5) {
                mix(r, x, y, shape->colour, coverage(d));
            }
        }
    }
}

static void draw_letter(struct raster *r, const struct canvas_font *font, unsigned letter, double x, double y) {
    struct font_segment s[FONT_MOST_SEGMENTS];
    size_t n = font_segments(letter, s);
    double size = font->size * r->scale;
    for (size_t i = 0; i < n; i++) {
        struct font_segment f = s[i];
        s[i] = font->turned ? (struct font_segment){x - size * f.y0, y - size * f.x0, x - size * f.y1, y - size * f.x1}
                            : (struct font_segment){x + size * f.x0, y - size * f.y0, x + size * f.x1, y - size * f.y1};
    }
    draw_segments(r, s, n, fmax(1.1, size * (font->bold ? 0.125 : 0.085)), font->colour);
}

static void draw_text(struct raster *r, const struct canvas_shape *shape) {
    const struct canvas_font *font = &shape->font;
    double s = r->scale, before = canvas_text_width(font->size, shape->text) * s / 2 * (int)font->anchor;
    double x = shape->points[0].x * s - (font->turned ? 0 : before),
           y = shape->points[0].y * s + (font->turned ? before : 0);
    const char *at = shape->text;
    for (unsigned letter; (letter = font_next(&at)) != 0;) {
        draw_letter(r, font, letter, x, y);
        *(font->turned ? &y : &x) += (font->turned ? -1 : 1) * font->size * s * font_advance(letter);
    }
}

static void draw_image(struct raster *r, const struct canvas_shape *shape) {
    const struct image *image = &shape->image;
    double dot = shape->scale * r->scale, left = shape->points[0].x * r->scale, top = shape->points[0].y * r->scale;
    int x0 = (int)lround(left), y0 = (int)lround(top), x1 = (int)lround(left + image->width * dot),
        y1 = (int)lround(top + image->height * dot);
    for (int y = y0 < 0 ? 0 : y0; y < y1 && y < r->image->height; y++) {
        for (int x = x0 < 0 ? 0 : x0; x < x1 && x < r->image->width; x++) {
            int u = (int)fmin(image->width - 1, (x - x0) / dot), v = (int)fmin(image->height - 1, (y - y0) / dot);
            const uint8_t *from =
                image->pixels + (size_t)image->channels * ((size_t)v * (size_t)image->width + (size_t)u);
            uint8_t *to = r->image->pixels + 3 * ((size_t)y * (size_t)r->image->width + (size_t)x);
            for (int k = 0; k < 3; k++) {
                to[k] = from[image->channels == 3 ? k : 0];
            }
        }
    }
}

int canvas_render(const struct canvas *c, double scale, struct image *out, struct err *err) {
    *out = (struct image){(int)ceil(c->width * scale), (int)ceil(c->height * scale), 3, NULL};
    size_t dots = (size_t)out->width * (size_t)out->height;
    out->pixels = malloc(3 * dots);
    if (out->pixels == NULL) {
        return err_add(err, STATUS_FAILED, "out of memory for a picture of %d x %d", out->width, out->height);
    }
    for (size_t i = 0; i < 3 * dots; i++) {
        out->pixels[i] = (uint8_t)(c->background >> (24 - 8 * (i % 3)));
    }
    struct raster r = {out, scale};
    for (size_t i = 0; i < c->count; i++) {
        const struct canvas_shape *shape = &c->shapes[i];
        switch (shape->kind) {
        case SHAPE_BOX: draw_box(&r, &shape->box); break;
        case SHAPE_LINE: draw_line(&r, shape); break;
        case SHAPE_POLYGON: draw_polygon(&r, shape); break;
        case SHAPE_TEXT: draw_text(&r, shape); break;
        case SHAPE_IMAGE: draw_image(&r, shape); break;
        }
    }
    return 0;
}
