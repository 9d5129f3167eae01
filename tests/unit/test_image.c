/* Pictures: every format against PIL's pixels (fixtures/make_images.py), hostile files, turning, resizing, PNG out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/image.h"
#include "base/mem.h"

static const char fixtures[] = "tests/fixtures/images";

struct fixture { char name[40]; int width, height, tolerance; uint8_t *rgb; unsigned char *bytes; size_t size; };

enum { FIXTURES_MOST = 64 };
struct fixtures { struct fixture all[FIXTURES_MOST]; int count; };

static void load(struct fixture *f) {
    struct err err = {0};
    char *path = mem_format("%s/%s", fixtures, f->name);
    assert_int_equal(file_read(path, 0, 1 << 20, STATUS_FAILED, &f->bytes, &f->size, &err), 0);
    free(path);
}

/* Reads expected.txt: name, width, height, tolerance, pixels in hexadecimal. */
static int load_all(void **state) {
    struct fixtures *fixture = mem_need(1, sizeof *fixture);
    char *path = mem_format("%s/expected.txt", fixtures);
    FILE *file = fopen(path, "r");
    free(path);
    assert_non_null(file);
    struct fixture f = {0};
    while (fscanf(file, "%39s %d %d %d ", f.name, &f.width, &f.height, &f.tolerance) == 4) {
        size_t count = (size_t)f.width * (size_t)f.height * 3;
        f.rgb = mem_need(count, 1);
        for (size_t i = 0; i < count; i++) {
            unsigned value;
            assert_int_equal(fscanf(file, "%2x", &value), 1);
            f.rgb[i] = (uint8_t)value;
        }
        load(&f);
        assert_true(fixture->count < FIXTURES_MOST);
        fixture->all[fixture->count++] = f;
    }
    fclose(file);
    assert_true(fixture->count >= 28);
    *state = fixture;
    return 0;
}

static int free_all(void **state) {
    struct fixtures *fixture = *state;
    for (int i = 0; i < fixture->count; i++) {
        free(fixture->all[i].rgb);
        free(fixture->all[i].bytes);
    }
    free(fixture);
    return 0;
}

static const struct fixture *find(void **state, const char *name) {
    const struct fixtures *fixture = *state;
    for (int i = 0; i < fixture->count; i++) {
        if (strcmp(fixture->all[i].name, name) == 0) {
            return &fixture->all[i];
        }
    }
    fail_msg("no fixture %s", name);
    return NULL;
}

static struct image decode(const unsigned char *bytes, size_t size, int channels) {
    struct err err = {0};
    struct image image;
    if (image_decode("it", bytes, size, channels, &image, &err) != 0) {
        fail_msg("%s", err.sentences[0]);
    }
    assert_int_equal(err.count, 0);
    assert_int_equal(image.channels, channels);
    return image;
}

/* Decoding fails with one sentence that names the file and has `part` in it. */
static void check_refused(const unsigned char *bytes, size_t size, const char *part) {
    struct err err = {0};
    struct image image;
    /* in a block of its own, so that a sanitizer sees a read beyond the end */
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    assert_int_equal(image_decode("it", copy, size, 3, &image, &err), -1);
    free(copy);
    assert_int_equal(err.count, 1);
    assert_int_equal(err.status, STATUS_FAILED);
    assert_null(image.pixels);
    if (strncmp(err.sentences[0], "it: ", 4) != 0 || strstr(err.sentences[0], part) == NULL) {
        fail_msg("\"%s\" says nothing of \"%s\"", err.sentences[0], part);
    }
    err_free(&err);
}

static void check_near(const char *what, const uint8_t *got, const uint8_t *want, size_t count, int tolerance) {
    for (size_t i = 0; i < count; i++) {
        if (abs(got[i] - want[i]) > tolerance) {
            fail_msg("%s: sample %zu is %d, want %d", what, i, got[i], want[i]);
        }
    }
}

