/* The formats: small files made here, and everything that can be wrong with them. */
#include "data_fixture.h"

enum { CIFAR10 = 3073, CIFAR100 = 3074 };
static const char *const ten_names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

/* `count` records: labels first, first + 1, ...; pixel i of record k is k + i. */
static unsigned char *records(size_t size, int count, int first) {
    unsigned char *bytes = malloc(size * (size_t)count);
    for (int k = 0; k < count; k++) {
        unsigned char *at = bytes + (size_t)k * size;
        size_t labels = size - 3072;
        at[0] = 19; /* CIFAR-100's coarse label; overwritten for CIFAR-10 */
        at[labels - 1] = (unsigned char)(first + k);
        for (size_t i = 0; i < 3072; i++) {
            at[labels + i] = (unsigned char)((size_t)k + i);
        }
    }
    return bytes;
}

static void put_records(const char *name, size_t size, int count, int first) {
    unsigned char *bytes = records(size, count, first);
    put_file(name, bytes, size * (size_t)count);
    free(bytes);
}

static void make_cifar10(const char *folder) {
    char name[128];
    for (int i = 1; i <= 2; i++) {
        snprintf(name, sizeof name, "%s/data_batch_%d.bin", folder, i);
        put_records(name, CIFAR10, 3, 3 * i - 3);
    }
    snprintf(name, sizeof name, "%s/test_batch.bin", folder);
    put_records(name, CIFAR10, 2, 8);
    snprintf(name, sizeof name, "%s/batches.meta.txt", folder);
    put_text(name, ten_names);
}

/* Reads a sample of a split and checks what it must be. */
static void check_sample(struct bench *b, enum split split, size_t index, int label, int first_pixel) {
    const struct source *source = b->data.sets[split].source;
    struct sample sample;
    assert_int_equal(source->ops->read(source, index, &sample, &b->err), 0);
    assert_int_equal(sample.label, label);
    assert_int_equal(source->ops->label(source, index), label);
    assert_int_equal(sample.pixels[0], first_pixel);
    sample_free(&sample);
}

static void cifar10(void **state) {
    (void)state;
    struct bench b;
    char buffer[64];
    make_cifar10("c10");
    bench_make(&b, "", "source=cifar10\npath=c10", colour_32, 10);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 6);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 2);
    assert_int_equal(b.data.sets[SPLIT_VALID].count, 0);
    check_sample(&b, SPLIT_TRAIN, 0, 0, 0);
    check_sample(&b, SPLIT_TRAIN, 5, 5, 2);
    check_sample(&b, SPLIT_TEST, 1, 9, 1);
    assert_int_equal(b.data.classes, 10);
    assert_string_equal(b.data.class_names[9], "truck");
    const struct source *source = b.data.sets[SPLIT_TRAIN].source;
    assert_string_equal(source->ops->name_of(source, 4, buffer, sizeof buffer), "c10[4]");
    bench_free(&b);
}

static void cifar10_gzipped(void **state) {
    (void)state;
    struct bench b;
    unsigned char *bytes = records(CIFAR10, 4, 3);
    put_text("gz/x", "");
    put_gzip("gz/data_batch_1.bin.gz", bytes, 4 * CIFAR10);
    free(bytes);
    bench_make(&b, "", "source=cifar10\npath=gz", colour_32, 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 4);
    check_sample(&b, SPLIT_TRAIN, 3, 6, 3);
    assert_string_equal(b.data.class_names[3], "3"); /* no names there */
    bench_free(&b);
}

