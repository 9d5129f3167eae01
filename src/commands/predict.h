/* predict's parts: where inputs come from (predict_inputs.c), how they run in batches (predict_batch.c), what is said (predict.c). */
#ifndef DLCLI_PREDICT_H
#define DLCLI_PREDICT_H

#include "commands/command.h"
#include "preprocess.h"

/* One network of an ensemble, with its own way to see a picture. */
struct member { struct model model; struct preprocess preprocess; float *input, *turned; };   /* turned: sequences, steps outermost */

/* A place in the batch: a picture to decode, or a row of an array that lies in the inputs already. */
struct place { char *name; long row; char *error; };   /* row -1: a picture; error: why it can't be used */

struct batcher {
    struct context *context;
    struct member *members; int member_count;
    struct place *places; int count, room;      /* room: the plans' batch */
    float *output; size_t width;                /* room rows of what the network (or --layer) puts out */
    int layer;                                  /* --layer, or -1 */
    size_t done, failed;
    /* Called for each place in order once it was computed; values NULL where place->error says why. -1 ends. */
    int (*say)(struct batcher *b, const struct place *place, const float *values, struct err *err);
    void *say_arg;
};
/* Opens the models, plans them for `batch`, fills width. */
int batcher_open(struct batcher *b, struct context *context, int batch, const char *layer, struct err *err);
void batcher_close(struct batcher *b);
/* Adds an input; runs the batch when it is full. */
int batcher_add_image(struct batcher *b, const char *path, struct err *err);
int batcher_add_row(struct batcher *b, const char *name, long row, const float *values, struct err *err);
/* Something that can't even be begun: reported in its turn. */
int batcher_add_error(struct batcher *b, const char *name, const char *why, struct err *err);
int batcher_run(struct batcher *b, struct err *err);

/* The rows of a csv file. What keeps the file as a whole from being used is left in `why`; -1 with err ends. Only for
 * ensembles whose members have inputs of one size: rows are the first member's. */
int feed_table(struct batcher *b, const char *path, struct err *why, struct err *err);

/* Feeds every input of the command line (files, folders, arrays, "-": names on stdin, ended by `end`) to the batcher. */
int inputs_feed(struct batcher *b, char end, struct err *err);

#endif
