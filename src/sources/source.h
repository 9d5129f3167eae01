/* sources: data sets. A format is one file with one struct source_ops and one line in source_list. A *source* is a
 * numbered set of samples; a *dataset* is the part of it that a split uses, in the order of its sampler. */
#ifndef DLCLI_SOURCE_H
#define DLCLI_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/image.h"
#include "config.h"
#include "graph.h"
#include "preprocess.h"

enum split { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST };
const char *split_name(enum split split);

/* One sample as its source gives it: a picture, or numbers. Memory is borrowed where `owned` is NULL (data sets held in
 * memory), else freed with sample_free. */
struct sample {
    int planar; /* pixels lie as C,H,W; else as H,W,C (as decoded) */
    int channels, height, width;
    const uint8_t *pixels; /* a picture; or NULL */
    const float *values;   /* numbers in NCHW order (csv, npy, text), taken as they are; or NULL */
    const float *targets;  /* of a regression; or NULL */
    int target_count;
    int label; /* class index, or -1 */
    const int32_t *labels; /* source->label_count of them, in place of label; or NULL */
    void *owned;
};
void sample_free(struct sample *sample);

struct source;
struct source_ops {
    const char *name, *help;
    const char *things;   /* what its samples are called in tables; NULL: images */
    /* Opens `path` for the split (train and valid both open the training part). Fills count, and classes/names where
     * the data knows them. class_names that are there already (classes= or another split's) are what labels by name
     * refer to; classes without names is what classes= says. What was allocated when it fails is freed by close, which
     * is called either way. A part that the format doesn't have here: count stays 0. */
    int (*open)(struct source *source, enum split split, struct err *err);
    /* Thread-safe. Sample `index`. A picture that can't be read: -1 with a sentence naming it (the caller skips and
     * counts). */
    int (*read)(const struct source *source, size_t index, struct sample *sample, struct err *err);
    /* Label alone, without decoding. */
    int (*label)(const struct source *source, size_t index);
    /* File name or "PATH[index]" for messages; buffer is used where it must be made up. */
    const char *(*name_of)(const struct source *source, size_t index, char *buffer, size_t size);
    void (*close)(struct source *source);
    unsigned flags;
};
enum {
    SOURCE_HAS_TEST = 1,  /* one path holds train and test */
    SOURCE_IN_MEMORY = 2, /* reading a sample costs next to nothing */
    SOURCE_NO_PATH = 4,   /* needs none */
    SOURCE_DOWNLOADS = 8, /* scripts/get-data NAME gets it */
    SOURCE_STREAMS = 16,  /* samples are windows of a text: those of place i, i + streams... follow one another; it takes its
                           * own validation part, the last of the training data */
};

struct source {
    const struct source_ops *ops;
    const struct section *section; /* [data] */
    char *path;                    /* resolved; NULL with SOURCE_NO_PATH */
    int whole;         /* the path was given for this split alone: all of it is meant where it has no parts */
    int outputs;       /* classes that the network tells apart; 0: not known */
    struct shape want; /* the picture that the network's input stands for */
    size_t count;
    int channels, height, width; /* of all samples, or 0 where they differ */
    int classes;
    char **class_names; /* owned; NULL names: "0", "1", ... */
    int at_least;       /* classes is only what the labels show: there may be more */
    int target_count;   /* of a regression: values in each sample's targets */
    int gives_back;     /* target=input: the targets are the input, whatever the format's own answers are */
    int steps, answers; /* of the network: time steps of a sample; steps that it answers at */
    int streams;        /* in: samples of a pass; SOURCE_STREAMS sets how many texts run side by side, at most so many */
    double valid;       /* valid= where it is a number: below 1 a fraction; else 0 */
    int label_count;    /* labels of a sample: 0 means 1 */
    int symbol_room;    /* symbols that the network's first layer tells apart; 0: it reads none */
    char **symbols;     /* of texts by name (tsv): the model's, or the training part's; owned; NULL: not known */
    int symbol_count;
    void *own;
};
extern const struct source_ops *const source_list[]; /* in the order of source= in keys_data; NULL at the end */
extern const struct source_ops source_cifar10, source_cifar100, source_mnist, source_images, source_text_list,
    source_synthetic, source_text, source_csv, source_tsv;
const struct source_ops *source_find(const char *name); /* NULL: none of that name */

extern const struct key keys_data[]; /* the whole [data] section: source, path, splits, preprocessing, augmentation */
extern const struct key *const data_tables[]; /* {keys_data, NULL} for config_check */

/* The samples of one split: items[i] is an index into the source. */
struct csv_affine;
struct dataset {
    struct source *source;
    enum split split;
    uint32_t *items;
    size_t count;
};

/* What is done to training pictures by chance, in this order: one affine step (crop to a random size of
 * min_crop..max_crop, zoom of scale_min..scale_max, aspect, rotation by up to angle degrees; bilinear; outside is zero, or letterbox's grey),
 * colour (hue as a fraction of the circle; saturation and exposure as factors of 1..x or their inverse, in HSV: all as
 * in darknet), a shift by up to crop_padding pixels with zeros behind (reflect: with the picture mirrored at its outer
 * pixels), a flip (alternate: of each sample in every other epoch, chance says in which), then mean and std, then a square of
 * cutout pixels set to 0. All off: `on` is 0. */
