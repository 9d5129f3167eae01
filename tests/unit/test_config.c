/* Config: INI and its errors with file:line, tables, getters, --set, help. */
#include "config_fixture.h"

/* ---- INI ---- */

static void test_ini(void **state) {
    (void)state;
    struct config c;
    good(
        &c,
        "\xef\xbb\xbf# A comment\r\n[net]\r\n  batch = 64 # so many\n\tmomentum\t=\t.5\t; half\r\n\n"
        "[ conv ] ; the first\npath=a dir/b#c;d  \nlayers = -1, 61\nsteps=400000,450000\nclasses= big cat ,dog\n   ;x\n"
        "[conv]\nactivation=sigmoid");
    assert_int_equal(c.count, 3);
    const struct section *net = &c.sections[0], *conv = &c.sections[1], *last = &c.sections[2];
    assert_string_equal(net->name, "net");
    assert_int_equal(net->line, 2);
    assert_int_equal(net->entries[0].line, 3);
    assert_string_equal(net->entries[0].file, "x.cfg");
    assert_int_equal(config_int(net, "batch"), 64);
    assert_true(config_real(net, "momentum") == 0.5);
    assert_string_equal(conv->name, "conv");
    assert_string_equal(config_text(conv, "path"), "a dir/b#c;d");
    assert_int_equal(config_length(conv, "layers"), 2);
    assert_true(config_item_real(conv, "layers", 0) == -1);
    assert_true(config_item_real(conv, "layers", 1) == 61);
    assert_true(config_item_real(conv, "steps", 1) == 450000);
    char *cat = config_item_text(conv, "classes", 0);
    assert_string_equal(cat, "big cat");
    free(cat);
    assert_int_equal(last->index, 2);
    assert_int_equal(last->line, 12);
    assert_int_equal(config_choice(last, "activation"), 1);
    config_free(&c);
}

static void test_ini_errors(void **state) {
    (void)state;
    BAD("", "x.cfg: holds no sections, want [net] and layers");
    BAD("# nothing\n", "x.cfg: holds no sections, want [net] and layers");
    BAD("batch=1\nseed=2\n[net]\nbatch=2\n", "x.cfg:1: \"batch=1\" stands before any section, want [net] first");
    BAD("[net]\nbatch\n=3\n[]\nx=1\n[a\ny=1\n[a]b\n", "x.cfg:2: want key=value or [section], got \"batch\"",
        "x.cfg:3: [net]: the key is empty", "x.cfg:4: the section's name is empty",
        "x.cfg:6: want [name] alone on its line, got \"[a\"", "x.cfg:8: want [name] alone on its line, got \"[a]b\"");
    BAD("[net]\npath=a\x01\n\npath=\xff\n", "x.cfg:2: the line holds a control character",
        "x.cfg:4: the line holds bytes that are not UTF-8");
    BAD("[net]\npath=a\xed\xa0\x80\n", "x.cfg:2: the line holds bytes that are not UTF-8");
    BAD("[net]\n[conv]\n[network]\n[data]\n[data]\n", "x.cfg:3: a second [network]; the first is in line 1",
        "x.cfg:5: a second [data]; the first is in line 4");
    struct config c;
    struct err err = {0};
    assert_int_equal(config_parse(&c, "y", "[net]\nb\0c=1", 11, &err), -1);
    assert_string_equal(err.sentences[0], "y:2: a NUL byte: a config is text");
    err_free(&err);
    config_free(&c);
}

/* ---- values ---- */

