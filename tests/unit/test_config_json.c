/* Config as JSON: the same tree, errors with lines, conversion there and back. */
#include "config_fixture.h"

static const char example[] = "\n{\n \"layers\": [\n  {\"type\": \"conv\", \"layers\": [-1, 61], \"flip\": true,\n"
                              "   \"path\": \" a \\u00e9\\\"\\\\ \"},\n"
                              "  {\"type\":\"conv\",\"classes\":[\"big cat\",\"dog\"], \"seed\": 4294967295},\n"
                              "  {\"type\": \"sse\",\"layer\" : \"cost\"}\n ],\n"
                              " \"data\": {\"path\":\"#x\"}, \"net\": {\"batch\" : 64,\n \"momentum\":0.1,"
                              " \"decay\":1e-4}\n}\n";

static void test_json(void **state) {
    (void)state;
    struct config json, ini;
    good(&json, example);
    good(&ini, "[net]\nbatch=64\nmomentum=0.1\ndecay=1e-4\n[conv]\nlayers=-1,61\nflip=1\npath=a \xc3\xa9\"\\\n"
               "[conv]\nclasses=big cat,dog\nseed=4294967295\n[cost]\ntype=sse\n[data]\npath=#x\n");
    same_tree(&json, &ini);
    assert_int_equal(json.sections[0].line, 9); /* net */
    assert_int_equal(json.sections[0].entries[1].line, 10);
    assert_int_equal(json.sections[1].line, 4);
    assert_int_equal(json.sections[1].entries[2].line, 5);
    assert_int_equal(json.sections[3].entries[0].line, 7);
    assert_true(config_real(&json.sections[0], "decay") == 1e-4);
    assert_true(config_int(&json.sections[2], "seed") == 4294967295L);
    config_free(&json);
    config_free(&ini);
}

static void test_json_errors(void **state) {
    (void)state;
    BAD("{}", "x.cfg: holds no sections, want [net] and layers");
    BAD("{\"nett\":{\"a\":[{}]},\n\"layer\":[],\"net\":3,\n\"data\":[],\"layers\":{},\n\"layers\":[3,\n{},{\"type\":"
        "\"\"},"
        "{\"type\":\"a]\"},{\"type\":1},\n{\"type\":\"net\"}]}",
        "x.cfg:1: \"nett\" is neither \"net\", \"data\" nor \"layers\"; did you mean \"net\"?",
        "x.cfg:2: \"layer\" is neither \"net\", \"data\" nor \"layers\"; did you mean \"layers\"?",
        "x.cfg:2: want \"net\" as an object {\"key\": value, ...}",
        "x.cfg:3: want \"data\" as an object {\"key\": value, ...}",
        "x.cfg:3: want \"layers\" as a list [{\"type\": ...}, ...]",
        "x.cfg:4: want a layer as an object {\"type\": ...}",
        "x.cfg:5: the layer has no \"type\", want one such as \"convolutional\"",
        "x.cfg:5: the section's name is empty", "x.cfg:5: \"a]\" can't be a section's name",
        "x.cfg:5: the layer has no \"type\", want one such as \"convolutional\"",
        "x.cfg:6: \"net\" is not a layer: it stands beside \"layers\"");
    BAD("{\"net\":{\"path\":null,\n\"batch\":{\"a\":1},\"layers\":[1,[2]],\n\"classes\":[\"a,b\",null],\"decay\":01,"
        "\n\"decay\":1e999,\"offset\":-1e-999}}",
        "x.cfg:1: [net] path: want a number, a text, a boolean or a list of those, got \"null\"",
        "x.cfg:2: [net] batch: want a number, a text, a boolean or a list of those, got \"{\"a\":1}\"",
        "x.cfg:2: [net] layers: want numbers, texts and booleans in a list, got \"[2]\"",
        "x.cfg:3: [net] classes: a text in a list can't hold a comma, got \"a,b\"",
        "x.cfg:3: [net] classes: want numbers, texts and booleans in a list, got \"null\"",
        "x.cfg:3: [net] decay: want a number as JSON writes it, got \"01\"",
        "x.cfg:4: [net] decay: want a finite number, got \"1e999\"",
        "x.cfg:4: [net] offset: want a whole number, got \"-1e-999\"");
    BAD("{\"net\":{\"path\":\"a #b\",\"path\":\"#a ;b\",\n\"path\":\"a\\nb\",\"path\":\"a\\u0000b\",\n\"\":1,\"a=b\":1,"
        "\"#c\":1,\"d\\u0000\":1,\"[e\":1,\"f\\u001b\":null}}",
        "x.cfg:1: [net] path: a '#' after a space begins a comment, so no value can hold it, got \"a #b\"",
        "x.cfg:1: [net] path: a ';' after a space begins a comment, so no value can hold it, got \"#a ;b\"",
        "x.cfg:2: [net] path: the value holds a control character",
        "x.cfg:2: [net] path: a text can't hold a NUL, got \"\"a\\u0000b\"\"", "x.cfg:3: [net]: the key is empty",
        "x.cfg:3: [net]: \"a=b\" can't be a key", "x.cfg:3: [net]: \"#c\" can't be a key",
        "x.cfg:3: the key that begins with \"d\" holds a NUL", "x.cfg:3: [net]: \"[e\" can't be a key",
        "x.cfg:3: [net] f?: want a number, a text, a boolean or a list of those, got \"null\"",
        "x.cfg:1: [net] path: given twice: the key is \"a #b\" in line 1, got \"#a ;b\" in line 1",
        "x.cfg:2: [net] path: given twice: the key is \"a #b\" in line 1, got \"a?b\" in line 2",
        "x.cfg:3: [net] d: unknown key");
    BAD("{\"net\":{},\n\"network\":{},\"layers\":[],\n\"layers\":[]}",
        "x.cfg:2: a second [network]; the first is in line 1", "x.cfg:3: \"layers\" is given twice, first in line 2");
    BAD("{\"net\":{\"stride\":\n2,\n\"stride\":3,\n\"stride\":0}}",
        "x.cfg:3: [net] stride: given twice: the key is \"2\" in line 1, got \"3\" in line 3",
        "x.cfg:4: [net] stride: given twice: the key is \"2\" in line 1, got \"0\" in line 4",
        "x.cfg:4: [net] stride: want 1..64, got \"0\"");
    BAD("{\"layers\":[{\"type\":\"a\",\n\"type\":\"b\"}]}",
        "x.cfg:2: \"type\" is given twice with another value, first in line 1");
    BAD("{\"net\":{\"path\":\"\xff\"}}", "x.cfg:1: the line holds bytes that are not UTF-8");
}

