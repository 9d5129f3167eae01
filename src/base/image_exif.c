/* EXIF's orientation, the one thing in it that changes what a picture shows (image_formats.h).
 *
 * EXIF is a remark beside the picture: where it is broken, the picture is taken as it lies. */
#include <string.h>

#include "base/image_formats.h"

/* A TIFF structure; offsets in it count from its first byte. */
struct tiff { const unsigned char *at; size_t size; int big; };

static uint32_t tiff16(const struct tiff *t, size_t offset) {
    return t->big ? image_be16(t->at + offset) : image_le16(t->at + offset);
}

static uint32_t tiff32(const struct tiff *t, size_t offset) {
    return t->big ? image_be32(t->at + offset) : image_le32(t->at + offset);
}

int image_exif_orientation(const unsigned char *bytes, size_t size) {
    enum { HEADER = 8, ENTRY = 12, ORIENTATION = 0x0112, SHORT = 3 };
    struct tiff t = {bytes, size, size > 0 && bytes[0] == 'M'};
    if (size < HEADER || memcmp(bytes, t.big ? "MM\0*" : "II*\0", 4) != 0) {
        return 1;
    }
    size_t folder = tiff32(&t, 4);
    if (folder > size - 2) {
        return 1;
    }
    size_t count = tiff16(&t, folder);
    for (size_t entry = folder + 2; count > 0 && entry <= size && size - entry >= ENTRY; count--, entry += ENTRY) {
        if (tiff16(&t, entry) == ORIENTATION && tiff16(&t, entry + 2) == SHORT) {
            uint32_t value = tiff16(&t, entry + 8);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}
