/* Max pooling. Forward in training keeps which place of each window won, backward sends the gradient there. */
#include "layers/layer.h"
#include "layers/pool.h"

static const struct key keys[] = {
    {"size", KEY_INT, NULL, 1, 65535, NULL, NULL,
     "Height and width of the window; default: the stride, or the whole map where neither is given."},
    WINDOW_SIZE_KEYS,
    {"stride", KEY_INT, "1", 1, 1024, NULL, NULL, "Step of the window over the map."},
    WINDOW_STRIDE_KEYS,
    {"padding", KEY_TEXT, NULL, 0, 0, NULL, NULL,
     "Around the map: a number in all, the smaller half in front (darknet's; default: size - 1); valid: none; same: "
     "output of input / stride, rounded up."},
    {"pad_each", KEY_INT, NULL, 0, 65535, NULL, NULL, "Padding on each side, in place of padding=."},
    {"ceil", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: the output's size is rounded up (Caffe's), from no padding unless a key says some."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int strides(const struct section *s) {
    return config_given(s, "stride") || config_given(s, "stride_y") || config_given(s, "stride_x");
}

/* darknet's default size is the stride; with nothing given at all the window is the map. */
static struct window read_window(const struct section *s, struct shape in) {
    struct window window = window_read(s);
    if (!window.h.size) {
        window.h.size = strides(s) ? window.h.stride : in.h;
    }
    if (!window.w.size) {
        window.w.size = strides(s) ? window.w.stride : in.w;
    }
    return window;
}

/* darknet pads by size - 1 unless told. Caffe's rounding and the window that is the map are meant without. */
static int read_padding(const struct node *node, const struct window *window, struct padding *padding,
                        struct err *err) {
    static const char *const of_windows[] = {"padding", "pad_each", "ceil", NULL};
    const struct section *s = node->section;
    int sized = config_given(s, "size") || config_given(s, "size_h") || config_given(s, "size_w") || strides(s);
    if (!sized && pool_whole_map(node, of_windows, err) < 0) {
        return -1;
    }
    *padding = (struct padding){PADDING_EACH, 0, 0, "padding"};
    if (sized && !config_bool(s, "ceil")) {
        *padding = (struct padding){PADDING_TOTAL, window->h.size - 1, window->w.size - 1, "padding"};
    }
    if (config_given(s, "padding") && window_padding(node, PADDING_TOTAL, padding, err) < 0) {
        return -1;
    }
    return pool_pad_each(node, padding, err);
}

static int shape(struct node *node, struct err *err) {
    struct window window = read_window(node->section, node_input(node, 0));
    struct padding padding;
    if ((double)window.h.size * window.w.size > UINT16_MAX) {
        return node_refuse(node, "size", err, "want a window of at most %d places, got %dx%d", UINT16_MAX,
                           window.h.size, window.w.size);
    }
    return read_padding(node, &window, &padding, err) < 0 ? -1 : pool_shape(node, window, padding, err);
}

static void plan(struct op *op, const struct target *target) {
    op_plan_pointwise(op, target);
    size_t lanes = (size_t)target->kernels->lanes, samples = (size_t)target->batch * (size_t)op->node->out.t;
    if (op->out_layout == LAYOUT_LANES) {
        samples = (samples + lanes - 1) / lanes * lanes;
    }
    op->takes_relu_before = 1;
    op->saved_bytes = target->training ? samples * shape_step(op->node->out) * sizeof(uint16_t) : 0;
}

static void forward(const struct op *op, const struct exec *exec) {
    struct pool pool = pool_call(op, exec);
    pool.relu = op->relu_before;
    exec->kernels->maxpool(exec->threads, &pool, op->in[0]->data, op->out->data, exec->training ? op->saved : NULL);
}

static void backward(const struct op *op, const struct exec *exec) {
    struct pool pool = pool_call(op, exec);
    if (op->in[0]->grad) {
        exec->kernels->maxpool_back(exec->threads, &pool, op->saved, op->out->grad, op->in[0]->grad, op->add[0]);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_maxpool = {
    .name = "maxpool",
    .aliases = "max",
    .help = "The largest value of each window, channel by channel. Without size and stride the window is the whole "
            "map. Beware of darknet's default padding of size - 1, which makes 2/2 round an odd map up: say "
            "padding=valid for the usual pooling.",
    .example = "[maxpool]\nsize=2\nstride=2\npadding=valid\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
