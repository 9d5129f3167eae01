/* dlcli draw: the network as a picture, or the weights of a layer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "commands/command.h"
#include "views/diagram.h"
#include "views/tiles.h"

static const struct flag flags[] = {
    {"output", 'o', FLAG_TEXT, "FILE.svg|.png", 0, 0, 0, "Where to write it (default: NAME.svg; NAME-LAYER.png of weights)."},
    {"weights", 0, FLAG_TEXT, "LAYER", 0, 0, 0, "Draw this layer's weights, by name or index: filters, or class templates."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

static int draw_network(const struct model *model, const char *path, struct err *err) {
    char *name = context_label(model->path);
    struct canvas *c = diagram_draw(&model->graph, name);
    free(name);
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    return bad;
}

/* The layer's value called weight. */
static const struct value *weight_of(const struct model *model, int layer) {
    for (int i = 0; i < model->plan.value_count; i++) {
        const struct value *v = &model->plan.values[i];
        if (v->node->layer == layer && !strcmp(v->slot->suffix, "weight")) return v;
    }
    return NULL;
}

static int has_weight(const struct node *node) {
    for (int i = 0; i < node->slot_count; i++)
        if (!strcmp(node->slots[i].suffix, "weight")) return 1;
    return 0;
}

/* Filters over one channel or three are a tile each, over more a row of tiles. A connected layer's rows look at its input as one. What is
 * no picture is drawn as the matrix it is. */
static struct tiles tiles_of(const struct model *model, const struct value *v) {
    const struct slot *s = v->slot;
    const struct node *node = v->node;
    struct shape in = model->graph.nodes[node->in[0]].out;
    int channels = s->ndim == 4 ? s->dims[1] : in.c, height = s->ndim == 4 ? s->dims[2] : in.h, width = s->ndim == 4 ? s->dims[3] : in.w;
    size_t outputs = (size_t)s->dims[0], each = (size_t)channels * (size_t)height * (size_t)width;
    if (outputs * each != s->count || (s->ndim != 4 && height * width == 1)) {
        return (struct tiles){.values = v->data, .count = 1, .channels = 1, .height = s->dims[0], .width = (int)(s->count / outputs)};
    }
    if (channels == 1 || channels == 3) return (struct tiles){.values = v->data, .count = outputs, .channels = channels, .height = height, .width = width};
    return (struct tiles){.values = v->data, .count = outputs * (size_t)channels, .columns = (size_t)channels, .channels = 1, .height = height,
        .width = width, .together = (size_t)channels};
}

/* Are the layer's outputs the classes? From the network's output back there are no weights but its own. */
static int gives_classes(const struct model *model, const struct value *v) {
    const struct graph *g = &model->graph;
    const struct node *node = &g->nodes[g->output];
    while (node != v->node && node->in_count == 1 && !has_weight(node)) node = &g->nodes[node->in[0]];
    return node == v->node && g->classes > 0 && v->slot->dims[0] == g->classes;
}

static int draw_weights(struct context *context, struct model *model, const char *reference, const char *path, struct err *err) {
    int layer = graph_find_layer(&model->graph, reference, err);
    struct plan_options options = context_plan(context, 1, 0);
    options.dtype = DTYPE_F32;
    if (layer < 0 || model_plan(model, &options, context_seed(context, model), err)) return -1;
    const struct value *v = weight_of(model, layer);
    const char *name = model->graph.layers[layer].name;
    if (!v) return err_add(err, STATUS_REFUSED, "%s: layer \"%s\" has no weights to draw", model->path, name);
    if (!model->is_checkpoint) err_warn(err, "%s is a config: these are its starting values", model->path);
    struct tiles tiles = tiles_of(model, v);
    char shape[64] = "", *title;
    for (int i = 0; i < v->slot->ndim; i++) snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%d", i ? "x" : "", v->slot->dims[i]);
    tiles.title = title = mem_format("%s.weight  %s", name, shape);
    if (tiles.count == (size_t)model->class_count && model->classes && gives_classes(model, v)) tiles.labels = model->classes;
    double width = 0;
    struct canvas *c = canvas_make(1, 1, TILES_BACKGROUND);
    double height = tiles_draw(&tiles, c, 0, &width);
    canvas_resize(c, width, height);
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    free(title);
    return bad;
}

static int say_json(struct context *context, const char *path, struct err *err) {
    struct json j = {{0}, 0};
    json_open(&j, NULL, '{');
    json_text(&j, "output", path);
    json_close(&j, '}');
    text_add(&j.out, "\n");
    int bad = context_print(context, j.out.text, j.out.length, err);
    text_free(&j.out);
    return bad;
}

static int run(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    const char *output = flags_text(args, "output"), *weights = flags_text(args, "weights");
    if (context_operands(context, 1, 1, "a config or a model: dlcli draw cfg/lenet.cfg", err)) return -1;
    if (output && canvas_check(output, "--output", err)) return -1;
    if (output && !strcmp(output, "-") && context->json) return err_add(err, STATUS_REFUSED, "--json and --output - exclude each other: both are for stdout");
    char *name = context_label(args->operands[0]), *path = output ? mem_copy(output) : weights ? mem_format("%s-%s.png", name, weights) : mem_format("%s.svg", name);
    struct model model = {0};
    struct model_options options = {.sets = context->sets, .set_count = context->set_count};      /* --weights is no file here */
    int bad = model_open(&model, args->operands[0], &options, err);
    bad = bad || (weights ? draw_weights(context, &model, weights, path, err) : draw_network(&model, path, err));
    if (!bad && context->json) bad = say_json(context, path, err);
    else if (!bad && !output && !context->quiet) progress_say(&context->progress, "%s", path);
    model_close(&model);
    free(name);
    free(path);
    return bad ? -1 : 0;
}

const struct command command_draw = {
    .name = "draw",
    .synopsis = "draw MODEL|CFG [--weights LAYER] [--output FILE.svg|.png]",
    .summary = "the network as a picture; a layer's filters",
    .help = "A box a layer with name, type, output shape and parameters, branches side by side. Blue boxes have parameters, green ones join\n"
            "branches, yellow ones shrink, red ones hold the loss; a route from a single layer is drawn as an arrow.\n"
            "--weights draws a tile a filter, from its least value (black) to its greatest (white), in colour where it reads three channels; one\n"
            "row a filter where it reads more. Of a connected layer over an image: a template for each output.",
    .examples = "dlcli draw cfg/lenet.cfg\n"
                "dlcli draw cfg/imagenet/googlenet.cfg --output googlenet.png\n"
                "dlcli draw runs/lenet/best.safetensors --weights conv1 --output filters.png",
    .flags = flags,
    .run = run,
};
