/* From pictures to numbers: values by hand, sizes, channels, what is refused. */
#include "data_fixture.h"

static struct preprocess read_preprocess(const char *data, struct shape input, int expected) {
    struct bench b;
    struct preprocess p;
    bench_make(&b, "", data, input, 0);
    assert_int_equal(preprocess_read(&p, b.graph.data, input, &b.err), expected);
    bench_free(&b);
    return p;
}

static void refused(const char *data, struct shape input, const char *part) {
    struct bench b;
    struct preprocess p;
    bench_make(&b, "", data, input, 0);
    assert_int_equal(preprocess_read(&p, b.graph.data, input, &b.err), -1);
    assert_true(says(&b.err, part));
    bench_free(&b);
}

static void defaults(void **state) {
    (void)state;
    struct preprocess p;
    struct err err = {0};
    assert_int_equal(preprocess_read(&p, NULL, colour_32, &err), 0);
    assert_int_equal(p.color, COLOR_RGB);
    assert_int_equal(p.resize, RESIZE_CROP);
    assert_true(p.range == 1 && p.mean[2] == 0 && p.std[2] == 1);
    assert_int_equal(preprocess_channels(&p), 3);
    assert_int_equal(preprocess_read(&p, NULL, grey_28, &err), 0);
    assert_int_equal(p.color, COLOR_GREY);
    assert_int_equal(preprocess_channels(&p), 1);
}

