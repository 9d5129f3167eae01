/* Text as a data set: symbols and their names, windows and streams, what the loader makes of them, and texts that can't
 * be used. */
#include "data_fixture.h"
#include "sources/symbols.h"

/* ---- symbols ---- */

static void check_name(enum unit unit, uint32_t code, const char *want) {
    char name[SYMBOL_MOST_NAME];
    uint32_t back = 0;
    assert_string_equal(symbol_name(unit, code, name), want);
    assert_int_equal(symbol_of_name(unit, want, &back), 0);
    assert_int_equal(back, code);
}

static void named(void **state) {
    (void)state;
    check_name(UNIT_CHAR, 'a', "a");
    check_name(UNIT_CHAR, '\n', "\\n");
    check_name(UNIT_CHAR, ' ', "\\s");
    check_name(UNIT_CHAR, '\\', "\\\\");
    check_name(UNIT_CHAR, 0, "\\x00");
    check_name(UNIT_CHAR, 0xa0, "\\xa0");
    check_name(UNIT_CHAR, 0xe9, "\xc3\xa9");
    check_name(UNIT_CHAR, 0x1f600, "\xf0\x9f\x98\x80");
    check_name(UNIT_BYTE, 0xe9, "\\xe9");
    uint32_t code;
    static const char *const bad[] = {"", "ab", "\\", "\\q", "\\x1", "\\xgg", "\xc3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(symbol_of_name(UNIT_CHAR, bad[i], &code), -1);
    }
}

/* Every character there is goes to bytes and back; what isn't UTF-8 is none. */
static void utf8(void **state) {
    (void)state;
    char bytes[4];
    uint32_t back;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        size_t length = symbol_write(UNIT_CHAR, code, bytes);
        int surrogate = code >= 0xd800 && code < 0xe000;
        size_t taken = symbol_read(UNIT_CHAR, (const unsigned char *)bytes, length, &back);
        if (surrogate ? taken != 0 : taken != length || back != code) {
            fail_msg("character %x", (unsigned)code);
        }
    }
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xe2\x82",
                                      "\xc3("};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(symbol_read(UNIT_CHAR, (const unsigned char *)bad[i], strlen(bad[i]), &back), 0);
        assert_int_equal(symbol_read(UNIT_BYTE, (const unsigned char *)bad[i], 1, &back), 1);
    }
}

/* ---- the source ---- */

struct reading {
    struct config config;
    struct graph graph;
    struct data data;
    struct err err;
};

static int reading_open(struct reading *r, const char *net, const char *data, const char *layers, unsigned splits) {
    *r = (struct reading){0};
    char *text = mem_format("[net]\ninputs=1\n%s\n[data]\nsource=text\n%s\n%s", net, data, layers);
    int bad = config_parse(&r->config, "test.cfg", text, strlen(text), &r->err) != 0 ||
              graph_build(&r->graph, &r->config, &r->err) != 0;
    free(text);
    if (bad) {
        fail_msg("%s", r->err.sentences[0]);
    }
    return data_open(&r->data, &r->graph, splits, NULL, 1, &r->err);
}

static void reading_close(struct reading *r) {
    data_close(&r->data);
    graph_free(&r->graph);
    config_free(&r->config);
    err_free(&r->err);
}

static const char lstm[] = "[onehot]\nsize=10\n[lstm]\n[connected]\noutput=10\nactivation=linear\n[softmax]\n";

/* 26 digits in 2 streams of 12 (and the symbol that follows), windows of 4: stream 0 has 0..11, stream 1 12..23. */
static void streams(void **state) {
    (void)state;
    struct reading r;
    put_text("digits", "01234567890123456789012345");
    assert_int_equal(reading_open(&r, "time_steps=4\nbatch=2", "path=digits", lstm, TRAIN), 0);
    assert_int_equal(r.data.sets[SPLIT_TRAIN].count, 6);
    assert_int_equal(r.graph.carries, 1);
    struct loader_options options = {
        .set = &r.data.sets[SPLIT_TRAIN], .preprocess = &r.data.preprocess, .steps = 4, .batch = 2};
    struct loader *loader = loader_make(&options, &r.err);
    assert_non_null(loader);
    for (int window = 0; window < 3; window++) {
        struct batch *batch;
        assert_int_equal(loader_next(loader, &batch, &r.err), 0);
        assert_int_equal(batch->count, 2);
        for (int t = 0; t < 4; t++) {
            for (int s = 0; s < 2; s++) {
                int at = 12 * s + 4 * window + t;
                assert_int_equal((int)batch->input[t * 2 + s], at % 10);
                assert_int_equal(batch->labels[t * 2 + s], (at + 1) % 10);
            }
        }
    }
    loader_free(loader);
    reading_close(&r);
}

/* One answer for the whole window. */
static void last_answer(void **state) {
    (void)state;
    struct reading r;
    struct sample sample;
    put_text("digits", "0123456789012");
    assert_int_equal(
        reading_open(&r, "time_steps=4\nbatch=1", "path=digits",
                     "[onehot]\nsize=10\n[gru]\nsequence=last\n[connected]\noutput=10\nactivation=linear\n[softmax]\n",
                     TRAIN),
        0);
    assert_int_equal(r.graph.carries, 0);
    const struct source *source = r.data.sets[SPLIT_TRAIN].source;
    assert_int_equal(source->label_count, 1);
    assert_int_equal(source->ops->read(source, 1, &sample, &r.err), 0);
    assert_int_equal((int)sample.values[0], 4);
    assert_int_equal(sample.labels[0], 8);
    assert_int_equal(source->ops->label(source, 1), 8);
    sample_free(&sample);
    reading_close(&r);
}

