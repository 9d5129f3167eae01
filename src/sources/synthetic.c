/* Pictures out of nothing, for tests and benchmarks: each class has a pattern of coloured blocks, each picture noise
 * over it. The same pictures every time, and no two alike. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/rng.h"
#include "sources/parts.h"

enum { BLOCKS = 4, BLOCKS_OF_CHANNEL = BLOCKS * BLOCKS, OTHERWISE_CLASSES = 10 };

/* A test picture's noise comes from numbers that no training picture uses. */
struct synthetic {
    uint64_t first;
};

static int synthetic_open(struct source *source, enum split split, struct err *err) {
    struct synthetic *own = mem_need(1, sizeof *own);
    long count = config_int(source->section, "count");
    source->own = own;
    if (source->path != NULL && number_int(source->path, 1, INT_MAX, &count) != 0) {
        return err_add(err, STATUS_REFUSED, "synthetic: want a number of pictures, found \"%s\"", source->path);
    }
    own->first = split == SPLIT_TEST ? (uint64_t)1 << 32 : 0;
    source->count = (size_t)(split == SPLIT_TEST && !source->whole ? (count + 3) / 4 : count);
    source->channels = source->want.c;
    source->height = source->want.h;
    source->width = source->want.w;
    source->classes = source->classes > 0 ? source->classes : source->outputs > 0 ? source->outputs : OTHERWISE_CLASSES;
    return 0;
}

static int synthetic_label(const struct source *source, size_t index) {
    return (int)(index % (size_t)source->classes);
}

/* One row: three quarters of the range for the noise, the pattern moves it by a quarter. */
static void fill_row(const uint32_t blocks[BLOCKS], int width, struct rng *noise, uint8_t *row) {
    uint32_t bytes = 0;
    for (int x = 0; x < width; x++) {
        bytes = x % 4 == 0 ? rng_u32(noise) : bytes >> 8;
        row[x] = (uint8_t)((blocks[(long)x * BLOCKS / width] >> 26) + (bytes & 255) * 3 / 4);
    }
}

static int synthetic_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    const struct synthetic *own = source->own;
    int c = source->want.c, h = source->want.h, w = source->want.w, label = synthetic_label(source, index);
    uint8_t *pixels = malloc((size_t)c * (size_t)h * (size_t)w);
    if (pixels == NULL) {
        return err_add(err, STATUS_FAILED, "synthetic: out of memory for a picture of %dx%dx%d", c, h, w);
    }
    struct rng noise = rng_make(0, RNG_SYNTHETIC, (uint64_t)1 << 40 | (own->first + index));
    struct rng pattern = rng_make(0, RNG_SYNTHETIC, (uint64_t)label);
    for (int k = 0; k < c; k++) {
        uint32_t blocks[BLOCKS_OF_CHANNEL];
        for (int i = 0; i < BLOCKS_OF_CHANNEL; i++) {
            blocks[i] = rng_u32(&pattern);
        }
        for (int y = 0; y < h; y++) {
            fill_row(blocks + (long)y * BLOCKS / h * BLOCKS, w, &noise,
                     pixels + ((size_t)k * (size_t)h + (size_t)y) * (size_t)w);
        }
    }
    *sample = (struct sample){
        .planar = 1, .channels = c, .height = h, .width = w, .pixels = pixels, .label = label, .owned = pixels};
    return 0;
}

static const char *synthetic_name(const struct source *source, size_t index, char *buffer, size_t size) {
    (void)source;
    snprintf(buffer, size, "synthetic[%zu]", index);
    return buffer;
}

static void synthetic_close(struct source *source) {
    free(source->own);
    source->own = NULL;
}

const struct source_ops source_synthetic = {
    .name = "synthetic",
    .help = "Made-up pictures of the network's size, `count` of them (and a quarter as many to test on): a pattern for "
            "each class, and noise. Learnable; for tests and benchmarks.",
    .open = synthetic_open,
    .read = synthetic_read,
    .label = synthetic_label,
    .name_of = synthetic_name,
    .close = synthetic_close,
    .flags = SOURCE_HAS_TEST | SOURCE_NO_PATH,
};
