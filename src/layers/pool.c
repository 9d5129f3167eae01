/* What maxpool and avgpool share (pool.h). */
#include "layers/pool.h"

#include "layers/layer.h"

int pool_pad_each(const struct node *node, struct padding *padding, struct err *err) {
    if (!config_given(node->section, "pad_each")) {
        return 0;
    }
    if (config_given(node->section, "padding")) {
        return node_refuse(node, "pad_each", err, "stands beside padding=: want one of them");
    }
    int n = (int)config_int(node->section, "pad_each");
    *padding = (struct padding){PADDING_EACH, n, n, "pad_each"};
    return 0;
}

int pool_whole_map(const struct node *node, const char *const *of_windows, struct err *err) {
    int result = 0;
    for (; *of_windows != NULL; of_windows++) {
        if (config_given(node->section, *of_windows)) {
            result |= node_useless(node, *of_windows, err, "want size= with it: without one the window is the whole map");
        }
    }
    return result;
}

int pool_shape(struct node *node, struct window window, struct padding padding, struct err *err) {
    struct shape in = node_input(node, 0);
    if (window_fit(&window, node, padding, in.h, in.w, config_bool(node->section, "ceil"), err) < 0) {
        return -1;
    }
    const struct axis *h = &window.h, *w = &window.w;
    struct pool *pool = node->own = mem_need(1, sizeof *pool);
    *pool = (struct pool){
        .h = in.h, .w = in.w, .oh = h->out, .ow = w->out, .size_h = h->size, .size_w = w->size, .stride_h = h->stride,
        .stride_w = w->stride, .pad_top = h->before, .pad_left = w->before, .pad_bottom = h->after,
        .pad_right = w->after,
    };
    node->out = (struct shape){in.t, in.c, h->out, w->out};
    return 0;
}

struct pool pool_call(const struct op *op, const struct exec *exec) {
    struct pool pool = *(const struct pool *)op->node->own;
    size_t samples = tensor_samples(op->out, exec), channels = (size_t)op->node->out.c,
           lanes = (size_t)exec->kernels->lanes;
    if (op->out_layout == LAYOUT_NHWC) {
        pool.planes = samples;
        pool.inner = channels;
    } else if (op->out_layout == LAYOUT_LANES) {
        pool.planes = (samples + lanes - 1) / lanes * channels;
        pool.inner = lanes;
    } else {
        pool.planes = samples * channels;
        pool.inner = 1;
    }
    return pool;
}
