/* formats: files of named tensors. A format is one file with one struct format_ops and one line in format_list. */
#ifndef DLCLI_FORMAT_H
#define DLCLI_FORMAT_H

#include <stddef.h>
#include "base/err.h"

enum { TENSOR_MOST_DIMS = 8 };
/* data: float32, malloc'ed; or somebody else's, to write a large model without copying it. */
struct named { char *name; int ndim; size_t dims[TENSOR_MOST_DIMS]; size_t count; float *data; int borrowed; };
struct tensor_file {
    struct named *tensors; size_t count, room;
    char **keys, **texts; size_t texts_count, texts_room;      /* metadata */
};

struct format_ops {
    const char *name, *suffix, *help;
    /* 1 if a file that begins with these bytes (its first 16, or all where it is shorter) is of this format. */
    int (*recognize)(const unsigned char *bytes, size_t size);
    /* Reads everything, every length checked; -1 with a sentence (STATUS_REFUSED). */
    int (*read)(const char *path, struct tensor_file *file, struct err *err);
    /* Writes atomically; NULL: import only. */
    int (*write)(const char *path, const struct tensor_file *file, struct err *err);
};
extern const struct format_ops *const format_list[];     /* safetensors, npz; NULL at the end */
extern const struct format_ops format_safetensors, format_npz;

/* The format by content, else by suffix; NULL where neither tells. */
const struct format_ops *format_find(const char *path);
/* Reads whatever format it is. The caller frees `file` with tensor_file_free, whether or not this failed. */
int format_read(const char *path, struct tensor_file *file, struct err *err);
void tensor_file_free(struct tensor_file *file);
const char *tensor_file_text(const struct tensor_file *file, const char *key);      /* metadata, or NULL */
const struct named *tensor_file_find(const struct tensor_file *file, const char *name);
/* Building one: the tensor takes `data` (malloc'ed) over, or borrows it until the file is freed. */
void tensor_file_take(struct tensor_file *file, const char *name, int ndim, const size_t *dims, float *data);
void tensor_file_borrow(struct tensor_file *file, const char *name, int ndim, const size_t *dims, const float *data);
void tensor_file_put(struct tensor_file *file, const char *key, const char *text);
/* The same in place of the text that key has. */
void tensor_file_replace(struct tensor_file *file, const char *key, const char *text);

#endif
