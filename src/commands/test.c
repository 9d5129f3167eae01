/* dlcli test: a model, or an ensemble, measured on a split of a data set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "commands/command.h"
#include "commands/test_report.h"
#include "net.h"
#include "run_folder.h"
#include "sources/source.h"
#include "views/canvas.h"

static const struct flag flags[] = {
    {"data", 0, FLAG_TEXT, "SOURCE:PATH", 0, 0, 0, "Another data set than the model's."},
    {"split", 0, FLAG_CHOICE, "test|valid|train", 0, 0, 0, "Which part of it (default: test)."},
    {"fail-under", 0, FLAG_TEXT, "MEASURE=X", 0, 0, 0, "Exit 3 where top1 or top5 is below X, or loss or rmse above it: top1=0.6."},
    {"weights", 'w', FLAG_TEXT, "FILE", 0, 0, 0, "Weights for a config."},
    {"batch", 0, FLAG_INT, "N", 1, 1048576, 0, "Images at a time (default: the config's)."},
    {"tta", 0, FLAG_CHOICE, TTA_CHOICES, 0, 0, 0, "Average over each picture and its mirror image; mirror-translate: and both moved by a pixel, before the softmax (default: none)."},
    {"calibrate", 0, FLAG_ON, NULL, 0, 0, 0, "Fit the temperature of the softmax to the validation split and write it into MODEL."},
    {"confusion", 0, FLAG_TEXT, "FILE.png|.svg", 0, 0, 0, "Write the confusion matrix as a picture."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

static int check_confusion(const char *path, const struct model *model, struct err *err) {
    if (!path || model->graph.classes > 0) return 0;
    return err_add(err, STATUS_REFUSED, "--confusion: %s is a regression, which tells no classes apart", model->path);
}

/* "top1=0.6": which measure, and the bound. Found before any work. */
struct bound { const char *name; double at; int least; };

static int read_bound(const char *text, struct bound *bound, struct err *err) {
    static const char *const names[] = {"top1", "top5", "loss", "rmse", NULL};
    if (!text) return 0;
    for (int i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(text, names[i], n) || text[n] != '=') continue;
        if (number_real(text + n + 1, &bound->at)) break;
        bound->name = names[i];
        bound->least = i < 2;
        return 0;
    }
    return err_add(err, STATUS_REFUSED, "--fail-under: want top1=X, top5=X, loss=X or rmse=X, got \"%s\"", text);
}

/* Not every model has every measure. */
static int check_bound(const struct bound *bound, const struct model *model, struct err *err) {
    int regression = model->graph.classes == 0;
    if (!bound->name || !strcmp(bound->name, "loss") || regression == !strcmp(bound->name, "rmse")) return 0;
    if (regression) return err_add(err, STATUS_REFUSED, "--fail-under: %s is a regression, which has no %s: want loss=X or rmse=X", model->path, bound->name);
    return err_add(err, STATUS_REFUSED, "--fail-under: %s tells classes apart, and has no rmse: want top1=X, top5=X or loss=X", model->path);
}

static int hold_against(const struct bound *bound, const struct measure *m, struct err *err) {
    if (!bound->name) return 0;
    double value = !strcmp(bound->name, "top1") ? m->top1 : !strcmp(bound->name, "top5") ? m->top5 : !strcmp(bound->name, "loss") ? m->loss : m->rmse;
    if (bound->least ? value >= bound->at : value <= bound->at) return 0;
    return err_add(err, STATUS_BELOW, "%s is %.7g, %s %.7g", bound->name, value, bound->least ? "below" : "above", bound->at);
}

static int open_models(struct context *context, struct model *models, struct model **list, struct err *err) {
    if (context_weights(context, context->args.operand_count, err)) return -1;
    for (size_t i = 0; i < context->args.operand_count; i++) {
        if (context_model(context, context->args.operands[i], &models[i], err)) return -1;
        long batch = flags_int(&context->args, "batch", net_mini_batch(models[i].graph.net));
        struct plan_options options = context_plan(context, (int)batch, 0);
        if (model_plan(&models[i], &options, context_seed(context, &models[i]), err)) return -1;
        list[i] = &models[i];
        if (!models[i].is_checkpoint && !flags_text(&context->args, "weights") && graph_starts_by_chance(&models[i].graph))
            err_warn(err, "%s is a config without weights (-w): this measures its starting values", models[i].path);
    }
    return 0;
}

/* ---- validation samples that the seed draws ---- */

