/* From pictures to numbers (preprocess.h): train, test, predict and every export come through here. */
#include "preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/mem.h"
#include "config.h"

/* ---- the definition ---- */

/* The side of a square of n pixels, or 0. */
static int square_side(size_t n) {
    int side = (int)(sqrt((double)n) + 0.5);
    return (size_t)side * (size_t)side == n ? side : 0;
}

/* What picture the network's input stands for. */
static void read_shape(struct preprocess *p, struct shape input) {
    size_t vector = (size_t)input.t * (size_t)input.c;
    p->channels = (int)vector;
    p->height = input.h;
    p->width = input.w;
    if (input.h == 1 && input.w == 1) {
        int grey = square_side(vector), colour = vector % 3 == 0 ? square_side(vector / 3) : 0;
        if (grey > 0 || colour > 0) {
            p->channels = grey > 0 ? 1 : 3;
            p->height = p->width = grey > 0 ? grey : colour;
        }
    }
}

/* One number for all channels, one each, or "auto". Returns 1 for auto, 0, or -1. */
static int read_list(const struct section *data, const char *key, int positive, int channels, double *to,
                     struct err *err) {
    size_t count = config_length(data, key);
    if (count != 1 && (count != (size_t)channels || channels > PREPROCESS_MOST_CHANNELS)) {
        return config_refuse(data, "data", key, err, "want auto, one number, or %d (one per channel); found %zu",
                             channels, count);
    }
    for (size_t i = 0; i < count; i++) {
        char *text = config_item_text(data, key, i);
        int is_auto = strcmp(text, "auto") == 0, is_number = number_real(text, &to[i]) == 0;
        if ((is_auto && count > 1) || (!is_auto && (!is_number || fabs(to[i]) > 1e6 || (positive && to[i] < 1e-6)))) {
            config_refuse(data, "data", key, err, "want auto or numbers%s up to 1e6, found \"%s\"",
                          positive ? " above 0" : "", text);
            free(text);
            return -1;
        }
        free(text);
        if (is_auto) {
            to[0] = positive;
        }
        if (is_auto && count == 1) {
            return 1;
        }
    }
    for (size_t i = count; i < PREPROCESS_MOST_CHANNELS; i++) {
        to[i] = to[count - 1];
    }
    return 0;
}

static int read_color(struct preprocess *p, const struct section *data, struct err *err) {
    int color = config_choice(data, "color");
    p->color = color >= 0 ? (enum color)color : p->channels == 1 ? COLOR_GREY : COLOR_RGB;
    if (color >= 0 && (p->channels == 1 || p->channels == 3) && (p->color == COLOR_GREY) != (p->channels == 1)) {
        return config_refuse(data, "data", "color", err, "want %s for the network's %d input channel%s, found \"%s\"",
                             p->channels == 1 ? "grey" : "rgb or bgr", p->channels, p->channels == 1 ? "" : "s",
                             config_text(data, "color"));
    }
    return 0;
}

int preprocess_read(struct preprocess *p, const struct section *data, struct shape input, struct err *err) {
    *p = (struct preprocess){.range = 1, .resize = RESIZE_CROP};
    read_shape(p, input);
    p->color = p->channels == 1 ? COLOR_GREY : COLOR_RGB;
    for (int i = 0; i < PREPROCESS_MOST_CHANNELS; i++) {
        p->std[i] = 1;
    }
    if (data == NULL) {
        return 0;
    }
    p->resize = (enum resize)config_choice(data, "resize");
    p->range = config_choice(data, "range") == 1 ? 255 : 1;
    int color = read_color(p, data, err);
    int mean = read_list(data, "mean", 0, p->channels, p->mean, err);
    int std = read_list(data, "std", 1, p->channels, p->std, err);
    for (int i = 0; i < PREPROCESS_MOST_CHANNELS; i++) {
        p->mean[i] = mean == 1 ? 0 : p->mean[i];
        p->std[i] = std == 1 ? 1 : p->std[i];
    }
    return color < 0 || mean < 0 || std < 0 ? -1 : mean == 1 || std == 1;
}

int preprocess_channels(const struct preprocess *p) {
    return p->channels == 1 ? 1 : 3;
}

/* ---- pixels -> floats ---- */

struct affine preprocess_affine(const struct preprocess *p, int channel) {
    int c = channel < PREPROCESS_MOST_CHANNELS ? channel : PREPROCESS_MOST_CHANNELS - 1;
    return (struct affine){(float)(p->range / 255 / p->std[c]), (float)(-p->mean[c] / p->std[c])};
}

