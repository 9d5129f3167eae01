/* Writing safetensors (safetensors.h): the same tensors and metadata always give the same bytes. */
#include "formats/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

static int by_name(const void *a, const void *b) {
    return strcmp((*(const struct named *const *)a)->name, (*(const struct named *const *)b)->name);
}

/* The tensors in the order they are written in. */
static const struct named **sorted(const struct tensor_file *file) {
    const struct named **order = mem_need(file->count + 1, sizeof *order);
    for (size_t i = 0; i < file->count; i++) {
        order[i] = &file->tensors[i];
    }
    qsort(order, file->count, sizeof *order, by_name);
    return order;
}

static void add_tensor(struct json *j, const struct named *tensor, size_t *at) {
    json_open(j, tensor->name, '{');
    json_text(j, "dtype", "F32");
    json_open(j, "shape", '[');
    for (int d = 0; d < tensor->ndim; d++) {
        json_int(j, NULL, (long long)tensor->dims[d]);
    }
    json_close(j, ']');
    json_open(j, "data_offsets", '[');
    json_int(j, NULL, (long long)*at);
    *at += tensor->count * sizeof *tensor->data;
    json_int(j, NULL, (long long)*at);
    json_close(j, ']');
    json_close(j, '}');
}

/* The header, padded with spaces so that the tensors begin at a multiple of 8. */
static struct text header_make(const struct tensor_file *file, const struct named *const *order) {
    struct json j = {0};
    size_t at = 0;
    json_open(&j, NULL, '{');
    if (file->texts_count > 0) {
        json_open(&j, "__metadata__", '{');
        for (size_t i = 0; i < file->texts_count; i++) {
            json_text(&j, file->keys[i], file->texts[i]);
        }
        json_close(&j, '}');
    }
    for (size_t i = 0; i < file->count; i++) {
        add_tensor(&j, order[i], &at);
    }
    json_close(&j, '}');
    while (j.out.length % 8 != 0) {
        text_add_n(&j.out, " ", 1);
    }
    return j.out;
}

static int all_put(struct file_writer *w, const struct text *header, const struct named *const *order, size_t count,
                   struct err *err) {
    unsigned char length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)((uint64_t)header->length >> 8 * i);
    }
    if (file_put(w, length, sizeof length, err) != 0 || file_put(w, header->text, header->length, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (file_put(w, order[i]->data, order[i]->count * sizeof *order[i]->data, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int safetensors_write(const char *path, const struct tensor_file *file, struct err *err) {
    struct file_writer w;
    const struct named **order = sorted(file);
    struct text header = header_make(file, order);
    int result = header.length <= SAFETENSORS_MOST_HEADER ? file_begin(&w, path, err)
                 : err_add(err, STATUS_FAILED, "%s: the config and names are too long for a model file", path);
    if (result == 0) {
        result = all_put(&w, &header, order, file->count, err);
        if (result == 0) {
            result = file_commit(&w, err);
        } else {
            file_abandon(&w);
        }
    }
    text_free(&header);
    free(order);
    return result;
}
