/* Running convolutions on the target's kernels (convolution.h): the choice, the packed weights and, in inference, the
 * batch norm that is folded into them. op->packed holds the kernel's weights, then a folded bias and the folding's
 * scale (reals, one per filter). */
#include "layers/convolution.h"

#include "layers/batchnorm.h"
#include "layers/layer.h"

int convolution_groups(const struct node *node, int channels, int filters, struct err *err) {
    int groups = (int)config_int(node->section, "groups");
    if (channels % groups || filters % groups) {
        return node_refuse(node, "groups", err, "want a number that divides the %d channels of the input and the %d filters evenly, got %d", channels, filters, groups);
    }
    return groups;
}

int convolution_has_bias(const struct section *section) {
    return config_given(section, "bias") ? config_bool(section, "bias") : !config_bool(section, "batch_normalize");
}

static int samples(const struct op *op, const struct target *target) {
    return target->batch * op->node->out.t;
}

/* A whitening layer, which reads the network's input, divides by the roots of small eigenvalues: rounding would be a large part of what is left. (For any
 * first layer it would take LeNet a third longer: the pictures are turned into lanes anew for each pass.) */
static int wants_exact(const struct op *op) {
    return op->node->ops == &layer_convolutional && config_bool(op->node->section, "whitening");
}

static int in_layout(const struct conv_kernel *kernel, enum layout layout) {
    return layout == LAYOUT_COUNT || kernel->layout == layout;
}

const struct conv_kernel *convolution_choose(const struct op *op, const struct target *target, enum layout layout) {
    int exact = target->kernels->dtype == DTYPE_BF16 && wants_exact(op);
    for (const struct conv_kernel *const *k = target->kernels->conv; *k; k++) {
        int is_last = k[1] == NULL;      /* ref, which takes everything */
        if (in_layout(*k, layout) && (!exact || (*k)->reads_exact || is_last) &&
            (*k)->supports(op->node->own, samples(op, target), target->training)) {
            return *k;
        }
    }
    return NULL;
}

const struct conv_kernel *convolution_choose_int8(const struct op *op, const struct target *target, enum layout layout) {
    const struct span *span = target->spans && !wants_exact(op) ? &target->spans[op->node->index] : NULL;
    for (const struct conv_kernel *const *k = target->int8; span && span->low < span->high && *k; k++) {
        if (in_layout(*k, layout) && (*k)->supports(op->node->own, samples(op, target), target->training)) {
            return *k;
        }
    }
    return NULL;
}

/* Where the folded bias lies in op->packed. */
static size_t folded_at(const struct conv_kernel *kernel, const struct conv *conv, int training) {
    return (kernel->packed_bytes(conv, training) + 63) / 64 * 64;
}

/* freeze_weights=1: no kernel's backward_weight runs, which would have summed up the biases' gradient by the way. */
static int biases_alone(const struct node *node) {
    return node->slot_count > 1 && node->slots[0].frozen && !node->slots[1].frozen;
}

void convolution_plan(struct op *op, const struct target *target, const struct conv_kernel *kernel) {
    const struct conv *conv = op->node->own;
    op->kernel = kernel;
    op->span = target->spans ? target->spans[op->node->index] : op->span;
    op->implementation = kernel->name;
    op->out_layout = kernel->layout;
    op->reads_given = kernel->reads_exact == 2 && op->node->in[0] == 0;
    op->in_layout = op->reads_given ? LAYOUT_NCHW : kernel->layout;
    op->packed_bytes = kernel->packed_bytes(conv, target->training);
    op->takes_activation = 1;
    op->sets_weight = 1;
    op->takes_scale = !target->training && op->packed_bytes > 0;
    if (op->takes_scale) {
        op->packed_bytes = folded_at(kernel, conv, 0) + layer_reals(target->kernels, 2 * (size_t)conv->k);
    }
    op->scratch_bytes = kernel->scratch_bytes(conv, samples(op, target), target->training, target->threads);
    if (biases_alone(op->node)) {
        struct view out = view_make(kernel->layout, target->kernels->lanes, (size_t)samples(op, target),
                                    (size_t)conv->k, (size_t)conv->oh, (size_t)conv->ow);
        size_t sums = target->training ? target->kernels->batchnorm_scratch(out) : 0;
        op->scratch_bytes = sums > op->scratch_bytes ? sums : op->scratch_bytes;
    }
    op->backward_reads_in = op->node->slot_count > 0 && !op->node->slots[0].frozen;
}

static const void *weight_of(const struct op *op) {
    return op->own_bytes ? op->own : op->slots[0].data;
}

static const void *bias_of(const struct op *op) {
    return op->node->slot_count > 1 ? op->slots[1].data : NULL;
}

void convolution_pack(const struct op *op, const struct exec *exec) {
    const struct conv_kernel *kernel = op->kernel;
    const struct conv *conv = op->node->own;
    if (!op->packed_bytes) {
        return;
    }
    char *scale = NULL;
    if (op->folded) {
        char *bias = (char *)op->packed + folded_at(kernel, conv, 0);
        scale = bias + layer_reals(exec->kernels, (size_t)conv->k);
        batchnorm_fold(op->folded, exec->kernels, bias_of(op), scale, bias);
    }
    int training = !op->takes_scale;      /* the plan's, which booked the bytes; a training plan may infer for once */
    kernel->pack(conv, weight_of(op), scale, training, op->packed, exec->threads);
}

static const float *exact_of(const struct op *op) {
    return wants_exact(op) || op->reads_given ? op->input->exact : NULL;
}

static struct conv_call call(const struct op *op, const struct exec *exec) {
    const struct conv *conv = op->node->own;
    return (struct conv_call){
        .conv = conv, .threads = exec->threads, .batch = exec->batch * op->node->out.t, .x = op->in[0]->data, .exact = exact_of(op),
        .weight = weight_of(op), .packed = op->packed_bytes ? op->packed : NULL,
        .bias = op->folded ? (char *)op->packed + folded_at(op->kernel, conv, 0) : bias_of(op), .y = op->out->data,
        .x_low = (double)op->span.low, .x_high = (double)op->span.high, .activation = op->activation, .scratch = op->scratch,
    };
}

void convolution_forward(const struct op *op, const struct exec *exec) {
    struct conv_call c = call(op, exec);
    ((const struct conv_kernel *)op->kernel)->forward(&c);
}

void convolution_backward(const struct op *op, const struct exec *exec) {
    convolution_backward_into(op, exec, op->slots[0].grad, !exec->fresh);
}

void convolution_backward_into(const struct op *op, const struct exec *exec, void *dweight, int add) {
    const struct conv_kernel *kernel = op->kernel;
    struct conv_call c = call(op, exec);
    c.dy = op->out->grad;
    c.dweight = dweight;
    c.add_dweight = add;
    c.dbias = op->node->slot_count > 1 ? op->slots[1].grad : NULL;
    if (c.dweight) {
        kernel->backward_weight(&c);
    } else if (c.dbias) {
        exec->kernels->bias_back(exec->threads, tensor_view(op->out, exec), c.dy, c.dbias, op->scratch);
    }
    if (op->in[0]->grad) {
        c.dx = op->in[0]->grad;
        c.add_dx = op->add[0];
        kernel->backward_data(&c);
    }
}
