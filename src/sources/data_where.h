/* data_open's parts: what it knows while it works (data.c), and where data lies (data_where.c). */
#ifndef DLCLI_DATA_WHERE_H
#define DLCLI_DATA_WHERE_H

#include "sources/source.h"

/* What data_open knows while it works. */
struct opening {
    struct data *data;
    const struct graph *graph;
    const struct source_ops *ops;
    const char *spec_path; /* behind the colon of --data; NULL without --data */
    int classes;           /* wanted: classes= or the network's outputs; 0: any */
    int given;
    char **names; /* class names that labels refer to: classes= or the first source's; given: how many */
    double valid;
    int valid_path; /* valid=: a number, or a path */
    uint64_t seed;
    struct err *err;
};

/* The format: that of --data's "source:path", or of source=. -1 with a sentence. */
int data_read_format(struct opening *o, const char *spec);
/* valid= is a number or a path. */
int data_read_valid(struct opening *o);
/* The path that the key of [data] (NULL: --data) holds, as it is to be opened; malloc'ed; NULL with a sentence. */
char *data_find_path(struct opening *o, const char *key);

#endif
