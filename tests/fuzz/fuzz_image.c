/* Feeds arbitrary bytes to image_decode, by libFuzzer. Not part of `make test`; to build and run it:
 *
 *     clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o build/fuzz_image \
 *         tests/fuzz/fuzz_image.c src/base/image*.c src/base/err.c src/base/mem.c src/base/file.c src/base/file_writer.c -lz -pthread
 *     build/fuzz_image -max_len=4096 -max_total_time=300 build/corpus tests/fixtures/images
 *
 * What is decoded must be whole, and the same twice. PNG checksums are put right first, or nothing altered would get past them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_png(uint8_t *bytes, size_t size) {
    for (size_t at = 8; size >= 12 && at <= size - 12;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length > size - at - 12) {
            return;
        }
        uLong sum = crc32(0, bytes + at + 4, (uInt)length + 4);
        for (size_t i = 0; i < 4; i++) {
            bytes[at + 8 + length + i] = (uint8_t)(sum >> (24 - 8 * i));
        }
        at += 12 + length;
    }
}

static void decode(const uint8_t *bytes, size_t size, int channels, struct image *image) {
    struct err err = {0};
    if (image_decode("fuzz", bytes, size, channels, image, &err) == 0) {
        if (image->width < 1 || image->height < 1 || image->channels != channels || image->pixels == NULL || err.count != 0) {
            abort();
        }
    } else if (image->pixels != NULL || err.count != 1) {
        abort();
    }
    err_free(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(size > 0 ? size : 1);   /* a copy, as checksums are mended in it */
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    if (size > 8 && memcmp(bytes, "\x89PNG", 4) == 0) {
        mend_png(bytes, size);
    }
    struct image once, twice;
    int channels = size % 2 == 0 ? 1 : 3;
    decode(bytes, size, channels, &once);
    decode(bytes, size, channels, &twice);
    if (once.pixels != NULL) {
        size_t total = (size_t)once.width * (size_t)once.height * (size_t)channels;
        if (twice.pixels == NULL || memcmp(once.pixels, twice.pixels, total) != 0) {
            abort();
        }
    }
    image_free(&once);
    image_free(&twice);
    free(bytes);
    return 0;
}
