/* What predict puts out, kept and drawn: tiles of maps, and an autoencoder's reconstructions below its inputs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands/predict.h"
#include "views/tiles.h"

enum { ACROSS = 10 };   /* pairs side by side */

/* ---- kept ---- */

static int grow(float **values, size_t room, size_t width, struct err *err) {
    size_t bytes;
    float *more = mem_mul(room, width * sizeof *more, &bytes) ? NULL : realloc(*values, bytes);
    if (!more) return err_add(err, STATUS_FAILED, "out of memory for %zu rows of output", room);
    *values = more;
    return 0;
}

static struct shape input_shape(const struct batcher *b) { return b->members[0].model.graph.input; }

int kept_add(struct kept *k, const struct batcher *b, const struct place *place, const float *values, struct err *err) {
    size_t inputs = shape_count(input_shape(b));
    if (k->count == k->room) {
        size_t room = k->room ? 2 * k->room : 64;
        if (grow(&k->values, room, b->width, err) || (k->shows_inputs && grow(&k->inputs, room, inputs, err))) return -1;
        k->room = room;
    }
    memcpy(k->values + k->count * b->width, values, b->width * sizeof *values);
    if (k->shows_inputs) memcpy(k->inputs + k->count * inputs, b->members[0].input + (size_t)(place - b->places) * inputs, inputs * sizeof *values);
    k->count++;
    return 0;
}

void kept_free(struct kept *k) {
    free(k->values);
    free(k->inputs);
}

/* ---- drawn ---- */

/* A block of tiles for each input, a tile a channel (and time step); flat outputs are a tile of one row. */
static double draw_maps(const struct batcher *b, const struct kept *k, struct canvas *c, double *width) {
    const struct member *first = &b->members[0];
    struct shape out = member_output(first);
    int flat = out.h == 1 && out.w == 1;
    char shape[48];
    double y = 0;
    for (size_t i = 0; i < k->count; i++) {
        char *title = mem_format("%s  %s", first->layer < 0 ? "output" : first->model.graph.layers[first->layer].name, shape_text(out, shape));
        struct tiles tiles = {.values = k->values + i * b->width, .count = flat ? (size_t)out.t : (size_t)out.t * (size_t)out.c, .columns = flat ? 1 : 0, .channels = 1,
            .height = flat ? 1 : out.h, .width = flat ? out.c : out.w, .title = i ? NULL : title};
        y = tiles_draw(&tiles, c, y, width);
        free(title);
    }
    return y;
}

/* Pictures in, as many numbers out, and no classes: it gives back what it was given. */
int picture_shows_inputs(const struct batcher *b) {
    struct shape in = input_shape(b);
    return b->members[0].layer < 0 && !b->members[0].model.graph.classes && b->width == shape_count(in) && in.t == 1 && (in.c == 1 || in.c == 3) && in.h > 1 && in.w > 1;
}

/* One row of pictures. All share the inputs' range, so that what is lost can be seen. */
static double draw_row(const struct batcher *b, const struct kept *k, const float *values, size_t first, const char *title, struct canvas *c, double y, double *width) {
    struct shape in = input_shape(b);
    size_t left = k->count - first, across = k->count < ACROSS ? k->count : ACROSS;
    struct tiles tiles = {.values = values + first * b->width, .count = left < ACROSS ? left : ACROSS, .columns = across, .channels = in.c, .height = in.h, .width = in.w,
        .title = title, .least = INFINITY, .most = -INFINITY};
    for (size_t i = 0; i < k->count * b->width; i++) {
        tiles.least = fminf(tiles.least, k->inputs[i]);
        tiles.most = fmaxf(tiles.most, k->inputs[i]);
    }
    return tiles_draw(&tiles, c, y, width);
}

static double draw_pairs(const struct batcher *b, const struct kept *k, struct canvas *c, double *width) {
    char *name = context_label(b->members[0].model.path), *title = mem_format("above: given; below: what %s gives back", name);
    double y = 0;
    for (size_t first = 0; first < k->count; first += ACROSS) {
        y = draw_row(b, k, k->inputs, first, first ? NULL : title, c, y, width);
        y = draw_row(b, k, k->values, first, NULL, c, y - 14, width);
    }
    free(title);
    free(name);
    return y;
}

int picture_draw(const struct batcher *b, const struct kept *k, const char *path, struct err *err) {
    struct canvas *c = canvas_make(1, 1, TILES_BACKGROUND);
    double width = 0, height = (k->shows_inputs ? draw_pairs : draw_maps)(b, k, c, &width);
    canvas_resize(c, width, height);
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    return bad;
}
