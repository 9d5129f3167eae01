/* Convolution: a cross-correlation with `filters` filters, as every framework calls it. Batch norm and activation of
 * the section are nodes of their own behind it. */
#include "layers/convolution.h"

#include <string.h>
#include "layers/layer.h"
#include "layers/window.h"

static const struct key keys[] = {
    {"filters", KEY_INT, "1", 1, 1048576, NULL, NULL, "Filters: channels of the output."},
    {"size", KEY_INT, "1", 1, 1024, NULL, NULL, "Height and width of the filters."},
    WINDOW_SIZE_KEYS,
    {"stride", KEY_INT, "1", 1, 1024, NULL, NULL, "Step of the filters over the map."},
    WINDOW_STRIDE_KEYS,
    {"pad", KEY_BOOL, "0", 0, 0, NULL, NULL, "1: padding of half the size on each side, whatever padding= says."},
    {"padding", KEY_TEXT, "0", 0, 0, NULL, NULL,
     "Zeros around the map: a number for each side; valid: none; same: output of input / stride, rounded up, an odd "
     "zero at the end."},
    {"dilation", KEY_INT, "1", 1, 1024, NULL, NULL, "Distance between neighbouring weights on the map."},
    {"groups", KEY_INT, "1", 1, 1048576, NULL, NULL,
     "Parts that the channels are split into, each seen by its own share of the filters."},
    {"bias", KEY_BOOL, NULL, 0, 0, NULL, NULL, "A bias for each filter; default: 1, and 0 with batch_normalize=1."},
    {"flip_kernel", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: true convolution: the filters are turned by 180 degrees. Default: cross-correlation, as in every framework."},
    {"whitening", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: the weights start as what whitens the training pictures: the eigenvectors of their patches' second moments, each "
     "over the root of its eigenvalue, largest first, and then all of them negated (Jordan 2024). Only for the layer that "
     "reads the input, with twice as many filters as a patch has numbers. freeze_weights=1 keeps them."},
    {"whitening_eps", KEY_REAL, "5e-4", 0, 1e6, NULL, NULL, "whitening=1: added to the eigenvalues."},
    {"whitening_samples", KEY_INT, "5000", 1, 2147483647, NULL, NULL,
     "whitening=1: how many training samples are looked at, from the first on, unvaried."},
    {"binary", KEY_CHOICE, "0", 0, 0, "0", NULL, "Binary weights are not offered."},
    {"xnor", KEY_CHOICE, "0", 0, 0, "0", NULL, "Binary inputs are not offered."},
    {"antialiasing", KEY_CHOICE, "0", 0, 0, "0", NULL, "Blurring before the stride is not offered."},
    {"grad_centr", KEY_CHOICE, "0", 0, 0, "0", NULL, "Centred gradients are not offered."},
    {"coordconv", KEY_CHOICE, "0", 0, 0, "0", NULL, "Channels of coordinates are not offered."},
    {"share_index", KEY_INT, NULL, 0, 0, NULL, NULL, "Weights shared with another layer are not offered."},
    {"flipped", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"dot", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int fit(const struct node *node, struct window *window, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0);
    struct padding padding;
    if (window_padding(node, PADDING_EACH, &padding, err) < 0) {
        return -1;
    }
    *window = window_read(s);
    struct axis *h = &window->h, *w = &window->w;
    h->dilation = w->dilation = (int)config_int(s, "dilation");
    if (config_bool(s, "pad")) {
        padding = (struct padding){PADDING_EACH, window_half(h), window_half(w), "pad"};
    }
    return window_fit(window, node, padding, in.h, in.w, 0, err);
}

enum { MOST_PATCH = 768 };   /* numbers of a patch: the eigenvectors' search takes their cube */

static int check_whitening(const struct node *node, const struct conv *conv, struct err *err) {
    int patch = conv->c * conv->size_h * conv->size_w, whitens = config_bool(node->section, "whitening");
    static const char *const its_own[] = {"whitening_eps", "whitening_samples", NULL}, *const others[] = {"init", "init_dirac", "init_gain", NULL};
    for (const char *const *key = whitens ? others : its_own; *key != NULL; key++) {
        if (config_given(node->section, *key)) {
            return whitens ? node_refuse(node, *key, err, "contradicts whitening=1, which says how the weights begin")
                           : node_useless(node, *key, err, "it is for whitening=1");
        }
    }
    if (!whitens) {
        return 0;
    }
    if (node->in[0] != 0 || node_input(node, 0).t > 1) {
        return node_refuse(node, "whitening", err, "want the layer that reads the network's input, pictures");
    }
    if (conv->groups != 1 || conv->dilation_h != 1 || config_bool(node->section, "flip_kernel")) {
        return node_refuse(node, "whitening", err, "want a layer without groups, dilation and flip_kernel");
    }
    if (patch > MOST_PATCH) {
        return node_refuse(node, "whitening", err, "a patch of %d numbers is too large: want at most %d", patch,
                           MOST_PATCH);
    }
    if (conv->k != 2 * patch) {
        return node_refuse(node, "filters", err, "want %d with whitening=1: two for each of the %d numbers of a patch, got %d",
                           2 * patch, patch, conv->k);
    }
    return 0;
}

static int declare(struct node *node, const struct conv *conv, struct err *err) {
    const struct section *s = node->section;
    const int weight[] = {conv->k, conv->c / conv->groups, conv->size_h, conv->size_w, 0}, bias[] = {conv->k, 0};
    size_t field = (size_t)conv->size_h * (size_t)conv->size_w;
    size_t fan_in = field * (size_t)(conv->c / conv->groups), fan_out = field * (size_t)(conv->k / conv->groups);
    struct init init = {.kind = config_bool(s, "whitening") ? INIT_WHITENING : INIT_HE_NORMAL, .a = 1};
    if (node_init(node, &init, err) < 0) {
        return -1;
    }
    node_slot(node, SLOT_PARAM, "weight", init, fan_in, fan_out, weight)->decays = 1;
    if (convolution_has_bias(s)) {
        node_slot(node, SLOT_PARAM, "bias", (struct init){.kind = INIT_ZERO}, fan_in, fan_out, bias);
    }
    node->flops = 2.0 * node->out.t * conv->k * conv->oh * conv->ow * (double)fan_in;
    return 0;
}

static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0);
    int filters = (int)config_int(s, "filters"), groups;
    struct window window;
    if (config_given(s, "share_index")) { /* 0 is a layer as any other number is */
        return node_refuse(node, "share_index", err, "weights shared with another layer are not offered");
    }
    groups = convolution_groups(node, in.c, filters, err);
    if (groups < 0 || fit(node, &window, err) < 0) {
        return -1;
    }
    const struct axis *h = &window.h, *w = &window.w;
    struct conv *conv = node->own = mem_need(1, sizeof *conv);
    *conv = (struct conv){
        .c = in.c, .h = in.h, .w = in.w, .k = filters, .oh = h->out, .ow = w->out, .size_h = h->size,
        .size_w = w->size, .stride_h = h->stride, .stride_w = w->stride, .pad_top = h->before, .pad_left = w->before,
        .dilation_h = h->dilation, .dilation_w = w->dilation, .groups = groups,
    };
    node->out = (struct shape){in.t, filters, h->out, w->out};
    if (check_whitening(node, conv, err) < 0) {
        return -1;
    }
    return declare(node, conv, err);
}