static void test_pixels_are_pils(void **state) {
    const struct fixtures *fixture = *state;
    for (int i = 0; i < fixture->count; i++) {
        const struct fixture *f = &fixture->all[i];
        struct image image = decode(f->bytes, f->size, 3);
        assert_int_equal(image.width, f->width);
        assert_int_equal(image.height, f->height);
        check_near(f->name, image.pixels, f->rgb, (size_t)f->width * (size_t)f->height * 3, f->tolerance);
        image_free(&image);
    }
}

/* Luma of RGB as PIL computes it; grey files give their own samples. */
static void test_grey(void **state) {
    static const unsigned char ppm[] = "P6 4 1 255\n\xff\0\0\0\xff\0\0\0\xff\x0a\x14\x1e";
    static const uint8_t want[] = {76, 150, 29, 18};
    struct image image = decode(ppm, sizeof ppm - 1, 1);
    assert_memory_equal(image.pixels, want, 4);
    image_free(&image);
    const struct fixture *f = find(state, "grey.png");
    image = decode(f->bytes, f->size, 1);
    for (size_t i = 0; i < (size_t)f->width * (size_t)f->height; i++) {
        assert_int_equal(image.pixels[i], f->rgb[3 * i]);
    }
    image_free(&image);
}

/* Where EXIF's eight orientations put the corners of the stored picture: upper left, upper right, lower left, lower
 * right as it is to be seen, numbered as they are stored. */
static void test_orientations(void **state) {
    static const char *const corners[9] = {"", "0123", "1032", "3210", "2301", "0213", "2031", "3120", "1302"};
    const struct fixture *f = find(state, "turned.jpg");
    unsigned char *bytes = mem_need(f->size, 1);
    memcpy(bytes, f->bytes, f->size);
    unsigned char *exif = memmem(bytes, f->size, "\x01\x12\x00\x03", 4);   /* PIL writes big-endian */
    assert_non_null(exif);
    assert_int_equal(exif[9], 6);
    exif[9] = 1;
    struct image stored = decode(bytes, f->size, 1);
    int w = stored.width, h = stored.height;
    uint8_t at[4] = {stored.pixels[0], stored.pixels[w - 1], stored.pixels[(h - 1) * w], stored.pixels[h * w - 1]};
    for (unsigned char o = 0; o <= 9; o++) {
        exif[9] = o;   /* 0 and 9 are none: as 1 */
        struct image seen = decode(bytes, f->size, 1);
        int known = o >= 1 && o <= 8, turned = known && o >= 5, sw = seen.width, sh = seen.height;
        assert_int_equal(sw, turned ? h : w);
        assert_int_equal(sh, turned ? w : h);
        uint8_t got[4] = {seen.pixels[0], seen.pixels[sw - 1], seen.pixels[(sh - 1) * sw], seen.pixels[sh * sw - 1]};
        for (int i = 0; i < 4; i++) {
            assert_int_equal(got[i], at[corners[known ? o : 1][i] - '0']);
        }
        image_free(&seen);
    }
    image_free(&stored);
    free(bytes);
}

/* Bytes at a file's end that no pixel needs: the GIF's later frames, a TGA's footer. */
static size_t dispensable(const struct fixture *f) {
    const char *suffix = strchr(f->name, '.');
    if (strcmp(suffix, ".gif") == 0) {
        return strcmp(f->name, "frames.gif") == 0 ? 70 : 6;
    }
    return strcmp(suffix, ".tga") == 0 ? 26 : strcmp(f->name, "text.pgm") == 0 ? 2 : 0;
}

