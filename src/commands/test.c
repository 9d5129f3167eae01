/* dlcli test: a model, or an ensemble, measured on a split of a data set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "commands/command.h"
#include "measure.h"
#include "net.h"
#include "views/matrix.h"

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

/* One class of the confusion matrix: of `images` of it, `right` were said right; `said` times it was said at all. */
struct score { uint64_t images, right, said; double precision, recall, f1; };

static struct score score_of(const struct measure *m, int class) {
    struct score s = {.right = m->confusion[(size_t)class * (size_t)m->classes + (size_t)class]};
    for (int i = 0; i < m->classes; i++) {
        s.images += m->confusion[(size_t)class * (size_t)m->classes + (size_t)i];
        s.said += m->confusion[(size_t)i * (size_t)m->classes + (size_t)class];
    }
    s.precision = s.said ? (double)s.right / (double)s.said : (double)NAN;
    s.recall = s.images ? (double)s.right / (double)s.images : (double)NAN;
    s.f1 = s.images + s.said ? 2.0 * (double)s.right / (double)(s.images + s.said) : (double)NAN;
    return s;
}

/* What --calibrate found: the loss and calibration error were these before; calibration is what the model's softmax has now. temperature 0: not asked for. */
struct fit { double temperature, calibration, loss, ece; };

static const char *class_name(const struct data *data, int i, char buffer[16]) {
    if (data->class_names && i < data->classes) return data->class_names[i];
    snprintf(buffer, 16, "%d", i);
    return buffer;
}

static void put_confusion(struct json *j, const struct measure *m) {
    json_open(j, "confusion", '[');
    for (int r = 0; r < m->classes; r++) {
        json_open(j, NULL, '[');
        for (int c = 0; c < m->classes; c++) json_int(j, NULL, (long long)m->confusion[(size_t)r * (size_t)m->classes + (size_t)c]);
        json_close(j, ']');
    }
    json_close(j, ']');
}

