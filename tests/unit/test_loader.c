/* The loader: order, ends, resumes, threads, samples that can't be read. */
#include "data_fixture.h"

#include <stdatomic.h>

/* A source without files: sample i is the numbers i, -i; those whose bit is set in `bad` can't be read. */
enum { MOST = 1000 };
struct fake {
    struct source source;
    struct dataset set;
    uint32_t items[MOST];
    unsigned char bad[MOST];
    float values[MOST][2];
    float targets[MOST][3];
    struct preprocess p;
};

static int fake_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    const struct fake *fake = source->own;
    if (index % 7 == 3) {
        usleep(50); /* so that threads overtake one another */
    }
    if (fake->bad[index]) {
        return err_add(err, STATUS_FAILED, "sample %zu is broken", index);
    }
    *sample = (struct sample){.values = fake->values[index],
                              .label = (int)index % 10,
                              .targets = source->target_count > 0 ? fake->targets[index] : NULL,
                              .target_count = source->target_count};
    return 0;
}

static const struct source_ops fake_ops = {.name = "fake", .read = fake_read};

static struct fake *fake_make(size_t count) {
    struct fake *fake = mem_need(1, sizeof *fake);
    struct shape shape = {1, 1, 1, 2};
    struct err err = {0};
    assert_int_equal(preprocess_read(&fake->p, NULL, shape, &err), 0);
    for (size_t i = 0; i < count; i++) {
        fake->items[i] = (uint32_t)i;
        fake->values[i][0] = (float)i;
        fake->values[i][1] = -(float)i;
        fake->targets[i][2] = (float)i + 0.5f;
    }
    fake->source = (struct source){.ops = &fake_ops, .count = count, .own = fake};
    fake->set = (struct dataset){.source = &fake->source, .items = fake->items, .count = count};
    return fake;
}

static struct loader_options options_of(const struct fake *fake, int batch) {
    return (struct loader_options){.set = &fake->set, .preprocess = &fake->p, .batch = batch, .seed = 3};
}

static struct loader *make(const struct loader_options *options) {
    struct err err = {0};
    struct loader *loader = loader_make(options, &err);
    assert_non_null(loader);
    return loader;
}

/* The next batch, which must be sound; NULL at the end of an epoch. */
static struct batch *next(struct loader *loader) {
    struct err err = {0};
    struct batch *batch;
    assert_int_equal(loader_next(loader, &batch, &err), 0);
    for (int i = 0; batch != NULL && i < batch->count; i++) {
        assert_true(batch->input[2 * i] == (float)batch->items[i] &&
                    batch->input[2 * i + 1] == -(float)batch->items[i]);
        assert_int_equal(batch->labels[i], batch->items[i] % 10);
    }
    err_free(&err);
    return batch;
}

static void in_order(void **state) {
    (void)state;
    struct fake *fake = fake_make(10);
    struct loader_options options = options_of(fake, 4);
    struct loader *loader = make(&options);
    uint32_t expected = 0;
    for (int b = 0; b < 3; b++) {
        struct batch *batch = next(loader);
        assert_int_equal(batch->count, b < 2 ? 4 : 2);
        assert_int_equal(batch->skipped, 0);
        assert_int_equal((uintptr_t)batch->input % 64, 0);
        assert_null(batch->targets);
        for (int i = 0; i < batch->count; i++) {
            assert_int_equal(batch->items[i], expected++);
        }
    }
    assert_null(next(loader));
    assert_null(next(loader));
    loader_free(loader);
    free(fake);
}

static void targets(void **state) {
    (void)state;
    struct fake *fake = fake_make(10);
    fake->source.target_count = 3;
    fake->bad[1] = 1;
    struct loader_options options = options_of(fake, 10);
    struct loader *loader = make(&options);
    struct batch *batch = next(loader);
    assert_int_equal(batch->count, 9);
    for (int i = 0; i < 9; i++) {
        assert_true(batch->targets[3 * i + 2] == (float)batch->items[i] + 0.5f);
    }
    loader_free(loader);
    free(fake);
}

