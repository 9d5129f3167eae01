/* Augmentation: each of its steps against what it must do, the chance behind it, and that the same sample always looks
 * the same. */
#include "data_fixture.h"

#include <math.h>

#include "sources/parts.h"

/* A config's settings, for pictures of that shape. */
struct setting {
    struct preprocess p;
    struct augment a;
};

static struct setting read_setting(const char *net, const char *data, struct shape shape) {
    struct bench b;
    struct setting s;
    bench_make(&b, net, data, shape, 0);
    assert_true(preprocess_read(&s.p, b.graph.data, shape, &b.err) >= 0);
    assert_int_equal(augment_read(&s.a, b.graph.data, b.graph.net, &s.p, &b.err), 0);
    bench_free(&b);
    return s;
}

static void refused(const char *net, const char *data, struct shape shape, const char *part) {
    struct bench b;
    struct preprocess p;
    struct augment a;
    bench_make(&b, net, data, shape, 0);
    assert_int_equal(preprocess_read(&p, b.graph.data, shape, &b.err), 0);
    assert_int_equal(augment_read(&a, b.graph.data, b.graph.net, &p, &b.err), -1);
    assert_true(says(&b.err, part));
    bench_free(&b);
}

static void settings(void **state) {
    (void)state;
    struct setting s = read_setting("", "", colour_32);
    assert_false(s.a.on);
    s = read_setting("", "flip=1\ncrop_padding=4\ncutout=8", colour_32);
    assert_true(s.a.on && s.a.flip && s.a.crop_padding == 4 && s.a.cutout == 8);
    s = read_setting("", "scale=1.25", colour_32);
    assert_true(s.a.on && s.a.scale_min == 0.8 && s.a.scale_max == 1.25);
    s = read_setting("", "scale=1.2,0.5", colour_32);
    assert_true(s.a.scale_min == 0.5 && s.a.scale_max == 1.2);
    s = read_setting("", "max_crop=40", colour_32);
    assert_true(s.a.min_crop == 32 && s.a.max_crop == 40);
    s = read_setting("", "min_crop=32", colour_32);
    assert_true(s.a.min_crop == 32 && s.a.max_crop == 64);
    refused("", "min_crop=50\nmax_crop=40", colour_32, "50, is larger than max_crop, 40");
    refused("", "scale=1,2,3", colour_32, "found 3");
    refused("", "angle=5", (struct shape){1, 4, 8, 8}, "has 4");
    refused("hue=0.1", "", (struct shape){1, 2, 8, 8}, "has 2");
}

/* darknet keeps them in [net]; [data] has the last word. */
static void darknet_keys(void **state) {
    (void)state;
    struct setting s =
        read_setting("angle=7\nhue=.1\nsaturation=.75\nexposure=.75\naspect=.75\nmin_crop=28\nmax_crop=40\nflip=1",
                     "angle=0\nexposure=1.5", colour_32);
    assert_true(s.a.angle == 0 && s.a.hue == 0.1 && s.a.saturation == 0.75 && s.a.exposure == 1.5 &&
                s.a.aspect == 0.75);
    assert_true(s.a.min_crop == 28 && s.a.max_crop == 40 && s.a.flip == 1);
    s = read_setting("saturation=0\nexposure=1", "", colour_32);
    assert_false(s.a.on);
}

/* Numbered pixels, planar. */
enum { SIDE = 32, PLANE = SIDE * SIDE };
static uint8_t numbered[3 * PLANE];

static struct sample numbered_sample(void) {
    for (int i = 0; i < 3 * PLANE; i++) {
        numbered[i] = (uint8_t)(1 + (i * 7 + i / SIDE * 3 + i / PLANE) % 255); /* never 0 */
    }
    return (struct sample){.planar = 1, .channels = 3, .height = SIDE, .width = SIDE, .pixels = numbered};
}

static int at(int c, int y, int x) {
    return y < 0 || y >= SIDE || x < 0 || x >= SIDE ? 0 : numbered[c * PLANE + y * SIDE + x];
}

/* Is `got` (0..255) the picture moved and perhaps mirrored so? */
static int is_shift(const float *got, int dx, int dy, int flip) {
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                if (got[c * PLANE + y * SIDE + x] != (float)at(c, y + dy, (flip ? SIDE - 1 - x : x) + dx)) {
                    return 0;
                }
            }
        }
    }
    return 1;
}

