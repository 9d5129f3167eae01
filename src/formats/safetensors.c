/* Reading safetensors (format.h): 8 bytes with the header's length, the header as JSON, the tensors' bytes. Nothing in
 * the file is believed: the tensors must fill it from the header's end to its own, in turn, without gap or overlap.
 * https://huggingface.co/docs/safetensors */
#include "formats/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "formats/format.h"

enum { CHUNK = 1 << 16 };

/* One tensor of the header. */
struct item {
    const char *name;
    const struct element *dtype;
    int ndim;
    size_t dims[TENSOR_MOST_DIMS], count, begin, end;
};
struct reading {
    const char *path;
    int fd;
    size_t size, data;                /* of the file; where the tensors' bytes begin */
    struct item *items; size_t count, room;
    struct err *err;
};

static int refuse(const struct reading *r, const char *name, const char *what) {
    return err_add(r->err, STATUS_REFUSED, "%s: the tensor \"%s\" %s", r->path, name, what);
}

static int bytes_read(const struct reading *r, size_t at, void *to, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(r->fd, (char *)to + done, size - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_errno(r->err, STATUS_REFUSED, r->path, "can't be read");
        }
        if (got == 0) {
            return err_add(r->err, STATUS_REFUSED, "%s: became shorter while it was read", r->path);
        }
        done += (size_t)got;
    }
    return 0;
}

/* ---- the header ---- */

/* A whole number of 0..2^53, which is what a JSON number keeps exactly. */
static int whole(const cJSON *value, size_t *number) {
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0) || value->valuedouble > 0x1p53 ||
        value->valuedouble != floor(value->valuedouble)) {
        return -1;
    }
    *number = (size_t)value->valuedouble;
    return 0;
}

static int dtype_read(const struct reading *r, struct item *item, const cJSON *value) {
    const struct element *dtype = safetensors_elements;
    while (cJSON_IsString(value) && dtype->name != NULL && strcmp(dtype->name, value->valuestring) != 0) {
        dtype++;
    }
    if (!cJSON_IsString(value) || dtype->name == NULL) {
        return refuse(r, item->name, "has a dtype that is not read: want F32, F16, BF16, F64, a whole number or BOOL");
    }
    item->dtype = dtype;
    return 0;
}

static int shape_read(const struct reading *r, struct item *item, const cJSON *value) {
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > TENSOR_MOST_DIMS) {
        return refuse(r, item->name, "has no shape: want a list of at most 8 numbers");
    }
    item->count = 1;
    for (const cJSON *dim = value->child; dim != NULL; dim = dim->next) {
        size_t *to = &item->dims[item->ndim++];
        if (whole(dim, to) != 0 || mem_mul(item->count, *to, &item->count)) {
            return refuse(r, item->name, "has a shape that makes no sense");
        }
    }
    return 0;
}

static int offsets_read(const struct reading *r, struct item *item, const cJSON *value) {
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) != 2 || whole(value->child, &item->begin) != 0 ||
        whole(value->child->next, &item->end) != 0 || item->begin > item->end || item->end > r->size - r->data) {
        return refuse(r, item->name, "has data_offsets that make no sense, or end behind the file, which is cut off");
    }
    return 0;
}

static int item_read(struct reading *r, const cJSON *entry) {
    struct item item = {.name = entry->string};
    int dtype = 0, shape = 0, offsets = 0, bad = !cJSON_IsObject(entry);
    for (const cJSON *field = entry->child; !bad && field != NULL; field = field->next) {
        if (strcmp(field->string, "dtype") == 0 && !dtype++) {
            bad = dtype_read(r, &item, field);
        } else if (strcmp(field->string, "shape") == 0 && !shape++) {
            bad = shape_read(r, &item, field);
        } else if (strcmp(field->string, "data_offsets") == 0 && !offsets++) {
            bad = offsets_read(r, &item, field);
        } else {
            return refuse(r, item.name, "has a field that is unknown or there twice");
        }
    }
    if (bad < 0) {
        return -1;
    }
    size_t bytes;
    if (!dtype || !shape || !offsets) {
        return refuse(r, item.name, "lacks one of dtype, shape and data_offsets");
    }
    if (mem_mul(item.count, item.dtype->size, &bytes) || bytes != item.end - item.begin) {
        return refuse(r, item.name, "has a shape that its data_offsets don't hold");
    }
    r->items = mem_grow(r->items, &r->room, r->count, sizeof *r->items);
    r->items[r->count++] = item;
    return 0;
}

static int metadata_read(const struct reading *r, struct tensor_file *file, const cJSON *entry) {
    if (file->texts_count > 0 || !cJSON_IsObject(entry)) {
        return err_add(r->err, STATUS_REFUSED, "%s: __metadata__ is there twice or is no object", r->path);
    }
    for (const cJSON *text = entry->child; text != NULL; text = text->next) {
        if (!cJSON_IsString(text)) {
            return err_add(r->err, STATUS_REFUSED, "%s: __metadata__ \"%s\" is not a text", r->path, text->string);
        }
        tensor_file_put(file, text->string, text->valuestring);
    }
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return x->end < y->end ? -1 : x->end > y->end;
}

