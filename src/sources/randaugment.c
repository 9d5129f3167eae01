/* RandAugment (parts.h): Cubuk, Zoph, Shlens, Le, "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space", 2020.
 * The operations, and what a magnitude of 0..30 means to each, are torchvision's; pixels come out as Pillow's, to a level. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sources/parts.h"

static size_t byte_count(const struct image *image) {
    return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

static uint8_t to_byte(double value) {
    return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value + 0.5);
}

/* ---- moving pixels: output (x, y) comes from input (a x + b y + c, d x + e y + f), the nearest; black from outside ---- */

struct matrix { double a, b, c, d, e, f; };

static int move_pixels(struct image *image, const struct matrix *m) {
    size_t channels = (size_t)image->channels;
    uint8_t *to = calloc(byte_count(image), 1), *at = to;
    for (int y = 0; to != NULL && y < image->height; y++) {
        for (int x = 0; x < image->width; x++, at += channels) {
            double u = floor(m->a * (x + 0.5) + m->b * (y + 0.5) + m->c), v = floor(m->d * (x + 0.5) + m->e * (y + 0.5) + m->f);
            if (u >= 0 && v >= 0 && u < image->width && v < image->height) {
                memcpy(at, image->pixels + ((size_t)v * (size_t)image->width + (size_t)u) * channels, channels);
            }
        }
    }
    if (to == NULL) {
        return -1;
    }
    free(image->pixels);
    image->pixels = to;
    return 0;
}

static int shear_x(struct image *image, double by) {
    return move_pixels(image, &(struct matrix){1, by, 0, 0, 1, 0});
}

static int shear_y(struct image *image, double by) {
    return move_pixels(image, &(struct matrix){1, 0, 0, by, 1, 0});
}

static int translate_x(struct image *image, double by) {
    return move_pixels(image, &(struct matrix){1, 0, trunc(by * image->width), 0, 1, 0});
}

static int translate_y(struct image *image, double by) {
    return move_pixels(image, &(struct matrix){1, 0, 0, 0, 1, trunc(by * image->height)});
}

/* Degrees, about the centre. */
static int turn(struct image *image, double by) {
    double angle = -by * 3.14159265358979323846 / 180, c = cos(angle), s = sin(angle), x = image->width / 2.0, y = image->height / 2.0;
    return move_pixels(image, &(struct matrix){c, s, x - c * x - s * y, -s, c, y + s * x - c * y});
}

/* ---- blending with a poorer picture: 1 + by of the picture, -by of the other ---- */

static void blend(uint8_t *pixel, double other, double by) {
    *pixel = to_byte(other + (1 + by) * (*pixel - other));
}

static int grey_of(const uint8_t *pixel, int channels) {
    return channels == 3 ? image_grey(pixel[0], pixel[1], pixel[2]) : pixel[0];
}

static int brightness(struct image *image, double by) {
    for (size_t i = 0; i < byte_count(image); i++) {
        blend(image->pixels + i, 0, by);
    }
    return 0;
}

static int colour(struct image *image, double by) {
    size_t channels = (size_t)image->channels;
    for (size_t i = 0; i < byte_count(image); i += channels) {
        int grey = grey_of(image->pixels + i, image->channels);
        for (size_t c = 0; c < channels; c++) {
            blend(image->pixels + i + c, grey, by);
        }
    }
    return 0;
}

static int contrast(struct image *image, double by) {
    double sum = 0, pixels = (double)image->width * image->height;
    for (size_t i = 0; i < byte_count(image); i += (size_t)image->channels) {
        sum += grey_of(image->pixels + i, image->channels);
    }
    for (size_t i = 0; i < byte_count(image); i++) {
        blend(image->pixels + i, floor(sum / pixels + 0.5), by);
    }
    return 0;
}

/* The other picture is smoothed; its margin is as it was. */
static int sharpness(struct image *image, double by) {
    size_t channels = (size_t)image->channels, line = (size_t)image->width * channels;
    uint8_t *from = malloc(byte_count(image));
    if (from == NULL) {
        return -1;
    }
    memcpy(from, image->pixels, byte_count(image));
    for (size_t y = 1; y + 1 < (size_t)image->height; y++) {
        for (size_t i = y * line + channels; i < (y + 1) * line - channels; i++) {
            int sum = 4 * from[i];
            for (int k = 0; k < 9; k++) {
                sum += from[i + (size_t)(k / 3) * line + (size_t)(k % 3) * channels - line - channels];
            }
            blend(image->pixels + i, to_byte(sum / 13.0), by);
        }
    }
    free(from);
    return 0;
}