/* Every outcome is a crop of the padded picture, perhaps mirrored; all 2 * 9 * 9 occur, about as often. */
static void flip_and_crop(void **state) {
    (void)state;
    enum { PADDING = 4, SHIFTS = 2 * PADDING + 1, DRAWS = 4000 };
    struct setting s = read_setting("", "range=255\nflip=1\ncrop_padding=4", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float got[3 * PLANE];
    int seen[2][SHIFTS][SHIFTS] = {{{0}}}, fewest = DRAWS, most = 0, found = 0;
    for (uint32_t item = 0; item < DRAWS; item++) {
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 5, 2, item, got, &err), 0);
        int match = 0;
        for (int k = 0; k < 2 * SHIFTS * SHIFTS && !match; k++) {
            int flip = k % 2, dx = k / 2 % SHIFTS, dy = k / 2 / SHIFTS;
            match = is_shift(got, dx - PADDING, dy - PADDING, flip);
            seen[flip][dy][dx] += match;
        }
        found += match;
    }
    assert_int_equal(found, DRAWS);
    for (int k = 0; k < 2 * SHIFTS * SHIFTS; k++) {
        int n = seen[k % 2][k / 2 / SHIFTS][k / 2 % SHIFTS];
        fewest = n < fewest ? n : fewest;
        most = n > most ? n : most;
    }
    assert_true(fewest > 5 && most < 55); /* about 25 */
}

/* Beyond an edge lies the picture mirrored at its outer pixel, as PyTorch's reflect has it: 2 1 | 0 1 2. */
static int reflected(int at) { return at < 0 ? -at : at >= SIDE ? 2 * SIDE - 2 - at : at; }

static int is_reflected(const float *got, int dx, int dy, int flip) {
    for (int i = 0; i < 3 * PLANE; i++) {
        int x = i % SIDE, y = i / SIDE % SIDE;
        if (got[i] != (float)at(i / PLANE, reflected(y + dy), reflected((flip ? SIDE - 1 - x : x) + dx))) {
            return 0;
        }
    }
    return 1;
}

static void crop_fill_reflect(void **state) {
    (void)state;
    enum { PADDING = 2, SHIFTS = 2 * PADDING + 1 };
    struct setting s = read_setting("", "range=255\nflip=1\ncrop_padding=2\ncrop_fill=reflect", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float got[3 * PLANE];
    int seen[2 * SHIFTS * SHIFTS] = {0};
    for (uint32_t item = 0; item < 1000; item++) {
        int found = -1;
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 5, 2, item, got, &err), 0);
        for (int k = 0; k < 2 * SHIFTS * SHIFTS && found < 0; k++) {
            found = is_reflected(got, k / 2 % SHIFTS - PADDING, k / 2 / SHIFTS - PADDING, k % 2) ? k : -1;
        }
        assert_true(found >= 0);
        seen[found]++;
    }
    for (int k = 0; k < 2 * SHIFTS * SHIFTS; k++) {
        assert_true(seen[k] > 4);   /* about 20 */
    }
}

/* Half of the pictures are mirrored, and in the next epoch the other half. */
static void alternate_flip(void **state) {
    (void)state;
    struct setting s = read_setting("", "range=255\nflip=1\nalternate_flip=1", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float got[3 * PLANE];
    int mirrored = 0;
    for (uint32_t item = 0; item < 400; item++) {
        int first = 0;
        for (uint64_t epoch = 0; epoch < 5; epoch++) {
            assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 5, epoch, item, got, &err), 0);
            int flip = is_shift(got, 0, 0, 1);
            assert_true(flip || is_shift(got, 0, 0, 0));
            first = epoch == 0 ? flip : first;
            assert_int_equal(flip, first ^ (int)(epoch & 1));
        }
        mirrored += first;
    }
    assert_true(mirrored > 150 && mirrored < 250);
}

/* Padding wider than the picture may leave nothing of it. */
static void wide_padding(void **state) {
    (void)state;
    struct setting s = read_setting("", "range=255\nflip=1\ncrop_padding=100", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float got[3 * PLANE];
    int empty = 0;
    for (uint32_t item = 0; item < 200; item++) {
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, item, got, &err), 0);
        empty += is_shift(got, 1000, 1000, 0);
    }
    assert_true(empty > 100 && empty < 200);
}

/* Padding is zero pixels, so it becomes -mean / std. */
static void padding_is_normalized(void **state) {
    (void)state;
    struct setting s = read_setting("", "mean=0.5\nstd=0.25\ncrop_padding=100", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float got[3 * PLANE];
    int checked = 0;
    for (uint32_t item = 0; item < 20; item++) {
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, item, got, &err), 0);
        checked += got[0] == -2.f || got[3 * PLANE - 1] == -2.f;
    }
    assert_true(checked > 10);
}