static void cifar10_refusals(void **state) {
    (void)state;
    unsigned char *bytes = records(CIFAR10, 2, 3);
    put_file("short/data_batch_1.bin", bytes, 2 * CIFAR10 - 1);
    refuses("", "source=cifar10\npath=short", colour_32, 10, TRAIN, "found 6145 bytes");
    put_file("empty/data_batch_1.bin", bytes, 0);
    refuses("", "source=cifar10\npath=empty", colour_32, 10, TRAIN, "found 0 bytes");
    bytes[CIFAR10] = 10;
    put_file("label/data_batch_1.bin", bytes, 2 * CIFAR10);
    refuses("", "source=cifar10\npath=label", colour_32, 10, TRAIN, "record 1: want a label of 0..9, found 10");
    refuses("", "source=cifar10\npath=label", colour_32, 10, TEST, "holds no test_batch.bin");
    put_text("none/x", "");
    refuses("", "source=cifar10\npath=none", colour_32, 10, TRAIN, "scripts/get-data cifar10");
    refuses("", "source=cifar10\npath=label/data_batch_1.bin", colour_32, 10, TRAIN, "want the folder");
    make_cifar10("hole");
    put_records("hole/data_batch_4.bin", CIFAR10, 3, 0);
    refuses("", "source=cifar10\npath=hole", colour_32, 10, TRAIN, "hole: holds data_batch_4.bin, but no data_batch_3.bin");
    put_text("names/batches.meta.txt", "one\ntwo\n");
    refuses("", "source=cifar10\npath=names", colour_32, 10, TRAIN, "want 10 class names, found 2");
    put_text("noname/batches.meta.txt", "\n \r\n");
    refuses("", "source=cifar10\npath=noname", colour_32, 10, TRAIN, "want class names");
    free(bytes);
}

static void gzip_refusals(void **state) {
    (void)state;
    unsigned char *bytes = records(CIFAR10, 50, 0), *packed;
    struct err err = {0};
    size_t size;
    for (int k = 0; k < 50; k++) {
        bytes[k * CIFAR10] = 0;
    }
    put_text("bad/x", "");
    put_gzip("bad/data_batch_1.bin.gz", bytes, 50 * CIFAR10);
    assert_int_equal(file_read("bad/data_batch_1.bin.gz", 0, 1 << 20, STATUS_REFUSED, &packed, &size, &err), 0);
    put_file("bad/data_batch_1.bin.gz", packed, size / 2);
    refuses("", "source=cifar10\npath=bad", colour_32, 10, TRAIN, "cut off");
    packed[size - 6] ^= 1; /* of the checksum */
    put_file("bad/data_batch_1.bin.gz", packed, size);
    refuses("", "source=cifar10\npath=bad", colour_32, 10, TRAIN, "corrupt");
    free(packed);
    free(bytes);
}

static void cifar100(void **state) {
    (void)state;
    struct bench b;
    struct text names = {0};
    for (int i = 0; i < 100; i++) {
        text_add(&names, "name%d\r\n", i);
    }
    put_records("c100/train.bin", CIFAR100, 3, 40);
    put_records("c100/test.bin", CIFAR100, 1, 99);
    put_text("c100/fine_label_names.txt", names.text);
    text_free(&names);
    bench_make(&b, "", "source=cifar100\npath=c100", colour_32, 100);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    check_sample(&b, SPLIT_TRAIN, 2, 42, 2);
    check_sample(&b, SPLIT_TEST, 0, 99, 0);
    assert_string_equal(b.data.class_names[42], "name42");
    bench_free(&b);
    put_records("c100/test.bin", CIFAR100, 1, 100);
    refuses("", "source=cifar100\npath=c100", colour_32, 100, TEST, "found 100");
    refuses("", "source=cifar100\npath=c100", colour_32, 10, TRAIN, "100 classes, but the network's outputs are 10");
}

/* ---- MNIST ---- */

static void big_endian(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        to[i] = (unsigned char)(value >> (24 - 8 * i));
    }
}

/* Files of `count` pictures of 2x3, pixel i is i; labels 0, 1, ... */
static void make_mnist(const char *folder, const char *part, uint32_t count) {
    char name[128];
    unsigned char bytes[16 + 6 * 20];
    big_endian(bytes, 0x803);
    big_endian(bytes + 4, count);
    big_endian(bytes + 8, 2);
    big_endian(bytes + 12, 3);
    for (uint32_t i = 0; i < 6 * count; i++) {
        bytes[16 + i] = (unsigned char)i;
    }
    snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte", folder, part);
    put_file(name, bytes, 16 + 6 * count);
    big_endian(bytes, 0x801);
    for (uint32_t i = 0; i < count; i++) {
        bytes[8 + i] = (unsigned char)i;
    }
    snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte", folder, part);
    put_file(name, bytes, 8 + count);
}

