/* CIFAR-10 and CIFAR-100, binary version (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009):
 * records of one label byte (CIFAR-100: coarse, then fine) and 3x32x32 pixels. The files are held in memory as they
 * are. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "sources/parts.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE, MOST_FILES = 99, MOST_BYTES = 1 << 30 };

struct part {
    unsigned char *bytes;
    size_t count;
};
struct cifar {
    struct part parts[MOST_FILES];
    int part_count;
    size_t label_bytes;
};

static size_t record_size(const struct cifar *own) {
    return own->label_bytes + PIXELS;
}

/* The last byte of the label is the one that counts. */
static int check_labels(const struct source *source, const char *path, const struct part *part, struct err *err) {
    const struct cifar *own = source->own;
    for (size_t i = 0; i < part->count; i++) {
        int label = part->bytes[i * record_size(own) + own->label_bytes - 1];
        if (label >= source->classes) {
            return err_add(err, STATUS_REFUSED, "%s: record %zu: want a label of 0..%d, found %d; is this a %s file?",
                           path, i, source->classes - 1, label, source->ops->name);
        }
    }
    return 0;
}

/* 1: no such file. */
static int read_part(struct source *source, const char *name, struct err *err) {
    struct cifar *own = source->own;
    struct part *part = &own->parts[own->part_count];
    char *path;
    size_t size;
    int result = folder_file(source->path, name, MOST_BYTES, &path, &part->bytes, &size, err);
    if (result == 1) {
        return 1;
    }
    if (result == 0) {
        own->part_count++;
        part->count = size / record_size(own);
        if (size == 0 || size % record_size(own) != 0) {
            result = err_add(err, STATUS_REFUSED, "%s: want a whole number of records of %zu bytes, found %zu bytes",
                             path, record_size(own), size);
        } else {
            result = check_labels(source, path, part, err);
        }
        source->count += part->count;
    }
    free(path);
    return result;
}

static int nothing_found(const struct source *source, const char *name, struct err *err) {
    return err_add(err, STATUS_REFUSED, "%s: holds no %s (nor %s.gz): scripts/get-data %s gets the data set",
                   source->path, name, name, source->ops->name);
}

static int open_with(struct source *source, size_t label_bytes, int classes, const char *names, struct err *err) {
    struct cifar *own = mem_need(1, sizeof *own);
    own->label_bytes = label_bytes;
    source->own = own;
    source->channels = 3;
    source->height = source->width = SIDE;
    if (!file_is_folder(source->path)) {
        return err_add(err, STATUS_REFUSED, "%s: want the folder of the data set's binary version", source->path);
    }
    return source_take_names(source, classes, names, err);
}

static int open_file(struct source *source, const char *name, struct err *err) {
    int result = read_part(source, name, err);
    return result == 1 ? nothing_found(source, name, err) : result;
}

/* Part `i` isn't there: it was the last where the folder has no later one either. */
static int no_later_part(const struct source *source, int i, struct err *err) {
    int result = 0;
    for (int later = i + 1; later <= MOST_FILES && result == 0; later++) {
        char *plain = mem_format("%s/data_batch_%d.bin", source->path, later), *packed = mem_format("%s.gz", plain);
        if (file_exists(plain) || file_exists(packed)) {
            result = err_add(err, STATUS_REFUSED, "%s: holds data_batch_%d.bin, but no data_batch_%d.bin (nor .gz): scripts/get-data %s gets the data set",
                             source->path, later, i, source->ops->name);
        }
        free(plain);
        free(packed);
    }
    return result;
}

static int cifar10_open(struct source *source, enum split split, struct err *err) {
    if (open_with(source, 1, 10, "batches.meta.txt", err) != 0) {
        return -1;
    }
    if (split == SPLIT_TEST) {
        return open_file(source, "test_batch.bin", err);
    }
    for (int i = 1; i <= MOST_FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        int result = read_part(source, name, err);
        if (result != 0) {
            return result < 0 ? -1 : i == 1 ? nothing_found(source, name, err) : no_later_part(source, i, err);
        }
    }
    return 0;
}

static int cifar100_open(struct source *source, enum split split, struct err *err) {
    if (open_with(source, 2, 100, "fine_label_names.txt", err) != 0) {
        return -1;
    }
    return open_file(source, split == SPLIT_TEST ? "test.bin" : "train.bin", err);
}

/* The record of a sample; the files are few, so that finding the right one is cheap. */
static const unsigned char *record(const struct source *source, size_t index) {
    const struct cifar *own = source->own;
    const struct part *part = own->parts;
    while (index >= part->count) {
        index -= part->count;
        part++;
    }
    return part->bytes + index * record_size(own);
}

static int cifar_label(const struct source *source, size_t index) {
    const struct cifar *own = source->own;
    return record(source, index)[own->label_bytes - 1];
}

static int cifar_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    (void)err;
    const struct cifar *own = source->own;
    const unsigned char *at = record(source, index);
    *sample = (struct sample){.planar = 1,
                              .channels = 3,
                              .height = SIDE,
                              .width = SIDE,
                              .pixels = at + own->label_bytes,
                              .label = at[own->label_bytes - 1]};
    return 0;
}

static void cifar_close(struct source *source) {
    struct cifar *own = source->own;
    for (int i = 0; own != NULL && i < own->part_count; i++) {
        free(own->parts[i].bytes);
    }
    free(own);
    source->own = NULL;
}

const struct source_ops source_cifar10 = {
    .name = "cifar10",
    .help = "CIFAR-10, binary version: path is the folder of data_batch_1.bin (and 2, 3...), test_batch.bin and "
            "batches.meta.txt, the .bin gzipped or not. 3x32x32, 10 classes.",
    .open = cifar10_open,
    .read = cifar_read,
    .label = cifar_label,
    .name_of = source_numbered,
    .close = cifar_close,
    .flags = SOURCE_HAS_TEST | SOURCE_IN_MEMORY | SOURCE_DOWNLOADS,
};
const struct source_ops source_cifar100 = {
    .name = "cifar100",
    .help = "CIFAR-100, binary version: path is the folder of train.bin, test.bin and fine_label_names.txt, the .bin "
            "gzipped or not. 3x32x32, the 100 fine classes.",
    .open = cifar100_open,
    .read = cifar_read,
    .label = cifar_label,
    .name_of = source_numbered,
    .close = cifar_close,
    .flags = SOURCE_HAS_TEST | SOURCE_IN_MEMORY | SOURCE_DOWNLOADS,
};
