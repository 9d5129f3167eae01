/* Transposed convolution: the gradient of a convolution with respect to its input, as a layer (Zeiler et al.,
 * "Deconvolutional networks", CVPR 2010; Dumoulin and Visin, "A guide to convolution arithmetic", 2016). node->own is that
 * convolution, from this layer's output to its input: the kernels serve with their roles exchanged. */
#include "layers/convolution.h"
#include "layers/layer.h"
#include "layers/window.h"

static const struct key keys[] = {
    {"filters", KEY_INT, "1", 1, 1048576, NULL, NULL, "Channels of the output."},
    {"size", KEY_INT, "1", 1, 1024, NULL, NULL, "Height and width of the filters."},
    WINDOW_SIZE_KEYS,
    {"stride", KEY_INT, "1", 1, 1024, NULL, NULL, "Places of the output between neighbouring values of the input."},
    WINDOW_STRIDE_KEYS,
    {"pad", KEY_BOOL, "0", 0, 0, NULL, NULL, "1: padding of half the size on each side, whatever padding= says."},
    {"padding", KEY_TEXT, "0", 0, 0, NULL, NULL,
     "Rows and columns cut off each side of the output: a number; valid: none; same: an output of input * stride."},
    {"output_padding", KEY_INT, "0", 0, 1023, NULL, NULL, "Rows and columns more at the output's lower and right side."},
    {"dilation", KEY_INT, "1", 1, 1024, NULL, NULL, "Distance between neighbouring weights on the output."},
    {"groups", KEY_INT, "1", 1, 1048576, NULL, NULL,
     "Parts that the channels are split into, each with its own share of the output."},
    {"bias", KEY_BOOL, NULL, 0, 0, NULL, NULL,
     "A bias for each output channel; default: 1, and 0 with batch_normalize=1."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

/* ---- shape ---- */

/* One axis: its output, and the padding in front, of an input of `in`. extra: output_padding; same: see the key. */
static int place(const struct node *node, struct axis *a, int in, int extra, int same, struct err *err) {
    double reach = (double)a->dilation * (a->size - 1) + 1, spread = (double)(in - 1) * a->stride + reach;
    double out = same ? (double)in * a->stride : spread - 2.0 * a->before + extra;
    if (extra >= a->stride && extra >= a->dilation) {
        return node_refuse(node, "output_padding", err, "want less than the stride or the dilation, got %d", extra);
    }
    if (same && extra) {
        return node_refuse(node, "output_padding", err, "stands beside padding=same, which says the output's size");
    }
    if (out < 1 || out > 65536) {
        return node_refuse(node, "padding", err, "the output would be %.0f on an axis, want 1..65536", out);
    }
    if (same) {
        a->before = spread > out ? (int)(spread - out) / 2 : 0;
    }
    a->out = (int)out;
    return 0;
}

static int fit(const struct node *node, struct window *window, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0);
    struct axis *h = &window->h, *w = &window->w;
    struct padding padding;
    if (window_padding(node, PADDING_EACH, &padding, err) < 0) {
        return -1;
    }
    *window = window_read(s);
    h->dilation = w->dilation = (int)config_int(s, "dilation");
    int extra = (int)config_int(s, "output_padding"), same = padding.kind == PADDING_SAME && !config_bool(s, "pad");
    h->before = config_bool(s, "pad") ? window_half(h) : padding.h;
    w->before = config_bool(s, "pad") ? window_half(w) : padding.w;
    return place(node, h, in.h, extra, same, err) < 0 || place(node, w, in.w, extra, same, err) < 0 ? -1 : 0;
}

/* PyTorch's order: (in, out / groups, kh, kw), which is that of the convolution back. */
static int declare(struct node *node, const struct conv *conv, struct err *err) {
    const int weight[] = {conv->k, conv->c / conv->groups, conv->size_h, conv->size_w, 0}, bias[] = {conv->c, 0};
    size_t field = (size_t)conv->size_h * (size_t)conv->size_w;
    size_t fan_in = field * (size_t)(conv->k / conv->groups), fan_out = field * (size_t)(conv->c / conv->groups);
    struct init init = {.kind = INIT_HE_NORMAL, .a = 1};
    if (node_init(node, &init, err) < 0) {
        return -1;
    }
    struct slot *slot = node_slot(node, SLOT_PARAM, "weight", init, fan_in, fan_out, weight);
    slot->decays = 1;
    slot->unit_blocks = (size_t)conv->groups;   /* PyTorch's order: inputs before outputs, group by group */
    slot->unit_outer = (size_t)weight[0] / slot->unit_blocks;
    slot->units = (size_t)weight[1];
    if (convolution_has_bias(node->section)) {
        node_slot(node, SLOT_PARAM, "bias", (struct init){.kind = INIT_ZERO}, fan_in, fan_out, bias);
    }
    node->flops = 2.0 * node->out.t * conv->k * conv->oh * conv->ow * (double)fan_out;
    return 0;
}

static int shape(struct node *node, struct err *err) {
    struct shape in = node_input(node, 0);
    int filters = (int)config_int(node->section, "filters"), groups = convolution_groups(node, in.c, filters, err);
    struct window window;
    if (groups < 0 || fit(node, &window, err) < 0) {
        return -1;
    }
    const struct axis *h = &window.h, *w = &window.w;
    struct conv *conv = node->own = mem_need(1, sizeof *conv);
    *conv = (struct conv){
        .c = filters, .h = h->out, .w = w->out, .k = in.c, .oh = in.h, .ow = in.w, .size_h = h->size,
        .size_w = w->size, .stride_h = h->stride, .stride_w = w->stride, .pad_top = h->before, .pad_left = w->before,
        .dilation_h = h->dilation, .dilation_w = w->dilation, .groups = groups,
    };
    node->out = (struct shape){in.t, filters, h->out, w->out};
    return declare(node, conv, err);
}

/* ---- running ---- */

static const void *bias_of(const struct op *op) {
    return op->node->slot_count > 1 ? op->slots[1].data : NULL;
}

static struct view view_of(const struct op *op, const struct kernels *kernels, size_t samples) {
    struct shape s = op->node->out;
    return view_make(op->out_layout, kernels->lanes, samples, (size_t)s.c, (size_t)s.h, (size_t)s.w);
}

static size_t kernel_scratch(const struct op *op, const struct target *target) {
    const struct conv_kernel *kernel = op->kernel;
    int samples = target->batch * op->node->out.t;
    size_t bytes = kernel->scratch_bytes(op->node->own, samples, 1, target->threads);
    size_t bias = target->kernels->batchnorm_scratch(view_of(op, target->kernels, (size_t)samples));
    return ((bias > bytes ? bias : bytes) + 63) / 64 * 64;
}

/* The kernel always works as in training: only then does it pack weights for its way back, which is our way forward.
 * Scratch: the kernel's, then the input's gradient where it is to be added to another. */
static void plan(struct op *op, const struct target *target) {
    struct target both = *target;
    both.training = 1;
    const struct conv_kernel *kernel = convolution_choose(op, &both, LAYOUT_COUNT);
    op->kernel = kernel;
    op->sets_weight = 1;
    op->implementation = kernel->name;
    op->in_layout = op->out_layout = kernel->layout;
    op->packed_bytes = kernel->packed_bytes(op->node->own, 1);
    op->takes_activation = 1;
    op->backward_reads_in = !op->node->slots[0].frozen;
    op->scratch_bytes = kernel_scratch(op, target);
    if (target->training) {
        size_t lanes = (size_t)target->kernels->lanes, samples = (size_t)target->batch * (size_t)op->node->out.t;
        size_t room = (samples + lanes - 1) / lanes * lanes;
        op->scratch_bytes += 64 + layer_elems(target->kernels, room * shape_step(node_input(op->node, 0)));
    }
}

static void pack(const struct op *op, const struct exec *exec) {
    const struct conv_kernel *kernel = op->kernel;
    if (op->packed_bytes) {
        kernel->pack(op->node->own, op->slots[0].data, NULL, 1, op->packed, exec->threads);
    }
}

static struct conv_call call(const struct op *op, const struct exec *exec) {
    return (struct conv_call){
        .conv = op->node->own, .threads = exec->threads, .batch = exec->batch * op->node->out.t,
        .weight = op->slots[0].data, .packed = op->packed_bytes ? op->packed : NULL, .activation = ACT_LINEAR,
        .scratch = op->scratch,
    };
}

static void forward(const struct op *op, const struct exec *exec) {
    const struct conv_kernel *kernel = op->kernel;
    struct conv_call c = call(op, exec);
    c.dy = op->in[0]->data;
    c.dx = op->out->data;
    kernel->backward_data(&c);
    if (bias_of(op)) {
        exec->kernels->bias(exec->threads, tensor_view(op->out, exec), bias_of(op), op->activation, op->out->data);
    } else if (op->activation != ACT_LINEAR) {
        size_t n = tensor_elems(op->out, exec);
        exec->kernels->activate(exec->threads, op->activation, op->out->data, op->out->data, n);
    }
}

/* The end of scratch, aligned: what plan booked for it, 64 bytes more than it needs. */
static void *apart(const struct op *op) {
    return (char *)op->scratch + (op->scratch_bytes - op->in[0]->bytes) / 64 * 64;
}

static void input_gradient(const struct op *op, const struct exec *exec) {
    const struct conv_kernel *kernel = op->kernel;
    struct conv_call c = call(op, exec);
    c.x = op->out->grad;
    c.y = op->add[0] ? apart(op) : op->in[0]->grad;
    kernel->forward(&c);
    if (op->add[0]) {
        exec->kernels->add(exec->threads, c.y, op->in[0]->grad, tensor_elems(op->in[0], exec));
    }
}

static void backward(const struct op *op, const struct exec *exec) {
    const struct conv_kernel *kernel = op->kernel;
    if (op->slots[0].grad) {
        struct conv_call c = call(op, exec);
        c.x = op->out->grad;
        c.dy = op->in[0]->data;
        c.dweight = op->slots[0].grad;
        c.add_dweight = !exec->fresh;
        kernel->backward_weight(&c);
    }
    if (bias_of(op) && op->slots[1].grad) {
        exec->kernels->bias_back(exec->threads, tensor_view(op->out, exec), op->out->grad, op->slots[1].grad,
                                 op->scratch);
    }
    if (op->in[0]->grad) {
        input_gradient(op, exec);
    }
}

static const struct key *const tables[] = {keys, keys_batch_normalize, keys_activation_logistic, keys_init, NULL};
const struct layer_ops layer_deconvolutional = {
    .name = "deconvolutional",
    .aliases = "deconv",
    .help = "Transposed convolution: each value of the input adds its weighted filter to the output, stride apart: "
            "output (input - 1) * stride - 2 * padding + dilation * (size - 1) + output_padding + 1. Weights lie as "
            "PyTorch's (input, output / groups, height, width).",
    .example = "[deconvolutional]\nfilters=16\nsize=4\nstride=2\npadding=1\nactivation=relu\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .pack = pack,
    .forward = forward,
    .backward = backward,
};