static const struct shape grey_2x3 = {1, 1, 2, 3};

static void mnist(void **state) {
    (void)state;
    struct bench b;
    make_mnist("m", "train", 10);
    make_mnist("m", "t10k", 4);
    bench_make(&b, "", "source=mnist\npath=m", grey_2x3, 10);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 10);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 4);
    check_sample(&b, SPLIT_TRAIN, 9, 9, 54);
    check_sample(&b, SPLIT_TEST, 3, 3, 18);
    bench_free(&b);
}

/* The header of the pictures with one word changed. */
static void damaged(size_t at, uint32_t value, const char *part) {
    struct err err = {0};
    unsigned char *bytes;
    size_t size;
    make_mnist("dm", "train", 10);
    assert_int_equal(file_read("dm/train-images-idx3-ubyte", 0, 1 << 20, STATUS_REFUSED, &bytes, &size, &err), 0);
    big_endian(bytes + at, value);
    put_file("dm/train-images-idx3-ubyte", bytes, size);
    free(bytes);
    refuses("", "source=mnist\npath=dm", grey_2x3, 10, TRAIN, part);
}

static void mnist_refusals(void **state) {
    (void)state;
    damaged(0, 0x801, "another type");
    damaged(4, 11, "promises 11 items in 66 bytes, found 60");
    damaged(4, 0, "promises 0 items");
    damaged(4, UINT32_MAX, "promises");
    damaged(8, UINT32_MAX, "promises");
    damaged(12, 0, "promises");
    make_mnist("m2", "train", 10);
    put_file("m2/train-images-idx3-ubyte", "\0\0\10\3", 4);
    refuses("", "source=mnist\npath=m2", grey_2x3, 10, TRAIN, "less than its header");
    make_mnist("m3", "train", 11);
    refuses("", "source=mnist\npath=m3", grey_2x3, 10, TRAIN, "label 10: want 0..9, found 10");
    make_mnist("m4", "train", 10);
    make_mnist("m5", "train", 9);
    rename("m5/train-labels-idx1-ubyte", "m4/train-labels-idx1-ubyte");
    refuses("", "source=mnist\npath=m4", grey_2x3, 10, TRAIN, "9 labels for 10 pictures");
    refuses("", "source=mnist\npath=m5", grey_2x3, 10, TRAIN, "scripts/get-data mnist");
    unsigned char bytes[16] = {0};
    big_endian(bytes, 0x803);
    big_endian(bytes + 4, 1u << 31);
    big_endian(bytes + 8, 1u << 31);
    big_endian(bytes + 12, 1u << 31);
    put_file("m6/train-images-idx3-ubyte", bytes, sizeof bytes);
    refuses("", "source=mnist\npath=m6", grey_2x3, 10, TRAIN, "more than any file holds");
}

/* More classes when the config says so (EMNIST). */
static void mnist_classes(void **state) {
    (void)state;
    struct bench b;
    make_mnist("em", "train", 20);
    bench_make(&b, "", "source=mnist\npath=em\nclasses=26", grey_2x3, 26);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.classes, 26);
    bench_free(&b);
}

/* ---- folders and lists ---- */

