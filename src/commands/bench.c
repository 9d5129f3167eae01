/* dlcli bench: images a second, and where the time of a step goes, against what this machine can do (bench_machine.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "commands/bench_machine.h"
#include "commands/command.h"
#include "layers/layer.h"
#include "net.h"
#include "optimizers/optimizer.h"
#include "sources/source.h"

static const struct flag flags[] = {
    {"train", 0, FLAG_ON, NULL, 0, 0, 0, "Measure training steps: forward, backward, update (the default for a config)."},
    {"infer", 0, FLAG_ON, NULL, 0, 0, 0, "Measure prediction (the default for a model)."},
    {"batch", 0, FLAG_INT, "N", 1, 1048576, 0, "Images a step (default: the config's)."},
    {"repeat", 0, FLAG_INT, "N", 1, 1000000, 0, "Steps measured; their median counts (default: 15, after 3 to warm up)."},
    {"layers", 0, FLAG_ON, NULL, 0, 0, 0, "A row a layer."},
    {"data", 0, FLAG_TEXT, "SOURCE:PATH", 0, 0, 0, "Take pictures from a data set, augmented and loaded as in training, in place of noise made beforehand."},
    {"weights", 'w', FLAG_TEXT, "FILE", 0, 0, 0, "Weights for a config."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

/* ---- the steps ---- */

struct bench {
    struct context *context;
    struct model model;
    struct optimizer optimizer;
    struct data data; struct loader *loader;
    struct exec exec; struct truth truth;
    float *input; int32_t *labels; float *values;
    int train, batch, repeat;
    double *steps, *images;                         /* of each measured step: seconds, samples */
    double *forward, *backward;                     /* ops x repeat */
    int at; double begun;
};

static void see(void *arg, const struct op *op, int backward, int begin) {
    struct bench *b = arg;
    double now = progress_now();
    if (begin) b->begun = now;
    else if (b->at >= 0) (backward ? b->backward : b->forward)[(op - b->model.plan.ops) * b->repeat + b->at] = now - b->begun;
}

static int next_input(struct bench *b, const float **input, struct err *err) {
    *input = b->input;
    if (!b->loader) return 0;
    struct batch *batch;
    do {
        if (loader_next(b->loader, &batch, err)) return -1;
    } while (!batch);
    *input = batch->input;
    b->exec.batch = batch->count;
    b->truth.labels = batch->targets ? NULL : batch->labels;
    b->truth.values = batch->targets;
    return 0;
}

static int step(struct bench *b, struct err *err) {
    const float *input;
    struct run_watch watch = {see, b};
    double begin = progress_now();
    if (next_input(b, &input, err)) return -1;
    if (b->train) run_zero(&b->model.plan, &b->exec);
    run_forward_watched(&b->model.plan, &b->exec, input, &watch);
    if (b->train) {
        run_backward_watched(&b->model.plan, &b->exec, &watch);
        optimizer_step(&b->optimizer, &b->exec, 1e-6, 1, b->exec.step++, 0);
        run_pack(&b->model.plan, &b->exec);
    }
    if (b->at >= 0) {
        b->steps[b->at] = progress_now() - begin;
        b->images[b->at] = b->exec.batch;
    }
    return 0;
}

static int open_data(struct bench *b, struct err *err) {
    const char *spec = flags_text(&b->context->args, "data");
    if (!spec) return 0;
    if (data_open(&b->data, &b->model.graph, 1u << SPLIT_TRAIN, spec, context_seed(b->context, &b->model), err)) return -1;
    if (data_fits_output(&b->data, &b->data.sets[SPLIT_TRAIN], &b->model.graph, err)) return -1;
    struct loader_options options = {
        .set = &b->data.sets[SPLIT_TRAIN], .preprocess = &b->data.preprocess, .augment = &b->data.augment,
        .steps = b->model.graph.input.t, .batch = b->batch, .ahead = 2, .shuffle = 1, .seed = context_seed(b->context, &b->model), .endless = 1,
    };
    return (b->loader = loader_make(&options, err)) ? 0 : -1;
}