static void test_values(void **state) {
    (void)state;
    BAD("[conv]\nstride=0\nstride=0\nfiltres=8\nmomentum=2\n", "x.cfg:2: [conv] stride: want 1..64, got \"0\"",
        "x.cfg:4: [conv] filtres: unknown key; did you mean \"filters\"?",
        "x.cfg:5: [conv] momentum: want 0..1, got \"2\"");
    static const char *const wrong[] = {"6x",  "0x10", "nan", "inf", "1e999", "",
                                        "1,2", "1 2",  "1.5", "--1", "1e2",   "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config c;
        struct err err = {0};
        char *text = mem_format("[conv]\noffset=%s\nlayers=1,%s\ndecay=%s\n", wrong[i], wrong[i], wrong[i]);
        assert_int_equal(parse(&c, text, &err), 0);
        assert_int_equal(check_all(&c, &err), -1);
        int real = strcmp(wrong[i], "1.5") == 0 || strcmp(wrong[i], "1e2") == 0 || strlen(wrong[i]) == 20;
        int list = strcmp(wrong[i], "1,2") == 0;
        assert_int_equal(err.count, 3 - real - list);
        free(text);
        err_free(&err);
        config_free(&c);
    }
    BAD("[c]\nbatch=x\noffset=6x\noffset=6x\nflip=2\ndecay=a\n", "x.cfg:2: [c] batch: want 1.., got \"x\"",
        "x.cfg:3: [c] offset: want a whole number, got \"6x\"", "x.cfg:5: [c] flip: want 0 or 1, got \"2\"",
        "x.cfg:6: [c] decay: want a number, got \"a\"");
    BAD("[c]\nbatch=2147483648\noffset=2147483648\nlearning_rate=-1\n",
        "x.cfg:2: [c] batch: want 1..2147483647, got \"2147483648\"",
        "x.cfg:3: [c] offset: want -2147483648..2147483647, got \"2147483648\"",
        "x.cfg:4: [c] learning_rate: want 0..1e+30, got \"-1\"");
    BAD("[c]\nlayers=1,,2\nsteps=1,-2\nclasses=a,\npath=\n",
        "x.cfg:2: [c] layers: want a comma list of whole numbers, got \"1,,2\"",
        "x.cfg:3: [c] steps: want a comma list of 0..1000000000, got \"-2\"",
        "x.cfg:4: [c] classes: want a comma list of texts, got \"a,\"", "x.cfg:5: [c] path: want a text, got \"\"");
    BAD("[c]\nactivation=sigmoyd\ntype=sze\n",
        "x.cfg:2: [c] activation: want linear|logistic|relu|leaky, got \"sigmoyd\"; did you mean \"sigmoid\"?",
        "x.cfg:3: [c] type: want mse|l1|bce, got \"sze\"; did you mean \"sse\"?");
    BAD("[c]\nqqqqqqqqqqqq=1\nTruth=1\n", "x.cfg:2: [c] qqqqqqqqqqqq: unknown key", "x.cfg:3: [c] Truth: unknown key");
}

static void test_long_lists(void **state) {
    (void)state;
    struct text t = {0};
    text_add(&t, "[c]\nlayers=0");
    for (int i = 1; i < 10000; i++) {
        text_add(&t, ",%d", i);
    }
    struct config c;
    good(&c, t.text);
    assert_int_equal(config_length(&c.sections[0], "layers"), 10000);
    assert_true(config_item_real(&c.sections[0], "layers", 9999) == 9999);
    config_free(&c);
    text_add(&t, ",1");
    BAD(t.text, "x.cfg:2: [c] layers: want at most 10000 items");
    text_free(&t);
}

static void test_twins(void **state) {
    (void)state;
    struct config c;
    struct err err = {0};
    assert_int_equal(parse(&c, "[c]\nn=3\nstride=2\nfilters=3\nmaps=3\n", &err), 0);
    assert_int_equal(check_all(&c, &err), 0);
    assert_int_equal(err.warnings, 2);
    assert_string_equal(err.warned[0], "x.cfg:4: [c] filters: given twice: n has the same value in line 2");
    assert_string_equal(err.warned[1], "x.cfg:5: [c] maps: given twice: n has the same value in line 2");
    assert_int_equal(c.sections[0].count, 2);
    assert_int_equal(config_int(&c.sections[0], "filters"), 3);
    assert_int_equal(config_int(&c.sections[0], "stride"), 2);
    err_free(&err);
    config_free(&c);
    BAD("[c]\nweight_decay=3\nstride=2\ndecay=4\nstride=3\n",
        "x.cfg:4: [c] decay: given twice: weight_decay is \"3\" in line 2, got \"4\" in line 4",
        "x.cfg:5: [c] stride: given twice: the key is \"2\" in line 3, got \"3\" in line 5");
}