static void images(void **state) {
    (void)state;
    struct bench b;
    char buffer[256];
    put_picture("pets/dog/b.png", 4, 4, 3, 200);
    put_picture("pets/dog/a.jpg", 5, 3, 1, 100); /* by content, not by suffix; grey */
    put_picture("pets/cat/more/z", 4, 4, 3, 50);
    put_picture("pets/cat/.hidden", 4, 4, 3, 50);
    put_text("pets/notes.txt", "not in a class");
    bench_make(&b, "", "source=images\npath=pets", colour_32, 2);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 3);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 0);
    assert_string_equal(b.data.class_names[0], "cat");
    assert_string_equal(b.data.class_names[1], "dog");
    const struct source *source = b.data.sets[SPLIT_TRAIN].source;
    assert_string_equal(source->ops->name_of(source, 0, buffer, sizeof buffer), "pets/cat/more/z");
    assert_string_equal(source->ops->name_of(source, 1, buffer, sizeof buffer), "pets/dog/a.jpg");
    struct sample sample;
    assert_int_equal(source->ops->read(source, 1, &sample, &b.err), 0);
    assert_true(sample.channels == 3 && sample.width == 5 && sample.height == 3 && sample.label == 1 && !sample.planar);
    assert_true(sample.pixels[0] == 0 && sample.pixels[3] == 100 && sample.pixels[5] == 100);
    sample_free(&sample);
    bench_free(&b);
}

static void images_parts(void **state) {
    (void)state;
    struct bench b;
    put_picture("parts/train/cat/1.png", 4, 4, 3, 1);
    put_picture("parts/train/dog/1.png", 4, 4, 3, 1);
    put_picture("parts/test/dog/2.png", 4, 4, 3, 1); /* no cat here: dog is still class 1 */
    bench_make(&b, "", "source=images\npath=parts", colour_32, 2);
    assert_int_equal(bench_open(&b, TEST, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 1);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 0);
    assert_int_equal(b.data.sources[SPLIT_TEST].ops->label(&b.data.sources[SPLIT_TEST], 0), 1);
    bench_free(&b);
    /* test= names another folder; its classes are the training set's */
    put_picture("more/dog/2.png", 4, 4, 3, 1);
    bench_make(&b, "", "source=images\npath=parts\ntest=more", colour_32, 2);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    assert_int_equal(b.data.sources[SPLIT_TEST].ops->label(&b.data.sources[SPLIT_TEST], 0), 1);
    bench_free(&b);
    bench_make(&b, "", "source=images\npath=parts\ntest=more\nclasses=dog,cat", colour_32, 2);
    assert_int_equal(bench_open(&b, TEST, NULL), 0);
    assert_int_equal(b.data.sources[SPLIT_TEST].ops->label(&b.data.sources[SPLIT_TEST], 0), 0);
    bench_free(&b);
}

static void images_refusals(void **state) {
    (void)state;
    put_picture("three/ant/1.png", 4, 4, 3, 1);
    put_picture("three/bee/1.png", 4, 4, 3, 1);
    put_picture("three/cow/1.png", 4, 4, 3, 1);
    refuses("", "source=images\npath=three", colour_32, 10, TRAIN, "has 3 classes, but the network's outputs are 10");
    refuses("", "source=images\npath=three\nclasses=ant,bees,cow", colour_32, 3, TRAIN,
            "no class of that name; did you mean \"bees\"?");
    refuses("", "source=images\npath=three/ant", colour_32, 3, TRAIN, "want a folder for each class, found none");
    refuses("", "source=images\npath=three/ant/1.png", colour_32, 3, TRAIN, "want a folder that has");
    struct err err = {0};
    assert_int_equal(file_make_folder("nothing/a", &err), 0);
    assert_int_equal(file_make_folder("nothing/b", &err), 0);
    refuses("", "source=images\npath=nothing", colour_32, 2, TRAIN, "no pictures in its 2 folders");
    assert_int_equal(file_make_folder("odd/a\nb", &err), 0);
    refuses("", "source=images\npath=odd", colour_32, 2, TRAIN, "a control character");
}

static void unreadable(void **state) {
    (void)state;
    struct bench b;
    put_picture("broken/a/1.png", 4, 4, 3, 1);
    put_text("broken/a/2.png", "no picture");
    bench_make(&b, "", "source=images\npath=broken", colour_32, 1);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    struct sample sample = {0};
    assert_int_equal(b.data.sources[0].ops->read(&b.data.sources[0], 1, &sample, &b.err), -1);
    assert_true(says(&b.err, "broken/a/2.png"));
    sample_free(&sample);
    bench_free(&b);
}

