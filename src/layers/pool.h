/* pool: what maxpool and avgpool share, from keys to a kernel's geometry. */
#ifndef DLCLI_POOL_H
#define DLCLI_POOL_H

#include "layers/window.h"
#include "plan.h"

/* Sets *padding where pad_each= is given; refuses it beside padding=. */
int pool_pad_each(const struct node *node, struct padding *padding, struct err *err);
/* Where the window is the whole map, which has one place and no edges to pad: refuses these keys (NULL at the end), since who gives one meant a
 * window. */
int pool_whole_map(const struct node *node, const char *const *of_windows, struct err *err);
/* Fits the window; sets node->out and node->own (a struct pool without planes). -1 with a refusal. */
int pool_shape(struct node *node, struct window window, struct padding padding, struct err *err);
/* The kernel's geometry for this call: own, and the planes that the layout makes of the samples. */
struct pool pool_call(const struct op *op, const struct exec *exec);

#endif