static void fill(struct bench *b) {
    const struct graph *g = &b->model.graph;
    struct rng rng = rng_make(b->context->seed, RNG_SYNTHETIC, 0);
    size_t n = (size_t)b->batch * shape_count(g->input), rows = (size_t)b->batch * (size_t)g->nodes[g->output].out.t, width = shape_step(g->nodes[g->output].out);
    b->input = mem_need(n, sizeof *b->input);
    b->labels = mem_need(rows, sizeof *b->labels);
    b->values = mem_need(rows * width, sizeof *b->values);
    for (size_t i = 0; i < n; i++) b->input[i] = (float)rng_uniform(&rng) - 0.5f;
    for (size_t i = 0; i < rows && g->classes; i++) b->labels[i] = (int32_t)rng_below(&rng, (uint64_t)g->classes);
    b->truth = g->classes ? (struct truth){.labels = b->labels, .mean_weight = 1} : (struct truth){.values = b->values, .width = width, .mean_weight = 1};
    b->exec = model_exec(&b->model, b->context->team);
    b->exec.batch = b->batch;
    b->exec.training = b->exec.fresh = b->train;
    b->exec.truth = b->train ? &b->truth : NULL;
    b->exec.loss_scale = 1.0 / (double)rows;
    b->exec.loss = mem_need(rows, sizeof *b->exec.loss);
}

