/* What the sources share: lists of class names, and files that may lie gzipped. */
#ifndef DLCLI_PARTS_H
#define DLCLI_PARTS_H

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "sources/source.h"

/* ---- class names: malloc'ed arrays of malloc'ed texts, freed with names_free (source.h) ---- */
char **names_copy(char *const *names, int count);
/* The lines of a file: outer spaces and CR cut, empty lines left out. An empty file is refused, and what is no text. */
int names_read(const char *path, char ***names, int *count, struct err *err);
/* A comma list; a backslash takes the special meaning from the character behind it, and makes a space of s, a tab of t. Empty names are left in, as "", but
 * for one behind a comma at the very end of a single name. */
void names_parse(const char *text, char ***names, int *count);
/* The comma list that names_parse turns into the same names. */
void names_write(char *const *names, int count, struct text *out);
/* The name nearest to `word`, or NULL: for messages. */
const char *names_nearest(char *const *names, int count, const char *word);

/* Names sorted, to look up by: order[i] is the place of the i-th smallest. */
struct name_index {
    char *const *names;
    int *order;
    int count;
};
struct name_index name_index_make(char *const *names, int count);
int name_index_find(const struct name_index *index, const char *name); /* place in names, or -1 */
void name_index_free(struct name_index *index);

/* ---- files ---- */

/* Reads FOLDER/NAME, or FOLDER/NAME.gz where that isn't there, unpacked, at most `most` bytes. 1 where there is neither
 * (nothing is said), -1 with a sentence; *path (malloc'ed) is set in all cases but 1. */
int folder_file(const char *folder, const char *name, size_t most, char **path, unsigned char **bytes, size_t *size,
                struct err *err);

/* A source whose samples' own number of classes is fixed by its format takes them here: names given before (classes=)
 * stay if they are as many; else the lines of FOLDER/NAME, if that is there and holds as many. */
int source_take_names(struct source *source, int classes, const char *file, struct err *err);

/* "PATH[index]" */
const char *source_numbered(const struct source *source, size_t index, char *buffer, size_t size);

/* ---- pictures in files of their own ---- */

/* A list of files by name. Names are offsets into one block of texts, as there may be millions. */
struct picture {
    size_t name;
    int label;
};
struct pictures {
    char *folder;  /* names are within it */
    int elsewhere; /* unless they are absolute, or there from the working directory */
    char *names;
    size_t length, room;
    struct picture *items;
    size_t count, item_room;
};
void pictures_add(struct pictures *pictures, const char *name, int label);
void pictures_free(struct pictures *pictures);
/* For struct source_ops, where source->own begins with a struct pictures. */
int pictures_read(const struct source *source, size_t index, struct sample *sample, struct err *err);
int pictures_label(const struct source *source, size_t index);
const char *pictures_name(const struct source *source, size_t index, char *buffer, size_t size);
void pictures_close(struct source *source);

/* ---- keys_fit.c ---- */

/* Refuses keys of [data], and darknet's of [net], that this format has no use for, and those that only qualify a key that isn't there. tests: the
 * data is --data's, only to be tested with, whatever training does to its own. */
int data_keys_fit(const struct section *data, const struct section *net, const struct source_ops *ops, int tests, struct err *err);

/* ---- augmentation's settings (augment_settings.c) ---- */

/* Are pictures resampled; do their colours change; does anything but moving and mirroring whole pixels happen to them? */
int augment_warps(const struct augment *a);
int augment_tints(const struct augment *a);
int augment_redraws(const struct augment *a);

/* ---- pixels of samples (augment.c) ---- */

struct pixels pixels_of_sample(const struct sample *sample);
/* Can the network's input be taken from the pixels as they are? */
int pixels_fit(const struct preprocess *p, const struct pixels *view);

/* The view as a picture of that many channels: `image` is only to be read; it borrows the view's pixels where they lie
 * as a picture's do, else those of `copy`, which is to be freed either way. */
int pixels_borrow(const struct pixels *view, int channels, struct image *image, struct image *copy, struct err *err);

/* ---- distortions (distort.c) ---- */

/* Where an output pixel comes from: scale is output pixels per pixel of the picture; shift, in output pixels, and then
 * angle (radians) are about the centres. */
struct warp {
    double scale_x, scale_y, shift_x, shift_y, angle;
    uint8_t beyond;   /* of all channels, outside the picture */
};
/* Bilinear; what shrinks to less than half is averaged down first. `out` gets its own pixels.
 */
int warp_image(const struct image *in, const struct warp *warp, int width, int height, struct image *out,
               struct err *err);

/* In HSV: hue, -1..1, is added (1 is the circle), saturation and value multiplied and clipped. Of a grey picture only
 * the value changes. */
struct tint {
    float hue, saturation, exposure;
};
void tint_image(struct image *image, const struct tint *tint);

/* ---- RandAugment (randaugment.c) ---- */

enum { RANDAUGMENT_CHANGES = 14, RANDAUGMENT_MOST = 30 };
/* `count` changes one after the other, each drawn from all, at a magnitude of 0..RANDAUGMENT_MOST. Pictures of 1 or 3 channels; the pixels must be
 * the image's own. */
int randaugment(struct image *image, int count, int magnitude, struct rng *rng, struct err *err);
/* Change number `which`, the other way where negative and it has two. */
int randaugment_change(struct image *image, int which, int magnitude, int negative, struct err *err);

/* ---- mixing (mix.c) ---- */

/* What a batch's chance is a function of, besides augment's mixup and cutmix: at is its place in the epoch. */
struct mix { const struct augment *augment; const struct preprocess *preprocess; uint64_t seed, epoch, at; int classes; };
/* Mixes the batch's samples in pairs and sets its shares: rows of `classes` that sum to 1; 0 where the label is -1. Such samples are not mixed. */
void mix_batch(const struct mix *mix, struct batch *batch);

/* ---- statistics ---- */

/* Measures mean and std of each of the network's channels over the set (before augmentation, in `range`) and puts them
 * into p where the switches say so, rounded to 6 digits, so that what a stored config says is what was used. Folder
 * sources: of 10,000 pictures at most, evenly spread. Pictures that can't be read are warnings. */
int data_measure(const struct dataset *set, struct preprocess *p, int mean, int std, struct err *err);

#endif