/* A picture is whole or refused. */
static void test_cut_off(void **state) {
    const struct fixtures *fixture = *state;
    for (int i = 0; i < fixture->count; i++) {
        const struct fixture *f = &fixture->all[i];
        for (size_t size = 0; size < f->size; size++) {
            struct err err = {0};
            struct image image;
            unsigned char *copy = malloc(size > 0 ? size : 1);
            assert_non_null(copy);
            memcpy(copy, f->bytes, size);
            int result = image_decode(f->name, copy, size, 3, &image, &err);
            free(copy);
            if (result == 0) {
                if (size + dispensable(f) < f->size) {
                    fail_msg("%s is taken for whole with %zu of %zu bytes", f->name, size, f->size);
                }
                check_near(f->name, image.pixels, f->rgb, (size_t)f->width * (size_t)f->height * 3, f->tolerance);
            }
            image_free(&image);
            err_free(&err);
        }
    }
}

/* Gives every chunk of a PNG the checksum of what it holds now. */
static void mend_png(unsigned char *bytes, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = 0;
        for (size_t i = 0; i < 4; i++) {
            length = length << 8 | bytes[at + i];
        }
        if (length > size - at - 12) {
            return;
        }
        uLong sum = crc32(0, bytes + at + 4, (uInt)length + 4);
        for (size_t i = 0; i < 4; i++) {
            bytes[at + 8 + length + i] = (unsigned char)(sum >> (24 - 8 * i));
        }
        at += 12 + length;
    }
}

/* Every byte of every fixture altered in several ways: a picture or a sentence, under the sanitizers nothing else. */
static void test_altered(void **state) {
    static const unsigned char flips[] = {0x01, 0x10, 0x80, 0xff};
    const struct fixtures *fixture = *state;
    for (int i = 0; i < fixture->count; i++) {
        const struct fixture *f = &fixture->all[i];
        unsigned char *bytes = mem_need(f->size, 1);
        for (size_t k = 0; k < f->size * sizeof flips; k++) {
            struct err err = {0};
            struct image image;
            memcpy(bytes, f->bytes, f->size);
            bytes[k / sizeof flips] ^= flips[k % sizeof flips];
            if (bytes[0] == 0x89) {
                mend_png(bytes, f->size);
            }
            int result = image_decode(f->name, bytes, f->size, 1, &image, &err);
            assert_int_equal(err.count, result == 0 ? 0 : 1);
            assert_int_equal(image.pixels == NULL, result != 0);
            image_free(&image);
            err_free(&err);
        }
        free(bytes);
    }
}

static void test_no_picture(void **state) {
    (void)state;
    check_refused((const unsigned char *)"", 0, "empty");
    check_refused((const unsigned char *)"hello, world, this is text", 26, "not a picture");
    check_refused((const unsigned char *)"P7\nWIDTH 1\n", 11, "not a picture");
    check_refused((const unsigned char *)"BM", 2, "cut off");
    check_refused((const unsigned char *)"GIF89a", 6, "cut off");
    check_refused((const unsigned char *)"P5", 2, "not a picture");
    check_refused((const unsigned char *)"\xff\xd8\xff", 3, "cut off");
    check_refused((const unsigned char *)"\xff\xd8\xff\xd9", 4, "no picture");
}

/* Sizes that a few bytes can't hold are refused before memory is asked for. */
static void test_sizes(void **state) {
    const struct fixture *png = find(state, "rgb.png"), *jpg = find(state, "rgb.jpg"), *bmp = find(state, "rgb.bmp");
    unsigned char *bytes = mem_need(2000, 1);
    memcpy(bytes, png->bytes, png->size);
    bytes[16] = 0x80;
    mend_png(bytes, png->size);
    check_refused(bytes, png->size, "too many");
    bytes[16] = 0;
    bytes[18] = bytes[22] = 0x10;   /* 4107 x 4102: few enough, but not in 217 bytes */
    mend_png(bytes, png->size);
    check_refused(bytes, png->size, "can't hold");
    bytes[18] = bytes[19] = 0;
    mend_png(bytes, png->size);
    check_refused(bytes, png->size, "empty");
    memcpy(bytes, jpg->bytes, jpg->size);
    unsigned char *frame = memmem(bytes, jpg->size, "\xff\xc0", 2);
    assert_non_null(frame);
    frame[5] = 0x7f;
    check_refused(bytes, jpg->size, "can't hold");
    memcpy(bytes, bmp->bytes, bmp->size);
    memcpy(bytes + 22, "\0\0\0\x80", 4);   /* -2^31 rows */
    check_refused(bytes, bmp->size, "too many");
    check_refused((const unsigned char *)"P5 30000 30000 255\n", 19, "too many");
    check_refused((const unsigned char *)"P5 3000 3000 255\n", 17, "can't hold");
    check_refused((const unsigned char *)"P5 99999999999999999999 1 255\n", 30, "65535");
    memset(bytes, 0, 2000);
    memcpy(bytes, "\0\0\x0b\0\0\0\0\0\0\0\0\0\0\x04\0\x04\x08", 17);   /* a grey TGA of 1024 x 1024 in packets: 128 pixels in two bytes */
    check_refused(bytes, 2000, "1982 bytes of packets can't hold 1048576 pixels");
    free(bytes);
}

