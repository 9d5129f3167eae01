/* JSON out: commas, escapes, bytes that are no UTF-8, numbers; JSON in: exactly one value, the line of a mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <cmocka.h>

#include "base/number.h"
#include "base/json.h"

static void test_structure(void **state) {
    (void)state;
    struct json j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "input", "a.png");
    json_open(&j, "top", '[');
    json_close(&j, ']');
    json_open(&j, "rows", '[');
    json_int(&j, NULL, LLONG_MIN);
    json_open(&j, NULL, '{');
    json_bool(&j, "yes", 5);
    json_bool(&j, "no", 0);
    json_close(&j, '}');
    json_real(&j, NULL, 0.5);
    json_text(&j, NULL, NULL);
    json_close(&j, ']');
    json_raw(&j, "raw", "{\"a\":[1,2]}");
    json_close(&j, '}');
    assert_string_equal(j.out.text, "{\"input\":\"a.png\",\"top\":[],\"rows\":[-9223372036854775808,"
                                    "{\"yes\":true,\"no\":false},0.5,null],\"raw\":{\"a\":[1,2]}}");
    text_free(&j.out);
}

static void check_text(const char *value, const char *want) {
    struct json j = {0};
    json_text(&j, NULL, value);
    assert_string_equal(j.out.text, want);
    text_free(&j.out);
}

static void test_escapes(void **state) {
    (void)state;
    check_text("", "\"\"");
    check_text("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    check_text("\n\t\r\x01\x1b\x7f", "\"\\n\\t\\u000d\\u0001\\u001b\\u007f\"");
    static const char fine[] = "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x95 \xf4\x8f\xbf\xbf";
    char *quoted = mem_format("\"%s\"", fine);
    check_text(fine, quoted);
    free(quoted);
    check_text("\xff\xfe", "\"\\u00ff\\u00fe\"");
    check_text("a\x80z", "\"a\\u0080z\"");                              /* a continuation alone */
    check_text("\xc3", "\"\\u00c3\"");                                  /* cut off */
    check_text("\xe2\x82", "\"\\u00e2\\u0082\"");
    check_text("\xf0\x9f\x90", "\"\\u00f0\\u009f\\u0090\"");
    check_text("\xc3(", "\"\\u00c3(\"");
    check_text("\xc0\xaf", "\"\\u00c0\\u00af\"");                       /* overlong */
    check_text("\xe0\x80\xaf", "\"\\u00e0\\u0080\\u00af\"");
    check_text("\xf0\x80\x80\xaf", "\"\\u00f0\\u0080\\u0080\\u00af\"");
    check_text("\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"");            /* a surrogate */
    check_text("\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\""); /* beyond U+10FFFF */
    check_text("\xf8\x88\x80\x80\x80", "\"\\u00f8\\u0088\\u0080\\u0080\\u0080\"");
}

static void check_real(double value, const char *want) {
    struct json j = {0};
    json_real(&j, NULL, value);
    assert_string_equal(j.out.text, want);
    text_free(&j.out);
}

static void test_reals(void **state) {
    (void)state;
    check_real(0, "0");
    check_real(1.0 / 3, "0.333333333");
    check_real(-1234567.875, "-1234567.88");
    check_real(1e300, "1e+300");
    check_real(NAN, "null");
    check_real(INFINITY, "null");
    check_real(-INFINITY, "null");
}

/* Whatever locale the machine has whose numbers are written with a comma. */
static void test_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8"};
    const char *set = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && set == NULL; i++) {
        set = setlocale(LC_ALL, names[i]);
    }
    if (set == NULL) {
        skip();
    }
    double value = 0;
    check_real(0.5, "0.5");
    assert_int_equal(number_real("0.25", &value), 0);
    assert_true(value == 0.25);
    setlocale(LC_ALL, "C");
}

static void check_parsed(const char *text) {
    struct err err = {0};
    cJSON *value = json_parse("a.json", text, strlen(text), &err);
    assert_non_null(value);
    assert_int_equal(err.count, 0);
    cJSON_Delete(value);
}

static void check_refused(const char *text, size_t length, const char *want) {
    struct err err = {0};
    assert_null(json_parse("a.json", text, length, &err));
    assert_int_equal(err.count, 1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_string_equal(err.sentences[0], want);
    err_free(&err);
}
#define REFUSED(text, want) check_refused(text, sizeof text - 1, want)

static void test_parse(void **state) {
    (void)state;
    check_parsed("{}");
    check_parsed(" [1, 2.5e3, \"x\\u00e9\", null, true]\n\t ");
    check_parsed("3");
    struct err err = {0};
    const char text[] = {'[', '7', ']', 'x'};   /* not NUL-terminated; the length counts */
    cJSON *value = json_parse("a.json", text, 3, &err);
    assert_non_null(value);
    assert_int_equal(cJSON_GetArrayItem(value, 0)->valueint, 7);
    cJSON_Delete(value);
}

static void test_parse_refused(void **state) {
    (void)state;
    REFUSED("", "a.json:1: not JSON: it ends too early at \"\"");
    REFUSED("{\n\"a\": 1,\n\"b\": }", "a.json:3: not JSON: it stops making sense at \"}\"");
    REFUSED("{} x", "a.json:1: not JSON: it stops making sense at \"x\"");
    REFUSED("{}\n{}", "a.json:2: not JSON: it stops making sense at \"{}\"");
    REFUSED("[1,\n\0]", "a.json:2: not JSON: a zero byte");
    REFUSED("{}\0", "a.json:1: not JSON: a zero byte");
}

/* Depth that would take the stack of a recursive reader; and every way to cut a text. */
static void test_parse_hostile(void **state) {
    (void)state;
    struct text deep = {0};
    for (int i = 0; i < 100000; i++) {
        text_add(&deep, "[");
    }
    struct err err = {0};
    assert_null(json_parse("deep", deep.text, deep.length, &err));
    text_free(&deep);
    static const char whole[] = "{\"a\":[1,-2.5,\"\\ud83d\\udc15\\n\"],\"b\":{\"c\":null}}";
    for (size_t length = 0; length < sizeof whole - 1; length++) {
        char *cut = malloc(length + (length == 0));   /* exactly as long, so that ASan sees a byte too far */
        memcpy(cut, whole, length);
        assert_null(json_parse("cut", cut, length, &err));
        free(cut);
    }
    check_parsed(whole);
    err_free(&err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure), cmocka_unit_test(test_escapes), cmocka_unit_test(test_reals),
        cmocka_unit_test(test_locale), cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_refused),
        cmocka_unit_test(test_parse_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
