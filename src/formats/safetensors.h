/* What reading and writing safetensors share. */
#ifndef DLCLI_SAFETENSORS_H
#define DLCLI_SAFETENSORS_H

#include "formats/format.h"

/* The reference implementation's limit too. */
enum { SAFETENSORS_MOST_HEADER = 100 * 1000 * 1000 };

/* An element type by the name it has in a header; convert makes n floats of n elements at `from`, which need not be aligned; NULL: they are floats. */
struct element { const char *name; size_t size; void (*convert)(const unsigned char *from, size_t n, float *to); };
extern const struct element safetensors_elements[];   /* ended by name NULL */

/* Tensors in the order of their names, float32, the data 8-byte aligned; metadata in the order it was put. Streams:
 * nothing is copied. */
int safetensors_write(const char *path, const struct tensor_file *file, struct err *err);

#endif