static void list_by_name(void **state) {
    (void)state;
    struct bench b;
    char buffer[256];
    put_picture("lists/pics/1.png", 4, 4, 3, 1);
    put_picture("lists/with space.png", 4, 4, 3, 1);
    put_text("lists/train.txt", "pics/1.png\tdog\r\n\r\n   \nwith space.png\t cat \nlists/pics/1.png\tcat");
    bench_make(&b, "", "source=list\npath=lists/train.txt", colour_32, 2);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 3);
    assert_string_equal(b.data.class_names[0], "cat");
    const struct source *source = b.data.sets[SPLIT_TRAIN].source;
    assert_int_equal(source->ops->label(source, 0), 1);
    assert_int_equal(source->ops->label(source, 1), 0);
    assert_string_equal(source->ops->name_of(source, 0, buffer, sizeof buffer), "lists/pics/1.png");
    assert_string_equal(source->ops->name_of(source, 2, buffer, sizeof buffer),
                        "lists/pics/1.png"); /* from the working directory */
    for (size_t i = 0; i < 3; i++) {
        struct sample sample;
        assert_int_equal(source->ops->read(source, i, &sample, &b.err), 0);
        sample_free(&sample);
    }
    bench_free(&b);
}

static void list_by_index(void **state) {
    (void)state;
    struct bench b;
    put_text("index.txt", "a.png\t0\nb.png\t2\n");
    bench_make(&b, "", "source=list\npath=index.txt", colour_32, 5);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.classes, 5); /* the network's: an index doesn't say how many there are */
    assert_int_equal(b.data.sources[0].ops->label(&b.data.sources[0], 1), 2);
    bench_free(&b);
    bench_make(&b, "", "source=list\npath=index.txt", colour_32, 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    bench_free(&b);
    bench_make(&b, "", "source=list\npath=index.txt\nclasses=2,0,x", colour_32, 3); /* names before indices */
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.sources[0].ops->label(&b.data.sources[0], 0), 1);
    assert_int_equal(b.data.sources[0].ops->label(&b.data.sources[0], 1), 0);
    bench_free(&b);
    refuses("", "source=list\npath=index.txt", colour_32, 2, TRAIN, "at least 3 classes");
    refuses("", "source=list\npath=index.txt\nclasses=2", colour_32, 2, TRAIN,
            "index.txt:2: want a class's index, 0..1, found \"2\"");
}

static void list_refusals(void **state) {
    (void)state;
    put_text("bad.txt", "a.png 0\n\t1\nb.png\t\n\nc.png\t1\n");
    refuses("", "source=list\npath=bad.txt", colour_32, 2, TRAIN, "bad.txt:1: want a path, a tab and a label");
    refuses("", "source=list\npath=bad.txt", colour_32, 2, TRAIN, "bad.txt:2:");
    refuses("", "source=list\npath=bad.txt", colour_32, 2, TRAIN, "bad.txt:3:");
    put_text("none.txt", "\n\r\n  \n");
    refuses("", "source=list\npath=none.txt", colour_32, 2, TRAIN, "found none");
    put_text("empty.txt", "");
    refuses("", "source=list\npath=empty.txt", colour_32, 2, TRAIN, "found none");
    put_file("binary.txt", "a\0b", 3);
    refuses("", "source=list\npath=binary.txt", colour_32, 2, TRAIN, "binary data");
    put_text("typo.txt", "a.png\tcta\n");
    refuses("", "source=list\npath=typo.txt\nclasses=cat,dog", colour_32, 2, TRAIN,
            "typo.txt:1: want a class or 0..1, found \"cta\"; did you mean \"cat\"?");
    refuses("", "source=list\npath=.", colour_32, 2, TRAIN, "folder");
}

/* ---- UTF-8's byte order mark, which some editors put before a text ---- */

static void opens(struct bench *b, const char *data, struct shape input, int classes) {
    bench_make(b, "", data, input, classes);
    if (bench_open(b, TRAIN, NULL) != 0) {
        fail_msg("%s", b->err.sentences[0]);
    }
}

