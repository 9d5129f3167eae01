/* predict's parts: where inputs come from (predict_inputs.c), how they run in batches (predict_batch.c), what is said (predict.c). */
#ifndef DLCLI_PREDICT_H
#define DLCLI_PREDICT_H

#include "commands/command.h"
#include "preprocess.h"
#include "sources/csv.h"
#include "sources/vocabulary.h"
#include "tta.h"

/* How a model reads texts; names NULL: it doesn't. */
struct reader { char **names; int count; struct vocabulary vocabulary; };
/* 1 where it does. reader_close either way. */
int reader_open(struct reader *reader, const struct model *model);
void reader_close(struct reader *reader);

/* One network of an ensemble, with its own way to see a picture or a text. */
struct member {
    struct model model;
    struct preprocess preprocess;
    struct reader reader;
    int layer;                  /* --layer in this network, or -1 */
    float *input, *turned;      /* turned: sequences, steps outermost; or a view of pictures */
};
/* Of what it puts out: of --layer, or of the network. */
struct shape member_output(const struct member *m);

/* A place in the batch: a picture to decode, or a row of an array or a text that lies in the inputs already. */
struct place { char *name; long row; char *error, *text; };   /* row -1: not one of several in a file; error: why it can't be used */

struct batcher {
    struct context *context;
    struct member *members; int member_count;
    struct place *places; int count, room;      /* room: the plans' batch */
    float *output; size_t width;                /* room rows of what the network (or --layer) puts out */
    float *views;                               /* the same, of one member: the sum over its views */
    enum tta tta;                               /* views whose outputs are averaged */
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
int batcher_add_place(struct batcher *b, struct place place, struct err *err);   /* the inputs are filled; texts are taken over */
/* row: the line from 0, or -1. What is longer than the network reads is cut. */
int batcher_add_text(struct batcher *b, const char *name, long row, const char *text, struct err *err);
/* Something that can't even be begun: reported in its turn. */
int batcher_add_error(struct batcher *b, const char *name, const char *why, struct err *err);
int batcher_run(struct batcher *b, struct err *err);

/* The rows of a csv file, as each member's [data] says. What keeps the file as a whole from being used is left in `why`; -1 with err ends. */
int feed_table(struct batcher *b, const char *path, struct err *why, struct err *err);

/* The lines of a text, up to a tab. What keeps the file as a whole from being used is left in `why`; -1 with err ends. */
int feed_text(struct batcher *b, const char *path, struct err *why, struct err *err);

/* Is the answer to that text a class for each of its symbols? */
int says_tags(const struct batcher *b, const struct place *place);
/* They are gone through: the next symbol's name, its likeliest class, and `probability`. 0 at the end. */
struct tags { const char *text; enum unit unit; const float *values; size_t classes, left; float probability; };
struct tags tags_begin(const struct batcher *b, const struct place *place, const float *values);
int tags_next(struct tags *tags, struct text *symbol, size_t *best);

/* A csv file read as the model's [data] says: which columns go in, and how they are normalized. */
struct table {
    struct config made;                 /* a section of our own where the model has none */
    const struct section *data;
    struct csv csv;
    size_t *features, width;            /* columns that are the network's inputs */
    struct csv_affine affine;
};
/* The file as each member reads it; NULL where it can't be a network's input. Free with tables_close. */
struct table *tables_open(const struct batcher *b, const char *path, struct err *err);
void tables_close(const struct batcher *b, struct table *tables);

/* What was put out, kept for --output: a row of the batcher's width an input; and, for pictures that show it, what the first model was given. */
struct kept { int shows_inputs; float *values, *inputs; size_t count, room; };
int kept_add(struct kept *kept, const struct batcher *b, const struct place *place, const float *values, struct err *err);
void kept_free(struct kept *kept);

/* Will picture_draw show the inputs? */
int picture_shows_inputs(const struct batcher *b);
/* Draws what was kept, by the suffix of `path`: of a network that gives back pictures (an autoencoder), inputs above
 * reconstructions; of any other output, and with --layer, a tile a map. */
int picture_draw(const struct batcher *b, const struct kept *kept, const char *path, struct err *err);

/* Is this a table for a regression of one variable? Then its picture is the table's points and the curve. */
int fit_is_wanted(const struct batcher *b, const char *output);
/* Runs the network along the table's range and draws that; `kept` is what b's say collects into. */
int fit_draw(struct batcher *b, struct kept *kept, const char *path, struct err *err);

/* Feeds every input of the command line (files, folders, arrays, "-": names on stdin, ended by `end`) to the batcher. */
int inputs_feed(struct batcher *b, char end, struct err *err);

#endif