/* The end is for validation; what the training part lacks is no symbol. */
static void validation(void **state) {
    (void)state;
    struct reading r;
    struct sample sample;
    put_text("mixed", "ababababababababababaxabab");
    const char *layers = "[onehot]\nsize=2\n[rnn]\n[connected]\noutput=2\nactivation=linear\n[softmax]\n";
    assert_int_equal(reading_open(&r, "time_steps=5\nbatch=2", "path=mixed\nvalid=6", layers, TRAIN | VALID), 0);
    assert_int_equal(r.data.classes, 2);
    assert_string_equal(r.data.class_names[0], "a");
    assert_int_equal(r.data.sets[SPLIT_VALID].count, 1);
    const struct source *source = r.data.sets[SPLIT_VALID].source;
    assert_int_equal(source->ops->read(source, 0, &sample, &r.err), 0);
    assert_int_equal((int)sample.values[0], 0);
    assert_int_equal((int)sample.values[1], -1);
    assert_int_equal(sample.labels[0], -1);
    assert_int_equal(sample.labels[4], 1);
    sample_free(&sample);
    reading_close(&r);
}

static void refused(const char *net, const char *data, const char *layers, const char *why) {
    struct reading r;
    assert_int_equal(reading_open(&r, net, data, layers, TRAIN | VALID), -1);
    assert_int_equal(r.err.status, STATUS_REFUSED);
    assert_true(says(&r.err, why));
    reading_close(&r);
}

static void refusals(void **state) {
    (void)state;
    put_text("none", "");
    put_text("short", "01234");
    put_text("same", "aaaaaaaaaaaaaa");
    put_text("latin", "caf\xe9 au lait 0123456789");
    put_text("digits", "01234567890123456789012345");
    const char *flat = "[connected]\noutput=10\nactivation=linear\n[softmax]\n";
    refused("time_steps=4", "path=none", lstm, "is empty");
    refused("time_steps=5", "path=short", lstm, "a window of time_steps=5 takes 6");
    refused("time_steps=4", "path=same", lstm, "different symbols");
    refused("time_steps=4", "path=latin", lstm, "byte 4 (0xe9) is not UTF-8");
    refused("time_steps=4", "path=digits\nvalid=26", lstm, "would be for validation");
    refused("time_steps=4", "path=digits\nvalid=3", lstm, "the valid part has 3 symbols");
    refused("time_steps=4", "path=digits", "[onehot]\nsize=5\n[lstm]\n[connected]\noutput=5\n[softmax]\n",
            "has 10 classes");
    refused("time_steps=4\ncarry_state=0", "path=digits\nclasses=aa,bb",
            "[onehot]\nsize=2\n[lstm]\noutput=2\n[softmax]\n", "is no symbol");
    refused("time_steps=4\nwidth=1\nheight=1\nchannels=1", "path=nothing", flat, "is not there");
}

static void bytes(void **state) {
    (void)state;
    struct reading r;
    put_text("latin", "caf\xe9 caf\xe9 caf\xe9");
    assert_int_equal(reading_open(&r, "time_steps=3", "path=latin\nunit=byte",
                                  "[onehot]\nsize=5\n[lstm]\n[connected]\noutput=5\n[softmax]\n", TRAIN),
                     0);
    assert_string_equal(r.data.class_names[0], "\\s");
    assert_string_equal(r.data.class_names[4], "\\xe9");
    reading_close(&r);
}

/* UTF-8's mark before a text is no symbol, but in bytes. */
static void marked(void **state) {
    (void)state;
    struct reading r;
    struct sample sample;
    put_text("marked", "\xef\xbb\xbf" "0123456789012");
    assert_int_equal(reading_open(&r, "time_steps=4", "path=marked", lstm, TRAIN), 0);
    assert_int_equal(r.data.classes, 10);
    const struct source *source = r.data.sets[SPLIT_TRAIN].source;
    assert_int_equal(source->ops->read(source, 0, &sample, &r.err), 0);
    assert_int_equal((int)sample.values[0], 0);
    sample_free(&sample);
    reading_close(&r);
    assert_int_equal(reading_open(&r, "time_steps=4", "path=marked\nunit=byte",
                                  "[onehot]\nsize=13\n[lstm]\n[connected]\noutput=13\n[softmax]\n", TRAIN),
                     0);
    assert_string_equal(r.data.class_names[12], "\\xef");
    reading_close(&r);
    put_text("bare", "\xef\xbb\xbf");
    refused("time_steps=4", "path=bare", lstm, "is empty");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named),       cmocka_unit_test(utf8),       cmocka_unit_test(streams),
        cmocka_unit_test(last_answer), cmocka_unit_test(validation), cmocka_unit_test(refusals),
        cmocka_unit_test(bytes),       cmocka_unit_test(marked),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
