/* The list of formats, how one is told from another, and tensor files in memory (format.h). */
#include "formats/format.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

const struct format_ops *const format_list[] = {&format_safetensors, &format_npz, NULL};

/* The first bytes of a regular file; 0 of anything else (a pipe must not lose them). */
static size_t head_read(const char *path, unsigned char head[16]) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return 0;
    }
    ssize_t got = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, head, 16) : 0;
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

static int has_suffix(const char *path, const char *suffix) {
    size_t length = strlen(path), end = strlen(suffix);
    return length > end && strcmp(path + length - end, suffix) == 0;
}

const struct format_ops *format_find(const char *path) {
    unsigned char head[16];
    size_t size = head_read(path, head);
    for (int i = 0; size > 0 && format_list[i] != NULL; i++) {
        if (format_list[i]->recognize(head, size)) {
            return format_list[i];
        }
    }
    for (int i = 0; format_list[i] != NULL; i++) {
        if (has_suffix(path, format_list[i]->suffix)) {
            return format_list[i];
        }
    }
    return NULL;
}

int format_read(const char *path, struct tensor_file *file, struct err *err) {
    *file = (struct tensor_file){0};
    const struct format_ops *format = format_find(path);
    if (format == NULL && access(path, R_OK) != 0) {
        return err_errno(err, STATUS_REFUSED, path, "can't be opened");
    }
    if (format == NULL) {
        return err_add(err, STATUS_REFUSED, "%s: holds no tensors in a format that is read: want .safetensors or .npz",
                       path);
    }
    return format->read(path, file, err);
}

void tensor_file_free(struct tensor_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        free(file->tensors[i].name);
        if (!file->tensors[i].borrowed) {
            free(file->tensors[i].data);
        }
    }
    for (size_t i = 0; i < file->texts_count; i++) {
        free(file->keys[i]);
        free(file->texts[i]);
    }
    free(file->tensors);
    free(file->keys);
    free(file->texts);
    *file = (struct tensor_file){0};
}

const char *tensor_file_text(const struct tensor_file *file, const char *key) {
    for (size_t i = 0; i < file->texts_count; i++) {
        if (strcmp(file->keys[i], key) == 0) {
            return file->texts[i];
        }
    }
    return NULL;
}

const struct named *tensor_file_find(const struct tensor_file *file, const char *name) {
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) {
            return &file->tensors[i];
        }
    }
    return NULL;
}

static struct named *add(struct tensor_file *file, const char *name, int ndim, const size_t *dims) {
    file->tensors = mem_grow(file->tensors, &file->room, file->count, sizeof *file->tensors);
    struct named *tensor = &file->tensors[file->count++];
    *tensor = (struct named){.name = mem_copy(name), .ndim = ndim, .count = 1};
    for (int d = 0; d < ndim; d++) {
        tensor->dims[d] = dims[d];
        tensor->count *= dims[d];
    }
    return tensor;
}

void tensor_file_take(struct tensor_file *file, const char *name, int ndim, const size_t *dims, float *data) {
    add(file, name, ndim, dims)->data = data;
}

void tensor_file_borrow(struct tensor_file *file, const char *name, int ndim, const size_t *dims, const float *data) {
    struct named *tensor = add(file, name, ndim, dims);
    tensor->data = (float *)(uintptr_t)data;   /* only read from here on */
    tensor->borrowed = 1;
}

void tensor_file_put(struct tensor_file *file, const char *key, const char *text) {
    size_t room = file->texts_room;
    file->keys = mem_grow(file->keys, &room, file->texts_count, sizeof *file->keys);
    file->texts = mem_grow(file->texts, &file->texts_room, file->texts_count, sizeof *file->texts);
    file->keys[file->texts_count] = mem_copy(key);
    file->texts[file->texts_count++] = mem_copy(text);
}

void tensor_file_replace(struct tensor_file *file, const char *key, const char *text) {
    for (size_t i = 0; i < file->texts_count; i++) {
        if (strcmp(file->keys[i], key) == 0) {
            free(file->texts[i]);
            file->texts[i] = mem_copy(text);
        }
    }
}