/* Vectors and sequences of them take square pictures. */
static void flat_inputs(void **state) {
    (void)state;
    static const struct {
        struct shape input;
        int c, h, w;
    } cases[] = {
        {{1, 784, 1, 1}, 1, 28, 28}, {{1, 3072, 1, 1}, 3, 32, 32}, {{28, 28, 1, 1}, 1, 28, 28},
        {{1, 10, 1, 1}, 10, 1, 1},   {{1, 3, 1, 1}, 3, 1, 1},      {{1, 1, 1, 1}, 1, 1, 1},
        {{1, 3, 8, 1}, 3, 8, 1},     {{2, 3, 8, 8}, 6, 8, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct preprocess p = read_preprocess("", cases[i].input, 0);
        assert_int_equal(p.channels, cases[i].c);
        assert_int_equal(p.height, cases[i].h);
        assert_int_equal(p.width, cases[i].w);
    }
}

static void settings(void **state) {
    (void)state;
    struct preprocess p = read_preprocess("mean=0.5\nstd = 0.1, 0.2,0.3\ncolor=bgr\nresize=letterbox", colour_32, 0);
    assert_true(p.mean[0] == 0.5 && p.mean[2] == 0.5 && p.std[0] == 0.1 && p.std[2] == 0.3);
    assert_int_equal(p.color, COLOR_BGR);
    assert_int_equal(p.resize, RESIZE_LETTERBOX);
    p = read_preprocess("mean=auto\nstd=0.2", colour_32, 1);
    assert_true(p.mean[0] == 0 && p.mean[2] == 0 && p.std[2] == 0.2);
    p = read_preprocess("std=auto", colour_32, 1);
    assert_true(p.std[0] == 1 && p.std[2] == 1);
}

static void refusals(void **state) {
    (void)state;
    refused("mean=1,2", colour_32, "found 2");
    refused("mean=x", colour_32, "mean: want auto or numbers");
    refused("std=0", colour_32, "std: want auto or numbers above 0");
    refused("std=1,-1,1", colour_32, "found \"-1\"");
    refused("mean=auto,1,2", colour_32, "found \"auto\"");
    refused("color=grey", colour_32, "color: want rgb or bgr");
    refused("color=rgb", grey_28, "color: want grey");
}

static void values(void **state) {
    (void)state;
    struct shape shape = {1, 3, 1, 2};
    struct preprocess p = read_preprocess("range=255\nmean=104,117,123\nstd=2\ncolor=bgr", shape, 0);
    const uint8_t planar[] = {1, 2, 30, 40, 200, 250}, interleaved[] = {1, 30, 200, 2, 40, 250};
    const float wanted[] = {(200 - 104) / 2.f, (250 - 104) / 2.f, (30 - 117) / 2.f,
                            (40 - 117) / 2.f,  (1 - 123) / 2.f,   (2 - 123) / 2.f};
    float got[6];
    preprocess_pixels(&p, planar, 1, got);
    assert_memory_equal(got, wanted, sizeof wanted);
    memset(got, 0, sizeof got);
    preprocess_pixels(&p, interleaved, 0, got);
    assert_memory_equal(got, wanted, sizeof wanted);
}

/* Rows of every length, both ways and with gaps, against the formula. */
static void rows(void **state) {
    (void)state;
    uint8_t pixels[400];
    float got[100];
    struct affine a = {1 / 255.f, -0.25f};
    for (int i = 0; i < 400; i++) {
        pixels[i] = (uint8_t)(i * 37 + i / 7);
    }
    static const ptrdiff_t steps[] = {1, -1, 3, -3};
    for (size_t s = 0; s < 4; s++) {
        for (size_t count = 0; count <= 70; count++) {
            const uint8_t *from = pixels + (steps[s] > 0 ? 5 : 300);
            got[count] = 99;
            preprocess_row(a, from, steps[s], count, got);
            for (size_t i = 0; i < count; i++) {
                assert_true(got[i] == (float)from[(ptrdiff_t)i * steps[s]] * a.scale + a.offset);
            }
            assert_true(got[count] == 99);
        }
    }
}

static struct image made(int width, int height, int channels) {
    struct image image = {width, height, channels, malloc((size_t)(width * height * channels))};
    for (int i = 0; i < width * height * channels; i++) {
        image.pixels[i] = (uint8_t)(i / channels * 10 + i % channels);
    }
    return image;
}

/* Grey into colour, colour into grey. */
static void channels(void **state) {
    (void)state;
    struct err err = {0};
    struct shape colour = {1, 3, 2, 2}, grey = {1, 1, 2, 2};
    struct preprocess three = read_preprocess("range=255", colour, 0), one = read_preprocess("range=255", grey, 0);
    struct image image = made(2, 2, 1);
    float got[12];
    assert_int_equal(preprocess_image(&three, &image, got, &err), 0);
    for (int c = 0; c < 3; c++) {
        assert_true(got[4 * c] == 0 && got[4 * c + 3] == 30);
    }
    image_free(&image);
    image = made(2, 2, 3);
    memcpy(image.pixels, (const uint8_t[]){255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}, 12);
    assert_int_equal(preprocess_image(&one, &image, got, &err), 0);
    assert_true(got[0] == 76 && got[1] == 150 && got[2] == 29 && got[3] == 255);
    image_free(&image);
}

static void other_channels(void **state) {
    (void)state;
    struct err err = {0};
    struct shape five = {1, 5, 2, 2};
    struct preprocess p = read_preprocess("", five, 0);
    struct image image = made(2, 2, 3);
    float got[20];
    assert_int_equal(preprocess_image(&p, &image, got, &err), -1);
    assert_true(says(&err, "input has 5"));
    err_free(&err);
    image_free(&image);
    const uint8_t pixels[20] = {255};
    preprocess_pixels(&p, pixels, 1, got);
    assert_true(got[0] == 1 && got[19] == 0);
}

/* A picture of constant columns: which of them survive tells what was cut. */
static void sizes(void **state) {
    (void)state;
    struct err err = {0};
    struct shape square = {1, 1, 4, 4};
    struct image wide = {8, 4, 1, malloc(32)};
    for (int i = 0; i < 32; i++) {
        wide.pixels[i] = (uint8_t)(i % 8 * 10);
    }
    float got[16];
    struct preprocess p = read_preprocess("range=255\nresize=crop", square, 0);
    assert_int_equal(preprocess_image(&p, &wide, got, &err), 0);
    assert_true(got[0] == 20 && got[3] == 50 && got[15] == 50);
    p = read_preprocess("range=255\nresize=letterbox", square, 0);
    assert_int_equal(preprocess_image(&p, &wide, got, &err), 0);
    assert_true(got[0] == 128 && got[15] == 128 && got[4] < 20 && got[7] > 50 && got[11] > 50);
    p = read_preprocess("range=255\nresize=stretch", square, 0);
    assert_int_equal(preprocess_image(&p, &wide, got, &err), 0);
    assert_true(got[0] < 20 && got[3] > 50 && got[0] == got[12]);
    image_free(&wide);
}

/* A long thin picture must not grow to a giant on the way. */
static void thin(void **state) {
    (void)state;
    struct err err = {0};
    struct image image = {30000, 1, 3, calloc(90000, 1)};
    float *got = malloc(sizeof *got * 3 * 224 * 224);
    struct shape shape = {1, 3, 224, 224};
    static const char *const ways[] = {"resize=crop", "resize=stretch", "resize=letterbox"};
    for (int i = 0; i < 3; i++) {
        struct preprocess p = read_preprocess(ways[i], shape, 0);
        assert_int_equal(preprocess_image(&p, &image, got, &err), 0);
        assert_true(got[111 * 224] == 0);
    }
    free(got);
    image_free(&image);
}

/* Many channels share the last mean. */
static void many_channels(void **state) {
    (void)state;
    struct shape shape = {1, 200, 1, 1};
    struct preprocess p = read_preprocess("range=255\nmean=1", shape, 0);
    const uint8_t pixels[200] = {3, [199] = 5};
    float got[200];
    preprocess_pixels(&p, pixels, 1, got);
    assert_true(got[0] == 2 && got[100] == -1 && got[199] == 4);
    refused("mean=1,2", shape, "found 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(flat_inputs),    cmocka_unit_test(settings),
        cmocka_unit_test(refusals), cmocka_unit_test(values),         cmocka_unit_test(rows),
        cmocka_unit_test(channels), cmocka_unit_test(other_channels), cmocka_unit_test(sizes),
        cmocka_unit_test(thin),     cmocka_unit_test(many_channels),
    };
    return cmocka_run_group_tests_name("preprocess", tests, scratch_make, scratch_remove);
}