/* No name twice; the tensors fill the file without gap or overlap. Leaves the items in the order of their bytes. */
static int items_check(const struct reading *r) {
    if (r->count > 0) {   /* qsort's array may not be NULL */
        qsort(r->items, r->count, sizeof *r->items, by_name);
    }
    for (size_t i = 1; i < r->count; i++) {
        if (strcmp(r->items[i - 1].name, r->items[i].name) == 0) {
            return refuse(r, r->items[i].name, "is there twice");
        }
    }
    if (r->count > 0) {
        qsort(r->items, r->count, sizeof *r->items, by_place);
    }
    size_t at = 0;
    for (size_t i = 0; i < r->count; at = r->items[i++].end) {
        if (r->items[i].begin != at) {
            return refuse(r, r->items[i].name, "leaves a gap behind, or overlaps, the one before it");
        }
    }
    if (at != r->size - r->data) {
        return err_add(r->err, STATUS_REFUSED, "%s: %zu bytes belong to no tensor", r->path, r->size - r->data - at);
    }
    return 0;
}

/* ---- the tensors ---- */

static int data_read(const struct reading *r, const struct item *item, float *to) {
    size_t at = r->data + item->begin, bytes = item->end - item->begin;
    if (item->dtype->convert == NULL) {
        return bytes_read(r, at, to, bytes);
    }
    unsigned char chunk[CHUNK];
    for (size_t done = 0; done < bytes;) {
        size_t part = bytes - done < CHUNK ? bytes - done : CHUNK;
        if (bytes_read(r, at + done, chunk, part) != 0) {
            return -1;
        }
        item->dtype->convert(chunk, part / item->dtype->size, to + done / item->dtype->size);
        done += part;
    }
    return 0;
}

static int tensors_read(const struct reading *r, struct tensor_file *file) {
    for (size_t i = 0; i < r->count; i++) {
        const struct item *item = &r->items[i];
        size_t bytes;
        float *data = mem_mul(item->count, sizeof *data, &bytes) ? NULL : malloc(bytes > 0 ? bytes : 1);
        if (data == NULL) {
            return err_add(r->err, STATUS_FAILED, "%s: out of memory for the tensor \"%s\"", r->path, item->name);
        }
        tensor_file_take(file, item->name, item->ndim, item->dims, data);
        if (data_read(r, item, data) != 0) {
            return -1;
        }
    }
    return 0;
}

static int entries_read(struct reading *r, struct tensor_file *file, const cJSON *header) {
    if (!cJSON_IsObject(header)) {
        return err_add(r->err, STATUS_REFUSED, "%s: the header is no object", r->path);
    }
    int metadata = 0;
    for (const cJSON *entry = header->child; entry != NULL; entry = entry->next) {
        int about = strcmp(entry->string, "__metadata__") == 0;
        metadata += about;
        if (metadata > 1 || (about ? metadata_read(r, file, entry) : item_read(r, entry)) != 0) {
            return metadata > 1 ? refuse(r, "__metadata__", "is there twice") : -1;
        }
    }
    return items_check(r) != 0 ? -1 : tensors_read(r, file);
}

/* The header's length, checked. */
static int length_read(struct reading *r, size_t *length) {
    struct stat st;
    unsigned char b[8];
    uint64_t n = 0;
    if (fstat(r->fd, &st) != 0) {
        return err_errno(r->err, STATUS_REFUSED, r->path, "can't be read");
    }
    if (!S_ISREG(st.st_mode)) {
        return err_add(r->err, STATUS_REFUSED, "%s: is no regular file", r->path);
    }
    r->size = (size_t)st.st_size;
    if (r->size < 8) {
        return err_add(r->err, STATUS_REFUSED, "%s: is no safetensors file: %zu bytes are too few", r->path, r->size);
    }
    if (bytes_read(r, 0, b, sizeof b) != 0) {
        return -1;
    }
    for (int i = 7; i >= 0; i--) {
        n = n << 8 | b[i];
    }
    if (n > SAFETENSORS_MOST_HEADER || n > r->size - 8) {
        return err_add(r->err, STATUS_REFUSED, "%s: is no safetensors file, or cut off: %llu bytes of header in %zu",
                       r->path, (unsigned long long)n, r->size);
    }
    *length = (size_t)n;
    r->data = 8 + (size_t)n;
    return 0;
}

static int all_read(struct reading *r, struct tensor_file *file) {
    size_t length = 0;
    if (length_read(r, &length) != 0) {
        return -1;
    }
    char *text = mem_try(length + 1, 1);
    if (text == NULL) {
        return err_add(r->err, STATUS_FAILED, "%s: out of memory for its header", r->path);
    }
    int result = bytes_read(r, 8, text, length);
    cJSON *header = result != 0 ? NULL : json_parse(r->path, text, length, r->err);
    free(text);
    if (header == NULL) {
        return -1;
    }
    result = entries_read(r, file, header);
    cJSON_Delete(header);
    return result;
}

static int safetensors_read(const char *path, struct tensor_file *file, struct err *err) {
    struct reading r = {.path = path, .err = err, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (r.fd < 0) {
        return err_errno(err, STATUS_REFUSED, path, "can't be opened");
    }
    int result = all_read(&r, file);
    close(r.fd);
    free(r.items);
    return result;
}

static int safetensors_recognize(const unsigned char *bytes, size_t size) {
    return size >= 10 && bytes[8] == '{' && bytes[4] == 0 && bytes[5] == 0 && bytes[6] == 0 && bytes[7] == 0;
}

const struct format_ops format_safetensors = {
    .name = "safetensors",
    .suffix = ".safetensors",
    .help = "Named tensors with a JSON header; what dlcli keeps its models in, and PyTorch reads.",
    .recognize = safetensors_recognize,
    .read = safetensors_read,
    .write = safetensors_write,
};