static void chance(void **state) {
    (void)state;
    struct setting s = read_setting(
        "", "flip=1\ncrop_padding=4\nangle=10\nhue=0.1\nsaturation=1.5\nexposure=1.5\ncutout=8", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float a[3 * PLANE], b[3 * PLANE];
    assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 5, 2, 7, a, &err), 0);
    assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 5, 2, 7, b, &err), 0);
    assert_memory_equal(a, b, sizeof a);
    static const struct {
        uint64_t seed, epoch;
        uint32_t item;
    } others[] = {{6, 2, 7}, {5, 3, 7}, {5, 2, 8}, {5, 2 + 65536, 7}, {5, 2 + (UINT64_C(1) << 40), 7}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, others[i].seed, others[i].epoch, others[i].item, b, &err),
                         0);
        assert_memory_not_equal(a, b, sizeof a);
    }
}

/* Without augmentation a sample comes out as preprocess_pixels has it, planar or not. */
static void none(void **state) {
    (void)state;
    struct setting s = read_setting("", "mean=0.4,0.5,0.6\nstd=0.2", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float a[3 * PLANE], b[3 * PLANE];
    static uint8_t interleaved[3 * PLANE];
    preprocess_pixels(&s.p, sample.pixels, 1, a);
    assert_int_equal(sample_to_input(&sample, &s.p, NULL, 0, 0, 0, b, &err), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 0, 0, 0, b, &err), 0);
    assert_memory_equal(a, b, sizeof a);
    for (int i = 0; i < PLANE; i++) {
        for (int c = 0; c < 3; c++) {
            interleaved[3 * i + c] = numbered[c * PLANE + i];
        }
    }
    sample.planar = 0;
    sample.pixels = interleaved;
    assert_int_equal(sample_to_input(&sample, &s.p, NULL, 0, 0, 0, b, &err), 0);
    assert_memory_equal(a, b, sizeof a);
}

/* One pixel of five channels next to a grey picture for three, and a colour picture for one. */
static void channels(void **state) {
    (void)state;
    struct err err = {0};
    float got[12];
    const uint8_t pixels[] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12};
    struct setting s = read_setting("", "range=255\nflip=1", (struct shape){1, 5, 1, 1});
    struct sample sample = {.planar = 1, .channels = 5, .height = 1, .width = 1, .pixels = pixels};
    assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, 0, got, &err), 0);
    assert_true(got[0] == 9 && got[4] == 5);
    s = read_setting("", "range=255", (struct shape){1, 3, 2, 2});
    sample = (struct sample){.planar = 1, .channels = 1, .height = 2, .width = 2, .pixels = pixels};
    assert_int_equal(sample_to_input(&sample, &s.p, NULL, 1, 0, 0, got, &err), 0);
    assert_true(got[0] == 9 && got[4] == 9 && got[11] == 6);
    s = read_setting("", "range=255", (struct shape){1, 1, 2, 2});
    sample.channels = 3;
    assert_int_equal(sample_to_input(&sample, &s.p, NULL, 1, 0, 0, got, &err), 0);
    assert_true(got[0] == image_grey(9, 5, 1));
    s = read_setting("", "range=255", (struct shape){1, 5, 2, 2});
    assert_int_equal(sample_to_input(&sample, &s.p, NULL, 1, 0, 0, got, &err), -1);
    err_free(&err);
}

/* Values are taken as they are. */
static void numbers(void **state) {
    (void)state;
    struct err err = {0};
    struct setting s = read_setting("", "mean=7\nflip=1", (struct shape){1, 2, 1, 1});
    const float values[] = {1.5f, -2};
    float got[2];
    struct sample sample = {.values = values};
    assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, 0, got, &err), 0);
    assert_memory_equal(got, values, sizeof values);
}