/* In blocks of a fixed length, which compilers turn into vector instructions at any level of optimisation. */
enum { BLOCK = 16 };

static void convert_block(struct affine a, const uint8_t *restrict from, float *restrict to) {
    for (int i = 0; i < BLOCK; i++) {
        to[i] = (float)from[i] * a.scale + a.offset;
    }
}

static void turn_8(const uint8_t *from, uint8_t *to) {
    uint64_t word;
    memcpy(&word, from, sizeof word);
    word = __builtin_bswap64(word);
    memcpy(to, &word, sizeof word);
}

/* from[0], from[-1], ...: turned eight bytes at a time, so that the arithmetic runs forwards. */
static void convert_block_backwards(struct affine a, const uint8_t *from, float *to) {
    uint8_t turned[BLOCK];
    turn_8(from - 7, turned);
    turn_8(from - 15, turned + 8);
    convert_block(a, turned, to);
}

/* The last block overlaps the one before it where the row is no whole number of blocks. */
static void convert_blocks(struct affine a, const uint8_t *from, size_t count, float *to) {
    for (size_t i = 0; i < count - BLOCK; i += BLOCK) {
        convert_block(a, from + i, to + i);
    }
    convert_block(a, from + count - BLOCK, to + count - BLOCK);
}

static void convert_blocks_backwards(struct affine a, const uint8_t *from, size_t count, float *to) {
    for (size_t i = 0; i < count - BLOCK; i += BLOCK) {
        convert_block_backwards(a, from - i, to + i);
    }
    convert_block_backwards(a, from - (count - BLOCK), to + count - BLOCK);
}

void preprocess_row(struct affine a, const uint8_t *from, ptrdiff_t step, size_t count, float *to) {
    if (step == 1 && count >= BLOCK) {
        convert_blocks(a, from, count, to);
        return;
    }
    if (step == -1 && count >= BLOCK) {
        convert_blocks_backwards(a, from, count, to);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = (float)from[(ptrdiff_t)i * step] * a.scale + a.offset;
    }
}

const uint8_t *preprocess_plane(const struct preprocess *p, const struct pixels *view, int channel) {
    int from = view->channels == 1 ? 0 : p->color == COLOR_BGR && view->channels == 3 ? 2 - channel : channel;
    return view->pixels + from * view->channel_step;
}

/* A view of the network's size. */
static void convert_view(const struct preprocess *p, const struct pixels *view, float *to) {
    size_t plane = (size_t)p->height * (size_t)p->width;
    for (int c = 0; c < p->channels; c++) {
        const uint8_t *from = preprocess_plane(p, view, c);
        preprocess_row(preprocess_affine(p, c), from, view->pixel_step, plane, to + (size_t)c * plane);
    }
}

void preprocess_pixels(const struct preprocess *p, const uint8_t *pixels, int planar, float *to) {
    int c = p->channels, h = p->height, w = p->width;
    struct pixels view = {pixels,        c, h, w, planar ? (ptrdiff_t)h * w : 1, planar ? w : (ptrdiff_t)w * c,
                          planar ? 1 : c};
    convert_view(p, &view, to);
}

/* ---- pictures of any size ---- */

struct pixels pixels_of_image(const struct image *image) {
    ptrdiff_t row = (ptrdiff_t)image->width * image->channels;
    return (struct pixels){image->pixels, image->channels, image->height, image->width, 1, row, image->channels};
}

static void copy_row(const struct pixels *view, const uint8_t *from, int channels, uint8_t *to) {
    for (int x = 0; x < view->width; x++, from += view->pixel_step) {
        if (channels == 1 && view->channels == 3) {
            *to++ = image_grey(from[0], from[view->channel_step], from[2 * view->channel_step]);
            continue;
        }
        for (int c = 0; c < channels; c++) {
            *to++ = from[view->channels == 1 ? 0 : c * view->channel_step];
        }
    }
}

