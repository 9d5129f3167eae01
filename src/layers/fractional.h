/* fractional: windows that lie elsewhere in each sample of each training step. Nothing is kept of the draw but its seed: backward draws it again.
 * Shared by fractional.c and crop.c. */
#ifndef DLCLI_FRACTIONAL_H
#define DLCLI_FRACTIONAL_H

#include "base/rng.h"
#include "layers/layer.h"

/* Where a sample's windows begin: f->oh rows, f->ow columns. drawn: four random words; NULL outside training. */
typedef void fractional_place(const struct op *op, const struct fractional *f, const uint32_t *drawn, int *rows, int *columns);

/* A call of the kernels: node->own with the rows and columns of all samples, at the beginning of op->scratch. */
struct fractional fractional_call(const struct op *op, const struct exec *exec, enum rng_use use, fractional_place *place);
size_t fractional_scratch(const struct op *op, size_t samples);

#endif
