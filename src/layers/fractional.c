/* Fractional max pooling: Graham, "Fractional Max-Pooling", 2014, in PyTorch's form: windows of one size, whose beginnings are drawn
 * as floor((i + u) * step) - floor(u * step), with a u of each sample and axis. */
#include "layers/fractional.h"

static const struct key keys[] = {
    {"ratio", KEY_REAL, "1.4142135623730951", 1, 1024, NULL, NULL, "What the map's height and width are divided by, rounded down."},
    {"size", KEY_INT, "2", 1, 255, NULL, NULL, "Height and width of the windows, which may overlap."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    struct shape in = node_input(node, 0);
    int size = (int)config_int(node->section, "size");
    double ratio = config_real(node->section, "ratio");
    char text[48];
    struct fractional *own = node->own = mem_need(1, sizeof *own);
    *own = (struct fractional){.channels = (size_t)in.c, .h = in.h, .w = in.w, .oh = (int)(in.h / ratio), .ow = (int)(in.w / ratio), .size = size};
    if (own->oh < 1 || own->ow < 1) {
        return node_refuse(node, "ratio", err, "leaves nothing of a map of %s", shape_text(in, text));
    }
    if (own->oh + size - 1 > in.h || own->ow + size - 1 > in.w) {
        return node_refuse(node, "size", err, "%d places of a window of %d do not fit into a map of %s", own->oh > own->ow ? own->oh : own->ow, size,
                           shape_text(in, text));
    }
    node->out = (struct shape){in.t, in.c, own->oh, own->ow};
    return 0;
}

/* Saved: the places of the maxima. Scratch: where the windows begin. */
static void plan(struct op *op, const struct target *target) {
    const struct node *node = op->node;
    size_t samples = (size_t)target->batch * (size_t)node->out.t;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->implementation = "pointwise";
    op->saved_bytes = target->training ? samples * shape_step(node->out) * sizeof(uint16_t) : 0;
    op->scratch_bytes = fractional_scratch(op, samples);
}

size_t fractional_scratch(const struct op *op, size_t samples) {
    return samples * ((size_t)op->node->out.h + (size_t)op->node->out.w) * sizeof(int);
}

/* The last window ends with the map. */
static void starts(double u, int in, int out, int size, int *to) {
    double step = out > 1 ? (double)(in - size) / (out - 1) : 0;
    for (int i = 0; i < out - 1; i++) {
        to[i] = (int)((i + u) * step) - (int)(u * step);
    }
    to[out - 1] = in - size;
}

/* Without a draw u is 1/2. */
static void place(const struct op *op, const struct fractional *f, const uint32_t *drawn, int *rows, int *columns) {
    (void)op;
    starts(drawn != NULL ? drawn[0] * 0x1p-32 : 0.5, f->h, f->oh, f->size, rows);
    starts(drawn != NULL ? drawn[1] * 0x1p-32 : 0.5, f->w, f->ow, f->size, columns);
}

struct fractional fractional_call(const struct op *op, const struct exec *exec, enum rng_use use, fractional_place *place_sample) {
    struct fractional f = *(const struct fractional *)op->node->own;
    f.samples = tensor_samples(op->out, exec);
    int *rows = op->scratch, *columns = rows + f.samples * (size_t)f.oh;
    uint64_t stream = (uint64_t)use << 48 ^ (uint64_t)op->node->index << 32 ^ exec->step;
    for (size_t n = 0; n < f.samples; n++) {
        uint32_t drawn[4];
        if (exec->training) {
            rng_block(exec->seed, stream, n, drawn);
        }
        place_sample(op, &f, exec->training ? drawn : NULL, rows + n * (size_t)f.oh, columns + n * (size_t)f.ow);
    }
    f.rows = rows;
    f.columns = columns;
    return f;
}

static void forward(const struct op *op, const struct exec *exec) {
    struct fractional f = fractional_call(op, exec, RNG_POOL, place);
    exec->kernels->fractional(exec->threads, &f, op->in[0]->data, op->out->data, exec->training ? op->saved : NULL);
}

static void backward(const struct op *op, const struct exec *exec) {
    struct fractional f = fractional_call(op, exec, RNG_POOL, place);
    if (op->in[0]->grad) {
        exec->kernels->fractional_back(exec->threads, &f, op->saved, op->out->grad, op->in[0]->grad, op->add[0]);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_fractional = {
    .name = "fractional_maxpool",
    .help = "Max pooling that shrinks a map by any factor: out = floor(in / ratio), over windows that begin in places drawn anew for "
            "each sample of each training step (Graham 2014); otherwise they are spread evenly. Equal to PyTorch's FractionalMaxPool2d where "
            "the draws are.",
    .example = "[fractional_maxpool]\nratio=1.26\n",
    .keys = tables,
    .flags = LAYER_RANDOM,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
