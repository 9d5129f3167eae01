/* The list of formats, and what several of them share (parts.h). */
#include "sources/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sources/parts.h"

const struct source_ops *const source_list[] = {
    &source_cifar10, &source_cifar100, &source_mnist, &source_images, &source_text_list, &source_synthetic, &source_text, &source_csv, &source_tsv, NULL,
};

const struct source_ops *source_find(const char *name) {
    for (size_t i = 0; source_list[i] != NULL; i++) {
        if (strcmp(source_list[i]->name, name) == 0) {
            return source_list[i];
        }
    }
    return NULL;
}

const char *split_name(enum split split) {
    static const char *const names[] = {"train", "valid", "test"};
    return names[split];
}

void sample_free(struct sample *sample) {
    free(sample->owned);
    sample->owned = NULL;
}

int folder_file(const char *folder, const char *name, size_t most, char **path, unsigned char **bytes, size_t *size,
                struct err *err) {
    *path = mem_format("%s/%s", folder, name);
    if (!file_exists(*path)) {
        free(*path);
        *path = mem_format("%s/%s.gz", folder, name);
    }
    if (!file_exists(*path)) {
        free(*path);
        *path = NULL;
        return 1;
    }
    return file_read(*path, 1, most, STATUS_REFUSED, bytes, size, err);
}

int source_take_names(struct source *source, int classes, const char *file, struct err *err) {
    int found = 0;
    if (source->class_names != NULL && source->classes != classes) {
        return err_add(err, STATUS_REFUSED, "%s: has %d classes, but %d class names are given", source->path, classes,
                       source->classes);
    }
    source->classes = classes;
    if (source->class_names != NULL || file == NULL) {
        return 0;
    }
    char *path = mem_format("%s/%s", source->path, file);
    int result = file_exists(path) ? names_read(path, &source->class_names, &found, err) : 0;
    if (result == 0 && source->class_names != NULL && found != classes) {
        result = err_add(err, STATUS_REFUSED, "%s: want %d class names, found %d", path, classes, found);
        names_free(source->class_names, found);
        source->class_names = NULL;
    }
    free(path);
    return result;
}

const char *source_numbered(const struct source *source, size_t index, char *buffer, size_t size) {
    snprintf(buffer, size, "%s[%zu]", source->path, index);
    return buffer;
}
