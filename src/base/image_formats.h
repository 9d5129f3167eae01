/* What the readers of picture formats share: one file each, image_FORMAT.c, behind image_decode (image.c).
 *
 * stb decodes JPEG and PNG, behind readers that let only sound streams through to it; the other formats are read
 * here, since checking one is as long as reading it. */
#ifndef DLCLI_IMAGE_FORMATS_H
#define DLCLI_IMAGE_FORMATS_H

#include "base/image.h"

/* A file being decoded. */
struct image_file {
    const char *name;             /* for sentences */
    const unsigned char *bytes;
    size_t size;
    int orientation;              /* EXIF's, 1..8; a reader that finds one sets it */
    struct err *err;
};

/* Readers: the whole picture in its own number of channels (1 or 3), or -1 with a sentence and `out` empty. */
typedef int image_reader(struct image_file *file, struct image *out);
image_reader image_png_read, image_jpeg_read, image_bmp_read, image_gif_read, image_pnm_read, image_tga_read;

/* Is this a TGA's header? The format has no magic number, so every field must make sense. */
int image_tga_plausible(const unsigned char *bytes, size_t size);

/* "NAME: SENTENCE". Returns -1. */
int image_refuse(const struct image_file *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Refuses sides and areas beyond image.h's limits, and ones that no file of this size can hold. */
int image_check_size(const struct image_file *file, size_t width, size_t height);

/* image_check_size, and black pixels. */
int image_make(const struct image_file *file, size_t width, size_t height, int channels, struct image *out);

/* stb's decoders on a stream that a reader has checked: `out` has stb's pixels without alpha, 16 bits rounded to 8
 * where `deep`. */
int image_stb_decode(struct image_file *file, const unsigned char *bytes, size_t size, int deep, struct image *out);

/* The orientation in a TIFF structure (the body of JPEG's Exif segment, PNG's eXIf chunk); 1 where there is none or
 * it makes no sense. */
int image_exif_orientation(const unsigned char *tiff, size_t size);

/* A palette before the file's own entries: grey, so that an index beyond them has a colour too (PIL's choice). */
void image_palette_grey(uint8_t palette[256][3]);

/* `bits` wide `value` as 0..255. */
static inline uint8_t image_scale(uint32_t value, uint32_t most) {
    return (uint8_t)((uint64_t)value * 255 / most);
}

static inline uint32_t image_le16(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t image_le32(const unsigned char *at) {
    return image_le16(at) | image_le16(at + 2) << 16;
}

static inline uint32_t image_be16(const unsigned char *at) {
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t image_be32(const unsigned char *at) {
    return image_be16(at) << 16 | image_be16(at + 2);
}

#endif
