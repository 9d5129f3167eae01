/* What the tests of preprocessing, sources, augmentation and loader share: a scratch folder, files in it, a config as
 * graph_build would leave it. */
#ifndef DLCLI_DATA_FIXTURE_H
#define DLCLI_DATA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>

#include "base/file.h"
#include "base/image.h"
#include "base/mem.h"
#include "net.h"
#include "says_fixture.h"
#include "scratch_fixture.h"
#include "sources/source.h"

/* ---- files ---- */

static inline void put_file(const char *name, const void *bytes, size_t size) {
    struct err err = {0};
    char *folder = mem_copy(name), *slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        assert_int_equal(file_make_folder(folder, &err), 0);
    }
    free(folder);
    assert_int_equal(file_write(name, bytes, size, &err), 0);
}

static inline void put_text(const char *name, const char *text) {
    put_file(name, text, strlen(text));
}

static inline void put_gzip(const char *name, const void *bytes, size_t size) {
    gzFile file = gzopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)size), (int)size);
    assert_int_equal(gzclose(file), Z_OK);
}

/* A PNG of one colour but for its first pixel, which is black. */
static inline void put_picture(const char *name, int width, int height, int channels, uint8_t value) {
    struct err err = {0};
    struct image image = {width, height, channels, malloc((size_t)(width * height * channels))};
    memset(image.pixels, value, (size_t)(width * height * channels));
    memset(image.pixels, 0, (size_t)channels);
    put_file(name, "", 0); /* for its folder */
    assert_int_equal(image_write_png(name, &image, &err), 0);
    image_free(&image);
}

/* ---- configs ---- */

struct bench {
    struct config config;
    struct graph graph;
    struct data data;
    struct err err;
};

/* net and data: the lines of the sections; data NULL: no [data]. */
static inline void bench_make(struct bench *b, const char *net, const char *data, struct shape input, int classes) {
    *b = (struct bench){0};
    char *text = mem_format("[net]\n%s\n%s%s\n", net, data != NULL ? "[data]\n" : "", data != NULL ? data : "");
    assert_int_equal(config_parse(&b->config, "test.cfg", text, strlen(text), &b->err), 0);
    free(text);
    b->graph = (struct graph){.config = &b->config, .input = input, .classes = classes, .net = &b->config.sections[0]};
    assert_int_equal(config_check(&b->config.sections[0], "net", net_tables, &b->err), 0);
    if (data != NULL) {
        b->graph.data = &b->config.sections[1];
        assert_int_equal(config_check(&b->config.sections[1], "data", data_tables, &b->err), 0);
    }
}

static inline void bench_free(struct bench *b) {
    data_close(&b->data);
    config_free(&b->config);
    err_free(&b->err);
}

enum { TRAIN = 1 << SPLIT_TRAIN, VALID = 1 << SPLIT_VALID, TEST = 1 << SPLIT_TEST };

static inline int bench_open(struct bench *b, unsigned splits, const char *spec) {
    return data_open(&b->data, &b->graph, splits, spec, 1, &b->err);
}

/* Opening must fail with a refusal that holds `part`. */
static inline void refuses(const char *net, const char *data, struct shape input, int classes, unsigned splits,
                           const char *part) {
    struct bench b;
    bench_make(&b, net, data, input, classes);
    assert_int_equal(bench_open(&b, splits, NULL), -1);
    assert_int_equal(b.err.status, STATUS_REFUSED);
    assert_true(says(&b.err, part));
    bench_free(&b);
}

static const struct shape colour_32 = {1, 3, 32, 32}, grey_28 = {1, 1, 28, 28};

#endif