/* Each sample once an epoch, in another order each time. */
static void shuffled(void **state) {
    (void)state;
    struct fake *fake = fake_make(100);
    struct loader_options options = options_of(fake, 7);
    options.shuffle = options.endless = 1;
    struct loader *loader = make(&options);
    uint32_t first[3][7];
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[100] = {0}, batches = 0;
        for (struct batch *batch; (batch = next(loader)) != NULL; batches++) {
            for (int i = 0; i < batch->count; i++) {
                seen[batch->items[i]]++;
            }
            if (batches == 0) {
                memcpy(first[epoch], batch->items, sizeof first[epoch]);
            }
        }
        assert_int_equal(batches, 15);
        for (int i = 0; i < 100; i++) {
            assert_int_equal(seen[i], 1);
        }
    }
    assert_memory_not_equal(first[0], first[1], sizeof *first);
    assert_memory_not_equal(first[1], first[2], sizeof *first);
    loader_free(loader);
    free(fake);
}

/* used: each epoch hands out so many of its order's samples, whole batches of them; a resume finds its place. */
static void part_of_an_epoch(void **state) {
    (void)state;
    struct fake *fake = fake_make(23);
    struct loader_options options = options_of(fake, 5);
    options.shuffle = options.endless = 1;
    options.used = 20;
    struct loader *loader = make(&options);
    float whole[2][20], rest[20];
    for (int epoch = 0; epoch < 2; epoch++) {
        for (int b = 0; b < 4; b++) {
            struct batch *batch = next(loader);
            assert_int_equal(batch->count, 5);
            for (int i = 0; i < 5; i++) {
                whole[epoch][5 * b + i] = batch->input[2 * i];
            }
        }
        assert_null(next(loader));
    }
    loader_free(loader);
    options.epoch = 1;
    options.start = 10;
    loader = make(&options);
    for (int b = 2; b < 4; b++) {
        struct batch *batch = next(loader);
        for (int i = 0; i < 5; i++) {
            rest[5 * b + i] = batch->input[2 * i];
        }
    }
    assert_memory_equal(rest + 10, whole[1] + 10, 10 * sizeof *rest);
    assert_null(next(loader));
    loader_free(loader);
    free(fake);
}

/* Writes down everything that comes, up to `most` batches and ends of epochs. */
static size_t record(struct loader *loader, float *to, int most) {
    size_t count = 0;
    for (int b = 0; b < most; b++) {
        struct batch *batch = next(loader);
        to[count++] = batch == NULL ? -1 : (float)(batch->count + batch->skipped);
        for (int i = 0; batch != NULL && i < batch->count; i++) {
            to[count++] = batch->input[2 * i];
        }
    }
    return count;
}

static void any_threads(void **state) {
    (void)state;
    static const struct {
        int threads, ahead, in_memory;
    } cases[] = {{1, 2, 0}, {2, 2, 0}, {7, 2, 0}, {3, 9, 0}, {2, 1, 1}, {0, 0, 1}};
    enum { ROOM = 4096 };
    static float wanted[ROOM], got[ROOM];
    struct fake *fake = fake_make(203);
    fake->bad[17] = fake->bad[99] = fake->bad[100] = 1;
    static struct source_ops in_memory;
    in_memory = fake_ops;
    in_memory.flags = SOURCE_IN_MEMORY;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct loader_options options = options_of(fake, 16);
        options.shuffle = options.endless = 1;
        options.threads = cases[k].threads;
        options.ahead = cases[k].ahead;
        fake->source.ops = cases[k].in_memory ? &in_memory : &fake_ops;
        struct loader *loader = make(&options);
        size_t count = record(loader, k == 0 ? wanted : got, 60);
        loader_free(loader);
        if (k > 0) {
            assert_memory_equal(got, wanted, count * sizeof *got);
        }
    }
    free(fake);
}

/* The pictures are the same too, augmentation included. */
static void any_threads_pictures(void **state) {
    (void)state;
    struct bench b;
    bench_make(&b, "", "source=synthetic\ncount=50\nflip=1\ncrop_padding=2\nhue=0.1\nangle=5\ncutout=3",
               (struct shape){1, 3, 12, 12}, 5);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    enum { VALUES = 3 * 12 * 12 };
    static float wanted[100][VALUES];
    static const int threads[] = {1, 2, 7};
    for (int k = 0; k < 3; k++) {
        struct loader_options options = {.set = &b.data.sets[SPLIT_TRAIN],
                                         .preprocess = &b.data.preprocess,
                                         .augment = &b.data.augment,
                                         .batch = 8,
                                         .threads = threads[k],
                                         .shuffle = 1,
                                         .seed = 9,
                                         .endless = 1};
        struct loader *loader = make(&options);
        struct err err = {0};
        for (int seen = 0; seen < 100;) {
            struct batch *batch;
            assert_int_equal(loader_next(loader, &batch, &err), 0);
            for (int i = 0; batch != NULL && i < batch->count; i++, seen++) {
                if (k == 0) {
                    memcpy(wanted[seen], batch->input + i * VALUES, sizeof wanted[seen]);
                } else {
                    assert_memory_equal(wanted[seen], batch->input + i * VALUES, sizeof wanted[seen]);
                }
            }
        }
        loader_free(loader);
    }
    assert_memory_not_equal(wanted[0], wanted[50], sizeof wanted[0]);
    bench_free(&b);
}

