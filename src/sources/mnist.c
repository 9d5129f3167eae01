/* MNIST and its relatives (Fashion-MNIST, EMNIST): LeCun, Cortes and Burges' IDX files, big-endian headers in front of
 * grey pictures and of label bytes; held in memory. */
#include <stdlib.h>

#include "base/file.h"
#include "sources/parts.h"

enum {
    MOST_BYTES = 1 << 30,
    IMAGES_MAGIC = 0x803,
    LABELS_MAGIC = 0x801,
    IMAGES_HEADER = 16,
    LABELS_HEADER = 8,
    MOST_SIDE = 32768,
    CLASSES = 10
};

struct mnist {
    unsigned char *images, *labels;
};

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int read_file(const struct source *source, const char *name, char **path, unsigned char **bytes, size_t *size,
                     struct err *err) {
    int result = folder_file(source->path, name, MOST_BYTES, path, bytes, size, err);
    if (result == 1) {
        return err_add(err, STATUS_REFUSED, "%s: holds no %s (nor %s.gz): scripts/get-data mnist gets the data set",
                       source->path, name, name);
    }
    return result;
}

/* Header and size of an IDX file of bytes. */
static int check_idx(const char *path, const unsigned char *bytes, size_t size, uint32_t magic, size_t header,
                     struct err *err) {
    if (size < header || big_endian(bytes) != magic) {
        return err_add(err, STATUS_REFUSED, "%s: want an IDX file of type 0x%08x, found %s", path, magic,
                       size < header ? "less than its header" : "another type");
    }
    size_t wanted = 1;
    for (size_t at = 4; at < header; at += 4) {
        if (mem_mul(wanted, big_endian(bytes + at), &wanted)) {
            return err_add(err, STATUS_REFUSED, "%s: the header promises more than any file holds", path);
        }
    }
    if (big_endian(bytes + 4) == 0 || wanted != size - header) {
        return err_add(err, STATUS_REFUSED, "%s: the header promises %u items in %zu bytes, found %zu bytes", path,
                       big_endian(bytes + 4), wanted, size - header);
    }
    return 0;
}

static int open_images(struct source *source, const char *name, struct err *err) {
    struct mnist *own = source->own;
    char *path;
    size_t size;
    int result = read_file(source, name, &path, &own->images, &size, err);
    result = result == 0 ? check_idx(path, own->images, size, IMAGES_MAGIC, IMAGES_HEADER, err) : result;
    if (result == 0) {
        uint32_t height = big_endian(own->images + 8), width = big_endian(own->images + 12);
        if (height == 0 || width == 0 || height > MOST_SIDE || width > MOST_SIDE) {
            result = err_add(err, STATUS_REFUSED, "%s: want pictures of 1..%d pixels a side, found %ux%u", path,
                             MOST_SIDE, height, width);
        }
        source->count = big_endian(own->images + 4);
        source->channels = 1;
        source->height = (int)height;
        source->width = (int)width;
    }
    free(path);
    return result;
}

static int check_labels(const struct source *source, const char *path, size_t count, struct err *err) {
    const struct mnist *own = source->own;
    if (count != source->count) {
        return err_add(err, STATUS_REFUSED, "%s: %zu labels for %zu pictures", path, count, source->count);
    }
    for (size_t i = 0; i < count; i++) {
        int label = own->labels[LABELS_HEADER + i];
        if (label >= source->classes) {
            return err_add(err, STATUS_REFUSED,
                           "%s: label %zu: want 0..%d, found %d (more classes: classes= in [data])", path, i,
                           source->classes - 1, label);
        }
    }
    return 0;
}

static int open_labels(struct source *source, const char *name, struct err *err) {
    struct mnist *own = source->own;
    char *path;
    size_t size;
    int result = read_file(source, name, &path, &own->labels, &size, err);
    result = result == 0 ? check_idx(path, own->labels, size, LABELS_MAGIC, LABELS_HEADER, err) : result;
    result = result == 0 ? check_labels(source, path, size - LABELS_HEADER, err) : result;
    free(path);
    return result;
}

static int mnist_open(struct source *source, enum split split, struct err *err) {
    int test = split == SPLIT_TEST;
    source->own = mem_need(1, sizeof(struct mnist));
    source->classes = source->classes > 0 ? source->classes : CLASSES;
    if (!file_is_folder(source->path)) {
        return err_add(err, STATUS_REFUSED, "%s: want the folder of the IDX files", source->path);
    }
    if (open_images(source, test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte", err) != 0) {
        return -1;
    }
    return open_labels(source, test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte", err);
}

static int mnist_label(const struct source *source, size_t index) {
    const struct mnist *own = source->own;
    return own->labels[LABELS_HEADER + index];
}

static int mnist_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    (void)err;
    const struct mnist *own = source->own;
    size_t pixels = (size_t)source->height * (size_t)source->width;
    *sample = (struct sample){.planar = 1,
                              .channels = 1,
                              .height = source->height,
                              .width = source->width,
                              .pixels = own->images + IMAGES_HEADER + index * pixels,
                              .label = mnist_label(source, index)};
    return 0;
}

static void mnist_close(struct source *source) {
    struct mnist *own = source->own;
    if (own != NULL) {
        free(own->images);
        free(own->labels);
    }
    free(own);
    source->own = NULL;
}

const struct source_ops source_mnist = {
    .name = "mnist",
    .help =
        "MNIST, Fashion-MNIST, EMNIST: path is the folder of the IDX files train-images-idx3-ubyte, "
        "train-labels-idx1-ubyte, "
        "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, gzipped or not. 1x28x28, 10 classes unless classes= says "
        "otherwise.",
    .open = mnist_open,
    .read = mnist_read,
    .label = mnist_label,
    .name_of = source_numbered,
    .close = mnist_close,
    .flags = SOURCE_HAS_TEST | SOURCE_IN_MEMORY | SOURCE_DOWNLOADS,
};
