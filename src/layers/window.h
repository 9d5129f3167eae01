/* window: the geometry that convolution and pooling share. A window slides over each axis of a padded map. */
#ifndef DLCLI_WINDOW_H
#define DLCLI_WINDOW_H

#include "graph.h"

/* One axis. before, after: padding on the near and the far side; out: places the window takes. */
struct axis { int size, stride, dilation, before, after, out; };
struct window { struct axis h, w; };

/* How the padding is meant: so many on each side; so many in all, the smaller half in front (darknet's pooling); as
 * many as give ceil(in / stride) places, the odd one behind (TensorFlow's "same"). */
enum padding_kind { PADDING_EACH, PADDING_TOTAL, PADDING_SAME };
struct padding { enum padding_kind kind; int h, w; const char *key; };   /* key: the one that said so, for refusals */

/* Reads size, size_h, size_w, stride, stride_y, stride_x of the section; dilation is 1, padding unknown. */
struct window window_read(const struct section *section);

/* The value of padding=: "same", "valid" or a number (of kind `numbers`). -1 with a refusal. */
int window_padding(const struct node *node, enum padding_kind numbers, struct padding *padding, struct err *err);

/* Fits the window to maps of h x w: padding and places. ceiling: a last place that hangs over the edge counts where it
 * begins inside (Caffe). Refuses windows larger than the padded map and places that see nothing but padding. */
int window_fit(struct window *window, const struct node *node, struct padding padding, int h, int w, int ceiling,
               struct err *err);

/* pad=1: half of what the window spans, on each side. */
static inline int window_half(const struct axis *a) {
    return (a->dilation * (a->size - 1) + 1) / 2;
}

/* For tables of keys. */
#define WINDOW_STRIDE_KEYS \
    {"stride_y", KEY_INT, NULL, 1, 1024, NULL, "stride_h", "Step downwards, where it differs."}, \
    {"stride_x", KEY_INT, NULL, 1, 1024, NULL, "stride_w", "Step to the right, where it differs."}
#define WINDOW_SIZE_KEYS \
    {"size_h", KEY_INT, NULL, 1, 65535, NULL, NULL, "Height of the window, where it differs."}, \
    {"size_w", KEY_INT, NULL, 1, 65535, NULL, NULL, "Width of the window, where it differs."}

#endif
