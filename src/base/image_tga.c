/* TGA (image_formats.h): palette, grey and RGB, plain or run-length coded, from any corner. */
#include <string.h>

#include "base/image_formats.h"

enum { HEADER = 18, PALETTE = 1, RGB = 2, GREY = 3, PACKED = 8, FROM_RIGHT = 0x10, FROM_TOP = 0x20 };

struct tga {
    struct image_file *file;
    size_t at;
    int kind, packed;               /* kind: PALETTE, RGB or GREY */
    size_t pixel;                   /* bytes */
    uint8_t palette[256][3];
};

static int colour_bits_fit(int bits) {
    return bits == 15 || bits == 16 || bits == 24 || bits == 32;
}

int image_tga_plausible(const unsigned char *bytes, size_t size) {
    if (size < HEADER || bytes[1] > 1) {
        return 0;
    }
    int kind = bytes[2] & ~PACKED, bits = bytes[16];
    int sized = image_le16(bytes + 12) > 0 && image_le16(bytes + 14) > 0 && (bytes[17] & 0xc0) == 0;
    int palette = bytes[1] == 1 && colour_bits_fit(bytes[7]) && image_le16(bytes + 5) > 0;
    int no_palette = bytes[1] == 0 && image_le16(bytes + 5) == 0;
    switch (kind) {
        case PALETTE: return sized && palette && bits == 8;
        case RGB: return sized && (palette || no_palette) && colour_bits_fit(bits);
        case GREY: return sized && no_palette && (bits == 8 || bits == 16);
        default: return 0;
    }
}

static int cut_off(const struct tga *t) {
    return image_refuse(t->file, "the TGA is cut off: it has %zu bytes", t->file->size);
}

/* A colour of `size` bytes at `at` as RGB: blue first; 5 bits each where there are two bytes. */
static void colour(const unsigned char *at, size_t size, uint8_t *to) {
    if (size == 2) {
        uint32_t bits = image_le16(at);
        for (int c = 0; c < 3; c++) {
            to[c] = image_scale(bits >> (10 - 5 * c) & 31, 31);
        }
        return;
    }
    for (int c = 0; c < 3; c++) {
        to[c] = at[2 - c];
    }
}

/* The palette: its entries are numbers `first` and on. */
static int take_palette(struct tga *t) {
    const unsigned char *bytes = t->file->bytes;
    size_t first = image_le16(bytes + 3), count = image_le16(bytes + 5), entry = ((size_t)bytes[7] + 7) / 8;
    if (bytes[1] == 0) {
        return 0;
    }
    if (count * entry > t->file->size - t->at) {
        return cut_off(t);
    }
    for (size_t i = 0; i < count && first + i < 256; i++) {
        colour(bytes + t->at + i * entry, entry, t->palette[first + i]);
    }
    t->at += count * entry;
    return 0;
}

/* Can the rest of the file hold so many pixels? A packet has up to 128. */
static int check_rows(const struct tga *t, size_t pixels) {
    size_t left = t->file->size - t->at;
    if (!t->packed && pixels * t->pixel > left) {
        return cut_off(t);
    }
    if (t->packed && (pixels + 127) / 128 * (1 + t->pixel) > left) {
        return image_refuse(t->file, "%zu bytes of packets can't hold %zu pixels", left, pixels);
    }
    return 0;
}

static void put_pixel(const struct tga *t, const unsigned char *at, uint8_t *to) {
    if (t->kind == GREY) {
        *to = *at;
    } else if (t->kind == PALETTE) {
        memcpy(to, t->palette[*at], 3);
    } else {
        colour(at, t->pixel, to);
    }
}

/* A packet of up to `room` pixels to `to`; returns their number, or 0 with a sentence. A packet may go on in the
 * next row. */
static size_t take_packet(struct tga *t, uint8_t *to, size_t channels, size_t room) {
    const unsigned char *bytes = t->file->bytes;
    size_t left = t->file->size - t->at, count = room, repeated = 0;
    if (t->packed) {
        int head = left > 0 ? bytes[t->at] : 0;
        count = (size_t)(head & 127) + 1;
        count = count < room ? count : room;
        repeated = head >= 128;
        t->at += left > 0;
        left -= left > 0;
    }
    size_t stored = repeated ? 1 : count;
    if (stored > left / t->pixel) {
        cut_off(t);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        put_pixel(t, bytes + t->at + (repeated ? 0 : i * t->pixel), to + i * channels);
    }
    t->at += stored * t->pixel;
    return count;
}

static void swap(uint8_t *a, uint8_t *b, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uint8_t kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

/* Rows were read as they lie: usually from the bottom, always from the corner that the header names. */
static void turn(int corner, struct image *image) {
    size_t width = (size_t)image->width, height = (size_t)image->height;
    size_t pixel = (size_t)image->channels, row = width * pixel;
    for (size_t y = 0; !(corner & FROM_TOP) && y < height / 2; y++) {
        swap(image->pixels + y * row, image->pixels + (height - 1 - y) * row, row);
    }
    for (size_t y = 0; corner & FROM_RIGHT && y < height; y++) {
        for (size_t x = 0; x < width / 2; x++) {
            swap(image->pixels + y * row + x * pixel, image->pixels + y * row + (width - 1 - x) * pixel, pixel);
        }
    }
}

int image_tga_read(struct image_file *file, struct image *out) {
    const unsigned char *bytes = file->bytes;
    struct tga t = {.file = file, .at = HEADER + (size_t)bytes[0], .pixel = ((size_t)bytes[16] + 7) / 8};
    t.kind = bytes[2] & ~PACKED;
    t.packed = bytes[2] & PACKED;
    image_palette_grey(t.palette);
    if (t.at > file->size) {
        return cut_off(&t);
    }
    if (take_palette(&t) != 0) {
        return -1;
    }
    size_t width = image_le16(bytes + 12), height = image_le16(bytes + 14), channels = t.kind == GREY ? 1 : 3;
    if (image_check_size(file, width, height) != 0 || check_rows(&t, width * height) != 0) {
        return -1;
    }
    if (image_make(file, width, height, (int)channels, out) != 0) {
        return -1;
    }
    for (size_t done = 0; done < width * height;) {
        size_t count = take_packet(&t, out->pixels + done * channels, channels, width * height - done);
        if (count == 0) {
            image_free(out);
            return -1;
        }
        done += count;
    }
    turn(bytes[17], out);
    return 0;
}
