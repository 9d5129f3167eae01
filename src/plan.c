/* Makes a plan: one op a node in the graph's order, each with the implementation and layout its layer chose for this target; reorders
 * where two layouts meet; then what can be fused or done in place; then the arena. */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plan_internal.h"

size_t tensor_samples(const struct tensor *t, const struct exec *exec) { return (size_t)exec->batch * (size_t)t->shape.t; }

static size_t stored_samples(enum layout layout, size_t samples, int lanes) {
    return layout == LAYOUT_LANES ? (samples + (size_t)lanes - 1) / (size_t)lanes * (size_t)lanes : samples;
}

size_t tensor_elems(const struct tensor *t, const struct exec *exec) {
    return stored_samples(t->layout, tensor_samples(t, exec), exec->kernels->lanes) * shape_step(t->shape);
}

struct view tensor_view(const struct tensor *t, const struct exec *exec) {
    return view_make(t->layout, exec->kernels->lanes, tensor_samples(t, exec), (size_t)t->shape.c, (size_t)t->shape.h, (size_t)t->shape.w);
}

void op_plan_pointwise(struct op *op, const struct target *target) {
    (void)target;
    op->out_layout = op->in_layout;
    op->implementation = "pointwise";
}

/* ---- ops and tensors ---- */

static struct tensor *add_tensor(struct layout_work *work, struct shape shape, enum layout layout, int producer) {
    struct plan *plan = work->plan;
    struct tensor *t = &plan->tensors[plan->tensor_count];
    size_t samples = stored_samples(layout, (size_t)plan->target.batch * (size_t)shape.t, plan->target.kernels->lanes);
    *t = (struct tensor){.shape = shape, .layout = layout, .bytes = samples * shape_step(shape) * dtype_size(plan->target.kernels->dtype)};
    work->tensors[plan->tensor_count++] = (struct tensor_plan){.producer = producer, .data = {.alias = -1}, .grad = {.alias = -1}};
    return t;
}

static struct op *add_op(struct plan *plan, const struct node *node, const struct layer_ops *ops, int in_count) {
    struct op *op = &plan->ops[plan->op_count++];
    *op = (struct op){.node = node, .ops = ops, .in_count = in_count, .implementation = ops->name};
    op->in = mem_need((size_t)in_count + 1, sizeof *op->in);
    op->add = mem_need((size_t)in_count + 1, sizeof *op->add);
    return op;
}

/* Two layouts of such a tensor are the same bytes. */
static int same_bytes(struct shape s, enum layout a, enum layout b) {
    return a == b || (a != LAYOUT_LANES && b != LAYOUT_LANES && (s.c == 1 || (s.h == 1 && s.w == 1)));
}

/* The tensor in `layout`: itself, a copy that another consumer asked for already, or a new reorder's output. */
static struct tensor *in_layout(struct layout_work *work, struct tensor *t, enum layout layout, const struct node *node) {
    struct plan *plan = work->plan;
    if (same_bytes(t->shape, t->layout, layout)) return t;
    for (int i = 0; i < plan->op_count; i++)
        if (plan->ops[i].ops == &layer_reorder && plan->ops[i].in[0] == t && plan->ops[i].out->layout == layout) return plan->ops[i].out;
    struct op *op = add_op(plan, node, &layer_reorder, 1);
    op->in[0] = t;
    op->in_layout = t->layout;
    op->out_layout = layout;
    op->out = add_tensor(work, t->shape, layout, plan->op_count - 1);
    return op->out;
}

static void plan_node(struct layout_work *work, const struct node *node) {
    struct plan *plan = work->plan;
    /* Asked on a draft first: reorders have to come before the op itself. */
    struct op draft = {.node = node, .ops = node->ops, .in_count = node->in_count, .implementation = node->ops->name};
    draft.in = mem_need((size_t)node->in_count + 1, sizeof *draft.in);
    draft.add = mem_need((size_t)node->in_count + 1, sizeof *draft.add);
    for (int i = 0; i < node->in_count; i++) draft.in[i] = &plan->tensors[work->tensor_of_node[node->in[i]]];
    if (node->in_count) draft.in_layout = draft.out_layout = draft.in[0]->layout;
    (node->ops->plan ? node->ops->plan : op_plan_pointwise)(&draft, &plan->target);
    for (int i = 0; i < node->in_count; i++) draft.in[i] = in_layout(work, draft.in[i], draft.in_layout, &plan->graph->nodes[node->in[i]]);
    draft.out = add_tensor(work, node->out, draft.out_layout, plan->op_count);
    work->tensor_of_node[node->index] = plan->tensor_count - 1;
    plan->op_of_node[node->index] = plan->op_count;
    plan->ops[plan->op_count++] = draft;
}