static int prepare(struct bench *b, struct err *err) {
    struct context *context = b->context;
    const struct args *args = &context->args;
    if (context_model(context, args->operands[0], &b->model, err)) return -1;
    b->train = flags_on(args, "train") || (!flags_on(args, "infer") && !b->model.is_checkpoint);
    b->batch = (int)flags_int(args, "batch", net_mini_batch(b->model.graph.net));
    b->repeat = (int)flags_int(args, "repeat", 15);
    struct plan_options options = context_plan(context, b->batch, b->train);
    if (context->int8 && b->train) return err_add(err, STATUS_REFUSED, "--precision int8: want fp32 or bf16 where something is trained");
    if (context->int8 && !flags_text(args, "data")) options.quantize = QUANTIZE_BY_NOISE;
    if (model_plan(&b->model, &options, context_seed(context, &b->model), err) || !context_team(context, err) || open_data(b, err)) return -1;
    if (b->train && optimizer_make(&b->optimizer, b->model.graph.net, &b->model.plan, err)) return -1;
    size_t cells = (size_t)b->model.plan.op_count * (size_t)b->repeat;
    b->steps = mem_need((size_t)b->repeat, sizeof *b->steps);
    b->images = mem_need((size_t)b->repeat, sizeof *b->images);
    b->forward = mem_need(cells, sizeof *b->forward);
    b->backward = mem_need(cells, sizeof *b->backward);
    fill(b);
    return 0;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- what is said ---- */

struct row { const char *implementation; double forward, backward, flops, bytes; };

/* Backward of a product costs its forward's operations once for each gradient wanted: of the weights, of the input. */
static double backward_flops(const struct op *op) {
    int weights = op->node->slot_count > 0 && op->slots[0].grad, inputs = op->in[0]->grad != NULL;
    return op->learns ? op->node->flops * (weights + inputs) : 0;
}

/* Bytes of what a pass forward, and in training the one back, must read or write: values, parameters and their gradients, each once. */
static double bytes_of(const struct bench *b, const struct op *op) {
    double elem = (double)dtype_size(b->exec.kernels->dtype), values = (double)tensor_elems(op->out, &b->exec), grads = op->learns ? values : 0;
    double parameters = 0, parameter_grads = 0;
    for (int i = 0; i < op->in_count; i++) {
        double in = (double)tensor_elems(op->in[i], &b->exec);
        values += op->reads_ids ? 0 : in;
        grads += op->learns && op->in[i]->grad ? in : 0;
    }
    for (int i = 0; i < op->node->slot_count && op->ops != &layer_reorder; i++) {
        parameters += (double)op->node->slots[i].count;
        parameter_grads += op->learns && op->slots[i].grad ? (double)op->node->slots[i].count : 0;
    }
    double forward = elem * values + sizeof(float) * parameters;
    return op->skip && op->skip_backward ? 0 : forward + (op->learns ? forward + elem * grads + sizeof(float) * parameter_grads : 0);
}

static struct row row_of(struct bench *b, int layer) {
    struct row row = {0};
    for (int i = 0; i < b->model.plan.op_count; i++) {
        const struct op *op = &b->model.plan.ops[i];
        if (op->node->layer != layer) continue;
        row.forward += median(b->forward + (size_t)i * (size_t)b->repeat, b->repeat);
        row.backward += median(b->backward + (size_t)i * (size_t)b->repeat, b->repeat);
        row.bytes += op->in_count ? bytes_of(b, op) : 0;
        if (op->ops == &layer_reorder) continue;
        row.flops += (op->node->flops + (b->train && op->in_count ? backward_flops(op) : 0)) * b->exec.batch;
        if (!row.implementation) row.implementation = op->implementation;
    }
    return row;
}

/* images: of the median step, which a data set may fill less than the batch. */
struct totals { double seconds, images, flops, peak, rate; size_t memory; };

static void print_json(struct bench *b, const struct totals *t, struct text *out) {
    struct json j = {{0}, 0};
    json_open(&j, NULL, '{');
    json_text(&j, "mode", b->train ? "train" : "infer");
    json_int(&j, "batch", b->batch);
    json_text(&j, "precision", precision_name(b->context));
    json_int(&j, "threads", b->context->threads_wanted);
    json_text(&j, "isa", b->exec.kernels->isa);
    json_real(&j, "images_per_second", t->images / t->seconds);
    json_real(&j, "seconds_per_step", t->seconds);
    json_real(&j, "flops_per_second", t->flops / t->seconds);
    json_real(&j, "peak_flops_per_second", t->peak);
    json_real(&j, "peak_bytes_per_second", t->rate);
    json_int(&j, "peak_memory_bytes", (long long)t->memory);
    json_open(&j, "layers", '[');
    for (int i = 0; i < b->model.graph.layer_count; i++) {
        struct row row = row_of(b, i);
        json_open(&j, NULL, '{');
        json_text(&j, "name", b->model.graph.layers[i].name);
        json_text(&j, "implementation", row.implementation);
        json_real(&j, "forward_seconds", row.forward);
        json_real(&j, "backward_seconds", row.backward);
        json_real(&j, "flops_per_second", row.flops / (row.forward + row.backward));
        json_real(&j, "flops", row.flops);
        json_real(&j, "bytes", row.bytes);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    text_add(out, "%s\n", j.out.text);
    text_free(&j.out);
}

/* What a layer takes at the least: as long as its operations at the peak, or its bytes at memory's rate. */
static double limit_of(const struct row *row, const struct totals *t) {
    return fmax(row->flops / t->peak, t->rate > 0 ? row->bytes / t->rate : 0);
}

static void print_layers(struct bench *b, const struct totals *t, struct text *out) {
    const struct graph *g = &b->model.graph;
    double sum = 0;
    text_add(out, "%-24s %-14s %11s %11s %9s %9s %9s %6s %9s %8s\n", "layer", "implementation", "forward ms", "backward ms", "GFLOP", "MB", "GFLOP/s", "peak", "limit ms", "of limit");
    for (int i = -1; i < g->layer_count; i++) {
        struct row row = row_of(b, i);
        double seconds = row.forward + row.backward, rate = seconds > 0 ? row.flops / seconds : 0, limit = limit_of(&row, t);
        sum += seconds;
        if (i < 0 && seconds <= 0) continue;
        text_add(out, "%-24s %-14s %11.3f %11.3f %9.3f %9.2f %9.1f %5.1f%% %9.3f %7.1f%%\n", i < 0 ? "(input)" : g->layers[i].name, row.implementation ? row.implementation : "-",
            row.forward * 1e3, row.backward * 1e3, row.flops / 1e9, row.bytes / 1e6, rate / 1e9, 100 * rate / t->peak, limit * 1e3, seconds > 0 ? 100 * limit / seconds : 0);
    }
    text_add(out, "%-24s %-14s %11.3f\n\n", b->train ? "(update, packing, rest)" : "(rest)", "-", (t->seconds - sum) * 1e3);
}

static void print_table(struct bench *b, const struct totals *t, struct text *out) {
    if (flags_on(&b->context->args, "layers")) print_layers(b, t, out);
    text_add(out, "%s, batch %d, %s, %d thread%s, %s: %.1f images/s, %.3f ms a step, %.1f GFLOP/s of a measured peak of %.1f (%.1f%%), %.0f MB; memory's rate %.1f GB/s\n",
        b->train ? "training" : "inference", b->batch, precision_name(b->context), b->context->threads_wanted,
        b->context->threads_wanted == 1 ? "" : "s", b->exec.kernels->isa, t->images / t->seconds, t->seconds * 1e3, t->flops / t->seconds / 1e9, t->peak / 1e9,
        100 * t->flops / t->seconds / t->peak, (double)t->memory / 1e6, t->rate / 1e9);
}

static struct totals total(struct bench *b) {
    size_t memory = machine_peak_memory();   /* before the arrays that measure memory's rate */
    struct totals t = {.seconds = median(b->steps, b->repeat), .images = median(b->images, b->repeat), .peak = machine_flops(b->exec.kernels, b->context->team),
        .rate = machine_bytes(b->context->team), .memory = memory};
    b->exec.batch = (int)lround(t.images);   /* what row_of counts by */
    for (int i = 0; i < b->model.graph.layer_count; i++) t.flops += row_of(b, i).flops;
    return t;
}

static void release(struct bench *b) {
    loader_free(b->loader);
    data_close(&b->data);
    optimizer_free(&b->optimizer);
    model_close(&b->model);
    void *all[] = {b->input, b->labels, b->values, b->exec.loss, b->steps, b->images, b->forward, b->backward};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static int run(struct context *context, struct err *err) {
    if (context_operands(context, 1, 1, "a model or a config: dlcli bench cfg/lenet.cfg --train", err)) return -1;
    if (flags_on(&context->args, "train") && flags_on(&context->args, "infer")) return err_add(err, STATUS_REFUSED, "--train and --infer exclude each other");
    struct bench *b = mem_need(1, sizeof *b);
    struct text out = {0};
    b->context = context;
    int bad = prepare(b, err);
    if (!bad) progress_warn(&context->progress, err);
    for (b->at = -3; b->at < b->repeat && !bad; b->at++) bad = step(b, err) || context_stopped(context, err);
    if (!bad) {
        struct totals t = total(b);
        (context->json ? print_json : print_table)(b, &t, &out);
        bad = context_print(context, out.text, out.length, err);
    }
    text_free(&out);
    release(b);
    free(b);
    return bad ? -1 : 0;
}

const struct command command_bench = {
    .name = "bench",
    .synopsis = "bench MODEL|CFG [--train|--infer] [--batch N] [--repeat N] [--layers] [--data SOURCE:PATH]",
    .summary = "images a second, time a layer, share of this machine's peak",
    .help = "Runs steps on inputs made beforehand (or on a data set, loading included) and prints the median. The peak is measured on the\n"
            "spot: multiply-adds in registers on the same threads; memory's rate by a triad, a = b + s c. Operations count a multiply-add as two.\n"
            "A layer's limit is the longer of its operations at the peak and its bytes (values, parameters and gradients, each once a pass) at\n"
            "memory's rate; what the caches hold can take less.",
    .examples = "dlcli bench cfg/lenet.cfg --train --layers\n"
                "dlcli bench runs/lenet/best.safetensors --infer --batch 1 --json",
    .flags = flags,
    .run = run,
};
