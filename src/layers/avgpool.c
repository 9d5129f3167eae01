/* Average pooling; of the whole map where no size is given. */
#include "layers/layer.h"
#include "layers/pool.h"

static const struct key keys[] = {
    {"size", KEY_INT, NULL, 1, 65535, NULL, NULL, "Height and width of the window; default: the whole map."},
    WINDOW_SIZE_KEYS,
    {"stride", KEY_INT, "1", 1, 1024, NULL, NULL, "Step of the window over the map."},
    WINDOW_STRIDE_KEYS,
    {"padding", KEY_CHOICE, "valid", 0, 0, "valid|same", NULL,
     "valid: none (the default); same: output of input / stride, rounded up."},
    {"pad_each", KEY_INT, NULL, 0, 65535, NULL, NULL, "Padding on each side, in place of padding=."},
    {"ceil", KEY_BOOL, "0", 0, 0, NULL, NULL, "1: the output's size is rounded up (Caffe's)."},
    {"count_include_pad", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: padding counts as zeros of the mean; 0: the mean is over the map's own values."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0);
    static const char *const of_windows[] = {"stride", "stride_y", "stride_x", "padding", "pad_each", "ceil", "count_include_pad", NULL};
    int sized = config_given(s, "size") || config_given(s, "size_h") || config_given(s, "size_w");
    if (!sized && pool_whole_map(node, of_windows, err) < 0) {
        return -1;
    }
    struct window window = window_read(s);
    window.h.size = window.h.size ? window.h.size : in.h;
    window.w.size = window.w.size ? window.w.size : in.w;
    struct padding padding = {config_choice(s, "padding") == 1 ? PADDING_SAME : PADDING_EACH, 0, 0, "padding"};
    if (pool_pad_each(node, &padding, err) < 0 || pool_shape(node, window, padding, err) < 0) {
        return -1;
    }
    ((struct pool *)node->own)->count_include_pad = config_bool(s, "count_include_pad");
    return 0;
}

static void forward(const struct op *op, const struct exec *exec) {
    struct pool pool = pool_call(op, exec);
    exec->kernels->avgpool(exec->threads, &pool, op->in[0]->data, op->out->data);
}

static void backward(const struct op *op, const struct exec *exec) {
    struct pool pool = pool_call(op, exec);
    if (op->in[0]->grad) {
        exec->kernels->avgpool_back(exec->threads, &pool, op->out->grad, op->in[0]->grad, op->add[0]);
    }
}

static const struct key *const tables[] = {keys, NULL};
const struct layer_ops layer_avgpool = {
    .name = "avgpool",
    .aliases = "avg",
    .help = "The mean of each window, channel by channel. Without a size: of the whole map, so that a channel "
            "becomes one number.",
    .example = "[avgpool]\n",
    .keys = tables,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
