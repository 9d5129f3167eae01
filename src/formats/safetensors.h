/* What reading and writing safetensors share. */
#ifndef DLCLI_SAFETENSORS_H
#define DLCLI_SAFETENSORS_H

#include "formats/format.h"

/* The reference implementation's limit too. */
enum { SAFETENSORS_MOST_HEADER = 100 * 1000 * 1000 };

/* Tensors in the order of their names, float32, the data 8-byte aligned; metadata in the order it was put. Streams:
 * nothing is copied. */
int safetensors_write(const char *path, const struct tensor_file *file, struct err *err);

#endif
