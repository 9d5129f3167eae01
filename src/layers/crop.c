/* darknet's [crop]: a part of the map, drawn and mirrored anew for each sample of each training step, the middle otherwise; and 2x - 1 of it, which
 * makes -1..1 of a picture's 0..1. It is a pooling of windows of one place, which begin where the part lies. */
#include "layers/fractional.h"

static const struct key keys[] = {
    {"crop_height", KEY_INT, "1", 1, 65536, NULL, NULL, "Height of the part."},
    {"crop_width", KEY_INT, "1", 1, 65536, NULL, NULL, "Width of the part."},
    {"flip", KEY_BOOL, "0", 0, 0, NULL, NULL, "1: training mirrors every other sample, left to right."},
    {"noadjust", KEY_BOOL, "0", 0, 0, NULL, NULL, "1: values stay as they are, in place of 2x - 1."},
    {"angle", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"saturation", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"exposure", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"shift", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    struct shape in = node_input(node, 0);
    int height = (int)config_int(node->section, "crop_height"), width = (int)config_int(node->section, "crop_width");
    char text[48];
    if (height > in.h || width > in.w) {
        return node_refuse(node, height > in.h ? "crop_height" : "crop_width", err, "%dx%d is no part of a map of %s", height, width, shape_text(in, text));
    }
    struct fractional *own = node->own = mem_need(1, sizeof *own);
    *own = (struct fractional){.channels = (size_t)in.c, .h = in.h, .w = in.w, .oh = height, .ow = width, .size = 1};
    node->out = (struct shape){in.t, in.c, height, width};
    return 0;
}

static int adjusts(const struct op *op) { return !config_bool(op->node->section, "noadjust"); }

/* Scratch: where the parts lie; then, of 2x - 1, its constants a channel, or the doubled gradient. */
static size_t places_bytes(const struct op *op, size_t samples) {
    return (fractional_scratch(op, samples) + 63) / 64 * 64;
}

static size_t constants_bytes(const struct op *op, const struct kernels *kernels) {
    return (layer_reals(kernels, 3 * (size_t)op->node->out.c) + 63) / 64 * 64;
}

static void plan(struct op *op, const struct target *target) {
    const struct node *node = op->node;
    struct shape s = node->out;
    size_t samples = (size_t)target->batch * (size_t)s.t, elems = samples * shape_step(s);
    struct view view = view_make(LAYOUT_NCHW, target->kernels->lanes, samples, (size_t)s.c, (size_t)s.h, (size_t)s.w);
    size_t forward = constants_bytes(op, target->kernels) + target->kernels->batchnorm_scratch(view);
    size_t backward = target->training ? layer_elems(target->kernels, elems) : 0;
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->implementation = "pointwise";
    op->saved_bytes = target->training ? elems * sizeof(uint16_t) : 0;
    op->scratch_bytes = places_bytes(op, samples) + (forward > backward ? forward : backward);
}

static void place(const struct op *op, const struct fractional *f, const uint32_t *drawn, int *rows, int *columns) {
    int top = (f->h - f->oh) / 2, left = (f->w - f->ow) / 2, mirrored = 0;
    if (drawn != NULL) {
        top = (int)((uint64_t)drawn[0] * (uint64_t)(f->h - f->oh + 1) >> 32);
        left = (int)((uint64_t)drawn[1] * (uint64_t)(f->w - f->ow + 1) >> 32);
        mirrored = config_bool(op->node->section, "flip") && drawn[2] >> 31;
    }
    for (int i = 0; i < f->oh; i++) {
        rows[i] = top + i;
    }
    for (int i = 0; i < f->ow; i++) {
        columns[i] = left + (mirrored ? f->ow - 1 - i : i);
    }
}

/* 2x - 1 as a normalization: by the mean 0 and the variance 1/4, and -1 added. */
static void adjust(const struct op *op, const struct exec *exec, char *scratch) {
    size_t channels = (size_t)op->node->out.c, reals = layer_reals(exec->kernels, channels);
    for (size_t c = 0; c < channels; c++) {
        layer_put_real(exec->kernels, scratch, c, 0);
        layer_put_real(exec->kernels, scratch + reals, c, 0.25);
        layer_put_real(exec->kernels, scratch + 2 * reals, c, -1);
    }
    struct batchnorm b = {.view = tensor_view(op->out, exec), .running_mean = scratch, .running_var = scratch + reals, .beta = scratch + 2 * reals,
                          .scratch = scratch + constants_bytes(op, exec->kernels)};
    exec->kernels->batchnorm_infer(exec->threads, &b, op->out->data, op->out->data);
}

static void forward(const struct op *op, const struct exec *exec) {
    struct fractional f = fractional_call(op, exec, RNG_CROP, place);
    exec->kernels->fractional(exec->threads, &f, op->in[0]->data, op->out->data, exec->training ? op->saved : NULL);
    if (adjusts(op)) {
        adjust(op, exec, (char *)op->scratch + places_bytes(op, f.samples));
    }
}

static void backward(const struct op *op, const struct exec *exec) {
    struct fractional f = fractional_call(op, exec, RNG_CROP, place);
    const void *dy = op->out->grad;
    if (!op->in[0]->grad) {
        return;
    }
    if (adjusts(op)) {
        void *doubled = (char *)op->scratch + places_bytes(op, f.samples);
        size_t n = tensor_elems(op->out, exec);
        exec->kernels->activate(exec->threads, ACT_LINEAR, dy, doubled, n);
        exec->kernels->scale(exec->threads, doubled, n, 2);
        dy = doubled;
    }
    exec->kernels->fractional_back(exec->threads, &f, op->saved, dy, op->in[0]->grad, op->add[0]);
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_crop = {
    .name = "crop",
    .help = "A part of the map: drawn for each sample of each training step, the middle otherwise; and 2x - 1 of its values. As darknet's, "
            "which draws once a batch; its angle, saturation, exposure and shift are without use. [data] min_crop and max_crop cut pictures "
            "before the network sees them.",
    .example = "[crop]\ncrop_height=14\ncrop_width=14\nflip=1\n",
    .keys = tables,
    .flags = LAYER_RANDOM,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