/* 1 for the nodes that this plan computes: all in training; else those that the output, or the layer to keep, is made of (no auxiliary
 * classifiers). */
static int *find_wanted(const struct layout_work *work) {
    const struct graph *graph = work->plan->graph;
    int *wanted = mem_need((size_t)graph->node_count, sizeof *wanted), all = work->options->training || work->options->keep_all;
    wanted[graph->output] = 1;
    for (int i = graph->output + 1; i < graph->node_count; i++)   /* a bare loss on the output: what test measures */
        wanted[i] = (graph->nodes[i].ops->flags & LAYER_BARE) != 0 && wanted[graph->nodes[i].in[0]];
    if (work->options->keep_layer >= 0) wanted[graph->layers[work->options->keep_layer].last] = 1;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        wanted[i] |= all;
        for (int j = 0; j < graph->nodes[i].in_count && wanted[i]; j++) wanted[graph->nodes[i].in[j]] = 1;
    }
    return wanted;
}

/* predict, test and losses read the output in NCHW, whatever the last layer liked. */
static void plan_output(struct layout_work *work) {
    struct plan *plan = work->plan;
    int node = plan->graph->output;
    plan->output = in_layout(work, &plan->tensors[work->tensor_of_node[node]], LAYOUT_NCHW, &plan->graph->nodes[node]);
}

/* ---- who learns, who is in whose place ---- */

/* A backward runs where a loss lies behind the op and a free parameter in it or before it. */
static void mark_learning(struct layout_work *work) {
    struct plan *plan = work->plan;
    int *leads = mem_need((size_t)plan->tensor_count, sizeof *leads);
    for (int i = plan->op_count - 1; i >= 0 && plan->target.training; i--) {
        struct op *op = &plan->ops[i];
        int here = (op->ops != &layer_reorder && layer_has_loss(op->node)) || leads[op->out - plan->tensors];
        op->learns = here && op->node->learns;
        for (int j = 0; j < op->in_count; j++) leads[op->in[j] - plan->tensors] |= here;
    }
    free(leads);
}

/* Whether the tensor's producer or one before it learns, so that a gradient of the tensor is wanted. */
static int wants_grad(const struct layout_work *work, const struct tensor *t) {
    const struct op *producer = &work->plan->ops[work->tensors[t - work->plan->tensors].producer];
    return producer->learns;
}

static void count_consumers(struct layout_work *work) {
    struct plan *plan = work->plan;
    for (int i = 0; i < plan->op_count; i++)
        for (int j = 0; j < plan->ops[i].in_count; j++) work->tensors[plan->ops[i].in[j] - plan->tensors].consumers++;
    work->tensors[plan->output - plan->tensors].consumers++;
}

static int is_kept(const struct layout_work *work, const struct op *producer) {
    if (work->options->keep_all) return 1;
    return work->options->keep_layer >= 0 && producer->node->layer == work->options->keep_layer;
}

static int is_read(const struct plan *plan, const struct tensor *t) {
    for (int i = 0; i < plan->op_count; i++)
        for (int j = 0; j < plan->ops[i].in_count; j++)
            if (plan->ops[i].in[j] == t && !plan->ops[i].reads_ids && !plan->ops[i].reads_given) return 1;
    return t == plan->output;
}

/* One-hot vectors of which all readers take the symbols alone are not made, nor is a copy of the input where all take the floats. */
static void skip_unread(struct layout_work *work) {
    struct plan *plan = work->plan;
    if (!is_read(plan, plan->input) && !is_kept(work, &plan->ops[plan->op_of_node[0]])) plan->input->bytes = 0;
    for (int i = 0; i < plan->op_count; i++) {
        struct op *op = &plan->ops[i];
        if (!op->node->one_hot || is_kept(work, op) || is_read(plan, op->out)) continue;
        op->skip = op->skip_backward = 1;
        op->out->bytes = 0;
    }
}

