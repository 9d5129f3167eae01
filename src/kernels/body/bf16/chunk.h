/* A chunk of the walk over an output (conv.c cuts it and says what of): some samples and rows of the output for some panels of its channels (chunk.c). */
#ifndef DLCLI_KERNELS_BODY_BF16_CHUNK_H
#define DLCLI_KERNELS_BODY_BF16_CHUNK_H

#include "kernels/body/bf16/bf16.h"

/* A pass over the whole output. */
struct pass {
    const struct conv *flat;             /* the layer, where a row of its taps counts as channels, or NULL */
    struct bf16_map map;
    int in_w;                            /* columns of the input as it is walked */
    int groups, in_c, out_c, depth;      /* channels of one group; in_c filled up to units */
    int batch, samples, rows;            /* of a chunk; rows are all where samples fill strips */
    int chunks, panels, panel_parts, shared;
    size_t copy_bytes, list_bytes;
    const elem *in, *weight;
    elem *out;
    const real *bias;
    enum activation activation;
    int add;
    char *scratch, *lists;               /* copies of chunks; and behind them each thread's lists */
};

/* A thread's arrays, as large as any chunk of the pass needs. */
struct lists {
    struct segment *rows, *columns;
    ptrdiff_t *places;
    struct bf16_strip *strips;
    struct bf16_run *runs;
    int *blocks;             /* where each block's runs begin, and behind them where the last one's end */
    real *partial;
};

struct part {
    const struct pass *p;
    struct lists lists;
    int group, sample, samples, row, row_end, panel, panel_end;
    struct range read;           /* rows of x, of which the copy holds these */
    elem *x;
    int strips, blocks;          /* of the class at hand */
};

/* Rows of x that `rows` of the output read, at most. */
static inline int chunk_rows_in(const struct axis *h, int rows) {
    int reach = (h->size - 1) * h->dilation;
    return conv_least(h->in, h->back ? (rows + reach - 1) / h->stride + 2 : (rows - 1) * h->stride + reach + 1);
}

size_t OWN(chunk_list_bytes)(const struct pass *p);

/* Chunk `chunk` of a group, for all panels; x: its copy of what it reads. */
struct part OWN(chunk_part)(const struct pass *p, int chunk, int group, elem *x);
/* Row `row` of those that it reads, if there is such a one, into the copy. */
void OWN(chunk_copy_row)(const struct part *part, int row);
/* The part's panels; lists: memory of chunk_list_bytes. */
void OWN(chunk_run)(struct part *part, char *lists);

#endif