/* A square of zeros around a point in the picture, all channels alike. */
static void cutout(void **state) {
    (void)state;
    struct setting s = read_setting("", "range=255\nmean=-1\ncutout=8", colour_32);
    struct sample sample = numbered_sample();
    struct err err = {0};
    static float got[3 * PLANE];
    for (uint32_t item = 0; item < 200; item++) {
        int x0 = SIDE, x1 = -1, y0 = SIDE, y1 = -1, zeros = 0;
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, item, got, &err), 0);
        for (int i = 0; i < PLANE; i++) {
            if (got[i] == 0) {
                int x = i % SIDE, y = i / SIDE;
                x0 = x < x0 ? x : x0;
                x1 = x > x1 ? x : x1;
                y0 = y < y0 ? y : y0;
                y1 = y > y1 ? y : y1;
                zeros++;
            }
            assert_true((got[i] == 0) == (got[i + PLANE] == 0) && (got[i] == 0) == (got[i + 2 * PLANE] == 0));
        }
        int w = x1 - x0 + 1, h = y1 - y0 + 1;
        assert_true(zeros == w * h && w >= 4 && w <= 8 && h >= 4 && h <= 8);
        assert_true((w == 8 || x0 == 0 || x1 == SIDE - 1) && (h == 8 || y0 == 0 || y1 == SIDE - 1));
    }
}

/* ---- the affine step ---- */

static struct image ramp(int width, int height) {
    struct image image = {width, height, 1, malloc((size_t)(width * height))};
    for (int i = 0; i < width * height; i++) {
        image.pixels[i] = (uint8_t)(i % width * 4 + i / width * 2 + 1);
    }
    return image;
}

static void warp_nothing(void **state) {
    (void)state;
    struct err err = {0};
    struct image in = ramp(20, 10), out;
    struct warp warp = {.scale_x = 1, .scale_y = 1};
    assert_int_equal(warp_image(&in, &warp, 20, 10, &out, &err), 0);
    assert_memory_equal(in.pixels, out.pixels, 200);
    image_free(&out);
    warp = (struct warp){.scale_x = 1, .scale_y = 1, .shift_x = 3, .shift_y = -2, .beyond = 7}; /* whole pixels: nothing is mixed */
    assert_int_equal(warp_image(&in, &warp, 20, 10, &out, &err), 0);
    for (int y = 0; y < 10; y++) {
        for (int x = 0; x < 20; x++) {
            int wanted = y - 2 >= 0 && x + 3 < 20 ? in.pixels[(y - 2) * 20 + x + 3] : 7;
            assert_int_equal(out.pixels[y * 20 + x], wanted);
        }
    }
    image_free(&out);
    image_free(&in);
}

/* A quarter turn moves pixels whole. */
static void warp_turn(void **state) {
    (void)state;
    struct err err = {0};
    struct image in = ramp(9, 9), out;
    struct warp warp = {.scale_x = 1, .scale_y = 1, .angle = acos(-1) / 2};
    assert_int_equal(warp_image(&in, &warp, 9, 9, &out, &err), 0);
    for (int y = 0; y < 9; y++) {
        for (int x = 0; x < 9; x++) {
            assert_int_equal(out.pixels[y * 9 + x], in.pixels[(8 - x) * 9 + y]);
        }
    }
    image_free(&out);
    image_free(&in);
}

/* A ramp stays a ramp under any scale; its middle stays in the middle. */
static void warp_scale(void **state) {
    (void)state;
    struct err err = {0};
    static const double scales[] = {0.1, 0.3, 0.6, 1.7, 4};
    struct image in = ramp(60, 4), out;
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        int width = (int)(60 * scales[i]), step_most = (int)(4 / scales[i]) + 2;
        struct warp warp = {.scale_x = scales[i], .scale_y = 1};
        assert_int_equal(warp_image(&in, &warp, width, 4, &out, &err), 0);
        for (int x = 1; x < width; x++) {
            int step = out.pixels[x] - out.pixels[x - 1];
            assert_true(step >= 0 && step <= step_most);
        }
        assert_true(abs((out.pixels[0] + out.pixels[width - 1]) / 2 - 119) <= 2);
        image_free(&out);
    }
    image_free(&in);
}

/* Zoomed by 1/2 the picture is a quarter of the input, black around; darknet's crops cover it all. */
static void geometry(void **state) {
    (void)state;
    struct err err = {0};
    static float got[3 * PLANE];
    static uint8_t white[3 * 50 * 80];
    memset(white, 255, sizeof white);
    struct sample sample = {.channels = 3, .height = 50, .width = 80, .pixels = white};
    struct setting s = read_setting("", "scale=0.5,0.5\nresize=stretch", colour_32);
    assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, 0, got, &err), 0);
    double sum = 0;
    for (int i = 0; i < PLANE; i++) {
        sum += got[i];
    }
    assert_true(fabs(sum - PLANE / 4) < 40 && got[0] == 0 && got[PLANE / 2 + SIDE / 2] == 1);
    s = read_setting("", "min_crop=32\nmax_crop=64\naspect=0.75", colour_32);
    for (uint32_t item = 0; item < 200; item++) {
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, item, got, &err), 0);
        for (int i = 0; i < 3 * PLANE; i++) {
            assert_true(got[i] == 1);
        }
    }
    s = read_setting("", "angle=45", colour_32);
    int black = 0;
    for (uint32_t item = 0; item < 50; item++) {
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, item, got, &err), 0);
        black += got[0] == 0;
        assert_true(got[PLANE / 2 + SIDE / 2] == 1);
    }
    assert_true(black > 0);
}