/* ---- tables of levels ---- */

static void look_up(struct image *image, int channel, const uint8_t table[256]) {
    for (size_t i = (size_t)channel; i < byte_count(image); i += (size_t)image->channels) {
        image->pixels[i] = table[image->pixels[i]];
    }
}

static int posterize(struct image *image, double by) {
    int mask = 0xff << (int)by & 0xff;
    for (size_t i = 0; i < byte_count(image); i++) {
        image->pixels[i] &= (uint8_t)mask;
    }
    return 0;
}

static int solarize(struct image *image, double by) {
    for (size_t i = 0; i < byte_count(image); i++) {
        uint8_t v = image->pixels[i];
        image->pixels[i] = v < 255 - by ? v : (uint8_t)(255 - v);
    }
    return 0;
}

static void count_levels(const struct image *image, int channel, size_t counts[256]) {
    memset(counts, 0, 256 * sizeof *counts);
    for (size_t i = (size_t)channel; i < byte_count(image); i += (size_t)image->channels) {
        counts[image->pixels[i]]++;
    }
}

static int autocontrast(struct image *image, double by) {
    (void)by;
    for (int c = 0; c < image->channels; c++) {
        size_t counts[256];
        uint8_t table[256];
        int low = 0, high = 255;
        count_levels(image, c, counts);
        for (; low < 255 && counts[low] == 0; low++) {
        }
        for (; high > 0 && counts[high] == 0; high--) {
        }
        for (int i = 0; i < 256; i++) {
            table[i] = high > low ? to_byte(floor((i - low) * 255.0 / (high - low))) : (uint8_t)i;
        }
        look_up(image, c, table);
    }
    return 0;
}

/* As many pixels of each level as can be: Pillow's whole-number arithmetic. */
static int equalize(struct image *image, double by) {
    (void)by;
    for (int c = 0; c < image->channels; c++) {
        size_t counts[256], all = (size_t)image->width * (size_t)image->height, last = 0;
        uint8_t table[256];
        count_levels(image, c, counts);
        for (int i = 0; i < 256; i++) {
            last = counts[i] > 0 ? counts[i] : last;
        }
        size_t step = (all - last) / 255, n = step / 2;
        for (int i = 0; i < 256; i++) {
            table[i] = step > 0 ? to_byte((double)(n / step)) : (uint8_t)i;
            n += counts[i];
        }
        look_up(image, c, table);
    }
    return 0;
}

static int identity(struct image *image, double by) {
    (void)image;
    (void)by;
    return 0;
}

/* ---- the choice ---- */

/* most: at magnitude 30. A quarter of the level's bits, for one, is a number of bits: whole says that it is rounded. */
struct change { int (*apply)(struct image *image, double by); double most; int either_way, whole; };
static const struct change changes[] = {
    {identity, 0, 0, 0}, {shear_x, 0.3, 1, 0}, {shear_y, 0.3, 1, 0}, {translate_x, 150.0 / 331, 1, 0}, {translate_y, 150.0 / 331, 1, 0},
    {turn, 30, 1, 0}, {brightness, 0.9, 1, 0}, {colour, 0.9, 1, 0}, {contrast, 0.9, 1, 0}, {sharpness, 0.9, 1, 0}, {posterize, 4, 0, 1},
    {solarize, 255, 0, 0}, {autocontrast, 0, 0, 0}, {equalize, 0, 0, 0},
};

int randaugment_change(struct image *image, int which, int magnitude, int negative, struct err *err) {
    const struct change *change = &changes[which];
    double by = change->most * magnitude / RANDAUGMENT_MOST;
    by = change->whole ? floor(by + 0.5) : change->either_way && negative ? -by : by;
    return change->apply(image, by) == 0 ? 0 : err_add(err, STATUS_FAILED, "out of memory for a picture of %dx%d", image->width, image->height);
}

int randaugment(struct image *image, int count, int magnitude, struct rng *rng, struct err *err) {
    int result = 0;
    for (int i = 0; i < count && result == 0; i++) {
        int which = (int)rng_below(rng, RANDAUGMENT_CHANGES), negative = (int)(rng_u32(rng) & 1);
        result = randaugment_change(image, which, magnitude, negative, err);
    }
    return result;
}