/* Rows that begin within the headers, or in the masks behind them. */
static void test_bmp_offsets(void **state) {
    static const struct { const char *name; unsigned char least; } files[] = {{"rgb.bmp", 54}, {"palette.bmp", 54}, {"masks.bmp", 66}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const struct fixture *f = find(state, files[i].name);
        unsigned char *bytes = mem_need(f->size, 1);
        memcpy(bytes, f->bytes, f->size);
        bytes[11] = 0;
        for (int rows = 0; rows < files[i].least; rows++) {
            bytes[10] = (unsigned char)rows;
            check_refused(bytes, f->size, "within the headers");
        }
        bytes[10] = files[i].least;
        struct image image = decode(bytes, f->size, 3);
        image_free(&image);
        free(bytes);
    }
}

/* What stb would decode to grey below the cut: data that end early, with an end marker put behind them. */
static void test_half_jpegs(void **state) {
    static const char *const names[] = {"rgb.jpg", "restart.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct fixture *f = find(state, names[i]);
        unsigned char *bytes = mem_need(f->size, 1);
        memcpy(bytes, f->bytes, f->size);
        bytes[f->size - 12] = 0xff;
        bytes[f->size - 11] = 0xd9;
        check_refused(bytes, f->size - 10, "JPEG");
        free(bytes);
    }
}

/* Four components that nobody says to be inks. */
static void test_inks(void **state) {
    const struct fixture *f = find(state, "cmyk.jpg");
    unsigned char *bytes = mem_need(f->size, 1), *name;
    memcpy(bytes, f->bytes, f->size);
    name = memmem(bytes, f->size, "Adobe", 5);
    assert_non_null(name);
    name[11] = 1;
    check_refused(bytes, f->size, "doesn't call CMYK or YCCK");
    name[0] = 'X';
    check_refused(bytes, f->size, "doesn't call CMYK or YCCK");
    free(bytes);
}

/* A Huffman table of 256 codes of 8 bits: sound, but stb loses count of it; and one with more codes than bits. */
static void test_hostile_huffman(void **state) {
    const struct fixture *f = find(state, "grey.jpg");
    unsigned char *bytes = mem_need(f->size + 300, 1), table[300] = {0xff, 0xc4, 1, 0x13, 0x10};
    const unsigned char *scan = memmem(f->bytes, f->size, "\xff\xda", 2);
    assert_non_null(scan);
    size_t before = (size_t)(scan - f->bytes), length = 4 + 1 + 16 + 256;
    for (int i = 0; i < 256; i++) {
        table[21 + i] = (unsigned char)i;
    }
    table[5 + 7] = 255;
    table[5 + 8] = 1;
    memcpy(bytes, f->bytes, before);
    memcpy(bytes + before, table, length);
    memcpy(bytes + before + length, scan, f->size - before);
    check_refused(bytes, f->size + length, "a Huffman table");
    bytes[before + 5 + 8] = 0;      /* 255 codes of 1 bit */
    bytes[before + 5 + 7] = 0;
    bytes[before + 5] = 255;
    bytes[before + 3] = 0x12;
    check_refused(bytes, f->size + length, "no code");
    free(bytes);
}