/* Lets pointwise ops write over their input, and their input's gradient over their output's. */
static void place_in_place(struct layout_work *work) {
    struct plan *plan = work->plan;
    for (int i = 0; i < plan->op_count; i++) {
        struct op *op = &plan->ops[i];
        if (!op->in_place || op->out->bytes != op->in[0]->bytes) continue;
        int in = (int)(op->in[0] - plan->tensors), out = (int)(op->out - plan->tensors);
        const struct op *producer = &plan->ops[work->tensors[in].producer];
        if (work->tensors[in].consumers != 1 || is_kept(work, producer)) continue;
        if (plan->target.training && op->learns) work->tensors[in].grad.alias = out;
        int needed = plan->target.training && ((op->learns && op->backward_reads_in) || (producer->learns && producer->backward_reads_out));
        if (!needed && producer->in_count) work->tensors[out].data.alias = in;
    }
}

/* Hands activations to the op before them, and in inference batch norms too: both only where they would run in place. */
static void fuse(struct layout_work *work) {
    struct plan *plan = work->plan;
    for (int i = 0; i < plan->op_count; i++) {
        struct op *op = &plan->ops[i];
        if (op->in_count != 1 || work->tensors[op->out - plan->tensors].data.alias < 0) continue;
        struct op *before = &plan->ops[work->tensors[op->in[0] - plan->tensors].producer];
        /* A folded batch norm stands for its convolution: what follows it is fused into that. */
        if (before->skip && before->is_scale) before = &plan->ops[work->tensors[before->in[0] - plan->tensors].producer];
        if (op->is_activation == ACT_RELU && before->takes_relu && before->activation == ACT_LINEAR) {
            before->activation = ACT_RELU;
            op->skip = op->skip_backward = 1;
        } else if (op->is_activation != ACT_LINEAR && before->takes_activation && before->activation == ACT_LINEAR) {
            before->activation = op->is_activation;
            op->skip = 1;
        } else if (op->is_scale && before->takes_scale && !before->folded && before->activation == ACT_LINEAR && !plan->target.training) {
            before->folded = op;
            op->skip = 1;
        }
    }
}

/* Hands the gradient of a relu to the one op that reads it, where that can do it and nobody else sees the gradient between the two; the relu's
 * output then need not outlive the forward pass. */
static void fuse_back(struct layout_work *work) {
    struct plan *plan = work->plan;
    for (int i = 0; i < plan->op_count; i++) {
        struct op *op = &plan->ops[i];
        if (!op->takes_relu_before || !op->learns) continue;
        int between = (int)(op->in[0] - plan->tensors);
        struct op *relu = &plan->ops[work->tensors[between].producer];
        if (relu->is_activation != ACT_RELU || relu->skip_backward || work->tensors[between].consumers != 1) continue;
        if (work->tensors[relu->in[0] - plan->tensors].grad.alias != between) continue;
        op->relu_before = relu->skip_backward = 1;
        relu->backward_reads_out = 0;
    }
}

/* Backward walks from the end: the first op to reach a gradient sets it, the others add. */
static void order_gradients(struct layout_work *work) {
    struct plan *plan = work->plan;
    int *seen = mem_need((size_t)plan->tensor_count, sizeof *seen);
    for (int i = plan->op_count - 1; i >= 0; i--) {
        struct op *op = &plan->ops[i];
        for (int j = 0; j < op->in_count && op->learns; j++) {
            int in = (int)(op->in[j] - plan->tensors);
            op->add[j] = seen[in] && wants_grad(work, op->in[j]);
            seen[in] = 1;
        }
    }
    free(seen);
}

/* ---- memory ---- */

static void book(struct plan *plan) {
    for (int i = 0; i < plan->op_count; i++) {
        struct op *op = &plan->ops[i];
        op->packed_bytes = (op->packed_bytes + 63) / 64 * 64;
        op->own_bytes = (op->own_bytes + 63) / 64 * 64;
        plan->packed_bytes += op->packed_bytes + op->own_bytes;
        if (op->scratch_bytes > plan->scratch_bytes) plan->scratch_bytes = op->scratch_bytes;
    }
}

