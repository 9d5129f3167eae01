/* dlcli check: everything that can be known before training. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"
#include "gradients.h"
#include "layers/layer.h"
#include "sources/source.h"
#include "train.h"

static const struct flag flags[] = {
    {"gradients", 0, FLAG_ON, NULL, 0, 0, 0, "Prove backpropagation by finite differences in float64, layer by layer, on a small copy."},
    {"convert", 0, FLAG_CHOICE, "json|ini", 0, 0, 0, "Print the config in the other form, and do nothing else."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

static const double GRADIENT_TOLERANCE = 1e-5;

static int convert(struct context *context, const struct model *model, struct err *err) {
    int json = !strcmp(flags_text(&context->args, "convert"), "json");
    char *text = json ? config_to_json(&model->config) : config_to_ini(&model->config);
    int bad = context_print(context, text, strlen(text), err);
    free(text);
    return bad;
}

static int print_gradients(struct context *context, const struct graph *g, const struct gradient_check *checks, struct err *err) {
    struct text out = {0};
    int wrong = 0;
    if (!context->json) text_add(&out, "%5s  %-24s %-18s %12s  %s\n", "index", "name", "type", "error", "worst");
    for (int i = 0; i < g->layer_count; i++) {
        const struct layer *layer = &g->layers[i];
        int bad = checks[i].checked && !(checks[i].error <= GRADIENT_TOLERANCE);
        wrong += bad;
        if (context->json) {
            struct json j = {{0}, 0};
            json_open(&j, NULL, '{');
            json_int(&j, "index", i);
            json_text(&j, "name", layer->name);
            json_text(&j, "type", layer->type);
            json_real(&j, "error", checks[i].checked ? checks[i].error : (double)NAN);
            json_bool(&j, "ok", !bad);
            json_close(&j, '}');
            text_add(&out, "%s\n", j.out.text);
            text_free(&j.out);
        } else if (!checks[i].checked) text_add(&out, "%5d  %-24s %-18s %12s\n", i, layer->name, layer->type, "-");
        else text_add(&out, "%5d  %-24s %-18s %12.2e  %s%s\n", i, layer->name, layer->type, checks[i].error, checks[i].where, bad ? "  WRONG" : "");
    }
    int failed = context_print(context, out.text, out.length, err);
    text_free(&out);
    if (wrong) return err_add(err, STATUS_FAILED, "%d of %d layers' gradients differ from finite differences by more than %g", wrong, g->layer_count, GRADIENT_TOLERANCE);
    return failed;
}

static int gradients(struct context *context, struct model *model, struct err *err) {
    struct graph *small = &model->graph;
    graph_free(small);
    gradients_shrink(&model->config);
    struct gradient_check *checks = NULL;
    int bad = graph_build(small, &model->config, err);
    if (!bad) checks = mem_need((size_t)small->layer_count, sizeof *checks);
    bad = bad || !context_team(context, err) || gradients_check(small, context->seed, context->team, context->stop, checks, err)
        || print_gradients(context, small, checks, err);
    free(checks);
    return bad;
}

/* Opens and reads every sample of every split that the config has: files, sizes, labels. Then what training would refuse besides. */
static int read_data(struct context *context, struct model *model, struct text *out, struct err *err) {
    struct data data;
    uint64_t seed = context_seed(context, model);
    int bad = data_open(&data, &model->graph, 1u << SPLIT_TRAIN | 1u << SPLIT_VALID | 1u << SPLIT_TEST, NULL, seed, err);
    size_t broken = 0;
    for (int s = 0; s < 3 && !bad; s++) {
        const struct dataset *set = &data.sets[s];
        for (size_t i = 0; i < set->count && !bad; i++) {
            struct sample sample = {0};
            struct err one = {0};
            if (set->source->ops->read(set->source, set->items[i], &sample, &one)) {
                err_warn(err, "%s", one.count ? one.sentences[0] : "a sample that can't be read");
                broken++;
            }
            sample_free(&sample);
            err_free(&one);
            if (i % 256 == 0) progress_line(&context->progress, 0, "reading %s %zu/%zu", split_name((enum split)s), i, set->count);
            bad = context_stopped(context, err);
        }
        if (set->count) text_add(out, "%s: %zu samples of %d classes\n", split_name((enum split)s), set->count, data.classes);
    }
    progress_end(&context->progress);
    data_close(&data);
    struct train_options options = {.epochs = -1, .max_batches = -1, .seed = seed, .has_seed = 1};
    bad = bad || train_check(model, &options, &context->progress, err);
    if (broken && !bad) return err_add(err, STATUS_REFUSED, "%zu samples can't be read; training would skip them", broken);
    return bad;
}

/* A network that is for predicting only needs no loss, and nothing free. */
static int can_learn(const struct graph *g) { return layer_losses(g) > 0 && g->trainable > 0; }

/* Without [data]: what [net] says of losses and classes. */
static int check_network(struct context *context, struct model *model, struct err *err) {
    struct train_options options = {.epochs = -1, .max_batches = -1};
    return can_learn(&model->graph) ? train_check(model, &options, &context->progress, err) : 0;
}

static int everything(struct context *context, struct model *model, struct err *err) {
    struct text out = {0};
    struct json j = {{0}, 0};
    int bad = 0;
    text_add(&out, "%s: %d layers, %zu parameters\n", model->path, model->graph.layer_count, model->graph.parameters);
    bad = model->graph.data ? read_data(context, model, &out, err) : check_network(context, model, err);
    if (!bad && context->json) {
        json_open(&j, NULL, '{');
        json_text(&j, "config", model->path);
        json_bool(&j, "ok", 1);
        json_int(&j, "layers", model->graph.layer_count);
        json_int(&j, "parameters", (long long)model->graph.parameters);
        json_close(&j, '}');
        text_add(&j.out, "\n");
        bad = context_print(context, j.out.text, j.out.length, err);
    } else if (!bad) {
        text_add(&out, "no errors found\n");
        bad = context_print(context, out.text, out.length, err);
    }
    text_free(&out);
    text_free(&j.out);
    return bad;
}

static int run(struct context *context, struct err *err) {
    if (context_operands(context, 1, 1, "a config: dlcli check cfg/lenet.cfg", err)) return -1;
    struct model model;
    int bad = context_model(context, context->args.operands[0], &model, err);
    if (!bad) progress_warn(&context->progress, err);
    if (!bad && flags_text(&context->args, "convert")) bad = convert(context, &model, err);
    else if (!bad && flags_on(&context->args, "gradients")) bad = gradients(context, &model, err);
    else if (!bad) bad = everything(context, &model, err);
    model_close(&model);
    return bad ? -1 : 0;
}

const struct command command_check = {
    .name = "check",
    .synopsis = "check CFG [--gradients] [--convert json|ini]",
    .summary = "everything that can be known before training",
    .help = "Checks keys, ranges and shapes, and reads every file and label of the data set. --gradients compares the derivative of the loss\n"
            "along random directions with finite differences, for every layer's output and parameters, on a copy with few filters.",
    .examples = "dlcli check cfg/lenet.cfg\n"
                "dlcli check cfg/vgg16.cfg --gradients\n"
                "dlcli check cfg/lenet.cfg --convert json > lenet.json",
    .flags = flags,
    .run = run,
};