/* valid= where it is a number; else NULL. */
static const char *drawn(const struct model *model) {
    const char *valid = model->graph.data ? config_text(model->graph.data, "valid") : NULL;
    double number;
    return valid && !number_real(valid, &number) ? valid : NULL;
}

static int is_stream(const struct model *model) {
    int source = config_choice(model->graph.data, "source");
    return source >= 0 && source_list[source]->flags & SOURCE_STREAMS;
}

/* Models that drew other samples, or --seed, would be measured on what they learnt from. */
static int check_drawn(const struct context *context, struct model *const *models, size_t count, enum split split, struct err *err) {
    const struct model *first = models[0];
    const char *valid = drawn(first), *other;
    if (split == SPLIT_TEST || !valid) return 0;
    long seed = config_int(first->graph.net, "seed");
    if (first->is_checkpoint && context->has_seed && context->seed != (uint64_t)seed && !is_stream(first))
        return err_add(err, STATUS_REFUSED, "--seed: %s drew its validation samples with seed=%ld; another would mix them with what it learnt from", first->path, seed);
    for (size_t i = 1; i < count; i++) {
        long own = config_int(models[i]->graph.net, "seed");
        if (!models[i]->is_checkpoint || !(other = drawn(models[i])) || (!strcmp(other, valid) && (own == seed || is_stream(first)))) continue;
        return err_add(err, STATUS_REFUSED, "%s: drew its validation samples with valid=%s and seed=%ld, %s with valid=%s and seed=%ld: "
            "one would be measured on what it learnt from", models[i]->path, other, own, first->path, valid, seed);
    }
    return 0;
}

/* ---- calibration ---- */

static int check_calibrate(const struct context *context, const struct model *model, enum split split, struct err *err) {
    const struct args *args = &context->args;
    if (!flags_on(args, "calibrate")) return 0;
    if (args->operand_count > 1) return err_add(err, STATUS_REFUSED, "--calibrate: want one model, found %zu", args->operand_count);
    if (tta_of(flags_text(args, "tta")) != TTA_NONE) return err_add(err, STATUS_REFUSED, "--calibrate and --tta exclude each other: the temperature is of the plain answer");
    if (!model->is_checkpoint || flags_text(args, "weights")) return err_add(err, STATUS_REFUSED, "--calibrate: %s is no checkpoint that a temperature could be written into", model->path);
    if (!model->graph.gives_probabilities) return err_add(err, STATUS_REFUSED, "--calibrate: %s does not end in a softmax", model->path);
    if (run_folder_guard(model->path, err)) return -1;
    if (split == SPLIT_TEST) return err_add(err, STATUS_REFUSED, "--calibrate: the test split is for measuring, not for choosing: want valid or train");
    return 0;
}

/* What was asked to stop has measured nothing. */
static int walk(struct context *context, const struct measure_job *job, struct measure *m, struct err *err) {
    return measure_do(job, m, err) < 0 ? -1 : context_stopped(context, err);
}

/* Into the model's file, where the softmax has a calibration already: the fit goes on from that. */
static int write_temperature(struct model *model, enum split split, struct fit *fit, struct err *err) {
    const struct node *softmax = &model->graph.nodes[model->graph.output];
    if (isnan(fit->temperature))
        return err_add(err, STATUS_FAILED, "--calibrate: no temperature of 0.01 to 100 is best for the %s split, where all answers are right, "
            "or no better than chance: %s stays as it is", split_name(split), model->path);
    fit->calibration = config_real(softmax->section, "calibration") * fit->temperature;
    char *text = mem_format("%.7g", fit->calibration);
    int bad = checkpoint_put(model->path, (size_t)(softmax->section - model->config.sections), "calibration", text, err);
    free(text);
    return bad;
}

/* Logits of the split, as far apart as they come; then the temperature, into the model's file. */
static int calibrate(struct context *context, struct measure_job job, struct fit *fit, struct err *err) {
    static const double SOFTEN = 16;
    struct logits logits = {0};
    struct measure plain = {0}, soft = {0};
    int bad = walk(context, &job, &plain, err);
    job.logits = &logits;
    job.soften = SOFTEN;
    bad = bad || walk(context, &job, &soft, err);
    if (!bad && !logits.count) bad = err_add(err, STATUS_REFUSED, "--calibrate: no sample of the split has a label");
    if (!bad) {
        *fit = (struct fit){.temperature = logits_temperature(&logits), .loss = plain.loss, .ece = plain.ece};
        bad = write_temperature(job.models[0], job.split, fit, err);
    }
    measure_free(&plain);
    measure_free(&soft);
    logits_free(&logits);
    return bad;
}