/* Texts that are no JSON at all: one sentence of json_parse's, with a line. */
static void test_json_syntax(void **state) {
    (void)state;
    static const char *const wrong[] = {"{", "{\"net\"", "{\"net\":{}}x", "{\"net\":{\"a\":1,}}",
                                        "{\"net\":{\"a\":x}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config c;
        struct err err = {0};
        assert_int_equal(parse(&c, wrong[i], &err), -1);
        assert_int_equal(err.count, 1);
        assert_memory_equal(err.sentences[0], "x.cfg:1: ", 9);
        err_free(&err);
        config_free(&c);
    }
    char *deep = mem_need(200001, 1);
    memset(deep, '[', 200000);
    memcpy(deep, "{\"a\":", 5);
    struct config c;
    struct err err = {0};
    assert_int_equal(parse(&c, deep, &err), -1);
    assert_int_equal(err.count, 1);
    err_free(&err);
    config_free(&c);
    free(deep);
}

static const char full[] = "[net]\nbatch=64\nmomentum=.50\ndecay=+5e-4\noffset=-007\nflip=0\nsteps=4., .5 ,1E5\n"
                           "[conv]\nname=a \"quoted\" \\ name\npath=#1;2\tx\nactivation=sigmoid\nlayers=-1, 61\n"
                           "classes=big cat , \xc3\xa9,0.50,07\nxnor=1\n[max]\n[data]\npath=x\n[cost]\ntype=L1\nstride=3\n";

/* ---- there and back ---- */

static void test_ini_round_trip(void **state) {
    (void)state;
    struct config a, b;
    struct err err = {0};
    assert_int_equal(parse(&a, full, &err), 0);
    char *text = config_to_ini(&a);
    assert_int_equal(parse(&b, text, &err), 0);
    same_tree(&a, &b);
    char *again = config_to_ini(&b);
    assert_string_equal(text, again);
    free(text);
    free(again);
    config_free(&a);
    config_free(&b);
}

static void test_conversion(void **state) {
    (void)state;
    struct config a, b, c;
    struct err err = {0};
    assert_int_equal(parse(&a, full, &err), 0);
    assert_int_equal(check_all(&a, &err), 0);
    char *json = config_to_json(&a);
    assert_string_equal(json, "{\n  \"net\": {\n    \"batch\": 64,\n    \"momentum\": 0.50,\n    \"decay\": 5e-4,\n"
                              "    \"offset\": -7,\n    \"flip\": false,\n    \"steps\": [4, 0.5, 1E5]\n  },\n"
                              "  \"layers\": [\n    {\"type\": \"conv\", \"name\": \"a \\\"quoted\\\" \\\\ name\", "
                              "\"path\": \"#1;2\\u0009x\", \"activation\": \"sigmoid\", \"layers\": [-1, 61], "
                              "\"classes\": [\"big cat\", \"\xc3\xa9\", 0.50, \"07\"], \"xnor\": \"1\"},\n    {\"type\": \"max\"},\n"
                              "    {\"layer\": \"cost\", \"type\": \"L1\", \"stride\": 3}\n  ],\n"
                              "  \"data\": {\n    \"path\": \"x\"\n  }\n}\n");
    assert_int_equal(parse(&b, json, &err), 0);
    assert_int_equal(check_all(&b, &err), 0);
    char *ini = config_to_ini(&b);
    assert_int_equal(parse(&c, ini, &err), 0);
    assert_int_equal(check_all(&c, &err), 0);
    same_tree(&b, &c);
    /* the values are those of the first form */
    assert_true(config_real(&c.sections[0], "momentum") == config_real(&a.sections[0], "momentum"));
    assert_true(config_real(&c.sections[0], "decay") == config_real(&a.sections[0], "decay"));
    assert_int_equal(config_int(&c.sections[0], "offset"), -7);
    assert_true(config_item_real(&c.sections[0], "steps", 1) == 0.5);
    assert_string_equal(config_text(&c.sections[1], "path"), config_text(&a.sections[1], "path"));
    assert_string_equal(config_text(&c.sections[1], "name"), config_text(&a.sections[1], "name"));
    assert_int_equal(config_choice(&c.sections[3], "type"), 1);
    assert_string_equal(c.sections[4].name, "data");
    char *json_again = config_to_json(&c);
    assert_string_equal(json, json_again);
    free(json);
    free(json_again);
    free(ini);
    config_free(&a);
    config_free(&b);
    config_free(&c);
    err_free(&err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),           cmocka_unit_test(test_json_errors), cmocka_unit_test(test_json_syntax),
        cmocka_unit_test(test_ini_round_trip), cmocka_unit_test(test_conversion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