/* ---- colour ---- */

static void tint_one(const uint8_t from[3], struct tint tint, int r, int g, int b) {
    uint8_t pixel[3] = {from[0], from[1], from[2]};
    struct image image = {1, 1, 3, pixel};
    tint_image(&image, &tint);
    assert_true(abs(pixel[0] - r) <= 1 && abs(pixel[1] - g) <= 1 && abs(pixel[2] - b) <= 1);
}

static void colours(void **state) {
    (void)state;
    const uint8_t red[] = {200, 100, 50}, grey[] = {90, 90, 90}, black[] = {0, 0, 0};
    struct tint same = {0, 1, 1}, third = {1.f / 3, 1, 1}, back = {-1.f / 3, 1, 1}, pale = {0, 0, 1},
                bright = {0, 1, 2};
    struct tint vivid = {0, 2, 1};
    tint_one(red, same, 200, 100, 50);
    tint_one(red, third, 50, 200, 100);
    tint_one(red, back, 100, 50, 200);
    tint_one(red, pale, 200, 200, 200);
    tint_one(red, bright, 255, 128, 64); /* value clipped, colour kept */
    tint_one(red, vivid, 200, 67, 0);    /* saturation 0.75 -> 1 */
    tint_one(grey, third, 90, 90, 90);
    tint_one(grey, bright, 180, 180, 180);
    tint_one(black, bright, 0, 0, 0);
    uint8_t pixels[2] = {100, 200};
    struct image image = {2, 1, 1, pixels};
    tint_image(&image, &bright);
    assert_true(pixels[0] == 200 && pixels[1] == 255);
}

/* Every colour survives a full circle of hue, and one that changes nothing. */
static void all_colours(void **state) {
    (void)state;
    struct tint same = {0, 1, 1}, circle = {1, 1, 1};
    for (int i = 0; i < 16 * 16 * 16; i++) {
        const uint8_t pixel[] = {(uint8_t)(i % 16 * 17), (uint8_t)(i / 16 % 16 * 17), (uint8_t)(i / 256 * 17)};
        tint_one(pixel, same, pixel[0], pixel[1], pixel[2]);
        tint_one(pixel, circle, pixel[0], pixel[1], pixel[2]);
    }
}

/* darknet's ranges: factors of 1..x or 1/x..1, hue within its fraction. */
static void tint_ranges(void **state) {
    (void)state;
    struct err err = {0};
    static const uint8_t pixel[] = {100, 100, 100};
    struct sample sample = {.channels = 3, .height = 1, .width = 1, .pixels = pixel};
    struct setting s = read_setting("", "range=255\nexposure=1.5", (struct shape){1, 3, 1, 1});
    float low = 255, high = 0, got[3];
    int darker = 0;
    for (uint32_t item = 0; item < 1000; item++) {
        assert_int_equal(sample_to_input(&sample, &s.p, &s.a, 1, 0, item, got, &err), 0);
        low = fminf(low, got[0]);
        high = fmaxf(high, got[0]);
        darker += got[0] < 100;
    }
    assert_true(low >= 66 && low < 69 && high <= 150 && high > 147 && darker > 400 && darker < 600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),
        cmocka_unit_test(darknet_keys),
        cmocka_unit_test(flip_and_crop),
        cmocka_unit_test(crop_fill_reflect),
        cmocka_unit_test(alternate_flip),
        cmocka_unit_test(wide_padding),
        cmocka_unit_test(padding_is_normalized),
        cmocka_unit_test(chance),
        cmocka_unit_test(none),
        cmocka_unit_test(channels),
        cmocka_unit_test(numbers),
        cmocka_unit_test(cutout),
        cmocka_unit_test(warp_nothing),
        cmocka_unit_test(warp_turn),
        cmocka_unit_test(warp_scale),
        cmocka_unit_test(geometry),
        cmocka_unit_test(colours),
        cmocka_unit_test(all_colours),
        cmocka_unit_test(tint_ranges),
    };
    return cmocka_run_group_tests_name("augment", tests, scratch_make, scratch_remove);
}