struct augment {
    int on, flip, alternate, crop_padding, reflect, cutout, min_crop, max_crop;
    double scale_min, scale_max, aspect, angle, hue, saturation, exposure;
    int randaugment, magnitude;   /* RandAugment: so many changes, drawn anew for each sample, before the shift; how strong */
    double noise;   /* deviation; added by the loader, behind everything else, and not to the targets */
    double mixup, cutmix;   /* alpha of Beta(alpha, alpha), by the loader, of whole batches; with both, either by chance. 0: off */
};

/* All that [data] (or --data SPEC) describes, opened for the splits asked for. */
struct data {
    const struct section *section;
    struct config made; /* a section of our own where the config has none (--data) */
    struct source sources[3];
    int open[3];            /* by split; valid may share train's */
    struct dataset sets[3]; /* sets[s].count 0 where the config has none */
    int classes;
    char **class_names;              /* owned; after classes= and the source agreed (else refused) */
    int measured_mean, measured_std; /* they were auto */
    int drop_last;                   /* of training samples: those that fill no batch are left out of the epoch */
    struct csv_affine *normalize;    /* of tables; owned, or NULL */
    char **symbols; int symbol_count;   /* the vocabulary of texts; owned, or NULL */
    struct preprocess preprocess;
    struct augment augment;
};
/* Opens the splits in the bit set `splits` (1 << SPLIT_TRAIN | ...). spec: --data's "source:path" in place of source
 * and path, or NULL. Only the splits asked for (and training data where mean or std is auto) are read. The seed decides
 * which samples `valid=N` takes. Classes must be as many as the network has outputs (graph->classes, 0 = any). mean/std
 * = auto are measured over the training split here unless the section holds numbers (a stored model's do). Missing
 * data: the sentence names `scripts/get-data NAME`. With spec, a split that the section would take from elsewhere
 * (test=, valid=PATH) or not have is all of the spec's path. Uses of graph: net, data, input, classes. The sets point
 * into `data`, which must not be moved; data_close frees it whether or not this failed. */
int data_open(struct data *data, const struct graph *graph, unsigned splits, const char *spec, uint64_t seed,
              struct err *err);
void data_close(struct data *data);
/* Writes what was worked out (class names, mean, std) into the section, so that a stored config is complete. Classes without names are named by
 * their numbers there: other data may call them otherwise. -1 with a sentence where it would not be read as the same. */
int data_resolve(const struct data *data, struct section *section, struct err *err);

/* Has a sample of the set as many answers as the network gives, and as many target values as that has outputs; has the data as many classes, where a
 * loss on values takes labels as rows of 0 and 1? -1 with a sentence where not. */
int data_fits_output(const struct data *data, const struct dataset *set, const struct graph *graph, struct err *err);

/* Slots of the graph that start as INIT_WHITENING get their values from the training samples, which are open (whitening.c).
 * Samples that can't be read are warnings. -1 with a sentence where none can. */
int data_whiten(const struct data *data, struct graph *graph, struct err *err);

/* Class names of classes=: a count (names stay NULL), a comma list ("\," is a comma within a name) or a file of names,
 * one a line. *count is 0 where the section has none. Names are freed with names_free. */
int data_classes(const struct section *section, char ***names, int *count, struct err *err);
void names_free(char **names, int count);

/* ---- augmentation ---- */

/* From [data]; what it doesn't say and darknet keeps in [net] from there. Refuses what the network's channels can't
 * have. */
int augment_read(struct augment *augment, const struct section *data, const struct section *net,
                 const struct preprocess *p, struct err *err);

/* Draws the augmentation of sample `item` in `epoch` and writes the network's input (C,H,W floats) to `to`.
 * Deterministic in (seed, epoch, item). augment NULL: none. */
int sample_to_input(const struct sample *sample, const struct preprocess *p, const struct augment *augment,
                    uint64_t seed, uint64_t epoch, uint32_t item, float *to, struct err *err);

/* ---- loader: decodes, augments and batches ahead on its own threads ---- */
struct batch {
    int count;       /* samples in it; the last of an epoch may be smaller */
    float *input;    /* count x C,H,W, 64-byte aligned; of sequences steps x count x values */
    int32_t *labels; /* count; of sequences with an answer at each step steps x count */
    float *targets;  /* count x target width, or NULL */
    float *shares;   /* of mixed samples (mixup, cutmix): count x classes; or NULL. labels then are of the sample that is most of it */
    uint32_t *items; /* which samples */
    int skipped;     /* samples of this batch that couldn't be read: left out, so count is smaller */
};
struct loader_options {
    const struct dataset *set;
    size_t used;               /* samples of each epoch's order that are handed out; 0: all */
    const struct preprocess *preprocess;
    const struct augment *augment;
    int steps;                 /* of a sequence; 0: none */
    int classes;               /* that mixed samples have shares in */
    int batch, threads, ahead; /* threads 0: one; ahead: batches ready in advance (2) */
    int shuffle;               /* order of epoch e: a shuffle by (seed, e); else the set's */
    uint64_t seed;
    uint64_t epoch; /* first epoch, and first sample in it (resume) */
    size_t start;
    int endless; /* go on with the next epoch; else end after this one */
};
struct loader;
struct loader *loader_make(const struct loader_options *options, struct err *err);
/* The next batch, borrowed until the next call; *batch NULL at the end of an epoch (endless: then the next epoch's
 * batches follow). Same batches for any number of threads. Unreadable samples are warnings in err, each once; -1 if
 * none of a whole epoch could be read, or memory ran out. The sums of count + skipped add up to the place in the epoch,
 * for a resume; a batch of which nothing could be read is passed over, and counted in the next one's `skipped`. */
int loader_next(struct loader *loader, struct batch **batch, struct err *err);
void loader_free(struct loader *loader);

#endif