/* From any place of any epoch it goes on as the run that never stopped. */
static void resumes(void **state) {
    (void)state;
    enum { COUNT = 40, BATCH = 6, EPOCHS = 3, PER_EPOCH = 8 /* 7 batches and an end */ };
    static float wanted[EPOCHS * 100], got[EPOCHS * 100];
    struct fake *fake = fake_make(COUNT);
    fake->bad[3] = fake->bad[20] = 1;
    struct loader_options options = options_of(fake, BATCH);
    options.shuffle = options.endless = 1;
    struct loader *loader = make(&options);
    size_t all = record(loader, wanted, EPOCHS * PER_EPOCH);
    loader_free(loader);
    for (int done = 0; done < EPOCHS * PER_EPOCH; done++) {
        size_t from = 0;
        loader = make(&options);
        from = record(loader, got, done);
        loader_free(loader);
        struct loader_options rest = options;
        rest.epoch = (uint64_t)(done / PER_EPOCH);
        rest.start = (size_t)(done % PER_EPOCH * BATCH) < COUNT ? (size_t)(done % PER_EPOCH * BATCH) : COUNT;
        loader = make(&rest);
        size_t count = record(loader, got, EPOCHS * PER_EPOCH - done);
        assert_int_equal(from + count, all);
        assert_memory_equal(got, wanted + from, count * sizeof *got);
        loader_free(loader);
    }
    free(fake);
}

/* An epoch that was over when it stopped ends at once. */
static void resumes_at_the_end(void **state) {
    (void)state;
    struct fake *fake = fake_make(5);
    struct loader_options options = options_of(fake, 2);
    options.start = 5;
    struct loader *loader = make(&options);
    assert_null(next(loader));
    assert_null(next(loader));
    loader_free(loader);
    options.endless = 1;
    loader = make(&options);
    assert_null(next(loader));
    assert_int_equal(next(loader)->count, 2);
    loader_free(loader);
    free(fake);
}

/* Samples that can't be read are left out, counted, and named once. */
static void skips(void **state) {
    (void)state;
    struct fake *fake = fake_make(12);
    fake->bad[1] = fake->bad[4] = fake->bad[5] = fake->bad[6] = fake->bad[7] = 1;
    struct loader_options options = options_of(fake, 4);
    options.endless = 1;
    options.threads = 2;
    struct loader *loader = make(&options);
    struct err err = {0};
    struct batch *batch;
    for (int epoch = 0; epoch < 3; epoch++) {
        assert_int_equal(loader_next(loader, &batch, &err), 0);
        assert_true(batch->count == 3 && batch->skipped == 1 && batch->items[1] == 2);
        assert_int_equal(loader_next(loader, &batch, &err), 0); /* nothing of the second could be read */
        assert_true(batch->count == 4 && batch->skipped == 4 && batch->items[0] == 8);
        assert_int_equal(loader_next(loader, &batch, &err), 0);
        assert_null(batch);
        assert_int_equal(err.warnings, epoch == 0 ? 5 : 0);
        assert_true(epoch > 0 || warns(&err, "sample 4 is broken; skipped"));
        err_free(&err);
    }
    loader_free(loader);
    free(fake);
}

static void nothing_readable(void **state) {
    (void)state;
    struct fake *fake = fake_make(6);
    memset(fake->bad, 1, sizeof fake->bad);
    struct loader_options options = options_of(fake, 4);
    options.endless = 1;
    struct loader *loader = make(&options);
    struct err err = {0};
    struct batch *batch;
    assert_int_equal(loader_next(loader, &batch, &err), -1);
    assert_null(batch);
    assert_true(says(&err, "none of the 6 train samples"));
    assert_int_equal(err.warnings, 6);
    err_free(&err);
    assert_int_equal(loader_next(loader, &batch, &err), 0); /* and it is over */
    assert_null(batch);
    loader_free(loader);
    free(fake);
}

