/* dlcli summary: layers, shapes, parameters, operations, memory; of several networks, a comparison. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"
#include "net.h"
#include "optimizers/optimizer.h"
#include "views/chart.h"

static const struct flag flags[] = {
    {"plot", 0, FLAG_TEXT, "FILE.png|.svg", 0, 0, 0, "Draw the comparison: operations, accuracy (else parameters), a bubble a model as large as its parameters."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

/* Sums over the nodes of one layer. */
struct row { size_t parameters; double flops; struct shape out; };

static struct row row_of(const struct graph *g, int layer) {
    struct row row = {.out = g->nodes[g->layers[layer].last].out};
    for (int n = g->layers[layer].first; n <= g->layers[layer].last; n++) {
        row.flops += g->nodes[n].flops;
        for (int s = 0; s < g->nodes[n].slot_count; s++)
            if (g->nodes[n].slots[s].kind == SLOT_PARAM) row.parameters += g->nodes[n].slots[s].count;
    }
    return row;
}

struct memory { size_t train, infer; };

static struct memory memory_of(const struct context *context, const struct model *model) {
    struct memory m;
    struct plan_options train = context_plan(context, net_mini_batch(model->graph.net), 1), infer = context_plan(context, 1, 0);
    plan_measure(&model->graph, &train, &m.train);
    m.train += optimizer_bytes(model->graph.net, &model->graph);
    plan_measure(&model->graph, &infer, &m.infer);
    return m;
}

static void json_summary(struct text *out, const struct model *model, struct memory memory, int several) {
    const struct graph *g = &model->graph;
    struct json made = {{0}, 0}, *j = &made;
    json_open(j, NULL, '{');
    if (several) json_text(j, "model", model->path);
    json_open(j, "layers", '[');
    for (int i = 0; i < g->layer_count; i++) {
        struct row row = row_of(g, i);
        json_open(j, NULL, '{');
        json_int(j, "index", i);
        json_text(j, "name", g->layers[i].name);
        json_text(j, "type", g->layers[i].type);
        json_open(j, "output", '[');
        if (row.out.t > 1) json_int(j, NULL, row.out.t);
        json_int(j, NULL, row.out.c);
        json_int(j, NULL, row.out.h);
        json_int(j, NULL, row.out.w);
        json_close(j, ']');
        json_int(j, "parameters", (long long)row.parameters);
        json_int(j, "flops", (long long)row.flops);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_int(j, "parameters", (long long)g->parameters);
    json_int(j, "trainable", (long long)g->trainable);
    json_int(j, "flops", (long long)g->flops);
    json_open(j, "memory", '{');
    json_int(j, "train_bytes", (long long)memory.train);
    json_int(j, "infer_bytes", (long long)memory.infer);
    json_close(j, '}');
    json_close(j, '}');
    text_add(out, "%s\n", j->out.text);
    text_free(&j->out);
}

/* "62,006" */
static const char *grouped(size_t n, char buffer[32]) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%zu", n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = 0;
    return buffer;
}

static void table(struct text *out, const struct model *model, struct memory memory) {
    const struct graph *g = &model->graph;
    char shape[48], number[32];
    int width = 5;
    for (int i = 0; i < g->layer_count; i++)
        if ((int)strlen(g->layers[i].name) > width) width = (int)strlen(g->layers[i].name);
    text_add(out, "%5s  %-*s  %-18s %-20s %13s %12s\n", "index", width, "name", "type", "output", "parameters", "MFLOP");
    text_add(out, "%5s  %-*s  %-18s %-20s\n", "", width, "input", "", shape_text(g->input, shape));
    for (int i = 0; i < g->layer_count; i++) {
        struct row row = row_of(g, i);
        text_add(out, "%5d  %-*s  %-18s %-20s %13s %12.3f\n", i, width, g->layers[i].name, g->layers[i].type, shape_text(row.out, shape),
            grouped(row.parameters, number), row.flops / 1e6);
    }
    text_add(out, "parameters %s", grouped(g->parameters, number));
    if (g->trainable != g->parameters) text_add(out, " (%s trainable)", grouped(g->trainable, number));
    text_add(out, ", %.3f MFLOP an image\nmemory %.1f MB to train at a mini-batch of %d, %.1f MB to predict one\n", g->flops / 1e6, (double)memory.train / 1e6,
        net_mini_batch(g->net), (double)memory.infer / 1e6);
}

static void compare_head(struct text *out) { text_add(out, "%-32s %8s %13s %12s %12s %12s\n", "model", "layers", "parameters", "MFLOP", "train MB", "predict MB"); }

static void compare_row(struct text *out, const struct model *model, struct memory memory) {
    char number[32];
    text_add(out, "%-32s %8d %13s %12.3f %12.1f %12.1f\n", model->path, model->graph.layer_count, grouped(model->graph.parameters, number),
        model->graph.flops / 1e6, (double)memory.train / 1e6, (double)memory.infer / 1e6);
}