/* Types as the layers have them: [convolution] is another name of [conv]. */
static const char *type_of(const char *section) {
    static const char *const types[] = {"conv", "max", "c"};
    if (strcmp(section, "convolution") == 0) {
        return "conv";
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(section, types[i]) == 0) {
            return types[i];
        }
    }
    return NULL;
}

static void test_ignored(void **state) {
    (void)state;
    struct config c;
    struct err err = {0};
    assert_int_equal(parse(&c, "[c]\nxnor=1\n[c]\nxnor=3\ntruth=a\n[d]\nxnor=1\n", &err), 0);
    assert_int_equal(check_all(&c, &err), 0);
    assert_int_equal(err.warnings, 3);
    assert_string_equal(err.warned[0], "x.cfg:2: [c] xnor: has no use here and is ignored");
    assert_string_equal(err.warned[1], "x.cfg:5: [c] truth: has no use here and is ignored");
    assert_string_equal(err.warned[2], "x.cfg:7: [d] xnor: has no use here and is ignored");
    err_free(&err);
    config_free(&c);
    BAD("[c]\nxnor=1\nxnor=2\n", "x.cfg:3: [c] xnor: given twice: the key is \"1\" in line 2, got \"2\" in line 3");
    assert_int_equal(parse(&c, "[c]\nxnor=1\nxnor=1\n", &err), 0);
    assert_int_equal(config_set(&c, "c.truth=1", type_of, &err), 0);
    assert_int_equal(check_all(&c, &err), 0);
    assert_int_equal(err.warnings, 3);
    assert_string_equal(err.warned[0], "x.cfg:3: [c] xnor: given twice: the key has the same value in line 2");
    assert_string_equal(err.warned[2], "--set c.truth: has no use here and is ignored");
    err_free(&err);
    config_free(&c);
}

static void test_getters(void **state) {
    (void)state;
    struct config c;
    good(&c, "[c]\nmaps=7\nseed=4294967295\ntype=L1\nlearning_rate=1e-3\nflip=0\n");
    const struct section *s = &c.sections[0];
    assert_int_equal(config_int(s, "filters"), 7);
    assert_true(config_given(s, "filters"));
    assert_true(config_int(s, "seed") == 4294967295L);
    assert_int_equal(config_choice(s, "type"), 1);
    assert_true(config_real(s, "learning_rate") == 1e-3);
    assert_int_equal(config_bool(s, "flip"), 0);
    /* defaults */
    assert_false(config_given(s, "offset"));
    assert_int_equal(config_int(s, "offset"), -3);
    assert_true(config_real(s, "momentum") == .9);
    assert_true(config_real(s, "decay") == 0);
    assert_int_equal(config_int(s, "batch"), 0);
    assert_int_equal(config_choice(s, "activation"), 1);
    assert_int_equal(config_length(s, "steps"), 2);
    assert_true(config_item_real(s, "steps", 1) == 2.5);
    assert_int_equal(config_length(s, "layers"), 0);
    assert_null(config_text(s, "path"));
    config_free(&c);
    good(&c, "[c]\n");
    assert_int_equal(config_choice(&c.sections[0], "type"), -1);
    assert_int_equal(config_bool(&c.sections[0], "flip"), 1);
    config_free(&c);
}

static void test_refuse(void **state) {
    (void)state;
    struct config c;
    struct err err = {0};
    good(&c, "[net]\n[conv]\nmaps=7\n");
    assert_int_equal(config_set(&c, "conv.stride=2", type_of, &err), 0);
    assert_int_equal(check_all(&c, &err), 0);
    assert_int_equal(config_refuse(&c.sections[1], "convolutional", "filters", &err, "want %d", 8), -1);
    config_refuse(&c.sections[1], "convolutional", "batch", &err, "is missing");
    config_refuse(&c.sections[1], "convolutional", NULL, &err, "the output is empty");
    config_refuse(&c.sections[1], "convolutional", "stride", &err, "want 1");
    assert_string_equal(err.sentences[0], "x.cfg:3: [convolutional] maps: want 8");
    assert_string_equal(err.sentences[1], "x.cfg:2: [convolutional] batch: is missing");
    assert_string_equal(err.sentences[2], "x.cfg:2: [convolutional]: the output is empty");
    assert_string_equal(err.sentences[3], "--set conv.stride: want 1");
    err_free(&err);
    config_free(&c);
}

