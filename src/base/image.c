/* Pictures (image.h): which reader a file goes to, and what is done to pixels whatever the format was. */
#include "base/image.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/image_formats.h"
#include "base/mem.h"

static int pnm_recognize(const unsigned char *bytes, size_t size) {
    int magic = size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6';
    return magic && bytes[2] != '\0' && strchr(" \t\r\n\v\f#", bytes[2]) != NULL;
}

/* TGA is last: it has no magic number. */
static const struct format {
    const char *magic;
    size_t length;
    int (*recognize)(const unsigned char *bytes, size_t size);   /* where there is no magic */
    image_reader *read;
} formats[] = {
    {"\x89PNG\r\n\x1a\n", 8, NULL, image_png_read},
    {"\xff\xd8\xff", 3, NULL, image_jpeg_read},
    {"GIF87a", 6, NULL, image_gif_read},
    {"GIF89a", 6, NULL, image_gif_read},
    {"BM", 2, NULL, image_bmp_read},
    {NULL, 0, pnm_recognize, image_pnm_read},
    {NULL, 0, image_tga_plausible, image_tga_read},
};

int image_refuse(const struct image_file *file, const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *sentence = mem_format_list(format, list);
    va_end(list);
    err_add(file->err, STATUS_FAILED, "%s: %s", file->name, sentence);
    free(sentence);
    return -1;
}

int image_check_size(const struct image_file *file, size_t width, size_t height) {
    /* pixels a byte can hold: 1 bit each, packed as far as deflate can; GIF's LZW stays below */
    enum { DENSEST = 8 * 1032 };
    if (width < 1 || height < 1) {
        return image_refuse(file, "the picture is empty: %zu x %zu pixels", width, height);
    }
    if (width > IMAGE_MOST_SIDE || height > IMAGE_MOST_SIDE || width * height > IMAGE_MOST_PIXELS) {
        return image_refuse(file, "%zu x %zu pixels are too many: want sides up to %d and up to %d pixels", width,
                            height, IMAGE_MOST_SIDE, IMAGE_MOST_PIXELS);
    }
    if (width * height / DENSEST > file->size) {
        return image_refuse(file, "%zu bytes can't hold %zu x %zu pixels", file->size, width, height);
    }
    return 0;
}

int image_make(const struct image_file *file, size_t width, size_t height, int channels, struct image *out) {
    if (image_check_size(file, width, height) != 0) {
        return -1;
    }
    uint8_t *pixels = mem_try(width * height, (size_t)channels);
    if (pixels == NULL) {
        return image_refuse(file, "out of memory for %zu x %zu pixels", width, height);
    }
    *out = (struct image){(int)width, (int)height, channels, pixels};
    return 0;
}

void image_palette_grey(uint8_t palette[256][3]) {
    for (int i = 0; i < 256; i++) {
        memset(palette[i], i, 3);
    }
}

void image_free(struct image *image) {
    free(image->pixels);
    *image = (struct image){0};
}

static size_t area(const struct image *image) {
    return (size_t)image->width * (size_t)image->height;
}

/* Undoes the camera's turn: EXIF's 2..4 mirror, 5..8 also swap the axes. */
static int orient(const struct image_file *file, struct image *image) {
    int o = file->orientation, turned = o >= 5;
    if (o == 1) {
        return 0;
    }
    size_t width = (size_t)image->width, height = (size_t)image->height, channels = (size_t)image->channels;
    int from_right = o == 2 || o == 3 || o == 7 || o == 8, from_below = o == 3 || o == 4 || o == 6 || o == 7;
    struct image upright;
    if (image_make(file, turned ? height : width, turned ? width : height, image->channels, &upright) != 0) {
        return -1;
    }
    uint8_t *to = upright.pixels;
    for (size_t y = 0; y < (size_t)upright.height; y++) {
        for (size_t x = 0; x < (size_t)upright.width; x++, to += channels) {
            size_t sx = turned ? y : x, sy = turned ? x : y;
            sx = from_right ? width - 1 - sx : sx;
            sy = from_below ? height - 1 - sy : sy;
            memcpy(to, image->pixels + (sy * width + sx) * channels, channels);
        }
    }
    image_free(image);
    *image = upright;
    return 0;
}

/* Grey <-> RGB. */
static int recolour(const struct image_file *file, int channels, struct image *image) {
    if (image->channels == channels) {
        return 0;
    }
    struct image made;
    if (image_make(file, (size_t)image->width, (size_t)image->height, channels, &made) != 0) {
        return -1;
    }
    const uint8_t *in = image->pixels;
    uint8_t *to = made.pixels;
    for (size_t i = 0; i < area(image); i++) {
        if (channels == 3) {
            memset(to + 3 * i, in[i], 3);
        } else {
            to[i] = image_grey(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
        }
    }
    image_free(image);
    *image = made;
    return 0;
}

static const struct format *recognize(const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const struct format *f = &formats[i];
        int magic = f->magic != NULL && size >= f->length && memcmp(bytes, f->magic, f->length) == 0;
        if (magic || (f->magic == NULL && f->recognize(bytes, size))) {
            return f;
        }
    }
    return NULL;
}

enum { IMAGE_MOST_BYTES = 1 << 30 };   /* stb and zlib count in int; an uncompressed picture of the most pixels fits */

int image_decode(const char *name, const unsigned char *bytes, size_t size, int channels, struct image *out,
                 struct err *err) {
    assert(channels == 1 || channels == 3);
    struct image_file file = {name, bytes, size, 1, err};
    const struct format *format = recognize(bytes, size);
    *out = (struct image){0};
    if (size > IMAGE_MOST_BYTES) {
        return image_refuse(&file, "larger than the %d bytes that are accepted", IMAGE_MOST_BYTES);
    }
    if (format == NULL) {
        const char *what = size == 0 ? "the file is empty" : "not a picture";
        return image_refuse(&file, "%s: want PNG, JPEG, BMP, GIF, PNM or TGA", what);
    }
    if (format->read(&file, out) != 0) {
        return -1;
    }
    if (orient(&file, out) != 0 || recolour(&file, channels, out) != 0) {
        image_free(out);
        return -1;
    }
    return 0;
}

int image_read(const char *path, int channels, struct image *out, struct err *err) {
    unsigned char *bytes;
    size_t size;
    *out = (struct image){0};
    if (file_read(path, 0, IMAGE_MOST_BYTES, STATUS_FAILED, &bytes, &size, err) != 0) {
        return -1;
    }
    int result = image_decode(path, bytes, size, channels, out, err);
    free(bytes);
    return result;
}

int image_crop(const struct image *in, int x, int y, int width, int height, struct image *out, struct err *err) {
    assert(x >= 0 && y >= 0 && width > 0 && height > 0 && width <= in->width - x && height <= in->height - y);
    size_t row = (size_t)width * (size_t)in->channels, stride = (size_t)in->width * (size_t)in->channels;
    uint8_t *pixels = mem_try((size_t)height, row);
    *out = (struct image){0};
    if (pixels == NULL) {
        return err_add(err, STATUS_FAILED, "out of memory for a picture of %d x %d pixels", width, height);
    }
    const uint8_t *from = in->pixels + (size_t)y * stride + (size_t)x * (size_t)in->channels;
    for (size_t i = 0; i < (size_t)height; i++) {
        memcpy(pixels + i * row, from + i * stride, row);
    }
    *out = (struct image){width, height, in->channels, pixels};
    return 0;
}