static void test_hostile_png(void **state) {
    const struct fixture *f = find(state, "palette.png");
    unsigned char *bytes = mem_need(f->size, 1);
    memcpy(bytes, f->bytes, f->size);
    unsigned char *palette = memmem(bytes, f->size, "PLTE", 4), *data = memmem(bytes, f->size, "IDAT", 4);
    assert_non_null(palette);
    assert_non_null(data);
    bytes[20] ^= 1;
    check_refused(bytes, f->size, "checksum");
    bytes[20] ^= 1;
    memcpy(palette, "XLTE", 4);
    mend_png(bytes, f->size);
    check_refused(bytes, f->size, "XLTE");
    memcpy(palette, "xLTE", 4);
    mend_png(bytes, f->size);
    check_refused(bytes, f->size, "no palette");
    memcpy(palette, "PLTE", 4);
    data[10] ^= 0xff;
    mend_png(bytes, f->size);
    check_refused(bytes, f->size, "pixel");
    free(bytes);
}

static struct image make(int width, int height, int channels, const uint8_t *pixels) {
    struct image image = {width, height, channels, mem_need((size_t)width * (size_t)height, (size_t)channels)};
    memcpy(image.pixels, pixels, (size_t)width * (size_t)height * (size_t)channels);
    return image;
}

static void check_resized(int w, int h, const uint8_t *pixels, int to_w, int to_h, const uint8_t *want) {
    struct err err = {0};
    struct image in = make(w, h, 1, pixels), out;
    assert_int_equal(image_resize(&in, to_w, to_h, &out, &err), 0);
    assert_int_equal(out.width, to_w);
    assert_int_equal(out.height, to_h);
    assert_int_equal(out.channels, 1);
    check_near("resized", out.pixels, want, (size_t)to_w * (size_t)to_h, 0);
    image_free(&in);
    image_free(&out);
}

/* By hand. 4 -> 2: the triangle reaches two inputs to each side of 1 and 3, so the weights are 3/7, 3/7, 1/7, 0 and its
 * mirror image. 2 -> 4: the centres lie at 1/4, 3/4, 5/4, 7/4, so 1, 3/4 + 1/4, 1/4 + 3/4, 1. */
static void test_resize(void **state) {
    static const uint8_t four[] = {0, 70, 140, 210}, two[] = {50, 160}, ends[] = {0, 100}, grown[] = {0, 25, 75, 100};
    (void)state;
    check_resized(4, 1, four, 2, 1, two);
    check_resized(1, 4, four, 1, 2, two);
    check_resized(2, 1, ends, 4, 1, grown);
    check_resized(1, 2, ends, 1, 4, grown);
    check_resized(4, 1, four, 4, 1, four);
    check_resized(2, 2, four, 1, 1, (const uint8_t[]){105});
    check_resized(1, 1, two, 2, 2, (const uint8_t[]){50, 50, 50, 50});
}

static void test_resize_keeps_white(void **state) {
    struct err err = {0};
    struct image in = {37, 23, 3, mem_need(37 * 23, 3)}, out;
    (void)state;
    memset(in.pixels, 255, (size_t)37 * 23 * 3);
    for (int side = 1; side < 60; side += 7) {
        assert_int_equal(image_resize(&in, side, 61 - side, &out, &err), 0);
        for (int i = 0; i < 3 * side * (61 - side); i++) {
            assert_int_equal(out.pixels[i], 255);
        }
        image_free(&out);
    }
    image_free(&in);
}