int pixels_to_image(const struct pixels *view, int channels, struct image *out, struct err *err) {
    *out = (struct image){view->width, view->height, channels, NULL};
    size_t row = (size_t)view->width * (size_t)channels;
    if ((view->channels != 1 && view->channels != 3) || (channels != 1 && channels != 3)) {
        return err_add(err, STATUS_REFUSED, "a picture of %d channels can't become one of %d", view->channels,
                       channels);
    }
    out->pixels = malloc(row * (size_t)view->height);
    if (out->pixels == NULL) {
        return err_add(err, STATUS_FAILED, "out of memory for a picture of %dx%d", view->width, view->height);
    }
    for (int y = 0; y < view->height; y++) {
        copy_row(view, view->pixels + y * view->row_step, channels, out->pixels + (size_t)y * row);
    }
    return 0;
}

/* a * b / c, rounded, within 1..most. */
static int share(int a, int b, int c, int most) {
    long n = ((long)a * b + c / 2) / c;
    return n < 1 ? 1 : n > most ? most : (int)n;
}

/* Cut to the network's proportions around the centre, then resized: the same picture as resizing by the shorter side,
 * yet a long thin one never grows to a giant. */
static int fit_crop(const struct preprocess *p, const struct image *image, struct image *out, struct err *err) {
    int wide = (long)image->width * p->height > (long)image->height * p->width;
    int w = wide ? share(image->height, p->width, p->height, image->width) : image->width;
    int h = wide ? image->height : share(image->width, p->height, p->width, image->height);
    if (w == image->width && h == image->height) {
        return image_resize(image, p->width, p->height, out, err);
    }
    struct image cut;
    if (image_crop(image, (image->width - w) / 2, (image->height - h) / 2, w, h, &cut, err) != 0) {
        return -1;
    }
    int result = image_resize(&cut, p->width, p->height, out, err);
    image_free(&cut);
    return result;
}

/* All of the picture, mid grey around it (darknet's). */
static int fit_letterbox(const struct preprocess *p, const struct image *image, struct image *out, struct err *err) {
    int wide = (long)image->width * p->height > (long)image->height * p->width;
    int w = wide ? p->width : share(image->width, p->height, image->height, p->width);
    int h = wide ? share(image->height, p->width, image->width, p->height) : p->height;
    struct image small;
    if (image_resize(image, w, h, &small, err) != 0) {
        return -1;
    }
    size_t x = (size_t)((p->width - w) / 2), y = (size_t)((p->height - h) / 2);
    size_t pixel = (size_t)image->channels, row = (size_t)p->width * pixel;
    *out = (struct image){p->width, p->height, image->channels, malloc(row * (size_t)p->height)};
    if (out->pixels == NULL) {
        image_free(&small);
        return err_add(err, STATUS_FAILED, "out of memory for a picture of %dx%d", p->width, p->height);
    }
    memset(out->pixels, PREPROCESS_GREY, row * (size_t)p->height);
    for (size_t i = 0; i < (size_t)h; i++) {
        memcpy(out->pixels + (y + i) * row + x * pixel, small.pixels + i * (size_t)w * pixel, (size_t)w * pixel);
    }
    image_free(&small);
    return 0;
}

static int fit_size(const struct preprocess *p, const struct image *image, struct image *out, struct err *err) {
    switch (p->resize) {
    case RESIZE_CROP:
        return fit_crop(p, image, out, err);
    case RESIZE_LETTERBOX:
        return fit_letterbox(p, image, out, err);
    default:
        return image_resize(image, p->width, p->height, out, err);
    }
}

int preprocess_fit(const struct preprocess *p, const struct image *image, struct image *out, struct err *err) {
    if (p->channels != 1 && p->channels != 3) {
        return err_add(err, STATUS_REFUSED, "a picture has 1 or 3 channels; the network's input has %d", p->channels);
    }
    int grey = p->channels == 1 && image->channels == 3;
    if (image->width == p->width && image->height == p->height) {
        struct pixels view = pixels_of_image(image);
        return pixels_to_image(&view, grey ? 1 : image->channels, out, err);
    }
    if (!grey) {
        return fit_size(p, image, out, err);
    }
    struct pixels view = pixels_of_image(image);
    struct image one;
    if (pixels_to_image(&view, 1, &one, err) != 0) {
        return -1;
    }
    int result = fit_size(p, &one, out, err);
    image_free(&one);
    return result;
}

int preprocess_image(const struct preprocess *p, const struct image *image, float *to, struct err *err) {
    struct image fitted;
    if (preprocess_fit(p, image, &fitted, err) != 0) {
        return -1;
    }
    struct pixels view = pixels_of_image(&fitted);
    convert_view(p, &view, to);
    image_free(&fitted);
    return 0;
}