/* ---- --set ---- */

static void test_set(void **state) {
    (void)state;
    struct config c;
    struct err err = {0};
    good(&c, "[convolution]\n[max]\nname=conv1\n[conv]\n[conv]\nname=last\n");
    static const char *const typed[] = {"conv1.stride=2", "conv2.stride=3", "last.stride=4", "convolution.flip=0"};
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        assert_int_equal(config_set(&c, typed[i], type_of, &err), 0);
    }
    assert_int_equal(config_set(&c, "conv3.stride=2", type_of, &err), -1);
    assert_string_equal(err.sentences[0], "--set conv3.stride=2: there is no section or layer \"conv3\"; did you mean \"conv1\"?");
    err_free(&err);
    assert_int_equal(check_all(&c, &err), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(config_int(&c.sections[i + 1], "stride"), 2 + (int)i);
    }
    assert_int_equal(config_bool(&c.sections[0], "flip"), 0);
    config_free(&c);
    good(&c, "[network]\nbatch=1\nmaps=5\n[conv]\nname=a.b\n[max]\nstride=3\n[conv]\n");
    static const char *const sets[] = {"net.batch=64", "net.filters=4", "conv.stride=2", "a.b.flip=0",   "1.stride= 5 ",
                                       "2.path=x=y.z", "data.path=p",   "network.n=9",   "net.filters=6"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        assert_int_equal(config_set(&c, sets[i], type_of, &err), 0);
    }
    assert_int_equal(check_all(&c, &err), 0);
    assert_int_equal(err.warnings, 0);
    assert_int_equal(config_int(&c.sections[0], "batch"), 64);
    assert_int_equal(config_int(&c.sections[0], "filters"), 6); /* the last of three names and times */
    assert_int_equal(c.sections[0].count, 2);
    assert_int_equal(config_int(&c.sections[1], "stride"), 2);
    assert_int_equal(config_bool(&c.sections[1], "flip"), 0);
    assert_int_equal(config_int(&c.sections[2], "stride"), 5);
    assert_string_equal(config_text(&c.sections[3], "path"), "x=y.z");
    assert_int_equal(c.count, 5);
    assert_string_equal(c.sections[4].name, "data");
    assert_string_equal(config_text(&c.sections[4], "path"), "p");
    config_put(&c.sections[4], "path", "q");
    config_put(&c.sections[4], "steps", "4,5");
    assert_string_equal(config_text(&c.sections[4], "path"), "q");
    assert_true(config_item_real(&c.sections[4], "steps", 1) == 5);
    err_free(&err);
    config_free(&c);
}

