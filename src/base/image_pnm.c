/* PNM (image_formats.h): PBM, PGM and PPM, as text (P1 to P3) and binary (P4 to P6), up to 16 bits. */
#include "base/image_formats.h"

enum { DIGITS = 100 };          /* of a number; only a bitmap's stand side by side */

struct pnm {
    struct image_file *file;
    size_t at;
    int text, bitmap;
    uint32_t most;              /* the value of white */
};

static int is_space(int c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is_digit(int c) {
    return c >= '0' && c <= '9';
}

/* The byte at the place reached, or -1 at the end. */
static int here(const struct pnm *p) {
    return p->at < p->file->size ? p->file->bytes[p->at] : -1;
}

/* Goes behind white space and comments, which last to the end of a line. */
static void skip_space(struct pnm *p) {
    while (is_space(here(p)) || here(p) == '#') {
        if (here(p) == '#') {
            while (here(p) >= 0 && here(p) != '\n' && here(p) != '\r') {
                p->at++;
            }
        } else {
            p->at++;
        }
    }
}

/* A number of at most `digits` digits, at most 65535. */
static int take_number(struct pnm *p, int digits, uint32_t *value) {
    skip_space(p);
    if (!is_digit(here(p))) {
        return here(p) < 0 ? image_refuse(p->file, "the PNM is cut off: it has %zu bytes", p->file->size)
                           : image_refuse(p->file, "corrupt PNM: no number at byte %zu", p->at);
    }
    for (*value = 0; digits > 0 && is_digit(here(p)); digits--, p->at++) {
        *value = *value * 10 + (uint32_t)(here(p) - '0');
        if (*value > 65535) {
            return image_refuse(p->file, "corrupt PNM: a number above 65535 at byte %zu", p->at);
        }
    }
    return 0;
}

/* As 0..255, rounded. */
static uint8_t scale(const struct pnm *p, uint32_t value) {
    return value >= p->most ? 255 : (uint8_t)((value * 255 + p->most / 2) / p->most);
}

static int take_text(struct pnm *p, uint8_t *to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t value;
        if (take_number(p, p->bitmap ? 1 : DIGITS, &value) != 0) {
            return -1;
        }
        to[i] = p->bitmap ? value == 0 ? 255 : 0 : scale(p, value);   /* a bitmap's 1 is black */
    }
    return 0;
}

static void take_binary(const struct pnm *p, uint8_t *to, size_t row, size_t height) {
    const unsigned char *from = p->file->bytes + p->at;
    if (p->bitmap) {
        for (size_t y = 0; y < height; y++) {
            for (size_t x = 0; x < row; x++) {
                to[y * row + x] = from[y * ((row + 7) / 8) + x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
            }
        }
        return;
    }
    for (size_t i = 0; i < row * height; i++) {
        to[i] = scale(p, p->most > 255 ? image_be16(from + 2 * i) : from[i]);
    }
}

int image_pnm_read(struct image_file *file, struct image *out) {
    int kind = file->bytes[1] - '0';
    struct pnm p = {.file = file, .at = 2, .text = kind <= 3, .bitmap = kind == 1 || kind == 4, .most = 1};
    uint32_t width, height;
    size_t channels = kind == 3 || kind == 6 ? 3 : 1;
    if (take_number(&p, DIGITS, &width) != 0 || take_number(&p, DIGITS, &height) != 0 ||
        (!p.bitmap && take_number(&p, DIGITS, &p.most) != 0)) {
        return -1;
    }
    if (p.most == 0 || (!p.text && !is_space(here(&p)))) {
        return image_refuse(file, "corrupt PNM: its header ends with a bad number at byte %zu", p.at);
    }
    if (image_check_size(file, width, height) != 0) {
        return -1;
    }
    p.at += !p.text;   /* one character of white space, then samples */
    size_t row = width * channels, line = p.bitmap ? (row + 7) / 8 : p.most > 255 ? 2 * row : row;
    if (p.text ? file->size < row * height : line * height > file->size - p.at) {
        return image_refuse(file, "the PNM is cut off: %zu bytes can't hold %u x %u pixels", file->size,
                            (unsigned)width, (unsigned)height);
    }
    if (image_make(file, width, height, (int)channels, out) != 0) {
        return -1;
    }
    if (!p.text) {
        take_binary(&p, out->pixels, row, height);
    } else if (take_text(&p, out->pixels, row * height) != 0) {
        image_free(out);
        return -1;
    }
    return 0;
}
