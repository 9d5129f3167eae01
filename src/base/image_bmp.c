/* BMP (image_formats.h): uncompressed, 1 to 32 bits a pixel, with a palette or masks, bottom-up or top-down. */
#include <string.h>

#include "base/image_formats.h"

enum { FILE_HEADER = 14, OLD_HEADER = 12, NEW_HEADER = 40, MASKS = FILE_HEADER + NEW_HEADER };

struct bmp {
    const unsigned char *rows;
    size_t stride;                  /* bytes of a row */
    int bits, top_down;
    uint32_t mask[3];               /* red, green, blue; of 16 and 32 bits */
    uint8_t palette[256][3];
};

static int cut_off(const struct image_file *file) {
    return image_refuse(file, "the BMP is cut off: it has %zu bytes", file->size);
}

/* The width and height, and what the pixels are. */
static int take_header(const struct image_file *file, struct bmp *b, size_t *width, size_t *height,
                       uint32_t *compression) {
    const unsigned char *at = file->bytes;
    if (file->size < FILE_HEADER + OLD_HEADER) {
        return cut_off(file);
    }
    uint32_t header = image_le32(at + FILE_HEADER);
    if (header == OLD_HEADER) {
        *width = image_le16(at + 18);
        *height = image_le16(at + 20);
        b->bits = (int)image_le16(at + 24);
        return 0;
    }
    if (header < NEW_HEADER || header > 256) {
        return image_refuse(file, "a BMP with a header of %u bytes is not known", (unsigned)header);
    }
    if (file->size < FILE_HEADER + (size_t)header) {
        return cut_off(file);
    }
    uint32_t down = image_le32(at + 22);
    b->top_down = down > INT32_MAX;
    *width = image_le32(at + 18);
    *height = b->top_down ? 0u - down : down;
    b->bits = (int)image_le16(at + 28);
    *compression = image_le32(at + 30);
    return 0;
}

/* Red, green and blue of 16 and 32 bits: the usual ones, or the file's. */
static int take_masks(const struct image_file *file, struct bmp *b, uint32_t compression) {
    enum { PLAIN = 0, MASKED = 3, MASKED_ALPHA = 6 };
    static const uint32_t usual[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    int deep = b->bits == 16 || b->bits == 32;
    memcpy(b->mask, usual[b->bits == 32], sizeof b->mask);
    if (compression == PLAIN) {
        return 0;
    }
    if (!deep || (compression != MASKED && compression != MASKED_ALPHA)) {
        return image_refuse(file, "a compressed BMP (kind %u) is not supported", (unsigned)compression);
    }
    if (file->size < MASKS + 12) {
        return cut_off(file);
    }
    for (int i = 0; i < 3; i++) {
        uint32_t mask = b->mask[i] = image_le32(file->bytes + MASKS + 4 * i);
        uint32_t run = mask == 0 ? 0 : mask >> __builtin_ctz(mask);
        if (mask == 0 || (run & (run + 1)) != 0 || (b->bits == 16 && mask > 0xffff)) {
            return image_refuse(file, "corrupt BMP: the colour mask 0x%x", (unsigned)mask);
        }
    }
    return 0;
}

/* Where the pixels begin: behind the headers, and behind the masks that stand there. A header of more than 40 bytes holds them itself. */
static size_t headers_end(const struct image_file *file, uint32_t compression) {
    size_t header = image_le32(file->bytes + FILE_HEADER), end = FILE_HEADER + header;
    return header == NEW_HEADER && compression != 0 ? end + 12 : end;
}

/* The palette lies between the headers and the pixels, which begin at `rows`. */
static void take_palette(const struct image_file *file, struct bmp *b, size_t rows) {
    uint32_t header = image_le32(file->bytes + FILE_HEADER);
    size_t entry = header == OLD_HEADER ? 3 : 4, at = FILE_HEADER + header, count = (size_t)1 << b->bits;
    image_palette_grey(b->palette);
    for (size_t i = 0; i < count && rows >= at + entry; i++, at += entry) {
        for (int c = 0; c < 3; c++) {
            b->palette[i][c] = file->bytes[at + 2 - (size_t)c];
        }
    }
}

static uint8_t masked(uint32_t pixel, uint32_t mask) {
    int shift = __builtin_ctz(mask);
    return image_scale((pixel & mask) >> shift, mask >> shift);
}

static void take_row(const struct bmp *b, const unsigned char *row, size_t width, uint8_t *to) {
    size_t bytes = (size_t)b->bits / 8;
    for (size_t x = 0; x < width; x++, to += 3) {
        if (b->bits <= 8) {
            size_t bit = x * (size_t)b->bits;
            int index = row[bit / 8] >> (8 - b->bits - (int)(bit % 8)) & ((1 << b->bits) - 1);
            memcpy(to, b->palette[index], 3);
        } else if (b->bits == 24) {
            to[0] = row[3 * x + 2];
            to[1] = row[3 * x + 1];
            to[2] = row[3 * x];
        } else {
            uint32_t pixel = b->bits == 16 ? image_le16(row + bytes * x) : image_le32(row + bytes * x);
            for (int c = 0; c < 3; c++) {
                to[c] = masked(pixel, b->mask[c]);
            }
        }
    }
}

int image_bmp_read(struct image_file *file, struct image *out) {
    struct bmp b = {0};
    size_t width = 0, height = 0;
    uint32_t compression = 0;
    if (take_header(file, &b, &width, &height, &compression) != 0) {
        return -1;
    }
    if (b.bits != 1 && b.bits != 4 && b.bits != 8 && b.bits != 16 && b.bits != 24 && b.bits != 32) {
        return image_refuse(file, "corrupt BMP: %d bits a pixel", b.bits);
    }
    if (take_masks(file, &b, compression) != 0 || image_check_size(file, width, height) != 0) {
        return -1;
    }
    size_t rows = image_le32(file->bytes + 10);
    if (rows < headers_end(file, compression)) {
        return image_refuse(file, "corrupt BMP: the pixels begin at byte %zu, within the headers", rows);
    }
    b.stride = (width * (size_t)b.bits + 31) / 32 * 4;
    if (rows > file->size || b.stride * height > file->size - rows) {
        return cut_off(file);
    }
    if (b.bits <= 8) {
        take_palette(file, &b, rows);
    }
    if (image_make(file, width, height, 3, out) != 0) {
        return -1;
    }
    for (size_t y = 0; y < height; y++) {
        size_t line = b.top_down ? y : height - 1 - y;
        take_row(&b, file->bytes + rows + line * b.stride, width, out->pixels + 3 * y * width);
    }
    return 0;
}
