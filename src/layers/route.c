/* Concatenation along channels, or of one share of each input's channels. A copy in either direction. */
#include <stdlib.h>
#include "layers/layer.h"

static const struct key keys[] = {
    {"layers", KEY_TEXTS, NULL, 0, 0, NULL, NULL,
     "The layers whose outputs are joined: names, indices or negative numbers of layers back."},
    {"groups", KEY_INT, "1", 1, 1048576, NULL, NULL, "Parts that each layer's channels are split into."},
    {"group_id", KEY_INT, "0", 0, 1048575, NULL, NULL, "Which of the parts is taken."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

/* Channels taken of each input: a part begins at part * part_id. */
struct own { int groups, group_id; };

static int inputs(struct node *node, const struct graph *graph, int *in, int most, struct err *err) {
    (void)graph;
    size_t count = config_length(node->section, "layers");
    if (count == 0) {
        return node_refuse(node, "layers", err, "is missing: want at least one layer to read");
    }
    if (config_given(node->section, "input")) {
        return node_refuse(node, "input", err, "says what layers= says here: want layers= alone");
    }
    if (count > (size_t)most) {
        return node_refuse(node, "layers", err, "want at most %d layers, got %zu", most, count);
    }
    for (size_t i = 0; i < count; i++) {
        char *text = config_item_text(node->section, "layers", i);
        in[i] = layer_reference(node, "layers", text, err);
        free(text);
        if (in[i] < 0) {
            return -1;
        }
    }
    return (int)count;
}

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    struct own *own = node->own = mem_need(1, sizeof *own);
    *own = (struct own){(int)config_int(s, "groups"), (int)config_int(s, "group_id")};
    if (own->group_id >= own->groups) {
        return node_refuse(node, "group_id", err, "want less than groups=%d, got %d", own->groups, own->group_id);
    }
    struct shape first = node_input(node, 0);
    long channels = 0;
    for (int i = 0; i < node->in_count; i++) {
        struct shape in = node_input(node, i);
        char a[48], b[48];
        if (in.t != first.t || in.h != first.h || in.w != first.w) {
            return node_refuse(node, "layers", err, "want maps of one height and width, got %s and %s",
                               shape_text(first, a), shape_text(in, b));
        }
        if (in.c % own->groups) {
            return node_refuse(node, "groups", err, "%d parts do not divide the %d channels of %s evenly", own->groups,
                               in.c, shape_text(in, b));
        }
        channels += in.c / own->groups;
    }
    if (channels > INT32_MAX) {
        return node_refuse(node, "layers", err, "%ld channels are too many", channels);
    }
    node->out = (struct shape){first.t, (int)channels, first.h, first.w};
    return 0;
}

/* Elements between a channel and the next, and rows of channels, in the op's layout. */
struct rows { size_t count, channel; };

static struct rows rows_of(const struct op *op, const struct exec *exec) {
    struct shape s = op->node->out;
    struct view view = view_make(op->out_layout, exec->kernels->lanes, tensor_samples(op->out, exec), (size_t)s.c,
                                 (size_t)s.h, (size_t)s.w);
    return (struct rows){view.outer, view.inner};
}

/* The copy between input i, whose part is put behind `before` channels, and the output: from the input, or back. */
static struct copy copy_of(const struct op *op, const struct exec *exec, int i, size_t *in_at) {
    const struct own *own = op->node->own;
    struct rows rows = rows_of(op, exec);
    size_t channels = (size_t)op->in[i]->shape.c, part = channels / (size_t)own->groups;
    *in_at = layer_elems(exec->kernels, part * (size_t)own->group_id * rows.channel);
    return (struct copy){
        .rows = rows.count, .row_elems = part * rows.channel, .from_stride = channels * rows.channel,
        .to_stride = (size_t)op->node->out.c * rows.channel,
    };
}

static void forward(const struct op *op, const struct exec *exec) {
    char *out = op->out->data;
    for (int i = 0; i < op->in_count; i++) {
        size_t in_at;
        struct copy copy = copy_of(op, exec, i, &in_at);
        exec->kernels->copy(exec->threads, &copy, (const char *)op->in[i]->data + in_at, out);
        out += layer_elems(exec->kernels, copy.row_elems);
    }
}

static void backward(const struct op *op, const struct exec *exec) {
    const struct own *own = op->node->own;
    const char *dout = op->out->grad;
    for (int i = 0; i < op->in_count; i++) {
        size_t in_at;
        struct copy copy = copy_of(op, exec, i, &in_at);
        size_t stride = copy.from_stride, part = copy.row_elems;
        if (op->in[i]->grad) {
            if (own->groups > 1 && !op->add[i]) {
                exec->kernels->fill(exec->threads, op->in[i]->grad, tensor_elems(op->in[i], exec), 0);
            }
            copy.from_stride = copy.to_stride;
            copy.to_stride = stride;
            copy.add = op->add[i];
            exec->kernels->copy(exec->threads, &copy, dout, (char *)op->in[i]->grad + in_at);
        }
        dout += layer_elems(exec->kernels, part);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_route = {
    .name = "route",
    .help = "The outputs of several layers, one behind the other along channels (their maps have one size); of one "
            "layer: its output again. With groups=, one part of each layer's channels.",
    .example = "[route]\nlayers=-1,-3\n",
    .keys = tables,
    .flags = LAYER_MANY_INPUTS,
    .inputs = inputs,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