enum { PLOT_WIDTH = 900, PLOT_HEIGHT = 560 };
static const double LARGEST = 42, SMALLEST = 4;      /* radius of a bubble */

/* What the picture says of a model. accuracy: its best validation; NaN where nothing says it. */
struct dot { char *label; double parameters, flops, accuracy; };

static double best_accuracy(const struct model *model, struct err *err) {
    const char *text = model->has_file && model->graph.classes > 0 ? tensor_file_text(&model->file, "dlcli.training") : NULL;
    struct progress_state state = {0};
    if (!text) return (double)NAN;
    return progress_state_read(&state, text, model->path, err) ? (double)NAN : state.best;
}

/* Area grows with parameters. Large ones come first, so that small ones lie on them. */
static void add_bubbles(struct chart *chart, const struct dot *dots, size_t n, int accuracy) {
    double most = 1;
    for (size_t i = 0; i < n; i++) most = fmax(most, dots[i].parameters);
    char *done = mem_need(n + 1, 1);
    for (size_t k = 0; k < n; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (!done[i] && (best == n || dots[i].parameters > dots[best].parameters)) best = i;
        done[best] = 1;
        double radius = fmax(SMALLEST, LARGEST * sqrt(dots[best].parameters / most));
        chart_bubble(chart, dots[best].label, dots[best].flops, accuracy ? dots[best].accuracy : dots[best].parameters, radius, chart_colour(best));
    }
    free(done);
}

static int draw_dots(const char *path, const struct dot *dots, size_t n, struct err *err) {
    int accuracy = 1;
    for (size_t i = 0; i < n; i++) {
        accuracy = accuracy && isfinite(dots[i].accuracy);
        if (dots[i].flops <= 0 || dots[i].parameters <= 0)
            return err_add(err, STATUS_REFUSED, "--plot: %s has no operations or no parameters: there is nothing to compare", dots[i].label);
    }
    struct chart chart = {.title = accuracy ? "Accuracy, operations, parameters (area)" : "Operations and parameters (area, too)",
        .x = {.label = "operations an image (a multiply-add is two)", .logarithmic = 1},
        .y = {.label = accuracy ? "best validation accuracy" : "parameters", .percent = accuracy, .logarithmic = !accuracy}};
    add_bubbles(&chart, dots, n, accuracy);
    struct canvas *c = canvas_make(PLOT_WIDTH, PLOT_HEIGHT, 0xffffffff);
    chart_draw(&chart, c, (struct canvas_box){.width = PLOT_WIDTH, .height = PLOT_HEIGHT});
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    chart_free(&chart);
    return bad;
}

static int run(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    if (context_operands(context, 1, 10000, "a model or a config: dlcli summary cfg/lenet.cfg", err)) return -1;
    const char *plot = flags_text(args, "plot");
    if (plot && canvas_check(plot, "--plot", err)) return -1;
    struct dot *dots = mem_need(args->operand_count, sizeof *dots);
    struct text json = {0}, text = {0};
    int bad = 0, several = args->operand_count > 1;
    if (several) compare_head(&text);
    for (size_t i = 0; i < args->operand_count && !bad; i++) {
        struct model model;
        bad = context_model(context, args->operands[i], &model, err);
        if (!bad) {
            struct memory memory = memory_of(context, &model);
            json_summary(&json, &model, memory, several);
            dots[i] = (struct dot){context_label(model.path), (double)model.graph.parameters, model.graph.flops, plot ? best_accuracy(&model, err) : (double)NAN};
            if (several) compare_row(&text, &model, memory);
            else table(&text, &model, memory);
        }
        model_close(&model);
    }
    struct text *out = context->json ? &json : &text;
    bad = bad || (plot && draw_dots(plot, dots, args->operand_count, err)) || context_print(context, out->text, out->length, err);
    for (size_t i = 0; i < args->operand_count; i++) free(dots[i].label);
    free(dots);
    text_free(&json);
    text_free(&text);
    return bad ? -1 : 0;
}

const struct command command_summary = {
    .name = "summary",
    .synopsis = "summary MODEL|CFG... [--plot FILE.png|.svg] [--json]",
    .summary = "layers, shapes, parameters, operations, memory; of several, a comparison",
    .help = "A row a layer: the shape of its output, its parameters, and the operations of one image forward (a multiply-add is two). Running\n"
            "statistics are no parameters. Several models give a row each. Needs no data and no weights. --plot draws a comparison: over the\n"
            "operations the accuracy of each model's best validation, where all are checkpoints that know it, else the parameters.",
    .examples = "dlcli summary cfg/lenet.cfg\n"
                "dlcli summary cfg/*.cfg cfg/imagenet/*.cfg\n"
                "dlcli summary cfg/imagenet/*.cfg --plot networks.png\n"
                "dlcli summary cfg/vgg16.cfg --json | jq .parameters",
    .flags = flags,
    .run = run,
};