/* Channels don't mix: each is what it would be alone. */
static void test_resize_channels(void **state) {
    const struct fixture *f = find(state, "rgb.png");
    struct err err = {0};
    struct image rgb = decode(f->bytes, f->size, 3), small;
    assert_int_equal(image_resize(&rgb, 7, 9, &small, &err), 0);
    for (size_t c = 0; c < 3; c++) {
        struct image plane = {rgb.width, rgb.height, 1, mem_need((size_t)rgb.width, (size_t)rgb.height)}, alone;
        for (size_t i = 0; i < (size_t)rgb.width * (size_t)rgb.height; i++) {
            plane.pixels[i] = rgb.pixels[3 * i + c];
        }
        assert_int_equal(image_resize(&plane, 7, 9, &alone, &err), 0);
        for (size_t i = 0; i < 7 * 9; i++) {
            assert_int_equal(small.pixels[3 * i + c], alone.pixels[i]);
        }
        image_free(&plane);
        image_free(&alone);
    }
    image_free(&rgb);
    image_free(&small);
}

static void test_crop(void **state) {
    static const uint8_t nine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, want[] = {5, 6, 8, 9};
    struct err err = {0};
    struct image in = make(3, 3, 1, nine), out;
    (void)state;
    assert_int_equal(image_crop(&in, 1, 1, 2, 2, &out, &err), 0);
    assert_int_equal(out.width, 2);
    assert_int_equal(out.height, 2);
    assert_memory_equal(out.pixels, want, 4);
    image_free(&in);
    image_free(&out);
}

static void test_write_png(void **state) {
    char folder[] = "/tmp/dlcli-image-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = mem_format("%s/it.png", folder), *nowhere = mem_format("%s/none/it.png", folder);
    struct err err = {0};
    for (int channels = 1; channels <= 3; channels += 2) {
        const struct fixture *f = find(state, "rgb.png");
        struct image image = decode(f->bytes, f->size, channels), again;
        assert_int_equal(image_write_png(path, &image, &err), 0);
        assert_int_equal(image_read(path, channels, &again, &err), 0);
        assert_int_equal(again.width, image.width);
        assert_int_equal(again.height, image.height);
        assert_memory_equal(again.pixels, image.pixels, (size_t)image.width * (size_t)image.height * (size_t)channels);
        assert_int_equal(image_write_png(nowhere, &image, &err), -1);
        assert_int_equal(err.count, 1);
        err_free(&err);
        image_free(&image);
        image_free(&again);
    }
    assert_int_equal(image_read(folder, 3, &(struct image){0}, &err), -1);
    assert_int_equal(err.status, STATUS_FAILED);
    err_free(&err);
    assert_int_equal(unlink(path) | rmdir(folder), 0);
    free(path);
    free(nowhere);
}

/* Decodes all fixtures, in an order of its own. */
static void *decode_all(void *arg) {
    const struct fixtures *fixture = arg;
    long wrong = 0;
    for (int i = 0; i < 3 * fixture->count; i++) {
        const struct fixture *f = &fixture->all[i * 7 % fixture->count];
        struct err err = {0};
        struct image image;
        wrong += image_decode(f->name, f->bytes, f->size, 3, &image, &err) != 0;
        image_free(&image);
        wrong += image_decode(f->name, f->bytes, f->size / 2, 3, &image, &err) == 0;
        err_free(&err);
    }
    return (void *)wrong;
}

static void test_threads(void **state) {
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, decode_all, *state), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *wrong;
        assert_int_equal(pthread_join(thread[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels_are_pils), cmocka_unit_test(test_grey), cmocka_unit_test(test_orientations),
        cmocka_unit_test(test_cut_off), cmocka_unit_test(test_altered), cmocka_unit_test(test_no_picture),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_bmp_offsets), cmocka_unit_test(test_half_jpegs), cmocka_unit_test(test_inks),
        cmocka_unit_test(test_hostile_huffman),
        cmocka_unit_test(test_hostile_png), cmocka_unit_test(test_resize), cmocka_unit_test(test_resize_keeps_white),
        cmocka_unit_test(test_resize_channels), cmocka_unit_test(test_crop), cmocka_unit_test(test_write_png),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, load_all, free_all);
}