/* ---- flip_kernel=1: own memory holds the turned weights and, in training, their gradient ---- */

static void plan(struct op *op, const struct target *target) {
    const struct conv_kernel *int8 = convolution_choose_int8(op, target, LAYOUT_COUNT);
    convolution_plan(op, target, int8 ? int8 : convolution_choose(op, target, LAYOUT_COUNT));
    if (config_bool(op->node->section, "flip_kernel")) {
        op->own_bytes = layer_reals(target->kernels, (target->training ? 2 : 1) * op->node->slots[0].count);
    }
}

/* Each filter plane's weights in the opposite order, set or added. */
static void turn(const struct op *op, const struct kernels *kernels, const void *from, void *to, int add) {
    const struct conv *conv = op->node->own;
    size_t taps = (size_t)conv->size_h * (size_t)conv->size_w, count = op->node->slots[0].count;
    for (size_t i = 0; i < count; i++) {
        size_t turned = i / taps * taps + taps - 1 - i % taps;
        if (kernels->dtype == DTYPE_F64) {
            ((double *)to)[turned] = (add ? ((double *)to)[turned] : 0) + ((const double *)from)[i];
        } else {
            ((float *)to)[turned] = (add ? ((float *)to)[turned] : 0) + ((const float *)from)[i];
        }
    }
}

static void pack(const struct op *op, const struct exec *exec) {
    if (op->own_bytes) {
        turn(op, exec->kernels, op->slots[0].data, op->own, 0);
    }
    convolution_pack(op, exec);
}

static void backward(const struct op *op, const struct exec *exec) {
    size_t bytes = layer_reals(exec->kernels, op->node->slots[0].count);
    if (!op->own_bytes || !op->slots[0].grad) {
        convolution_backward(op, exec);
        return;
    }
    void *gradient = (char *)op->own + bytes;
    convolution_backward_into(op, exec, gradient, 0);
    turn(op, exec->kernels, gradient, op->slots[0].grad, !exec->fresh);
}

static const struct key *const tables[] = {keys, keys_batch_normalize, keys_activation_logistic, keys_init, NULL};
const struct layer_ops layer_convolutional = {
    .name = "convolutional",
    .aliases = "conv",
    .help = "Cross-correlation of the input with filters of size x size x channels / groups: output floor((input + "
            "padding - size) / stride) + 1 on each axis. Weights start as He et al. (2015), normal, unless init= "
            "says otherwise; biases at 0.",
    .example = "[convolutional]\nfilters=16\nsize=3\npadding=same\nbatch_normalize=1\nactivation=relu\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .pack = pack,
    .forward = convolution_forward,
    .backward = backward,
};