/* What is put into a tree has to come out of its text again. */
static void test_keeps(void **state) {
    (void)state;
    struct text many = {0};
    for (int i = 0; i <= CONFIG_MOST_ITEMS; i++) {
        text_add(&many, "%s1", i > 0 ? "," : "");
    }
    const struct { const char *key, *value, *part; } bad[] = {
        {"path", "two\nlines", "want key=value"}, {"path", "a\x7f", "a control character"}, {"path", "caf\xe9", "not UTF-8"},
        {"path", "b ", "[conv] path: the value can't be written into a config"}, {"path", "a #b", "can't be written"},
        {"path", "two\nstride=2", "has other keys"}, {"steps", many.text, "at most 10000 items"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct config c;
        struct err err = {0};
        good(&c, "[net]\nbatch=1\n[conv]\nstride=1\npath=#1 2;x\n");
        assert_int_equal(check_all(&c, &err), 0);
        assert_int_equal(config_keeps(&c, &err), 0);
        config_put(&c.sections[1], bad[i].key, bad[i].value);
        assert_int_equal(config_keeps(&c, &err), -1);
        assert_int_equal(err.status, STATUS_REFUSED);
        if (strstr(err.sentences[0], bad[i].part) == NULL) {
            fail_msg("\"%s\" says nothing of \"%s\"", err.sentences[0], bad[i].part);
        }
        err_free(&err);
        config_free(&c);
    }
    text_free(&many);
}

static void test_set_errors(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"nett.batch=1", "--set nett.batch=1: there is no section or layer \"nett\"; did you mean \"net\"?"},
        {"block.stride=1", "--set block.stride=1: there is no section or layer \"block\"; did you mean \"block1\"?"},
        {"2.stride=1", "--set 2.stride=1: there is no layer 2: the config has 2, the first is 0"},
        {"99999999999999999999.stride=1", "--set 99999999999999999999.stride=1: there is no layer "
                                          "99999999999999999999: the config has 2, the first is 0"},
        {"batch=1", "--set batch=1: want section.key=value"},
        {"net.batch", "--set net.batch: want section.key=value"},
        {"net.=1", "--set net.=1: want section.key=value"},
        {".batch=1", "--set .batch=1: want section.key=value"},
        {"", "--set : want section.key=value"},
        {"net.path=a #b",
         "--set net.path: a '#' after a space begins a comment, so no value can hold it, got \"a #b\""},
        {"net.path=a\nb", "--set: the assignment holds a control character"},
    };
    struct config c;
    good(&c, "[net]\n[conv]\nname=block1\n[conv]\n");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        assert_int_equal(config_set(&c, wrong[i][0], type_of, &err), -1);
        assert_int_equal(err.count, 1);
        assert_string_equal(err.sentences[0], wrong[i][1]);
        err_free(&err);
    }
    assert_int_equal(c.sections[0].count, 0);
    struct err err = {0};
    assert_int_equal(config_set(&c, "net.batch=x", type_of, &err), 0);
    assert_int_equal(config_set(&c, "net.btach=1", type_of, &err), 0);
    assert_int_equal(check_all(&c, &err), -1);
    assert_string_equal(err.sentences[0], "--set net.batch: want 1.., got \"x\"");
    assert_string_equal(err.sentences[1], "--set net.btach: unknown key; did you mean \"batch\"?");
    err_free(&err);
    config_free(&c);
}

/* ---- files, help ---- */

static void test_read(void **state) {
    (void)state;
    char path[] = "/tmp/dlcli-config-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "[net]\nbatch=3\n", 14), 14);
    close(file);
    struct config c;
    struct err err = {0};
    assert_int_equal(config_read(&c, path, &err), 0);
    assert_string_equal(c.path, path);
    assert_int_equal(c.count, 1);
    config_free(&c);
    unlink(path);
    assert_int_equal(config_read(&c, path, &err), -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_non_null(strstr(err.sentences[0], path));
    config_free(&c);
    err_free(&err);
}

static void test_help(void **state) {
    (void)state;
    struct text out = {0};
    config_help(&out, own);
    assert_non_null(
        strstr(out.text, "  filters: 1..65536, default 1; also called n, maps\n      Number of filters.\n"));
    assert_non_null(strstr(out.text, "  activation: linear|logistic|relu|leaky, default logistic\n      What"));
    assert_non_null(strstr(out.text, "      Also: sigmoid = logistic.\n"));
    assert_non_null(strstr(out.text, "  steps: a comma list of 0..1000000000, default 1,2.5\n"));
    assert_non_null(strstr(out.text, "  batch: 1..\n"));
    assert_non_null(strstr(out.text, "  Read and ignored: xnor.\n"));
    for (const char *line = out.text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 80);
    }
    text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ini),        cmocka_unit_test(test_ini_errors), cmocka_unit_test(test_values),
        cmocka_unit_test(test_long_lists), cmocka_unit_test(test_twins),      cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_getters),    cmocka_unit_test(test_refuse),     cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_errors), cmocka_unit_test(test_keeps), cmocka_unit_test(test_read),       cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
