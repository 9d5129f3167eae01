/* NumPy's .npz as a file of named tensors (format.h): for importing weights. The arrays themselves are base/npy.h's. */
#include <string.h>

#include "base/npy.h"
#include "formats/format.h"

struct reading { const char *path; struct tensor_file *file; };

/* Takes one member over. */
static int member_take(void *arg, const char *name, struct npy *array, struct err *err) {
    struct reading *r = arg;
    if (tensor_file_find(r->file, name) != NULL) {
        return err_add(err, STATUS_REFUSED, "%s: the tensor \"%s\" stands there twice", r->path, name);
    }
    tensor_file_take(r->file, name, array->ndim, array->dims, array->data);
    array->data = NULL;
    return 0;
}

static int npz_read_all(const char *path, struct tensor_file *file, struct err *err) {
    struct reading r = {path, file};
    int before = err->count;
    int result = npz_read(path, member_take, &r, err);
    return result != 0 || err->count > before ? -1 : 0;
}

static int npz_recognize(const unsigned char *bytes, size_t size) {
    return size >= 4 && memcmp(bytes, "PK\003\004", 4) == 0;
}

const struct format_ops format_npz = {
    .name = "npz",
    .suffix = ".npz",
    .help = "NumPy's archive of arrays, one a tensor; read only.",
    .recognize = npz_recognize,
    .read = npz_read_all,
};
