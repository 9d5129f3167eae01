/* The one definition of how a picture becomes numbers: stored in the model, used by train, test, predict and every export. */
#ifndef DLCLI_PREPROCESS_H
#define DLCLI_PREPROCESS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/image.h"
#include "graph.h"

enum color { COLOR_RGB, COLOR_BGR, COLOR_GREY };
enum resize { RESIZE_STRETCH, RESIZE_CROP, RESIZE_LETTERBOX };
enum { PREPROCESS_MOST_CHANNELS = 64 };
enum { PREPROCESS_GREY = 128 };   /* around a letterboxed picture, in all channels (darknet's) */
struct preprocess {
    int channels, height, width;             /* the network's input */
    enum color color; enum resize resize;
    double range;                            /* 1 or 255: values are 0..range before mean and std */
    double mean[PREPROCESS_MOST_CHANNELS], std[PREPROCESS_MOST_CHANNELS];   /* value = (pixel * range / 255 - mean) / std */
};
/* From [data] (NULL: defaults, 0..1, RGB or grey by channels). mean/std "auto" that are still unresolved leave 0 and 1 and
 * return 1. A flat input or a sequence of vectors, n = t * c values, takes square pictures, rows first: n = s * s is grey,
 * n = 3 * s * s is colour. Channels beyond PREPROCESS_MOST_CHANNELS share the last mean and std. */
int preprocess_read(struct preprocess *p, const struct section *data, struct shape input, struct err *err);
/* A decoded picture -> C,H,W floats. Any size; 1 or 3 channels: grey is repeated, colour is weighed where p wants grey. */
int preprocess_image(const struct preprocess *p, const struct image *image, float *to, struct err *err);
/* channels to decode to: 1 or 3 */
int preprocess_channels(const struct preprocess *p);
/* Pixels C,H,W or H,W,C of exactly the network's size -> floats. */
void preprocess_pixels(const struct preprocess *p, const uint8_t *pixels, int planar, float *to);

/* ---- the pieces of it, for augmentation and statistics ---- */

/* Pixels that lie anywhere: value (c, y, x) is pixels[c * channel_step + y * row_step + x * pixel_step]. Borrowed. */
struct pixels { const uint8_t *pixels; int channels, height, width; ptrdiff_t channel_step, row_step, pixel_step; };
struct pixels pixels_of_image(const struct image *image);
/* Where the network's channel `channel` lies in the view: color=bgr turns the order, a grey picture serves them all. */
const uint8_t *preprocess_plane(const struct preprocess *p, const struct pixels *view, int channel);

/* value = pixel * scale + offset: color's range, mean and std of one of the network's channels in one step. */
struct affine { float scale, offset; };
struct affine preprocess_affine(const struct preprocess *p, int channel);
/* `count` pixels, `step` bytes apart (negative: backwards), -> floats. */
void preprocess_row(struct affine a, const uint8_t *from, ptrdiff_t step, size_t count, float *to);

/* A picture brought to the network's size as `resize` says; one channel where the network wants one, else as many as it had.
 * `out` gets its own pixels. */
int preprocess_fit(const struct preprocess *p, const struct image *image, struct image *out, struct err *err);
/* Copies a view of 1 or 3 channels into a picture of its own of `channels` channels. */
int pixels_to_image(const struct pixels *view, int channels, struct image *out, struct err *err);

#endif
