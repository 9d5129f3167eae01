/* [data] as a whole: splits, classes, --data, what is missing, what is measured, what is written back; and the real
 * data where it is found. */
#include "data_fixture.h"

#include <math.h>

#include "sources/parts.h"

/* 12 pictures in three classes, folder by folder. */
static void make_folder(const char *root) {
    static const char *const names[] = {"ant", "bee", "cow"};
    for (int i = 0; i < 12; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%s/%02d.png", root, names[i % 3], i);
        put_picture(name, 4, 4, 3, (uint8_t)(20 * i + 10));
    }
}

static void check_sets(const struct data *data, size_t train, size_t valid) {
    const struct dataset *t = &data->sets[SPLIT_TRAIN], *v = &data->sets[SPLIT_VALID];
    unsigned char seen[4096] = {0};
    assert_int_equal(t->count, train);
    assert_int_equal(v->count, valid);
    for (size_t i = 0; i < train; i++) {
        assert_true(i == 0 || t->items[i] > t->items[i - 1]);
        seen[t->items[i]]++;
    }
    for (size_t i = 0; i < valid; i++) {
        assert_true(i == 0 || v->items[i] > v->items[i - 1]);
        seen[v->items[i]]++;
    }
    for (size_t i = 0; i < train + valid; i++) {
        assert_int_equal(seen[i], 1);
    }
}

static void valid_count(void **state) {
    (void)state;
    struct bench b, c;
    bench_make(&b, "", "source=synthetic\ncount=1000\nvalid=100", colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN | VALID, NULL), 0);
    check_sets(&b.data, 900, 100);
    assert_ptr_equal(b.data.sets[SPLIT_VALID].source, b.data.sets[SPLIT_TRAIN].source);
    /* the same for the same seed, whichever splits are asked for */
    bench_make(&c, "", "source=synthetic\ncount=1000\nvalid=100", colour_32, 10);
    assert_int_equal(bench_open(&c, VALID, NULL), 0);
    assert_memory_equal(b.data.sets[SPLIT_VALID].items, c.data.sets[SPLIT_VALID].items, 100 * sizeof(uint32_t));
    data_close(&c.data);
    assert_int_equal(data_open(&c.data, &c.graph, VALID, NULL, 2, &c.err), 0);
    assert_memory_not_equal(b.data.sets[SPLIT_VALID].items, c.data.sets[SPLIT_VALID].items, 100 * sizeof(uint32_t));
    bench_free(&b);
    bench_free(&c);
}

static void valid_fraction(void **state) {
    (void)state;
    struct bench b;
    bench_make(&b, "", "source=synthetic\ncount=1000\nvalid=0.25", colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0); /* training leaves them out even where nobody validates */
    check_sets(&b.data, 750, 250);
    bench_free(&b);
    bench_make(&b, "", "source=synthetic\ncount=1000\nvalid=0", colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN | VALID, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_VALID].count, 0);
    bench_free(&b);
}

static void valid_path(void **state) {
    (void)state;
    struct bench b;
    make_folder("set");
    put_picture("validation/cow/1.png", 4, 4, 3, 9);
    bench_make(&b, "", "source=images\npath=set\nvalid=validation", colour_32, 3);
    assert_int_equal(bench_open(&b, TRAIN | VALID | TEST, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 12);
    assert_int_equal(b.data.sets[SPLIT_VALID].count, 1);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 0);
    assert_int_equal(b.data.sources[SPLIT_VALID].ops->label(&b.data.sources[SPLIT_VALID], 0), 2);
    bench_free(&b);
}

static void valid_refusals(void **state) {
    (void)state;
    refuses("", "source=synthetic\ncount=100\nvalid=100", colour_32, 10, TRAIN, "valid: 100 of the 100");
    refuses("", "source=synthetic\ncount=100\nvalid=0.001", colour_32, 10, TRAIN, "valid: 0 of the 100");
    refuses("", "source=synthetic\ncount=100\nvalid=1.5", colour_32, 10, TRAIN, "valid: want a fraction");
    refuses("", "source=synthetic\ncount=100\nvalid=-3", colour_32, 10, TRAIN, "found \"-3\"");
    make_folder("set");
    refuses("", "source=images\npath=set\nvalid=nowhere", colour_32, 3, VALID, "valid: \"nowhere\" is not there");
}

static void missing(void **state) {
    (void)state;
    refuses("", "source=cifar10\npath=data/nowhere", colour_32, 10, TRAIN,
            "path: \"data/nowhere\" is not there; to get it: scripts/get-data cifar10");
    refuses("", "source=mnist\npath=data/nowhere", colour_32, 10, TRAIN, "scripts/get-data mnist");
    refuses("", "source=cifar10", colour_32, 10, TRAIN, "path is missing");
    refuses("", "path=x", colour_32, 10, TRAIN,
            "source is missing: want one of cifar10, cifar100, mnist, images, list, synthetic");
    struct bench b;
    bench_make(&b, "", NULL, colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN, NULL), -1);
    assert_true(says(&b.err, "no [data] section"));
    bench_free(&b);
}

