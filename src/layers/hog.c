/* Histograms of oriented gradients (Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR 2005):
 * features made by hand, without parameters, for a linear classifier behind them. Gradients by [-1 0 1] of the channel
 * where they are strongest; each votes with its strength for its direction (0..180 degrees), shared between the nearest
 * bins and the nearest cells; blocks of cells are normalized by L2-Hys. */
#include <math.h>

#include "layers/layer.h"

static const struct key keys[] = {
    {"cell", KEY_INT, "8", 1, 1024, NULL, NULL, "Height and width of a cell, in pixels."},
    {"block", KEY_INT, "2", 1, 64, NULL, NULL, "Height and width of a block, in cells; blocks are a cell apart."},
    {"bins", KEY_INT, "9", 1, 360, NULL, NULL, "Directions that half a turn is divided into."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

#define PI 3.14159265358979323846
static const double CLIP = 0.2, EPS = 1e-3;   /* of L2-Hys; EPS for values 0..1 */

struct own { struct shape in; int cell, block, bins, rows, columns, down, across; };   /* cells; blocks */

/* A layer that learns would get no gradient through here. */
static int check_before(const struct node *node, struct err *err) {
    for (int i = 1; i < node->index; i++) {
        const struct node *before = &node->graph->nodes[i];
        for (int j = 0; j < before->slot_count; j++) {
            if (before->slots[j].kind == SLOT_PARAM && !before->slots[j].frozen && node->in[0] >= i) {
                return node_refuse(node, NULL, err, "has no gradient, but \"%s\" before it learns: want freeze=1 there",
                                   node->graph->layers[before->layer].name);
            }
        }
    }
    return 0;
}

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    struct own *own = node->own = mem_need(1, sizeof *own);
    *own = (struct own){.in = node_input(node, 0), .cell = (int)config_int(s, "cell"),
                        .block = (int)config_int(s, "block"), .bins = (int)config_int(s, "bins")};
    own->rows = own->in.h / own->cell;
    own->columns = own->in.w / own->cell;
    own->down = own->rows - own->block + 1;
    own->across = own->columns - own->block + 1;
    if (own->down < 1 || own->across < 1) {
        return node_refuse(node, "cell", err, "the input of %dx%d has %dx%d whole cells: too few for a block of %dx%d",
                           own->in.h, own->in.w, own->rows, own->columns, own->block, own->block);
    }
    node->out = (struct shape){own->in.t, own->block * own->block * own->bins, own->down, own->across};
    node->flops = 12.0 * own->in.t * (double)shape_step(own->in);
    return check_before(node, err);
}

/* ---- one sample ---- */

/* The strongest channel's gradient at a pixel; beyond the edge counts the edge. */
static void gradient(const struct own *own, const float *x, int row, int column, double *dx, double *dy) {
    int h = own->in.h, w = own->in.w;
    int left = column > 0 ? column - 1 : 0, right = column < w - 1 ? column + 1 : w - 1;
    int above = row > 0 ? row - 1 : 0, below = row < h - 1 ? row + 1 : h - 1;
    double best = -1;
    for (int c = 0; c < own->in.c; c++, x += (size_t)h * (size_t)w) {
        double across = (double)x[row * w + right] - x[row * w + left];
        double down = (double)x[below * w + column] - x[above * w + column];
        if (across * across + down * down > best) {
            best = across * across + down * down;
            *dx = across;
            *dy = down;
        }
    }
}

/* Shares `vote` between the cells whose centres lie around the pixel. */
static void vote_cells(const struct own *own, int row, int column, int bin, double vote, float *cells) {
    double y = (row + 0.5) / own->cell - 0.5, x = (column + 0.5) / own->cell - 0.5;
    int top = (int)floor(y), left = (int)floor(x);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            int at_row = top + i, at_column = left + j;
            double share = (i ? y - top : 1 - (y - top)) * (j ? x - left : 1 - (x - left));
            if (at_row >= 0 && at_column >= 0 && at_row < own->rows && at_column < own->columns) {
                cells[(at_row * own->columns + at_column) * own->bins + bin] += (float)(vote * share);
            }
        }
    }
}

