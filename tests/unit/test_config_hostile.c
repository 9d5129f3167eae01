/* Config from hostile bytes: a sentence, never a crash; and quickly, however large. */
#include "config_fixture.h"

static const char full[] = "[net]\nbatch=64\nmomentum=.50\ndecay=+5e-4\noffset=-007\nflip=0\nsteps=4., .5 ,1E5\n"
                           "[conv]\nname=a \"quoted\" \\ name\npath=#1;2\tx\nactivation=sigmoid\nlayers=-1, 61\n"
                           "classes=big cat , \xc3\xa9\nxnor=1\n[max]\n[data]\npath=x\n[cost]\ntype=L1\nstride=3\n";

static const char example[] = "\n{\n \"layers\": [\n  {\"type\": \"conv\", \"layers\": [-1, 61], \"flip\": true,\n"
                              "   \"path\": \" a \\u00e9\\\"\\\\ \"},\n"
                              "  {\"type\":\"conv\",\"classes\":[\"big cat\",\"dog\"], \"seed\": 4294967295},\n"
                              "  {\"type\": \"sse\",\"layer\" : \"cost\"}\n ],\n"
                              " \"data\": {\"path\":\"#x\"}, \"net\": {\"batch\" : 64,\n \"momentum\":0.1,"
                              " \"decay\":1e-4}\n}\n";

/* Whatever parses, converts: the same tree from its INI; from its JSON too, [net] and [data] aside, which have places
 * there. */
static void converts(const struct config *c) {
    struct config again;
    struct err err = {0};
    char *ini = config_to_ini(c), *json = config_to_json(c);
    if (parse(&again, ini, &err) != 0) {
        fail_msg("%s\n%s", err.sentences[0], ini);
    }
    same_tree(c, &again);
    config_free(&again);
    if (parse(&again, json, &err) != 0) {
        fail_msg("%s\n%s", err.sentences[0], json);
    }
    assert_int_equal(c->count, again.count);
    config_free(&again);
    free(ini);
    free(json);
    err_free(&err);
}

/* Whatever the bytes: no crash; a sentence when refused; what is accepted converts, and checks without a crash. */
static void try(const char *text, size_t length) {
    struct config c;
    struct err err = {0};
    int status = config_parse(&c, "x", text, length, &err);
    assert_int_equal(status != 0, err.count > 0);
    assert_int_equal(err.count == 0 || err.status == STATUS_REFUSED, 1);
    for (int i = 0; i < err.count && i < ERR_MOST; i++) {
        assert_true(strlen(err.sentences[i]) > 5 && strchr(err.sentences[i], '\n') == NULL);
    }
    if (status == 0) {
        converts(&c);
    }
    check_all(&c, &err);
    err_free(&err);
    config_free(&c);
}

static void try_spliced(const char *text, size_t length, size_t at, size_t cut, const char *put, size_t put_length) {
    char *bytes = mem_need(length + put_length + 1, 1);
    memcpy(bytes, text, at);
    memcpy(bytes + at, put, put_length);
    memcpy(bytes + at + put_length, text + at + cut, length - at - cut);
    try(bytes, length - cut + put_length);
    free(bytes);
}

static void mutate(const char *text) {
    static const char *const put[] = {"\xff", "\xe2\x82", "1e999",       "99999999999999999999999999999999",
                                      "\"",   "\\",       "\\u0000",     "{",
                                      "}",    "[",        "]",           "=",
                                      "\n",   " #",       ";",           ",",
                                      "\t",   "\r",       "[[[[[[[[[[",  "{\"a\":{\"a\":{\"a\":",
                                      "null", "-",        "\xef\xbb\xbf"};
    size_t length = strlen(text);
    for (size_t at = 0; at < length; at++) {
        char flipped = (char)(text[at] ^ (1 << at % 8)), high = (char)(text[at] ^ 0x80);
        char *cut = mem_copy_n(text, at); /* so that a sanitizer sees a step beyond its end */
        try(cut, at);
        free(cut);
        try_spliced(text, length, at, 1, "", 0);
        try_spliced(text, length, at, 1, &flipped, 1);
        try_spliced(text, length, at, 1, &high, 1);
        try_spliced(text, length, at, 0, "\0", 1);
        for (size_t i = 0; i < sizeof put / sizeof *put; i++) {
            try_spliced(text, length, at, i % 2, put[i], strlen(put[i]));
        }
        if (at + 7 < length) {
            try_spliced(text, length, at, 7, "", 0);
        }
    }
}

static void test_malformed(void **state) {
    (void)state;
    struct config c;
    good(&c, example);
    converts(&c);
    config_free(&c);
    mutate(full);
    mutate(example);
}

static char *repeat(const char *piece, size_t times) {
    size_t length = strlen(piece);
    char *text = mem_need(length * times + 1, 1);
    for (size_t i = 0; i < times; i++) {
        memcpy(text + i * length, piece, length);
    }
    return text;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_large(void **state) {
    (void)state;
    char *text = repeat("[conv]\nfilters=6\nsize=5\nname=x\nactivation=relu\n", CONFIG_MOST_SECTIONS);
    struct config c;
    struct err err = {0};
    double start = seconds();
    assert_int_equal(parse(&c, text, &err), 0);
    assert_true(seconds() - start < 2); /* a fraction of that without sanitizers; a quadratic step takes minutes */
    assert_int_equal(c.count, CONFIG_MOST_SECTIONS);
    start = seconds();
    char *json = config_to_json(&c);
    config_free(&c);
    assert_int_equal(parse(&c, json, &err), 0);
    assert_true(seconds() - start < 4);
    assert_int_equal(c.count, CONFIG_MOST_SECTIONS);
    assert_int_equal(c.sections[CONFIG_MOST_SECTIONS - 1].line, CONFIG_MOST_SECTIONS + 2);
    config_free(&c);
    free(json);
    free(text);
    text = repeat("[conv]\n", CONFIG_MOST_SECTIONS + 5);
    assert_int_equal(parse(&c, text, &err), -1);
    assert_int_equal(err.count, 1);
    assert_string_equal(err.sentences[0], "x.cfg:20001: more than 20000 sections");
    config_free(&c);
    err_free(&err);
    free(text);
}

/* As much nonsense as a file may hold takes no more than a moment either. */
static void test_nonsense(void **state) {
    (void)state;
    static const char *const pieces[] = {"a\n", "[c]\n=\n", "[\n", "a=1\n", "a,"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct config c;
        struct err err = {0};
        char *body = repeat(pieces[i], 300000), *text = mem_format("[net]\nlayers=%s", body);
        double start = seconds();
        parse(&c, text, &err);
        check_all(&c, &err);
        assert_true(err.count > 0);
        assert_true(seconds() - start < 5);
        err_free(&err);
        config_free(&c);
        free(body);
        free(text);
    }
    char *big = repeat("#", CONFIG_MOST_BYTES + 1);
    BAD(big, "x.cfg: 16777217 bytes are too many for a config, want at most 16777216");
    free(big);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