static void lay_out(struct layout_work *work) {
    struct plan *plan = work->plan;
    const struct graph *graph = plan->graph;
    size_t reorders = 1;
    for (int i = 0; i < graph->node_count; i++) reorders += (size_t)graph->nodes[i].in_count;
    size_t room = (size_t)graph->node_count + reorders;
    plan->ops = mem_need(room, sizeof *plan->ops);
    plan->tensors = mem_need(room, sizeof *plan->tensors);
    plan->op_of_node = mem_need((size_t)graph->node_count, sizeof *plan->op_of_node);
    work->tensors = mem_need(room, sizeof *work->tensors);
    work->saved = mem_need(room, sizeof *work->saved);
    work->tensor_of_node = mem_need((size_t)graph->node_count, sizeof *work->tensor_of_node);
    int *wanted = find_wanted(work);
    for (int i = 0; i < graph->node_count; i++) {
        plan->op_of_node[i] = -1;
        if (wanted[i]) plan_node(work, &graph->nodes[i]);
    }
    free(wanted);
    plan_output(work);
    plan->input = &plan->tensors[work->tensor_of_node[0]];
    plan->input->external = plan->target.kernels->dtype == DTYPE_F32;
    for (int i = 0; i < plan->op_count; i++) plan->ops[i].input = plan->input;
    mark_learning(work);
    count_consumers(work);
    place_in_place(work);
    fuse(work);
    fuse_back(work);
    skip_unread(work);
    order_gradients(work);
    book(plan);
    values_count(plan);
    arena_lay_out(work);
}

static int allocate(struct plan *plan, void *weights, struct err *err) {
    struct { void **at; size_t bytes; } parts[] = {{&plan->arena, plan->arena_bytes}, {&plan->weights, plan->weight_bytes},
        {&plan->gradients, plan->gradient_bytes}, {&plan->packed, plan->packed_bytes}, {&plan->scratch, plan->scratch_bytes}};
    size_t total = 0;
    plan->weights = weights;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) total += parts[i].bytes;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!*parts[i].at && !(*parts[i].at = mem_aligned(parts[i].bytes ? parts[i].bytes : 64)))
            return err_add(err, STATUS_FAILED, "out of memory: the network needs %.1f GB at a batch of %d; a smaller batch (or more subdivisions) needs less",
                (double)total / 1e9, plan->target.batch);
    }
    return 0;
}

static void assign_packed(struct plan *plan) {
    char *at = plan->packed;
    for (int i = 0; i < plan->op_count; i++) {
        struct op *op = &plan->ops[i];
        op->packed = op->packed_bytes ? at : NULL;
        op->own = op->own_bytes ? at + op->packed_bytes : NULL;
        op->scratch = plan->scratch;
        at += op->packed_bytes + op->own_bytes;
    }
}

static void start(struct plan *plan, struct layout_work *work, const struct graph *graph, const struct plan_options *options) {
    *plan = (struct plan){.graph = graph};
    plan->target = (struct target){.kernels = kernels_get(options->isa, options->ref_only, options->dtype), .batch = options->batch, .training = options->training,
        .threads = options->threads, .spans = options->spans, .int8 = options->spans ? kernels_int8(options->isa, options->ref_only, options->dtype) : NULL,
        .int8_cells = options->spans ? kernels_int8_cells(options->isa, options->ref_only, options->dtype) : NULL};
    *work = (struct layout_work){.plan = plan, .options = options};
    lay_out(work);
}

static void end(struct layout_work *work) {
    free(work->tensors);
    free(work->saved);
    free(work->tensor_of_node);
}

int plan_make(struct plan *plan, const struct graph *graph, const struct plan_options *options, struct err *err) {
    struct layout_work work;
    start(plan, &work, graph, options);
    int bad = allocate(plan, options->weights, err);
    if (!bad) {
        arena_assign(&work);
        values_assign(plan);
        assign_packed(plan);
    }
    end(&work);
    if (bad) plan_free(plan);
    return bad;
}

void plan_measure(const struct graph *graph, const struct plan_options *options, size_t *bytes) {
    struct plan plan;
    struct layout_work work;
    start(&plan, &work, graph, options);
    *bytes = plan.arena_bytes + plan.weight_bytes + plan.gradient_bytes + plan.packed_bytes + plan.scratch_bytes;
    end(&work);
    plan_free(&plan);
}

void plan_free(struct plan *plan) {
    for (int i = 0; i < plan->op_count; i++) {
        free(plan->ops[i].in);
        free(plan->ops[i].add);
    }
    void *all[] = {plan->ops, plan->tensors, plan->op_of_node, plan->values, plan->arena, plan->weights, plan->gradients, plan->packed, plan->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *plan = (struct plan){0};
}

const struct tensor *plan_layer_output(const struct plan *plan, int layer) {
    return plan->ops[plan->op_of_node[plan->graph->layers[layer].last]].out;
}