/* $DLCLI_DATA is looked in too. */
static void elsewhere(void **state) {
    (void)state;
    struct bench b;
    char *before = getenv("DLCLI_DATA") != NULL ? mem_copy(getenv("DLCLI_DATA")) : NULL;
    make_folder("store/set2");
    setenv("DLCLI_DATA", "store", 1);
    bench_make(&b, "", "source=images\npath=data/set2", colour_32, 3);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 12);
    bench_free(&b);
    if (before != NULL) {
        setenv("DLCLI_DATA", before, 1);
    } else {
        unsetenv("DLCLI_DATA");
    }
    free(before);
}

static void classes(void **state) {
    (void)state;
    struct bench b;
    make_folder("set");
    bench_make(&b, "", "source=images\npath=set\nclasses=cow, bee ,ant", colour_32, 3);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_string_equal(b.data.class_names[1], "bee");
    assert_int_equal(b.data.sources[0].ops->label(&b.data.sources[0], 0), 2); /* ant */
    bench_free(&b);
    put_text("names.txt", "ant\r\n\nbee\ncow, or ox\n");
    bench_make(&b, "", "source=synthetic\nclasses=names.txt", colour_32, 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.classes, 3);
    assert_string_equal(b.data.class_names[2], "cow, or ox");
    bench_free(&b);
    bench_make(&b, "", "source=synthetic\nclasses=4", colour_32, 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.classes, 4);
    assert_string_equal(b.data.class_names[3], "3");
    bench_free(&b);
    refuses("", "source=synthetic\nclasses=4", colour_32, 5, TRAIN,
            "classes: 4 classes, but the network has 5 outputs");
    refuses("", "source=synthetic\nclasses=a,b,a", colour_32, 3, TRAIN, "two classes are called \"a\"");
    refuses("", "source=synthetic\nclasses=0", colour_32, 3, TRAIN, "want a count");
    refuses("", "source=synthetic\nclasses=nofile", colour_32, 3, TRAIN, "found \"nofile\"");
}

/* A comma list and back, with what a config could trip over. */
static void names(void **state) {
    (void)state;
    static const char *const hard[] = {"tench, Tinca tinca", "a # b", ";x",         "back\\slash",
                                       " leading",           "plain", "caf\xc3\xa9", "\t both ", "\\s", "t\\", "b "};
    enum { HARD = sizeof hard / sizeof *hard };
    static const char *const one[] = {"only"};
    struct text list = {0};
    char **got;
    int count;
    names_write((char *const *)(uintptr_t)hard, HARD, &list);
    assert_true(list.text[list.length - 1] != ' ');   /* the config would cut it off */
    names_parse(list.text, &got, &count);
    assert_int_equal(count, HARD);
    for (int i = 0; i < HARD; i++) {
        assert_string_equal(got[i], hard[i]);
    }
    names_free(got, count);
    text_free(&list);
    names_write((char *const *)(uintptr_t)one, 1, &list);
    assert_string_equal(list.text, "only,");
    names_parse(list.text, &got, &count);
    assert_int_equal(count, 1);
    assert_string_equal(got[0], "only");
    names_free(got, count);
    text_free(&list);
}

/* --data in place of source and path. */
static void spec(void **state) {
    (void)state;
    struct bench b;
    make_folder("set");
    bench_make(&b, "", "source=cifar10\npath=nowhere\ntest=nowhere\nclasses=ant,bee,cow", colour_32, 3);
    assert_int_equal(bench_open(&b, TEST, "images:set"), 0);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 12);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 0);
    bench_free(&b);
    bench_make(&b, "", "source=cifar10\npath=nowhere\nvalid=5", colour_32, 3);
    assert_int_equal(bench_open(&b, TRAIN | VALID, "images:set"), 0);
    check_sets(&b.data, 7, 5);
    bench_free(&b);
    bench_make(&b, "", "source=cifar10\npath=nowhere\nvalid=nowhere", colour_32, 3);
    assert_int_equal(bench_open(&b, VALID, "images:set"), 0);
    assert_int_equal(b.data.sets[SPLIT_VALID].count, 12);
    bench_free(&b);
    bench_make(&b, "", NULL, colour_32, 10); /* no [data] at all */
    assert_int_equal(bench_open(&b, TRAIN, "synthetic:77"), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 77);
    bench_free(&b);
    bench_make(&b, "", NULL, colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN, "synthetic"), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 1000);
    bench_free(&b);
}

