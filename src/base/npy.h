/* NumPy's .npy (format 1.0 to 3.0) and .npz: C order, either byte order; float16/32/64, int8..64, uint8..64 and bool
 * are read as float32, float32 is written. What is wrong with a file is a sentence of STATUS_REFUSED. */
#ifndef DLCLI_NPY_H
#define DLCLI_NPY_H

#include <stddef.h>
#include "base/err.h"

enum { NPY_MOST_DIMS = 8 };
/* data: malloc'ed, count numbers, never NULL */
struct npy { int ndim; size_t dims[NPY_MOST_DIMS]; size_t count; float *data; };

/* On failure `out` is empty. A scalar has ndim 0 and count 1; a dimension may be 0. NaN and infinities are data. */
int npy_parse(const char *name, const unsigned char *bytes, size_t size, struct npy *out, struct err *err);
int npy_read(const char *path, struct npy *out, struct err *err);     /* "-": stdin */
int npy_write(const char *path, const float *data, int ndim, const size_t *dims,
              struct err *err);   /* atomically; "-": stdout */
void npy_free(struct npy *n);

/* Writing row by row: the header; the product of `dims` numbers must follow. */
struct file_writer;
int npy_header(struct file_writer *w, int ndim, const size_t *dims, struct err *err);

/* Called with a member's name without .npy. May keep array->data by setting it to NULL; else it is freed. Non-zero:
 * no more members are wanted. */
typedef int npz_each(void *arg, const char *name, struct npy *array, struct err *err);

/* Members of an .npz (a ZIP, also ZIP64, of stored or deflated .npy) in the archive's order. Returns 0 when all are
 * done, what `each` returned where that is not zero, or -1 with a sentence where the archive or a member is broken. A
 * member that is not called *.npy is a warning. */
int npz_read(const char *path, npz_each *each, void *arg, struct err *err);
int npz_parse(const char *path, const unsigned char *bytes, size_t size, npz_each *each, void *arg, struct err *err);

#endif
