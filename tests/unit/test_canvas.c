/* The canvas: what lies where, in dots and in SVG; letters; axes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "views/chart.h"
#include "views/font.h"

static unsigned dot(const struct image *image, int x, int y) {
    const uint8_t *p = image->pixels + 3 * (y * image->width + x);
    return (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
}

static void test_shapes(void **state) {
    (void)state;
    struct err err = {0};
    struct image image;
    struct canvas *c = canvas_make(40, 20, 0xffffffff);
    canvas_box(c, (struct canvas_box){.x = 2, .y = 2, .width = 10, .height = 6, .fill = 0xff0000ff});
    canvas_line(c, (struct canvas_point[]){{20, 5}, {30, 5}}, 2, 2, 0, 0x0000ffff);
    canvas_polygon(c, (struct canvas_point[]){{20, 10}, {30, 10}, {20, 20}}, 3, 0x00ff00ff);
    assert_int_equal(canvas_render(c, 1, &image, &err), 0);
    assert_int_equal(image.width, 40);
    assert_int_equal(dot(&image, 2, 2), 0xff0000);
    assert_int_equal(dot(&image, 11, 7), 0xff0000);
    assert_int_equal(dot(&image, 12, 8), 0xffffff);
    assert_int_equal(dot(&image, 25, 4), 0x0000ff);
    assert_int_equal(dot(&image, 25, 7), 0xffffff);
    assert_int_equal(dot(&image, 21, 12), 0x00ff00);
    assert_int_equal(dot(&image, 29, 19), 0xffffff);
    image_free(&image);
    canvas_free(c);
}

/* Half of a dot covered is half of the colour; what lies outside of the canvas does no harm. */
static void test_edges(void **state) {
    (void)state;
    struct err err = {0};
    struct image image;
    struct canvas *c = canvas_make(4, 4, 0xffffffff);
    canvas_box(c, (struct canvas_box){.x = 0.5, .y = -10, .width = 100, .height = 100, .fill = 0x000000ff});
    canvas_text(c, -50, 90, (struct canvas_font){.size = 20, .colour = 0xff0000ff}, "outside");
    assert_int_equal(canvas_render(c, 1, &image, &err), 0);
    assert_in_range(dot(&image, 0, 2) & 255, 120, 135);
    assert_int_equal(dot(&image, 3, 3), 0);
    image_free(&image);
    canvas_free(c);
}

static void test_letters(void **state) {
    (void)state;
    struct font_segment s[FONT_MOST_SEGMENTS];
    for (unsigned letter = '!'; letter <= '~'; letter++) {
        size_t n = font_segments(letter, s);
        assert_in_range(n, 1, FONT_MOST_SEGMENTS);
        for (size_t i = 0; i < n; i++) {
            assert_true(s[i].x0 >= 0 && s[i].x1 <= font_advance(letter) + 0.05);
            assert_true(s[i].y0 > -0.35 && s[i].y0 < 0.85 && s[i].y1 > -0.35 && s[i].y1 < 0.85);
        }
    }
    const char *text = "a\xc3\xa9\xff\xe2\x80";
    assert_int_equal(font_next(&text), 'a');
    assert_int_equal(font_next(&text), 0xe9);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(font_next(&text), 0xfffd);
    }
    assert_int_equal(font_next(&text), 0);
}

static void test_fit(void **state) {
    (void)state;
    char *whole = canvas_text_fit(12, "short", 100), *cut = canvas_text_fit(12, "much too long a name", 60);
    assert_string_equal(whole, "short");
    assert_true(canvas_text_width(12, cut) <= 60);
    assert_non_null(strstr(cut, "…"));
    free(whole);
    free(cut);
}

static void test_svg(void **state) {
    (void)state;
    struct text out = {0};
    struct canvas *c = canvas_make(10, 10, 0xffffffff);
    canvas_text(c, 1.25, 2, (struct canvas_font){.size = 12, .colour = 0x112233ff}, "a<b & \"c\"\x01\xff");
    canvas_svg(c, &out);
    assert_non_null(strstr(out.text, ">a&#60;b &#38; &#34;c&#34;&#xFFFD;&#xFFFD;</text>"));
    assert_non_null(strstr(out.text, "x=\"1.25\""));
    assert_non_null(strstr(out.text, "fill=\"#112233\""));
    text_free(&out);
    canvas_free(c);
}

static void test_axes(void **state) {
    (void)state;
    struct chart chart = {.x = {.whole = 1}, .y = {.percent = 1}};
    struct chart_series *s = chart_add(&chart, "s", 0xff, 0);
    char text[32];
    chart_point(s, 1, 0.43);
    chart_point(s, 3, NAN);
    chart_point(s, 3, 0.597);
    struct chart_scale x = chart_scale_of(&chart, 0, 10), y = chart_scale_of(&chart, 1, 5);
    assert_true(x.step == 1 && x.least == 1 && x.most == 3);
    assert_true(fabs(y.step - 0.05) < 1e-12 && fabs(y.least - 0.4) < 1e-12 && fabs(y.most - 0.6) < 1e-12);
    chart_scale_tick(&y, 0, text);
    assert_string_equal(text, "40%");
    assert_true(isnan(chart_scale_tick(&x, 3, text)));
    chart_free(&chart);
    assert_false(chart_any(&chart));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_edges), cmocka_unit_test(test_letters),
                                       cmocka_unit_test(test_fit), cmocka_unit_test(test_svg), cmocka_unit_test(test_axes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
