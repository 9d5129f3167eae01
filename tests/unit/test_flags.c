/* Flags: all the ways to write one, what is refused and how it is said, help. */
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

#include "base/flags.h"
#include "base/number.h"

static const struct flag common[] = {
    {.name = "help", .letter = 'h', .type = FLAG_ON, .help = "Shows this text."},
    {.name = "quiet", .letter = 'q', .type = FLAG_ON, .help = "Says only what goes wrong."},
    {.name = "threads", .type = FLAG_INT, .argument = "N", .min = 1, .max = 256, .help = "Compute threads."},
    {.name = "set", .type = FLAG_TEXT, .argument = "KEY=VALUE", .repeats = 1, .help = "Changes a key of the config."},
    {0},
};
static const struct flag own[] = {
    {.name = "model", .letter = 'm', .type = FLAG_TEXT, .argument = "MODEL", .help = "The model."},
    {.name = "top", .letter = 'n', .type = FLAG_INT, .argument = "K", .min = 1, .max = 1e18, .help = "Classes."},
    {.name = "shift", .type = FLAG_INT, .argument = "N", .help = "Any whole number."},
    {.name = "rate", .letter = 'r', .type = FLAG_REAL, .argument = "X", .min = -10, .max = 10, .help = "A rate."},
    {.name = "precision", .type = FLAG_CHOICE, .argument = "fp32|bf16", .help = "Numbers to compute in, which is a "
     "sentence that goes on for longer than one line of eighty columns has room for."},
    {0},
};
static const struct flag *const tables[] = {common, own, NULL};

/* Parses up to 15 words. */
static int parse(struct args *args, struct err *err, const char *const *words) {
    char *argv[16];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = (char *)words[argc];
    }
    return flags_parse(args, tables, argc, argv, err);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Refused with exactly one sentence, `want`. */