static int measure(struct context *context, struct measure_job job, struct fit *fit, struct measure *m, struct err *err) {
    int wanted = flags_on(&context->args, "calibrate"), confusion = job.confusion;
    job.confusion = 0;
    int bad = wanted ? calibrate(context, job, fit, err) : 0;
    job.confusion = confusion;
    job.soften = fit->temperature;
    return bad || walk(context, &job, m, err);
}

/* The bound is held against first: where nobody reads the result any more, what it comes to is still the exit status. */
static int print(struct context *context, const struct text *out, const struct bound *bound, const struct measure *m, struct err *err) {
    struct err unsaid = {0};
    int below = hold_against(bound, m, err), bad = context_print(context, out->text, out->length, &unsaid);
    if (below && unsaid.reader_gone) err_free(&unsaid);
    err_move(err, &unsaid);
    return below || bad;
}

static enum split read_split(const struct args *args) {
    static const char *const splits[] = {"test", "valid", "train"};
    static const enum split kinds[] = {SPLIT_TEST, SPLIT_VALID, SPLIT_TRAIN};
    for (int i = 0; i < 3; i++)
        if (flags_text(args, "split") && !strcmp(flags_text(args, "split"), splits[i])) return kinds[i];
    return flags_on(args, "calibrate") ? SPLIT_VALID : SPLIT_TEST;
}

static int run(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    enum split split = read_split(args);
    struct bound bound = {0};
    const char *confusion = flags_text(args, "confusion");
    if (confusion && (canvas_check(confusion, "--confusion", err) || file_try(confusion, err))) return -1;
    if (context_operands(context, 1, 64, "a model: dlcli test runs/lenet/best.safetensors", err) || read_bound(flags_text(args, "fail-under"), &bound, err)) return -1;
    size_t n = args->operand_count;
    struct model *models = mem_need(n, sizeof *models), **list = mem_need(n, sizeof *list);
    struct data data = {0};
    struct measure m = {0};
    struct fit fit = {0};
    struct text out = {0};
    int bad = open_models(context, models, list, err) || check_bound(&bound, list[0], err) || check_confusion(confusion, list[0], err) ||
        check_calibrate(context, list[0], split, err) || check_drawn(context, list, n, split, err) ||
        data_open(&data, &models[0].graph, 1u << split, flags_text(args, "data"), context_seed(context, &models[0]), err);
    if (!bad) progress_warn(&context->progress, err);
    bad = bad || !context_team(context, err);
    struct measure_job job = {.models = list, .count = (int)n, .data = &data, .split = split, .threads = context->team, .progress = &context->progress,
        .stop = context->stop, .confusion = 1, .tta = tta_of(flags_text(args, "tta"))};
    bad = bad || measure(context, job, &fit, &m, err);
    if (!bad) {      /* what was measured is said where the picture can't be written, too */
        (context->json ? report_json : report_table)(&out, &m, &fit, &data, split);
        bad = report_confusion(confusion, &m, &data, split, err);
        bad = print(context, &out, &bound, &m, err) || bad;
    }
    text_free(&out);
    measure_free(&m);
    data_close(&data);
    for (size_t i = 0; i < n; i++) model_close(&models[i]);
    free(models);
    free(list);
    return bad ? -1 : 0;
}

const struct command command_test = {
    .name = "test",
    .synopsis = "test MODEL... [--data SOURCE:PATH] [--split test|valid|train] [--fail-under top1=0.6] [--tta mirror] [--calibrate] [--confusion FILE.png] [-w WEIGHTS]",
    .summary = "measure a model on a split of a data set",
    .help = "Loss, top-1 and top-5 accuracy, expected calibration error (15 bins, Guo et al. 2017), and per class precision, recall and F1. Several\n"
            "models are an ensemble: their probabilities are averaged; so are those of a picture's views with --tta mirror, and with mirror-translate\n"
            "their logits (Jordan 2024). --calibrate finds the temperature that makes the probabilities of the validation split as sure as they\n"
            "are right, and writes it into MODEL, whose logits it divides from then on: the classes stay in their order, but for what rounding\n"
            "makes equal. With --fail-under the exit status is 3 where the model measures worse.",
    .examples = "dlcli test runs/lenet/best.safetensors\n"
                "dlcli test runs/last/best.safetensors --json --fail-under top1=0.7\n"
                "dlcli test runs/lenet/best.safetensors --tta mirror-translate\n"
                "dlcli test runs/lenet/best.safetensors --calibrate\n"
                "dlcli test a.safetensors b.safetensors --data images:photos",
    .flags = flags,
    .run = run,
};
