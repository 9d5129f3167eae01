/* Pictures in memory: decoding, resizing, PNG. A picture is 8-bit, interleaved rows of `channels` (1 grey or 3 RGB).
 *
 * bytes -> a reader per format (image_formats.h) -> upright by EXIF -> the channels asked for. All functions may be
 * called from several threads at once. */
#ifndef DLCLI_IMAGE_H
#define DLCLI_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct image { int width, height, channels; uint8_t *pixels; };   /* pixels: malloc'ed, height * width * channels */

/* Grey as ITU-R BT.601 weighs it: .299, .587, .114 in 65536ths, PIL's whole numbers. */
static inline uint8_t image_grey(unsigned red, unsigned green, unsigned blue) {
    return (uint8_t)((red * 19595u + green * 38470u + blue * 7471u + 0x8000u) >> 16);
}

enum { IMAGE_MOST_SIDE = 32768, IMAGE_MOST_PIXELS = 1 << 28 };

/* Decodes PNG, JPEG, BMP, GIF (first frame), PNM (P1 to P6), TGA, recognized by content, into `channels` (1 grey, 3
 * RGB). Alpha is dropped and grey is made of RGB by ITU-R 601 luma, both as PIL's convert() does, so that a network
 * trained elsewhere sees the same pixels; 16 bits are rounded to 8; the EXIF orientation of JPEG and PNG is applied.
 * A picture is whole or refused: cut-off, corrupt or hostile content gives a sentence (STATUS_FAILED), never a
 * crash, never half a picture. `name` is for sentences. On failure `out` is empty. */
int image_decode(const char *name, const unsigned char *bytes, size_t size, int channels, struct image *out,
                 struct err *err);
int image_read(const char *path, int channels, struct image *out, struct err *err);   /* "-": stdin */
void image_free(struct image *image);

/* To width x height by a triangle filter as wide as the shrinking asks for: bilinear when growing, antialiased when
 * shrinking (PIL's BILINEAR; torchvision's with antialias). In whole numbers, so that every machine gives the same
 * bits. Sides up to IMAGE_MOST_SIDE (asserted). `out` gets its own pixels. */
int image_resize(const struct image *in, int width, int height, struct image *out, struct err *err);
/* Crops to a rectangle that must lie inside (asserted). `out` gets its own pixels. */
int image_crop(const struct image *in, int x, int y, int width, int height, struct image *out, struct err *err);

/* PNG, atomically; "-": stdout. */
int image_write_png(const char *path, const struct image *image, struct err *err);

#endif