/* Bin b stands for the direction (b + 0.5) * 180 / bins degrees. A pixel without gradient has no vote. */
static void vote(const struct own *own, const float *x, int row, int column, float *cells) {
    double dx = 0, dy = 0;
    gradient(own, x, row, column, &dx, &dy);
    double strength = sqrt(dx * dx + dy * dy), angle = atan2(dy, dx);
    if (!(strength > 0)) {
        return;
    }
    double place = (angle < 0 ? angle + PI : angle) / PI * own->bins - 0.5;
    int low = (int)floor(place);
    double high = place - low;
    vote_cells(own, row, column, (low + own->bins) % own->bins, strength * (1 - high), cells);
    vote_cells(own, row, column, (low + 1) % own->bins, strength * high, cells);
}

static double inverse_length(const float *values, int count, int step) {
    double sum = EPS * EPS;
    for (int i = 0; i < count; i++) {
        sum += (double)values[(size_t)i * (size_t)step] * values[(size_t)i * (size_t)step];
    }
    return 1 / sqrt(sum);
}

/* L2-Hys: to unit length, clipped, to unit length again. Values lie `step` apart. */
static void normalize(float *values, int count, int step) {
    double by = inverse_length(values, count, step);
    for (int i = 0; i < count; i++) {
        float *v = &values[(size_t)i * (size_t)step];
        *v = (float)fmin(*v * by, CLIP);
    }
    by = inverse_length(values, count, step);
    for (int i = 0; i < count; i++) {
        values[(size_t)i * (size_t)step] *= (float)by;
    }
}

/* The block's cells as channels of one place of the output. */
static void fill_block(const struct own *own, const float *cells, int row, int column, float *to) {
    int step = own->down * own->across, channel = 0;
    for (int i = 0; i < own->block; i++) {
        for (int j = 0; j < own->block; j++) {
            const float *cell = cells + ((row + i) * own->columns + column + j) * own->bins;
            for (int b = 0; b < own->bins; b++, channel++) {
                to[(size_t)channel * (size_t)step] = cell[b];
            }
        }
    }
    normalize(to, channel, step);
}

struct job { const struct own *own; const float *x; float *cells, *y; };

static size_t cells_of(const struct own *own) {
    return (size_t)own->rows * (size_t)own->columns * (size_t)own->bins;
}

static size_t width_of(const struct own *own) {
    return (size_t)(own->block * own->block * own->bins) * (size_t)own->down * (size_t)own->across;
}

static void sample_work(void *arg, int sample, int thread) {
    const struct job *job = arg;
    const struct own *own = job->own;
    const float *x = job->x + (size_t)sample * shape_step(own->in);
    float *cells = job->cells + (size_t)sample * cells_of(own), *y = job->y + (size_t)sample * width_of(own);
    (void)thread;
    for (size_t i = 0; i < cells_of(own); i++) {
        cells[i] = 0;
    }
    for (int row = 0; row < own->in.h; row++) {
        for (int column = 0; column < own->in.w; column++) {
            vote(own, x, row, column, cells);
        }
    }
    for (int row = 0; row < own->down; row++) {
        for (int column = 0; column < own->across; column++) {
            fill_block(own, cells, row, column, y + row * own->across + column);
        }
    }
}

/* ---- the layer ---- */

/* Scratch: floats of the input, the cells and the output, one behind the other. */
static void plan(struct op *op, const struct target *target) {
    const struct own *own = op->node->own;
    size_t samples = (size_t)target->batch * (size_t)own->in.t;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->implementation = "features";
    op->scratch_bytes = samples * (shape_step(own->in) + cells_of(own) + width_of(own)) * sizeof(float);
}

static void forward(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    size_t samples = tensor_samples(op->out, exec), count = samples * shape_step(own->in);
    float *x = op->scratch, *cells = x + count;
    struct job job = {own, x, cells, cells + samples * cells_of(own)};
    exec->kernels->to_f32(exec->threads, op->in[0]->data, x, count);
    threads_run(exec->threads, (int)samples, sample_work, &job);
    exec->kernels->from_f32(exec->threads, job.y, op->out->data, samples * width_of(own));
}

/* Nothing before it learns. */
static void backward(const struct op *op, const struct exec *exec) {
    (void)op;
    (void)exec;
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_hog = {
    .name = "hog",
    .help = "Histograms of oriented gradients, without parameters: (height / cell - block + 1) by (width / cell - "
            "block + 1) blocks of block * block * bins numbers, each of length 1 at most (Dalal and Triggs 2005). For "
            "a linear classifier behind it.",
    .example = "[hog]\ncell=8\nblock=2\nbins=9\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