static void marks(void **state) {
    (void)state;
    struct bench b;
    struct sample sample = {0};
    char buffer[64];
    assert_int_equal(file_mark("\xef\xbb\xbfx", 4), 3);
    assert_int_equal(file_mark("\xef\xbb\xbf", 2), 0);
    assert_int_equal(file_mark("x\xef\xbb\xbf", 4), 0);
    put_text("mark/names", "\xef\xbb\xbf" "ant\r\nbee\r\n");
    opens(&b, "source=synthetic\nclasses=mark/names", colour_32, 2);
    assert_string_equal(b.data.class_names[0], "ant");
    bench_free(&b);
    put_text("mark/list", "\xef\xbb\xbf" "a.png\tant\n");
    opens(&b, "source=list\npath=mark/list", colour_32, 1);
    const struct source *list = b.data.sets[SPLIT_TRAIN].source;
    assert_string_equal(list->ops->name_of(list, 0, buffer, sizeof buffer), "mark/a.png");
    bench_free(&b);
    put_text("mark/csv", "\xef\xbb\xbf" "1,2\n3,4\n");
    opens(&b, "source=csv\npath=mark/csv\nheader=0", (struct shape){1, 1, 1, 1}, 0);
    const struct source *csv = b.data.sets[SPLIT_TRAIN].source;
    assert_int_equal(csv->ops->read(csv, 0, &sample, &b.err), 0);
    assert_true(sample.values[0] == 1);
    sample_free(&sample);
    bench_free(&b);
}

/* Texts want the graph of a whole network. */
static void marked_tsv(void **state) {
    (void)state;
    struct bench b = {0};
    static const char text[] = "[net]\ninputs=1\ntime_steps=2\n[data]\nsource=tsv\npath=mark/tsv\n[onehot]\nsize=4\n"
                               "[rnn]\noutput=2\nsequence=last\n[softmax]\n";
    put_text("mark/tsv", "\xef\xbb\xbf" "ab\tx\nb\ty\n");
    assert_int_equal(config_parse(&b.config, "test.cfg", text, strlen(text), &b.err), 0);
    assert_int_equal(graph_build(&b.graph, &b.config, &b.err), 0);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    assert_int_equal(b.data.symbol_count, 2);
    assert_string_equal(b.data.symbols[0], "a");
    data_close(&b.data);
    graph_free(&b.graph);
    config_free(&b.config);
    err_free(&b.err);
}

/* Many wrong lines: some of them are said, not all. */
static void list_many_errors(void **state) {
    (void)state;
    struct text lines = {0};
    struct bench b;
    for (int i = 0; i < 1000; i++) {
        text_add(&lines, "no tab\n");
    }
    put_text("many.txt", lines.text);
    text_free(&lines);
    bench_make(&b, "", "source=list\npath=many.txt", colour_32, 2);
    assert_int_equal(bench_open(&b, TRAIN, NULL), -1);
    assert_true(b.err.count > 5 && b.err.count < 50);
    bench_free(&b);
}

/* ---- synthetic ---- */

static void synthetic(void **state) {
    (void)state;
    struct bench b;
    bench_make(&b, "", "source=synthetic\ncount=30", (struct shape){1, 3, 9, 13}, 7);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    assert_int_equal(b.data.sets[SPLIT_TRAIN].count, 30);
    assert_int_equal(b.data.sets[SPLIT_TEST].count, 8);
    assert_int_equal(b.data.classes, 7);
    const struct source *train = &b.data.sources[SPLIT_TRAIN], *test = &b.data.sources[SPLIT_TEST];
    struct sample one, again, other, tested;
    assert_int_equal(train->ops->read(train, 3, &one, &b.err), 0);
    assert_int_equal(train->ops->read(train, 3, &again, &b.err), 0);
    assert_int_equal(train->ops->read(train, 10, &other, &b.err), 0);
    assert_int_equal(test->ops->read(test, 3, &tested, &b.err), 0);
    assert_true(one.channels == 3 && one.height == 9 && one.width == 13 && one.label == 3 && other.label == 3);
    assert_memory_equal(one.pixels, again.pixels, 3 * 9 * 13);
    assert_memory_not_equal(one.pixels, other.pixels, 3 * 9 * 13);
    assert_memory_not_equal(one.pixels, tested.pixels, 3 * 9 * 13);
    sample_free(&one);
    sample_free(&again);
    sample_free(&other);
    sample_free(&tested);
    bench_free(&b);
}

