/* Tables of numbers (csv) and texts with labels or tags (tsv): what they become, and every kind of line that is refused. */
#include "data_fixture.h"
#include "graph.h"
#include "kernels/kernels.h"

/* ---- csv ---- */

static void csv_open(struct bench *b, const char *text, const char *keys, int inputs, int classes) {
    char *data = mem_format("source=csv\npath=t.csv\n%s", keys);
    put_text("t.csv", text);
    bench_make(b, "", data, (struct shape){1, inputs, 1, 1}, classes);
    free(data);
}

static void csv_regression(void **state) {
    (void)state;
    struct bench b;
    struct sample s = {0};
    csv_open(&b, "a,b,y\n1,2,3\n 4 ,\"5\",6\n-1e2,.5,0\n", "", 2, 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    const struct source *source = b.data.sets[SPLIT_TRAIN].source;
    assert_int_equal(source->count, 3);
    assert_int_equal(source->ops->read(source, 1, &s, &b.err), 0);
    assert_true(s.values[0] == 4 && s.values[1] == 5 && s.targets[0] == 6 && s.target_count == 1);
    sample_free(&s);
    assert_int_equal(source->ops->read(source, 2, &s, &b.err), 0);
    assert_true(s.values[0] == -100 && s.values[1] == 0.5f && s.targets[0] == 0);
    sample_free(&s);
    bench_free(&b);
}

static void csv_columns_by_name(void **state) {
    (void)state;
    struct bench b;
    struct sample s = {0};
    csv_open(&b, "y;a;b;z\n1;2;3;4\n5;6;7;8\n", "target=z,y\nfeatures=b\ndelimiter=;\nnormalize=minmax\n", 1, 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    const struct source *source = b.data.sets[SPLIT_TRAIN].source;
    assert_int_equal(source->ops->read(source, 1, &s, &b.err), 0);
    assert_true(s.values[0] == 1 && s.target_count == 2 && s.targets[0] == 8 && s.targets[1] == 5);
    sample_free(&s);
    bench_free(&b);
}

static void csv_classes(void **state) {
    (void)state;
    struct bench b;
    csv_open(&b, "1,no\n2,yes\n3,no\n", "header=0\n", 1, 2);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    const struct source *source = b.data.sets[SPLIT_TRAIN].source;
    assert_string_equal(b.data.class_names[0], "no");
    assert_int_equal(source->ops->label(source, 1), 1);
    bench_free(&b);
}

static void csv_refusals(void **state) {
    (void)state;
    static const struct { const char *text, *keys, *why; } bad[] = {
        {"", "", "t.csv: "},
        {"a,b,y\n", "", "t.csv: "},
        {"a,b,y\n1,2,3\n1,,3\n", "", "t.csv:3: column 1 (b): the value is missing"},
        {"a,b,y\n1,x,3\n", "", "t.csv:2: column 1 (b): want a finite number, found \"x\""},
        {"a,b,y\n1,inf,3\n", "", "t.csv:2: column 1 (b): want a finite number, found \"inf\""},
        {"a,b,y\n1,2\n", "", "t.csv:2: want 3 columns"},
        {"a,b,y\n1,2,3,4\n", "", "t.csv:2: want 3 columns"},
        {"a,b,y\n1,\"2,3\n", "", "t.csv:2: "},
        {"a,b,y\n1,2,3\n", "target=q\n", "q"},
        {"a,b,y\n1,2,3\n", "target=3\n", "3"},
        {"b,a,y,a\n1,2,3,4\n", "", "t.csv: columns 1 and 3 are both called \"a\""},
        {"a\tb\ty\n1\t2\t3\n\t\t\n", "delimiter=tab\n", "t.csv:3: column 0 (a): the value is missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench b;
        csv_open(&b, bad[i].text, bad[i].keys, 2, 0);
        assert_int_equal(bench_open(&b, TRAIN, NULL), -1);
        assert_true(says(&b.err, bad[i].why));
        assert_int_equal(b.err.status, STATUS_REFUSED);
        bench_free(&b);
    }
}

/* A header of very many columns: compared pair by pair, its names would take minutes. */
static void csv_wide_header(void **state) {
    (void)state;
    enum { COLUMNS = 200000 };
    struct bench b;
    struct text header = {0};
    for (int i = 0; i < COLUMNS; i++) {
        text_add(&header, "%sc%d", i > 0 ? "," : "", i);
    }
    csv_open(&b, header.text, "", COLUMNS - 1, 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), -1);
    assert_true(says(&b.err, "holds no rows of data"));
    text_free(&header);
    bench_free(&b);
}

/* ---- tsv ---- */

/* A graph of the config itself: texts want to know what the network reads and how often it answers. */
struct texts { struct config config; struct graph graph; struct data data; struct err err; };

static void texts_make(struct texts *t, const char *text, const char *keys, int steps, int tags) {
    *t = (struct texts){0};
    char *config = mem_format("[net]\ninputs=1\ntime_steps=%d\n[data]\nsource=tsv\npath=t.tsv\n%s\n[onehot]\nsize=4\n[rnn]\n"
                              "output=3\n%s[softmax]\n", steps, keys, tags ? "" : "sequence=last\n");
    put_text("t.tsv", text);
    int bad = config_parse(&t->config, "test.cfg", config, strlen(config), &t->err) < 0 ||
              graph_build(&t->graph, &t->config, &t->err) < 0;
    if (bad) {
        fail_msg("%s", t->err.sentences[0]);
    }
    free(config);
}

static int texts_open(struct texts *t, unsigned splits) {
    return data_open(&t->data, &t->graph, splits, NULL, 1, &t->err);
}

static void texts_free(struct texts *t) {
    data_close(&t->data);
    graph_free(&t->graph);
    config_free(&t->config);
    err_free(&t->err);
}

static void check_values(const struct source *source, size_t index, const float *values, const int32_t *labels) {
    struct sample s = {0};
    struct err err = {0};
    assert_int_equal(source->ops->read(source, index, &s, &err), 0);
    for (int i = 0; i < source->steps; i++) {
        assert_float_equal(s.values[i], values[i], 0);
        assert_true(labels == NULL || s.labels[i] == labels[i]);
    }
    sample_free(&s);
}

/* "e" < "h" < "l" < "o"; what is shorter than the window is padded, what is longer cut, with a warning. */
static void labelled(void **state) {
    (void)state;
    struct texts t;
    texts_make(&t, "hello\tgreeting\r\n\nhe\tpronoun\nlo\tlook\n", "", 3, 0);
    assert_int_equal(texts_open(&t, TRAIN), 0);
    const struct source *source = t.data.sets[SPLIT_TRAIN].source;
    assert_int_equal(source->count, 3);
    check_values(source, 0, (const float[]){1, 0, 2}, NULL);
    check_values(source, 1, (const float[]){1, 0, SYMBOL_PADDING}, NULL);
    assert_int_equal(source->ops->label(source, 0), 0);
    assert_int_equal(source->ops->label(source, 1), 2);
    assert_string_equal(t.data.class_names[1], "look");
    assert_true(warns(&t.err, "1 of 3 texts are longer than time_steps=3"));
    assert_int_equal(data_resolve(&t.data, (struct section *)(uintptr_t)t.graph.data, &t.err), 0);
    assert_string_equal(config_text(t.graph.data, "vocabulary"), "e,h,l,o");
    texts_free(&t);
}

/* More words than the first layer tells apart: the most frequent are kept; others are no symbols. */
static void tagged(void **state) {
    (void)state;
    struct texts t;
    texts_make(&t, "a dog runs\td n v\na  cat\td n\na dog sees a cat now\td n v d n x\n", "unit=word\nclasses=n,d,v,x\n", 6, 1);
    t.graph.classes = 4;
    assert_int_equal(texts_open(&t, TRAIN), 0);
    const struct source *source = t.data.sets[SPLIT_TRAIN].source;
    const float pad = SYMBOL_PADDING;
    check_values(source, 0, (const float[]){0, 2, -1, pad, pad, pad}, (const int32_t[]){1, 0, 2, -1, -1, -1});
    check_values(source, 1, (const float[]){0, 1, pad, pad, pad, pad}, (const int32_t[]){1, 0, -1, -1, -1, -1});
    assert_true(warns(&t.err, "has 6 different symbols: the vocabulary is the 4 most frequent"));
    texts_free(&t);
}

static void tsv_refusals(void **state) {
    (void)state;
    static const struct { const char *text, *keys; int steps, tags; const char *why; } bad[] = {
        {"", "", 3, 0, "t.tsv: is empty"},
        {"\n\n", "", 3, 0, "t.tsv: is empty"},
        {"he\tx\nlo\n", "", 3, 0, "t.tsv:2: want a text, a tab"},
        {"he\tx\n\ty\n", "", 3, 0, "t.tsv:2: the text is empty"},
        {"he\t\n", "", 3, 0, "t.tsv:1: there is nothing behind the tab"},
        {"he\tx\ty\n", "", 3, 0, "t.tsv:1: want one tab"},
        {"h\xff\tx\nlo\ty\nel\tz\n", "", 3, 0, "t.tsv:1: the text is not UTF-8; unit=byte"},
        {"he\tgreet\nlo\tgreat\n", "classes=greet,look,leave\n", 3, 0, "t.tsv:2: \"great\" is none of the 3 classes; did you mean \"greet\"?"},
        {"he\tx y z\n", "", 3, 1, "t.tsv:1: want a tag for each of 2 symbols, found 3"},
        {"hell\tx y z\n", "", 3, 1, "t.tsv:1: want a tag for each of 4 symbols, found 3"},
        {"he\tx q\n", "classes=x,y,z\n", 3, 1, "t.tsv:1: \"q\" is none of the 3 classes"},
        {"he\tx\nlo\ty\nel\tz\x01\n", "", 3, 0, "t.tsv:3: behind the tab, the line holds a control character"},
        {"he\tx\nlo\ty\nel\tcaf\xe9\n", "", 3, 0, "t.tsv:3: behind the tab, the line holds bytes that are not UTF-8"},
        {"he\tx\nlo\ty\nel\xe9\tz\n", "unit=word\n", 3, 0, "t.tsv:3: the text is not UTF-8"},
        {"he\tx\nlo\x7f\ty\nel\tz\n", "unit=word\n", 3, 0, "t.tsv:2: a word holds a control character"},
        {"he\tx\nlo\ty\n", "", 3, 0, "has 2 classes, but the network's outputs are 3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct texts t;
        texts_make(&t, bad[i].text, bad[i].keys, bad[i].steps, bad[i].tags);
        assert_int_equal(texts_open(&t, TRAIN), -1);
        assert_true(says(&t.err, bad[i].why));
        assert_int_equal(t.err.status, STATUS_REFUSED);
        texts_free(&t);
    }
}

/* Without the training text nobody knows the vocabulary. */
static void tsv_test_alone(void **state) {
    (void)state;
    struct texts t;
    texts_make(&t, "he\tx\nlo\ty\nl\tz\n", "test=t.tsv\n", 3, 0);
    assert_int_equal(texts_open(&t, TEST), -1);
    assert_true(says(&t.err, "vocabulary"));
    texts_free(&t);
    texts_make(&t, "he\tx\nlo\ty\nl\tz\n", "test=t.tsv\nvocabulary=o,l\n", 3, 0);
    assert_int_equal(texts_open(&t, TEST), 0);
    check_values(t.data.sets[SPLIT_TEST].source, 0, (const float[]){-1, -1, SYMBOL_PADDING}, NULL);
    check_values(t.data.sets[SPLIT_TEST].source, 1, (const float[]){1, 0, SYMBOL_PADDING}, NULL);
    texts_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_regression), cmocka_unit_test(csv_columns_by_name), cmocka_unit_test(csv_classes),
        cmocka_unit_test(csv_refusals), cmocka_unit_test(csv_wide_header), cmocka_unit_test(labelled),            cmocka_unit_test(tagged),
        cmocka_unit_test(tsv_refusals),   cmocka_unit_test(tsv_test_alone),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