static void put_classes(struct json *j, const struct measure *m, const struct data *data) {
    char buffer[16];
    json_open(j, "per_class", '[');
    for (int c = 0; c < m->classes; c++) {
        struct score s = score_of(m, c);
        json_open(j, NULL, '{');
        json_text(j, "class", class_name(data, c, buffer));
        json_int(j, "images", (long long)s.images);
        json_real(j, "precision", s.precision);
        json_real(j, "recall", s.recall);
        json_real(j, "f1", s.f1);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void print_json(struct text *out, const struct measure *m, const struct fit *fit, const struct data *data, enum split split) {
    struct json j = {{0}, 0};
    json_open(&j, NULL, '{');
    json_text(&j, "split", split_name(split));
    json_int(&j, "images", (long long)m->images);
    json_real(&j, "loss", m->loss);
    if (m->regression) {
        json_real(&j, "rmse", m->rmse);
        json_real(&j, "r2", m->r2);
    } else {
        json_real(&j, "top1", m->top1);
        json_real(&j, "top5", m->top5);
        json_real(&j, "ece", m->ece);
    }
    if (fit->temperature > 0) {
        json_real(&j, "temperature", fit->temperature);
        json_real(&j, "calibration", fit->calibration);
        json_real(&j, "loss_before", fit->loss);
        json_real(&j, "ece_before", fit->ece);
    }
    if (m->sequence) {
        json_real(&j, "bits_per_symbol", m->loss / log(2));
        json_real(&j, "perplexity", exp(m->loss));
    }
    json_real(&j, "images_per_second", (double)m->images / m->seconds);
    if (!m->regression) {
        put_confusion(&j, m);
        put_classes(&j, m, data);
    }
    json_close(&j, '}');
    text_add(out, "%s\n", j.out.text);
    text_free(&j.out);
}

static const char *things_of(const struct data *data, enum split split) {
    const char *things = data->sets[split].source->ops->things;
    return things ? things : "images";
}

static void print_table(struct text *out, const struct measure *m, const struct fit *fit, const struct data *data, enum split split) {
    char buffer[16];
    const char *things = m->sequence ? "symbols" : things_of(data, split);
    text_add(out, "%s: %llu %s, loss %.4f", split_name(split), (unsigned long long)m->images, things, m->loss);
    if (m->sequence) text_add(out, " (%.4f bits a symbol, perplexity %.4g)", m->loss / log(2), exp(m->loss));
    if (m->regression) text_add(out, ", rmse %.6g, r2 %.4f", m->rmse, m->r2);
    else text_add(out, ", top-1 %.2f%%, top-5 %.2f%%", 100 * m->top1, 100 * m->top5);
    if (isfinite(m->ece)) text_add(out, ", calibration error %.4f", m->ece);
    text_add(out, " (%.0f %s/s)\n", (double)m->images / m->seconds, things);
    if (fit->temperature > 0)
        text_add(out, "temperature %.4f fitted: loss %.4f before, calibration error %.4f before; written as calibration=%.4f\n", fit->temperature, fit->loss, fit->ece,
            fit->calibration);
    if (m->regression || m->classes > 100) return;
    int width = 5;
    for (int c = 0; c < m->classes; c++) {
        int length = (int)strlen(class_name(data, c, buffer));
        width = length > width ? length : width;
    }
    text_add(out, "\n%-*s %8s %10s %8s %8s\n", width, "class", things, "precision", "recall", "f1");
    for (int c = 0; c < m->classes; c++) {
        struct score s = score_of(m, c);
        text_add(out, "%-*s %8llu %10.4f %8.4f %8.4f\n", width, class_name(data, c, buffer), (unsigned long long)s.images, s.precision, s.recall, s.f1);
    }
}

static int draw_confusion(const char *path, const struct measure *m, const struct data *data, enum split split, struct err *err) {
    if (!path) return 0;
    if (m->regression) return err_add(err, STATUS_REFUSED, "--confusion: a regression tells no classes apart");
    const char **names = mem_need((size_t)m->classes, sizeof *names);
    char(*numbers)[16] = mem_need((size_t)m->classes, sizeof *numbers);
    for (int c = 0; c < m->classes; c++) names[c] = class_name(data, c, numbers[c]);
    char *title = mem_format("%s: %llu %s, top-1 %.2f%%", split_name(split), (unsigned long long)m->images, m->sequence ? "symbols" : things_of(data, split), 100 * m->top1);
    struct canvas *c = matrix_draw(title, m->confusion, m->classes, names);
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    free(title);
    free(names);
    free(numbers);
    return bad;
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
        if (model_plan(&models[i], &options, context->seed, err)) return -1;
        list[i] = &models[i];
        if (!models[i].is_checkpoint && !flags_text(&context->args, "weights") && graph_starts_by_chance(&models[i].graph))
            err_warn(err, "%s is a config without weights (-w): this measures its starting values", models[i].path);
    }
    return 0;
}

/* ---- calibration ---- */

static int check_calibrate(const struct context *context, const struct model *model, enum split split, struct err *err) {
    const struct args *args = &context->args;
    if (!flags_on(args, "calibrate")) return 0;
    if (args->operand_count > 1) return err_add(err, STATUS_REFUSED, "--calibrate: want one model, found %zu", args->operand_count);
    if (!model->is_checkpoint || flags_text(args, "weights")) return err_add(err, STATUS_REFUSED, "--calibrate: %s is no checkpoint that a temperature could be written into", model->path);
    if (!model->graph.gives_probabilities) return err_add(err, STATUS_REFUSED, "--calibrate: %s does not end in a softmax", model->path);
    if (split == SPLIT_TEST) return err_add(err, STATUS_REFUSED, "--calibrate: the test split is for measuring, not for choosing: want valid or train");
    return 0;
}

/* Logits of the split, as far apart as they come; then the temperature, into the model's file. A second calibration goes on from the first. */
static int calibrate(struct measure_job job, struct fit *fit, struct err *err) {
    static const double SOFTEN = 16;
    struct model *model = job.models[0];
    const struct node *softmax = &model->graph.nodes[model->graph.output];
    struct logits logits = {0};
    struct measure plain = {0}, soft = {0};
    int bad = measure_do(&job, &plain, err);
    job.logits = &logits;
    job.soften = SOFTEN;
    bad = bad || measure_do(&job, &soft, err);
    if (!bad && !logits.count) bad = err_add(err, STATUS_REFUSED, "--calibrate: no sample of the split has a label");
    if (!bad) {
        double before = config_real(softmax->section, "calibration");
        *fit = (struct fit){.temperature = logits_temperature(&logits), .loss = plain.loss, .ece = plain.ece};
        fit->calibration = before * fit->temperature;
        char *text = mem_format("%.7g", fit->calibration);
        bad = checkpoint_put(model->path, (size_t)(softmax->section - model->config.sections), "calibration", text, err);
        free(text);
    }
    measure_free(&plain);
    measure_free(&soft);
    logits_free(&logits);
    return bad;
}

static int measure(struct context *context, struct measure_job job, struct fit *fit, struct measure *m, struct err *err) {
    int wanted = flags_on(&context->args, "calibrate"), confusion = job.confusion;
    job.confusion = 0;
    int bad = wanted ? calibrate(job, fit, err) : 0;
    job.confusion = confusion;
    job.soften = fit->temperature;
    return bad || measure_do(&job, m, err);
}

/* The bound is held against first: where nobody reads the result any more, what it comes to is still the exit status. */
static int print(struct context *context, const struct text *out, const struct bound *bound, const struct measure *m, struct err *err) {
    struct err unsaid = {0};
    int below = hold_against(bound, m, err), bad = context_print(context, out->text, out->length, &unsaid);
    if (below && unsaid.reader_gone) err_free(&unsaid);
    err_move(err, &unsaid);
    return below || bad;
}

static int run(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    static const char *const splits[] = {"test", "valid", "train"};
    static const enum split kinds[] = {SPLIT_TEST, SPLIT_VALID, SPLIT_TRAIN};
    enum split split = flags_on(args, "calibrate") ? SPLIT_VALID : SPLIT_TEST;
    for (int i = 0; i < 3; i++)
        if (flags_text(args, "split") && !strcmp(flags_text(args, "split"), splits[i])) split = kinds[i];
    struct bound bound = {0};
    const char *confusion = flags_text(args, "confusion");
    if (confusion && canvas_check(confusion, "--confusion", err)) return -1;
    if (context_operands(context, 1, 64, "a model: dlcli test runs/lenet/best.safetensors", err) || read_bound(flags_text(args, "fail-under"), &bound, err)) return -1;
    size_t n = args->operand_count;
    struct model *models = mem_need(n, sizeof *models), **list = mem_need(n, sizeof *list);
    struct data data = {0};
    struct measure m = {0};
    struct fit fit = {0};
    struct text out = {0};
    int bad = open_models(context, models, list, err) || check_bound(&bound, list[0], err) || check_calibrate(context, list[0], split, err);
    uint64_t seed = context->has_seed || bad ? context->seed : (uint64_t)config_int(models[0].graph.net, "seed");
    bad = bad || data_open(&data, &models[0].graph, 1u << split, flags_text(args, "data"), seed, err);
    if (!bad) progress_warn(&context->progress, err);
    bad = bad || !context_team(context, err);
    struct measure_job job = {.models = list, .count = (int)n, .data = &data, .split = split, .threads = context->team, .progress = &context->progress,
        .confusion = 1, .tta = tta_of(flags_text(args, "tta"))};
    bad = bad || measure(context, job, &fit, &m, err);
    if (!bad) (context->json ? print_json : print_table)(&out, &m, &fit, &data, split);
    bad = bad || draw_confusion(confusion, &m, &data, split, err) || print(context, &out, &bound, &m, err);
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
            "their logits (Jordan 2024). --calibrate finds the\n"
            "temperature that makes the probabilities of the validation split as sure as they are right, and writes it into MODEL, whose\n"
            "probabilities it divides from then on; the classes stay in their order. With --fail-under the exit status is 3 where the model measures worse.",
    .examples = "dlcli test runs/lenet/best.safetensors\n"
                "dlcli test runs/last/best.safetensors --json --fail-under top1=0.7\n"
                "dlcli test runs/lenet/best.safetensors --tta mirror-translate\n"
                "dlcli test runs/lenet/best.safetensors --calibrate\n"
                "dlcli test a.safetensors b.safetensors --data images:photos",
    .flags = flags,
    .run = run,
};