/* Lists of names: a comma at the end is one too many, but for the way a single name is told from a file. */
static void class_lists(void **state) {
    (void)state;
    struct bench b;
    opens(&b, "source=synthetic\nclasses=only,", colour_32, 1);
    assert_string_equal(b.data.class_names[0], "only");
    bench_free(&b);
    opens(&b, "source=synthetic\nclasses=a,b\\,", colour_32, 2);
    assert_string_equal(b.data.class_names[1], "b,");
    bench_free(&b);
    refuses("", "source=synthetic\nclasses=cat,dog,", colour_32, 2, TRAIN, "[data] classes: name 3 of 3 is empty");
    refuses("", "source=synthetic\nclasses=cat,,dog", colour_32, 2, TRAIN, "[data] classes: name 2 of 3 is empty");
    refuses("", "source=synthetic\nclasses=,", colour_32, 1, TRAIN, "[data] classes: name 1 of 1 is empty");
}

/* Pictures are nearest to the mean of their own class: there is something to learn, and it carries over to the test
 * part. */
static void synthetic_learnable(void **state) {
    (void)state;
    enum { CLASSES = 5, VALUES = 3 * 16 * 16 };
    static double mean[CLASSES][VALUES];
    struct bench b;
    bench_make(&b, "", "source=synthetic\ncount=200", (struct shape){1, 3, 16, 16}, CLASSES);
    assert_int_equal(bench_open(&b, TRAIN | TEST, NULL), 0);
    const struct source *train = &b.data.sources[SPLIT_TRAIN], *test = &b.data.sources[SPLIT_TEST];
    struct sample sample;
    for (size_t i = 0; i < train->count; i++) {
        assert_int_equal(train->ops->read(train, i, &sample, &b.err), 0);
        for (int k = 0; k < VALUES; k++) {
            mean[sample.label][k] += sample.pixels[k] / 40.0;
        }
        sample_free(&sample);
    }
    for (size_t i = 0; i < test->count; i++) {
        int best = -1;
        double least = 1e30;
        assert_int_equal(test->ops->read(test, i, &sample, &b.err), 0);
        for (int c = 0; c < CLASSES; c++) {
            double distance = 0;
            for (int k = 0; k < VALUES; k++) {
                distance += (sample.pixels[k] - mean[c][k]) * (sample.pixels[k] - mean[c][k]);
            }
            best = distance < least ? c : best;
            least = distance < least ? distance : least;
        }
        assert_int_equal(best, sample.label);
        sample_free(&sample);
    }
    bench_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar10),          cmocka_unit_test(cifar10_gzipped), cmocka_unit_test(cifar10_refusals),
        cmocka_unit_test(gzip_refusals),    cmocka_unit_test(cifar100),        cmocka_unit_test(mnist),
        cmocka_unit_test(mnist_refusals),   cmocka_unit_test(mnist_classes),   cmocka_unit_test(images),
        cmocka_unit_test(images_parts),     cmocka_unit_test(images_refusals), cmocka_unit_test(unreadable),
        cmocka_unit_test(list_by_name),     cmocka_unit_test(list_by_index),   cmocka_unit_test(list_refusals),
        cmocka_unit_test(list_many_errors), cmocka_unit_test(synthetic),       cmocka_unit_test(synthetic_learnable),
        cmocka_unit_test(marks),            cmocka_unit_test(marked_tsv),      cmocka_unit_test(class_lists),
    };
    return cmocka_run_group_tests_name("sources", tests, scratch_make, scratch_remove);
}
