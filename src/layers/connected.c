/* Fully connected layer: y = W x + b over all values of a sample (of each time step). On an input in lanes, and of 8-bit
 * or the processor's own 16-bit numbers, it runs as a 1x1 convolution, else as a product of matrices, samples x inputs with inputs x outputs. */
#include "layers/convolution.h"

#include <string.h>
#include "layers/layer.h"

static const struct key keys[] = {
    {"output", KEY_INT, "1", 1, 16777216, NULL, NULL, "Outputs."},
    {"bias", KEY_BOOL, NULL, 0, 0, NULL, NULL, "A bias for each output; default: 1, and 0 with batch_normalize=1."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

/* own is the layer as a convolution of 1x1 maps: lanes of C,H,W and lanes of C*H*W,1,1 are one memory. */
static int shape(struct node *node, struct err *err) {
    const struct section *s = node->section;
    struct shape in = node_input(node, 0);
    int inputs = in.c * in.h * in.w, outputs = (int)config_int(s, "output");
    int has_bias = config_given(s, "bias") ? config_bool(s, "bias") : !config_bool(s, "batch_normalize");
    struct conv *own = node->own = mem_need(1, sizeof *own);
    *own = (struct conv){
        .c = inputs, .h = 1, .w = 1, .k = outputs, .oh = 1, .ow = 1, .size_h = 1, .size_w = 1, .stride_h = 1,
        .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1,
    };
    node->out = (struct shape){in.t, outputs, 1, 1};
    node->flops = 2.0 * in.t * inputs * outputs;
    const int weight[] = {outputs, inputs, 0}, bias[] = {outputs, 0};
    struct init init = {.kind = INIT_GLOROT_UNIFORM, .a = 1};
    if (node_init(node, &init, err) < 0) {
        return -1;
    }
    node_slot(node, SLOT_PARAM, "weight", init, (size_t)inputs, (size_t)outputs, weight)->decays = 1;
    if (has_bias) {
        node_slot(node, SLOT_PARAM, "bias", (struct init){.kind = INIT_ZERO}, (size_t)inputs, (size_t)outputs, bias);
    }
    return 0;
}

/* ---- rows: the product of matrices ---- */

struct rows { int m, in, out; struct gemm forward, back_x, back_w; };

static struct rows rows_make(const struct op *op, int m) {
    const struct conv *own = op->node->own;
    int in = own->c, out = own->k;
    size_t of_x = (size_t)in, of_y = (size_t)out;
    return (struct rows){
        .m = m, .in = in, .out = out,
        .forward = {.transpose_b = 1, .m = m, .n = out, .k = in, .lda = of_x, .ldb = of_x, .ldc = of_y},
        .back_x = {.m = m, .n = in, .k = out, .lda = of_y, .ldb = of_x, .ldc = of_x},
        .back_w = {.transpose_a = 1, .m = out, .n = in, .k = m, .lda = of_y, .ldb = of_x, .ldc = of_x},
    };
}

static struct view rows_view(const struct rows *r) {
    return view_make(LAYOUT_NCHW, 1, (size_t)r->m, (size_t)r->out, 1, 1);
}

static size_t most(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Products are of reals. Where tensors are bfloat16, scratch begins with float copies of x and y: this many bytes. */
static size_t copies_bytes(const struct rows *r, const struct kernels *kernels) {
    size_t elems = (size_t)r->m * ((size_t)r->in + (size_t)r->out);
    return kernels->dtype == DTYPE_BF16 ? (elems * sizeof(float) + 63) / 64 * 64 : 0;
}

static void plan_rows(struct op *op, const struct target *target) {
    const struct kernels *kernels = target->kernels;
    struct rows r = rows_make(op, target->batch * op->node->out.t);
    op->in_layout = op->out_layout = LAYOUT_NCHW;
    op->implementation = "gemm";
    op->takes_activation = 1;
    op->sets_weight = 1;
    op->backward_reads_in = !op->node->slots[0].frozen;
    size_t bytes = kernels->gemm_scratch(&r.forward, target->threads);
    if (target->training) {
        bytes = most(bytes, kernels->gemm_scratch(&r.back_x, target->threads));
        bytes = most(bytes, kernels->gemm_scratch(&r.back_w, target->threads));
        bytes = most(bytes, op->node->slot_count > 1 ? kernels->batchnorm_scratch(rows_view(&r)) : 0);
    }
    op->scratch_bytes = copies_bytes(&r, kernels) + bytes;
}

static void product(const struct exec *exec, struct gemm g, const void *a, const void *b, void *c, void *scratch) {
    g.a = a;
    g.b = b;
    g.c = c;
    exec->kernels->gemm(exec->threads, &g, scratch);
}

static void forward_rows(const struct op *op, const struct exec *exec) {
    const struct kernels *k = exec->kernels;
    struct rows r = rows_make(op, exec->batch * op->node->out.t);
    const void *bias = op->node->slot_count > 1 ? op->slots[1].data : NULL;
    product(exec, r.forward, op->in[0]->data, op->slots[0].data, op->out->data, op->scratch);
    if (bias) {
        k->bias(exec->threads, rows_view(&r), bias, op->activation, op->out->data);
    } else if (op->activation != ACT_LINEAR) {
        k->activate(exec->threads, op->activation, op->out->data, op->out->data, (size_t)r.m * (size_t)r.out);
    }
}

static void backward_rows(const struct op *op, const struct exec *exec) {
    const struct kernels *k = exec->kernels;
    struct rows r = rows_make(op, exec->batch * op->node->out.t);
    const void *dy = op->out->grad;
    if (op->slots[0].grad) {
        r.back_w.add = !exec->fresh;
        product(exec, r.back_w, dy, op->in[0]->data, op->slots[0].grad, op->scratch);
    }
    if (op->node->slot_count > 1 && op->slots[1].grad) {
        k->bias_back(exec->threads, rows_view(&r), dy, op->slots[1].grad, op->scratch);
    }
    if (op->in[0]->grad) {
        r.back_x.add = op->add[0];
        product(exec, r.back_x, dy, op->slots[0].data, op->in[0]->grad, op->scratch);
    }
}

/* ---- the same for bfloat16 tensors ---- */

struct copies { float *x, *y; void *rest; };

static struct copies copies_of(const struct op *op, const struct rows *r, const struct kernels *kernels) {
    float *x = op->scratch;
    return (struct copies){x, x + (size_t)r->m * (size_t)r->in, (char *)op->scratch + copies_bytes(r, kernels)};
}

/* The bias is added in float, before the one rounding. */
static void forward_bf16(const struct op *op, const struct exec *exec) {
    const struct kernels *k = exec->kernels;
    struct rows r = rows_make(op, exec->batch * op->node->out.t);
    struct copies c = copies_of(op, &r, k);
    size_t n = (size_t)r.m * (size_t)r.out;
    k->to_f32(exec->threads, op->in[0]->data, c.x, (size_t)r.m * (size_t)r.in);
    r.forward.add = op->node->slot_count > 1;
    for (size_t i = 0; r.forward.add && i < (size_t)r.m; i++) {
        memcpy(c.y + i * (size_t)r.out, op->slots[1].data, (size_t)r.out * sizeof(float));
    }
    product(exec, r.forward, c.x, op->slots[0].data, c.y, c.rest);
    k->from_f32(exec->threads, c.y, op->out->data, n);
    if (op->activation != ACT_LINEAR) {
        k->activate(exec->threads, op->activation, op->out->data, op->out->data, n);
    }
}

static void backward_bf16(const struct op *op, const struct exec *exec) {
    const struct kernels *k = exec->kernels;
    struct rows r = rows_make(op, exec->batch * op->node->out.t);
    struct copies c = copies_of(op, &r, k);
    size_t n = (size_t)r.m * (size_t)r.in;
    k->to_f32(exec->threads, op->out->grad, c.y, (size_t)r.m * (size_t)r.out);
    if (op->slots[0].grad) {
        k->to_f32(exec->threads, op->in[0]->data, c.x, n);
        r.back_w.add = !exec->fresh;
        product(exec, r.back_w, c.y, c.x, op->slots[0].grad, c.rest);
    }
    if (op->node->slot_count > 1 && op->slots[1].grad) {
        k->bias_back(exec->threads, rows_view(&r), op->out->grad, op->slots[1].grad, c.rest);
    }
    if (op->in[0]->grad) {
        r.back_x.add = op->add[0];
        if (r.back_x.add) {
            k->to_f32(exec->threads, op->in[0]->grad, c.x, n);
        }
        product(exec, r.back_x, c.y, op->slots[0].data, c.x, c.rest);
        k->from_f32(exec->threads, c.x, op->in[0]->grad, n);
    }
}

/* ---- one of the ways ---- */

/* On a kernel for channels last: all values as channels of 1x1 maps lie as in NCHW. */
static void plan_as_map(struct op *op, const struct target *target, const struct conv_kernel *kernel) {
    convolution_plan(op, target, kernel);
    op->in_layout = op->out_layout = LAYOUT_NCHW;
}

/* With few samples a training step reads each weight for a few products: to pack them, twice, as the processor's own products want them would take longer
 * than those, and the memory of the weights again. The product of matrices packs what it multiplies at the time, and forgets it. */
static int packing_pays(const struct op *op, const struct target *target) {
    enum { FEW = 256 };
    return !target->training || target->batch * op->node->out.t > FEW;
}

static void plan(struct op *op, const struct target *target) {
    int in_lanes = op->in[0]->layout == LAYOUT_LANES;   /* to turn them for 8-bit products would take more time than those save */
    enum layout layout = in_lanes ? LAYOUT_LANES : LAYOUT_NHWC;
    const struct conv_kernel *kernel = convolution_choose_int8(op, target, layout);
    if (kernel == NULL && in_lanes) {
        kernel = convolution_choose(op, target, LAYOUT_LANES);
    }
    if (kernel && in_lanes) {
        convolution_plan(op, target, kernel);
    } else if (kernel) {
        plan_as_map(op, target, kernel);
    } else if (target->kernels->bf16_products && packing_pays(op, target)) {
        plan_as_map(op, target, convolution_choose(op, target, LAYOUT_NHWC));
    } else {
        plan_rows(op, target);
    }
}

static void pack(const struct op *op, const struct exec *exec) {
    if (op->kernel) {
        convolution_pack(op, exec);
    }
}

static void forward(const struct op *op, const struct exec *exec) {
    (op->kernel ? convolution_forward : exec->kernels->dtype == DTYPE_BF16 ? forward_bf16 : forward_rows)(op, exec);
}

static void backward(const struct op *op, const struct exec *exec) {
    (op->kernel ? convolution_backward : exec->kernels->dtype == DTYPE_BF16 ? backward_bf16 : backward_rows)(op, exec);
}

static const struct key *const tables[] = {keys, keys_batch_normalize, keys_activation_logistic, keys_init, NULL};
const struct layer_ops layer_connected = {
    .name = "connected",
    .aliases = "conn",
    .help = "Each output is a weighted sum of all inputs, of whatever shape. Weights start as Glorot and Bengio "
            "(2010), uniform, unless init= says otherwise; biases at 0.",
    .example = "[connected]\noutput=10\nactivation=linear\n",
    .keys = tables,
    .shape = shape,
    .plan = plan,
    .pack = pack,
    .forward = forward,
    .backward = backward,
};