static void check_refused(const char *const *words, const char *want) {
    struct args args;
    struct err err = {0};
    assert_int_equal(parse(&args, &err, words), -1);
    assert_int_equal(err.count, 1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_string_equal(err.sentences[0], want);
    flags_free(&args);
    err_free(&err);
}

static void test_nothing(void **state) {
    (void)state;
    struct args args;
    struct err err = {0};
    assert_int_equal(flags_parse(&args, tables, 0, NULL, &err), 0);
    assert_false(flags_on(&args, "quiet"));
    assert_null(flags_text(&args, "model"));
    assert_int_equal(flags_int(&args, "top", 5), 5);
    assert_true(flags_real(&args, "rate", 0.5) == 0.5);
    assert_null(flags_many(&args, "set", 0));
    flags_free(&args);
}

static void test_all_forms(void **state) {
    (void)state;
    struct args args;
    struct err err = {0};
    const char *const *words = WORDS("a", "--model=m=1", "-qr", "-0.5", "-", "--top", "3", "--set", "a=1", "--set=b=2",
                                     "--precision", "bf16", "--shift=-7", "b");
    assert_int_equal(parse(&args, &err, words), 0);
    assert_int_equal(args.operand_count, 3);
    assert_string_equal(args.operands[0], "a");
    assert_string_equal(args.operands[1], "-");
    assert_string_equal(args.operands[2], "b");
    assert_string_equal(flags_text(&args, "model"), "m=1");
    assert_true(flags_on(&args, "quiet"));
    assert_false(flags_on(&args, "help"));
    assert_true(flags_real(&args, "rate", 0) == -0.5);
    assert_int_equal(flags_int(&args, "top", 0), 3);
    assert_int_equal(flags_int(&args, "shift", 0), -7);
    assert_string_equal(flags_text(&args, "precision"), "bf16");
    assert_string_equal(flags_many(&args, "set", 0), "a=1");
    assert_string_equal(flags_many(&args, "set", 1), "b=2");
    assert_null(flags_many(&args, "set", 2));
    flags_free(&args);
}

static void test_letters(void **state) {
    (void)state;
    struct args args;
    struct err err = {0};
    assert_int_equal(parse(&args, &err, WORDS("-hqn12", "-mx", "-q", "--shift", "-3")), 0);
    assert_true(flags_on(&args, "help") && flags_on(&args, "quiet"));
    assert_int_equal(flags_int(&args, "top", 0), 12);
    assert_string_equal(flags_text(&args, "model"), "x");
    assert_int_equal(flags_int(&args, "shift", 0), -3);
    flags_free(&args);
}

static void test_end_of_options(void **state) {
    (void)state;
    struct args args;
    struct err err = {0};
    assert_int_equal(parse(&args, &err, WORDS("--model", "-", "--", "--quiet", "--", "-x")), 0);
    assert_string_equal(flags_text(&args, "model"), "-");
    assert_false(flags_on(&args, "quiet"));
    assert_int_equal(args.operand_count, 3);
    assert_string_equal(args.operands[0], "--quiet");
    assert_string_equal(args.operands[1], "--");
    assert_string_equal(args.operands[2], "-x");
    flags_free(&args);
}

static void test_refused(void **state) {
    (void)state;
    check_refused(WORDS("--thread", "3"), "unknown option --thread; did you mean --threads");
    check_refused(WORDS("--qiuet"), "unknown option --qiuet; did you mean --quiet");
    check_refused(WORDS("--modle=x"), "unknown option --modle; did you mean --model");
    check_refused(WORDS("--gibberish"), "unknown option --gibberish");
    check_refused(WORDS("-qx"), "unknown option -x");
    check_refused(WORDS("--quiet=yes"), "--quiet: takes no value, found \"yes\"");
    check_refused(WORDS("--model"), "--model: want MODEL behind it, found nothing");
    check_refused(WORDS("-m"), "--model: want MODEL behind it, found nothing");
    check_refused(WORDS("--model", "--quiet"),
                  "--model: want MODEL behind it, found \"--quiet\" (if that is the value: --model=--quiet)");
    check_refused(WORDS("--model", "a", "-mb"), "--model: given twice, \"a\" and \"b\"");
}

static void test_values_refused(void **state) {
    (void)state;
    check_refused(WORDS("--threads", "0"), "--threads: want a whole number, 1..256, found \"0\"");
    check_refused(WORDS("--threads=257"), "--threads: want a whole number, 1..256, found \"257\"");
    check_refused(WORDS("--threads=4x"), "--threads: want a whole number, 1..256, found \"4x\"");
    check_refused(WORDS("--threads="), "--threads: want a whole number, 1..256, found \"\"");
    check_refused(WORDS("--threads", "-2"), "--threads: want a whole number, 1..256, found \"-2\"");
    check_refused(WORDS("--top=0"), "--top: want a whole number, at least 1, found \"0\"");
    check_refused(WORDS("--shift=1.5"), "--shift: want a whole number, found \"1.5\"");
    check_refused(WORDS("-r11"), "--rate: want a number, -10..10, found \"11\"");
    check_refused(WORDS("--rate=nan"), "--rate: want a number, -10..10, found \"nan\"");
    check_refused(WORDS("--precision=fp"), "--precision: want fp32|bf16, found \"fp\"");
    check_refused(WORDS("--precision="), "--precision: want fp32|bf16, found \"\"");
    check_refused(WORDS("--precision=fp32|bf16"), "--precision: want fp32|bf16, found \"fp32|bf16\"");
}

static void test_all_errors_are_said(void **state) {
    (void)state;
    struct args args;
    struct err err = {0};
    assert_int_equal(parse(&args, &err, WORDS("--what", "--threads=x", "-y", "--quiet=1")), -1);
    assert_int_equal(err.count, 4);
    flags_free(&args);
    err_free(&err);
}

static void test_whole_numbers(void **state) {
    (void)state;
    static const char *const bad[] = {"", "-", "+", " 1", "1 ", "0x10", "1e3", "1.0", "--1", "1,",
                                      "9223372036854775808"};
    long value = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(number_int(bad[i], LONG_MIN, LONG_MAX, &value), -1);
    }
    assert_int_equal(value, 77);
    assert_int_equal(number_int("-9223372036854775808", LONG_MIN, LONG_MAX, &value), 0);
    assert_true(value == LONG_MIN);
    assert_int_equal(number_int("+010", 0, 10, &value), 0);
    assert_int_equal(value, 10);
    assert_int_equal(number_int("11", 0, 10, &value), -1);
}

static void test_reals(void **state) {
    (void)state;
    static const char *const bad[] = {"", ".", "-", "e5", "1e", "inf", "nan", "-infinity", "0x1p3", " 1", "1 ", "1e999",
                                      "1..2", "1,5", "6x", "1e5.5"};
    static const struct { const char *text; double value; } good[] = {
        {"0", 0}, {"-0.25", -0.25}, {"+1e-3", 0.001}, {".5", 0.5}, {"5.", 5}, {"1E5", 1e5}, {"1e-999", 0}};
    double value = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(number_real(bad[i], &value), -1);
        assert_true(value == 77);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(number_real(good[i].text, &value), 0);
        assert_true(value == good[i].value);
    }
}

static void test_help(void **state) {
    (void)state;
    struct text out = {0};
    flags_help(&out, common);
    flags_help(&out, own);
    assert_string_equal(out.text,
        "  -h, --help              Shows this text.\n"
        "  -q, --quiet             Says only what goes wrong.\n"
        "      --threads N         Compute threads. (1..256)\n"
        "      --set KEY=VALUE     Changes a key of the config. (repeatable)\n"
        "  -m, --model MODEL       The model.\n"
        "  -n, --top K             Classes. (at least 1)\n"
        "      --shift N           Any whole number.\n"
        "  -r, --rate X            A rate. (-10..10)\n"
        "      --precision fp32|bf16\n"
        "                          Numbers to compute in, which is a sentence that goes\n"
        "                          on for longer than one line of eighty columns has room\n"
        "                          for.\n");
    text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_all_forms), cmocka_unit_test(test_letters),
        cmocka_unit_test(test_end_of_options), cmocka_unit_test(test_refused), cmocka_unit_test(test_values_refused),
        cmocka_unit_test(test_all_errors_are_said), cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_reals), cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
