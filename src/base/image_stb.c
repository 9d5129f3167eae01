/* The only file that includes stb: decodes what image_png.c and image_jpeg.c have checked, and packs PNG.
 *
 * stb_image as Debian 12 ships it reads and writes out of bounds on corrupt streams (Huffman tables of more than 256
 * codes, symbols beyond the data), and takes half a picture for a whole one. So it never sees a file: its readers
 * check the whole stream and hand over a copy of only what belongs to the picture. Its assertions stay on: one that
 * fails is a hole in our check. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/image_formats.h"
#include "base/mem.h"

/* stb's compressor is slow and packs badly; zlib's is at hand. NULL on want of memory. */
static unsigned char *deflate_all(unsigned char *bytes, int size, int *packed, int level) {
    uLongf room = compressBound((uLong)size);
    unsigned char *out = room <= INT_MAX ? malloc(room) : NULL;
    if (out != NULL && compress2(out, &room, bytes, (uLong)size, level) != Z_OK) {
        free(out);
        out = NULL;
    }
    *packed = out == NULL ? 0 : (int)room;
    return out;
}

/* Zeroed memory: whatever stb forgets to write is at least the same in every run. */
#define STBI_MALLOC(size) calloc(1, (size))
#define STBI_REALLOC(block, size) realloc((block), (size))
#define STBI_FREE(block) free(block)
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS IMAGE_MOST_SIDE
#if defined(__aarch64__)
#define STBI_NEON   /* as on x86, where stb takes SSE2 unasked: its scalar IDCT overflows int on extreme coefficients */
#endif
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

#define STBI_WRITE_NO_STDIO
#define STBIW_ZLIB_COMPRESS deflate_all
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

/* stb's pixels, 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA, into `out`, which has 1 or 3. */
static void take_pixels(const void *pixels, int channels, int deep, struct image *out) {
    const stbi_uc *shallow = pixels;
    const stbi_us *sixteen = pixels;
    size_t count = (size_t)out->width * (size_t)out->height, from = (size_t)channels, keep = (size_t)out->channels;
    uint8_t *to = out->pixels;
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < keep; c++) {
            *to++ = deep ? (uint8_t)((sixteen[i * from + c] * 255u + 32767u) / 65535u) : shallow[i * from + c];
        }
    }
}

int image_stb_decode(struct image_file *file, const unsigned char *bytes, size_t size, int deep, struct image *out) {
    int width, height, channels;
    void *pixels = NULL;
    if (size > INT_MAX) {
        return image_refuse(file, "larger than the %d bytes that are accepted", INT_MAX);
    }
    if (deep) {
        pixels = stbi_load_16_from_memory(bytes, (int)size, &width, &height, &channels, 0);
    } else {
        pixels = stbi_load_from_memory(bytes, (int)size, &width, &height, &channels, 0);
    }
    if (pixels == NULL) {
        const char *why = stbi_failure_reason();
        return image_refuse(file, "can't be decoded: %s", why == NULL ? "no reason given" : why);
    }
    int result = image_make(file, (size_t)width, (size_t)height, channels < 3 ? 1 : 3, out);
    if (result == 0) {
        take_pixels(pixels, channels, deep, out);
    }
    stbi_image_free(pixels);
    return result;
}

int image_write_png(const char *path, const struct image *image, struct err *err) {
    int size = 0, width = image->width, height = image->height;
    assert(width > 0 && width <= IMAGE_MOST_SIDE && height <= IMAGE_MOST_PIXELS / width);   /* stb counts in int */
    unsigned char *png = stbi_write_png_to_mem(image->pixels, 0, width, height, image->channels, &size);
    if (png == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for a PNG of %d x %d pixels", path, width, height);
    }
    int result = file_write(path, png, (size_t)size, err);
    free(png);
    return result;
}
