/* Pictures in files of their own, named and labelled: what folders (images.c) and lists (list.c) have in common. They
 * are decoded when asked for. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sources/parts.h"

void pictures_add(struct pictures *pictures, const char *name, int label) {
    size_t length = strlen(name) + 1;
    pictures->names = mem_grow(pictures->names, &pictures->room, pictures->length + length, 1);
    pictures->items = mem_grow(pictures->items, &pictures->item_room, pictures->count + 1, sizeof *pictures->items);
    memcpy(pictures->names + pictures->length, name, length);
    pictures->items[pictures->count++] = (struct picture){pictures->length, label};
    pictures->length += length;
}

void pictures_free(struct pictures *pictures) {
    free(pictures->folder);
    free(pictures->names);
    free(pictures->items);
    *pictures = (struct pictures){0};
}

const char *pictures_name(const struct source *source, size_t index, char *buffer, size_t size) {
    const struct pictures *own = source->own;
    const char *name = own->names + own->items[index].name;
    if (*name == '/' || (own->elsewhere && file_exists(name))) {
        return name;
    }
    int length = snprintf(buffer, size, "%s/%s", own->folder, name);
    return length < 0 || (size_t)length >= size ? name : buffer;
}

int pictures_label(const struct source *source, size_t index) {
    const struct pictures *own = source->own;
    return own->items[index].label;
}

int pictures_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    char buffer[PATH_MAX];
    struct image image;
    if (image_read(pictures_name(source, index, buffer, sizeof buffer), source->want.c == 1 ? 1 : 3, &image, err) !=
        0) {
        return -1;
    }
    *sample = (struct sample){.channels = image.channels,
                              .height = image.height,
                              .width = image.width,
                              .pixels = image.pixels,
                              .label = pictures_label(source, index),
                              .owned = image.pixels};
    return 0;
}

void pictures_close(struct source *source) {
    struct pictures *own = source->own;
    if (own != NULL) {
        pictures_free(own);
    }
    free(own);
    source->own = NULL;
}
