/* What augmentation does to pixels: an affine step and a change of colour (parts.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sources/parts.h"

/* ---- affine ---- */

/* One pixel at (u, v), counted from the centre of the first: bilinear, the outermost pixels reach to the picture's
 * edge, beyond is what the warp says. */
static void sample_pixel(const struct image *in, uint8_t beyond, float u, float v, uint8_t *to) {
    int channels = in->channels, w = in->width, h = in->height;
    if (!(u >= -0.5f && u <= (float)w - 0.5f && v >= -0.5f && v <= (float)h - 0.5f)) {
        memset(to, beyond, (size_t)channels);
        return;
    }
    int x = (int)(u + 1) - 1, y = (int)(v + 1) - 1; /* floor, from -1 on, without a call */
    float fx = u - (float)x, fy = v - (float)y;
    int x0 = x < 0 ? 0 : x, x1 = x + 1 < w ? x + 1 : w - 1, y0 = y < 0 ? 0 : y, y1 = y + 1 < h ? y + 1 : h - 1;
    const uint8_t *top = in->pixels + (size_t)y0 * (size_t)w * (size_t)channels;
    const uint8_t *bottom = in->pixels + (size_t)y1 * (size_t)w * (size_t)channels;
    for (int c = 0; c < channels; c++) {
        float a = top[x0 * channels + c], b = top[x1 * channels + c], d = bottom[x0 * channels + c],
              e = bottom[x1 * channels + c];
        float upper = a + (b - a) * fx, lower = d + (e - d) * fx;
        to[c] = (uint8_t)(upper + (lower - upper) * fy + 0.5f);
    }
}

static void sample_all(const struct image *in, const struct warp *warp, struct image *out) {
    double c = cos(warp->angle), s = sin(warp->angle);
    uint8_t *to = out->pixels;
    for (int y = 0; y < out->height; y++) {
        double oy = y + 0.5 - out->height / 2.0 + warp->shift_y;
        for (int x = 0; x < out->width; x++, to += out->channels) {
            double ox = x + 0.5 - out->width / 2.0 + warp->shift_x;
            double u = (c * ox + s * oy) / warp->scale_x + in->width / 2.0 - 0.5;
            double v = (c * oy - s * ox) / warp->scale_y + in->height / 2.0 - 0.5;
            sample_pixel(in, warp->beyond, (float)u, (float)v, to);
        }
    }
}

/* The side after a scale below a half, at least 1; a milder one is left to the interpolation. */
static int shrunk(int side, double scale) {
    double n = floor(side * scale + 0.5);
    return scale >= 0.5 ? side : n < 1 ? 1 : (int)n;
}

int warp_image(const struct image *in, const struct warp *warp, int width, int height, struct image *out,
               struct err *err) {
    struct warp rest = *warp;
    struct image small = {0};
    int w = shrunk(in->width, warp->scale_x), h = shrunk(in->height, warp->scale_y);
    *out = (struct image){width, height, in->channels, malloc((size_t)width * (size_t)height * (size_t)in->channels)};
    if (out->pixels == NULL) {
        return err_add(err, STATUS_FAILED, "out of memory for a picture of %dx%d", width, height);
    }
    if (w != in->width || h != in->height) {
        if (image_resize(in, w, h, &small, err) != 0) {
            image_free(out);
            return -1;
        }
        rest.scale_x *= (double)in->width / w;
        rest.scale_y *= (double)in->height / h;
        in = &small;
    }
    sample_all(in, &rest, out);
    image_free(&small);
    return 0;
}

/* ---- colour ---- */

static uint8_t to_byte(float value) {
    return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value + 0.5f);
}

/* Hue in sixths of the circle, 0..6. */
static float hue_of(float r, float g, float b, float most, float span) {
    float hue = most == r ? (g - b) / span : most == g ? 2 + (b - r) / span : 4 + (r - g) / span;
    return hue < 0 ? hue + 6 : hue;
}

/* hue within 0..6. */
static void from_hsv(float hue, float saturation, float value, uint8_t *to) {
    static const unsigned char order[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
    int sixth = (int)hue;
    float f = hue - (float)sixth, rest = value * saturation;
    const uint8_t levels[] = {to_byte(value), to_byte(value - rest), to_byte(value - rest * f),
                              to_byte(value - rest * (1 - f))};
    for (int c = 0; c < 3; c++) {
        to[c] = levels[order[sixth % 6][c]];
    }
}

static float lesser(float a, float b) {
    return a < b ? a : b;
}

static float greater(float a, float b) {
    return a > b ? a : b;
}

static void tint_pixel(uint8_t *at, const struct tint *tint) {
    float r = at[0], g = at[1], b = at[2];
    float most = greater(r, greater(g, b)), span = most - lesser(r, lesser(g, b));
    float saturation = most > 0 ? lesser(span / most * tint->saturation, 1) : 0;
    float hue = span > 0 ? hue_of(r, g, b, most, span) + 6 * tint->hue : 0;
    hue = hue < 0 ? hue + 6 : hue >= 6 ? hue - 6 : hue;
    from_hsv(hue, saturation, lesser(most * tint->exposure, 255), at);
}

void tint_image(struct image *image, const struct tint *tint) {
    size_t pixels = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < pixels; i++) {
        if (image->channels == 3) {
            tint_pixel(image->pixels + 3 * i, tint);
        } else {
            image->pixels[i] = to_byte((float)image->pixels[i] * tint->exposure);
        }
    }
}