static void spec_refusals(void **state) {
    (void)state;
    static const struct {
        const char *spec, *part;
    } cases[] = {
        {"images", "want SOURCE:PATH"},       {"images:", "want SOURCE:PATH"},
        {"folder:x", "found \"folder:x\""},   {"images:nowhere", "--data: \"nowhere\" is not there"},
        {"synthetic:many", "found \"many\""}, {"", "want SOURCE:PATH"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b;
        bench_make(&b, "", "source=synthetic", colour_32, 3);
        assert_int_equal(bench_open(&b, TEST, cases[i].spec), -1);
        assert_true(says(&b.err, cases[i].part));
        bench_free(&b);
    }
}

/* Everything that is wrong with the section is said at once. */
static void many_errors(void **state) {
    (void)state;
    struct bench b;
    bench_make(&b, "", "source=synthetic\nclasses=nofile\nvalid=1.5\nmean=x\nscale=1,2,3", colour_32, 3);
    assert_int_equal(bench_open(&b, TRAIN, NULL), -1);
    assert_int_equal(b.err.count, 4);
    bench_free(&b);
}

/* ---- mean and std ---- */

static void measured(void **state) {
    (void)state;
    unsigned char bytes[3 * 3073];
    struct bench b;
    for (int k = 0; k < 3; k++) {
        bytes[k * 3073] = (unsigned char)k;
        for (int i = 0; i < 3072; i++) {
            bytes[k * 3073 + 1 + i] = (unsigned char)(i < 1024 ? 51 : i < 2048 ? 100 * k : i % 2 * 255);
        }
    }
    put_file("m10/data_batch_1.bin", bytes, sizeof bytes);
    bench_make(&b, "", "source=cifar10\npath=m10\nmean=auto\nstd=auto", colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    const struct preprocess *p = &b.data.preprocess;
    assert_true(p->mean[0] == 0.2 && p->mean[1] == 0.392157 && p->mean[2] == 0.5);
    assert_true(p->std[0] == 1 && p->std[1] == 0.320195 && p->std[2] == 0.5); /* 100 * sqrt(2/3) / 255 */
    struct section *section = &b.config.sections[1];
    assert_int_equal(data_resolve(&b.data, section, &b.err), 0);
    assert_string_equal(config_text(section, "mean"), "0.2,0.392157,0.5");
    assert_string_equal(config_text(section, "std"), "1,0.320195,0.5");
    /* what was written reads as what was used, and nothing is measured any more */
    struct preprocess stored;
    assert_int_equal(config_check(section, "data", data_tables, &b.err), 0);
    assert_int_equal(preprocess_read(&stored, section, colour_32, &b.err), 0);
    assert_memory_equal(stored.mean, p->mean, 3 * sizeof(double));
    assert_memory_equal(stored.std, p->std, 3 * sizeof(double));
    bench_free(&b);
    /* the network's order and range; the test split alone makes it read the training data too */
    put_file("m10/test_batch.bin", bytes, sizeof bytes);
    bench_make(&b, "", "source=cifar10\npath=m10\nmean=auto\ncolor=bgr\nrange=255", colour_32, 10);
    assert_int_equal(bench_open(&b, TEST, NULL), 0);
    assert_true(b.data.preprocess.mean[0] == 127.5 && b.data.preprocess.mean[2] == 51 && b.data.preprocess.std[0] == 1);
    bench_free(&b);
}

/* Of the training split only, resized, unreadable ones left out. */
static void measured_folder(void **state) {
    (void)state;
    struct bench b;
    put_picture("mf/a/1.png", 64, 64, 3, 100);
    put_picture("mf/a/2.png", 32, 32, 3, 200);
    put_text("mf/a/3.png", "broken");
    bench_make(&b, "", "source=images\npath=mf\nmean=auto\nrange=255", colour_32, 1);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_true(fabs(b.data.preprocess.mean[0] - 150) < 0.3);
    assert_true(warns(&b.err, "mf/a/3.png"));
    bench_free(&b);
    put_text("mb/a/1.png", "broken");
    refuses("", "source=images\npath=mb\nmean=auto", colour_32, 1, TRAIN, "none of the 1 training samples");
}

static void resolved(void **state) {
    (void)state;
    struct bench b;
    put_text("names.txt", "ant\nbee\ncow, or ox\n");
    bench_make(&b, "", "source=synthetic\nclasses=names.txt\nmean=0.5", colour_32, 3);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(data_resolve(&b.data, &b.config.sections[1], &b.err), 0);
    assert_string_equal(config_text(&b.config.sections[1], "classes"), "ant,bee,cow\\, or ox");
    assert_string_equal(config_text(&b.config.sections[1], "mean"), "0.5");
    bench_free(&b);
    bench_make(&b, "", "source=synthetic", colour_32, 3);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(data_resolve(&b.data, &b.config.sections[1], &b.err), 0);
    assert_string_equal(config_text(&b.config.sections[1], "classes"), "0,1,2");
    bench_free(&b);
}

/* ---- the real data ---- */

static int is_here(const char *path) {
    char *found = file_find_data(path);
    free(found);
    return found != NULL;
}

static void real_cifar10(void **state) {
    (void)state;
    if (!is_here("data/cifar-10-batches-bin")) {
        skip();
    }
    struct bench b;
    bench_make(&b, "", "source=cifar10\npath=data/cifar-10-batches-bin\nmean=auto\nstd=auto", colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    static const double mean[] = {0.4914, 0.4822, 0.4465}, std[] = {0.2470, 0.2435, 0.2616};
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(b.data.preprocess.mean[c] - mean[c]) < 6e-5 && fabs(b.data.preprocess.std[c] - std[c]) < 6e-5);
    }
    static const enum split splits[] = {SPLIT_TRAIN, SPLIT_TEST};
    for (int s = 0; s < 2; s++) {
        const struct dataset *set = &b.data.sets[splits[s]];
        int histogram[10] = {0};
        assert_int_equal(set->count, s == 0 ? 50000 : 10000);
        for (size_t i = 0; i < set->count; i++) {
            histogram[set->source->ops->label(set->source, i)]++;
        }
        for (int k = 0; k < 10; k++) {
            assert_int_equal(histogram[k], s == 0 ? 5000 : 1000);
        }
    }
    assert_string_equal(b.data.class_names[0], "airplane");
    bench_free(&b);
}

static void real_mnist(void **state) {
    (void)state;
    if (!is_here("data/mnist")) {
        skip();
    }
    struct bench b;
    bench_make(&b, "", "source=mnist\npath=data/mnist\nmean=auto\nstd=auto", grey_28, 10);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    assert_true(fabs(b.data.preprocess.mean[0] - 0.1307) < 6e-5 && fabs(b.data.preprocess.std[0] - 0.3081) < 6e-5);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 60000);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 10000);
    int ones = 0;
    for (size_t i = 0; i < 10000; i++) {
        ones += b.data.sources[SPLIT_TEST].ops->label(&b.data.sources[SPLIT_TEST], i) == 1;
    }
    assert_int_equal(ones, 1135);
    bench_free(&b);
}