/* What is no fault of one sample ends it: pictures for a network that takes none. */
static void fails(void **state) {
    (void)state;
    struct bench b;
    struct err err = {0};
    struct batch *batch;
    put_picture("f/a/1.png", 4, 4, 3, 1);
    bench_make(&b, "", "source=images\npath=f", (struct shape){1, 5, 4, 4}, 1);
    assert_int_equal(bench_open(&b, TRAIN, NULL), 0);
    struct loader_options options = {.set = &b.data.sets[SPLIT_TRAIN], .preprocess = &b.data.preprocess, .batch = 2};
    struct loader *loader = make(&options);
    assert_int_equal(loader_next(loader, &batch, &err), -1);
    assert_true(says(&err, "input has 5"));
    assert_null(batch);
    loader_free(loader);
    err_free(&err);
    bench_free(&b);
}

/* Ended in the middle of its work, at once and later. */
static void ends_early(void **state) {
    (void)state;
    struct fake *fake = fake_make(MOST);
    for (int k = 0; k < 20; k++) {
        struct loader_options options = options_of(fake, 64);
        options.threads = 1 + k % 4;
        options.ahead = 4;
        options.endless = 1;
        struct loader *loader = make(&options);
        for (int i = 0; i < k; i++) {
            next(loader);
        }
        loader_free(loader);
    }
    loader_free(NULL);
    free(fake);
}

/* Epochs shorter than the ring. */
static void tiny(void **state) {
    (void)state;
    struct fake *fake = fake_make(1);
    struct loader_options options = options_of(fake, 64);
    options.endless = 1;
    options.ahead = 5;
    options.threads = 3;
    struct loader *loader = make(&options);
    for (int epoch = 0; epoch < 50; epoch++) {
        assert_int_equal(next(loader)->count, 1);
        assert_null(next(loader));
    }
    loader_free(loader);
    free(fake);
}

static void empty(void **state) {
    (void)state;
    struct fake *fake = fake_make(0);
    struct err err = {0};
    struct loader_options options = options_of(fake, 4);
    assert_null(loader_make(&options, &err));
    assert_true(says(&err, "train split has no samples"));
    err_free(&err);
    free(fake);
}

/* Real CIFAR-10 through the loader, an epoch: every picture once, values as the pixels say. */
static void real_cifar10(void **state) {
    (void)state;
    char *found = file_find_data("data/cifar-10-batches-bin");
    free(found);
    if (found == NULL) {
        skip();
    }
    struct bench b;
    struct batch *batch;
    bench_make(&b, "", "source=cifar10\npath=data/cifar-10-batches-bin\nflip=1\ncrop_padding=4", colour_32, 10);
    assert_int_equal(bench_open(&b, TEST, NULL), 0);
    struct loader_options options = {.set = &b.data.sets[SPLIT_TEST],
                                     .preprocess = &b.data.preprocess,
                                     .batch = 128,
                                     .threads = 2,
                                     .shuffle = 1,
                                     .seed = 4};
    struct loader *loader = make(&options);
    static unsigned char seen[10000];
    int right = 0;
    while (loader_next(loader, &batch, &b.err) == 0 && batch != NULL) {
        for (int i = 0; i < batch->count; i++) {
            struct sample sample;
            const struct source *source = options.set->source;
            source->ops->read(source, batch->items[i], &sample, &b.err);
            seen[batch->items[i]]++;
            right += sample.label == batch->labels[i] &&
                     batch->input[i * 3072 + 1500] == (float)sample.pixels[1500] * (1 / 255.f);
        }
    }
    assert_int_equal(right, 10000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(seen[i], 1);
    }
    loader_free(loader);
    bench_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(targets),
        cmocka_unit_test(shuffled),
        cmocka_unit_test(part_of_an_epoch),
        cmocka_unit_test(any_threads),
        cmocka_unit_test(any_threads_pictures),
        cmocka_unit_test(resumes),
        cmocka_unit_test(resumes_at_the_end),
        cmocka_unit_test(skips),
        cmocka_unit_test(nothing_readable),
        cmocka_unit_test(fails),
        cmocka_unit_test(ends_early),
        cmocka_unit_test(tiny),
        cmocka_unit_test(empty),
        cmocka_unit_test(real_cifar10),
    };
    return cmocka_run_group_tests_name("loader", tests, scratch_make, scratch_remove);
}
