/* A confusion matrix as a picture: true classes downwards, said ones across, a cell's blue the share of its true class.
 */
#ifndef DLCLI_MATRIX_H
#define DLCLI_MATRIX_H

#include "views/canvas.h"

/* counts: classes x classes, [true][said]. names has `classes` names. The caller frees the canvas. */
struct canvas *matrix_draw(const char *title, const uint64_t *counts, int classes, const char *const *names);

#endif