/* The folder of pictures holds the binary's test pictures, class by class in the binary's order. */
static void real_folder(void **state) {
    (void)state;
    if (!is_here("data/cifar-10-images") || !is_here("data/cifar-10-batches-bin")) {
        skip();
    }
    struct bench b, f;
    bench_make(&b, "", "source=cifar10\npath=data/cifar-10-batches-bin", colour_32, 10);
    bench_make(&f, "", "source=images\npath=data/cifar-10-images", colour_32, 10);
    assert_int_equal(bench_open(&b, TEST, NULL), 0);
    assert_int_equal(bench_open(&f, TEST, NULL), 0);
    const struct source *binary = &b.data.sources[SPLIT_TEST], *folder = &f.data.sources[SPLIT_TEST];
    assert_int_equal(folder->count, 10000);
    int seen[10] = {0};
    static float one[3072], other[3072];
    for (size_t i = 0; i < 500; i++) {
        struct sample x, y;
        assert_int_equal(binary->ops->read(binary, i, &x, &b.err), 0);
        assert_int_equal(folder->ops->read(folder, (size_t)(x.label * 1000 + seen[x.label]++), &y, &f.err), 0);
        assert_int_equal(x.label, y.label);
        assert_int_equal(sample_to_input(&x, &b.data.preprocess, NULL, 0, 0, 0, one, &b.err), 0);
        assert_int_equal(sample_to_input(&y, &f.data.preprocess, NULL, 0, 0, 0, other, &f.err), 0);
        assert_memory_equal(one, other, sizeof one);
        sample_free(&x);
        sample_free(&y);
    }
    bench_free(&b);
    bench_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_count),     cmocka_unit_test(valid_fraction), cmocka_unit_test(valid_path),
        cmocka_unit_test(valid_refusals),  cmocka_unit_test(missing),        cmocka_unit_test(elsewhere),
        cmocka_unit_test(classes),         cmocka_unit_test(names),          cmocka_unit_test(spec),
        cmocka_unit_test(spec_refusals),   cmocka_unit_test(many_errors),    cmocka_unit_test(measured),
        cmocka_unit_test(measured_folder), cmocka_unit_test(resolved),       cmocka_unit_test(real_cifar10),
        cmocka_unit_test(real_mnist),      cmocka_unit_test(real_folder),
    };
    return cmocka_run_group_tests_name("data", tests, scratch_make, scratch_remove);
}
