/* Builds the graph: sections are checked against their tables, named, connected, and given shapes, in that order, so that every sentence
 * that doesn't depend on another is said at once. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "layers/layer.h"
#include "net.h"
#include "sources/source.h"

enum { MOST_LAYER_INPUTS = 256, MOST_LAYER_NAME = 200 };

static int is_net(const struct section *s) { return !strcmp(s->name, "net") || !strcmp(s->name, "network"); }
static int is_data(const struct section *s) { return !strcmp(s->name, "data"); }

/* The layer's own tables and the common one, as one list that the section borrows. Freed with the graph. */
static const struct key **tables_of(const struct layer_ops *ops) {
    size_t n = 0;
    while (ops->keys && ops->keys[n]) n++;
    const struct key **tables = mem_need(n + 2, sizeof *tables);
    for (size_t i = 0; i < n; i++) tables[i] = ops->keys[i];
    tables[n] = keys_common;
    return tables;
}

static int unknown_section(const struct section *s, struct err *err) {
    struct text words = {0};
    text_add(&words, "net|data");
    for (size_t i = 0; layer_list[i]; i++) {
        if (layer_list[i]->flags & LAYER_INTERNAL) continue;
        text_add(&words, "|%s", layer_list[i]->name);
        if (layer_list[i]->aliases) text_add(&words, "|%s", layer_list[i]->aliases);
    }
    const char **names = mem_need(words.length / 2 + 2, sizeof *names);
    char *rest = words.text, *word;
    for (size_t n = 0; (word = strtok_r(rest, "|", &rest)); n++) names[n] = word;
    const char *near = err_nearest(s->name, names);
    int status = near ? err_add(err, STATUS_REFUSED, "%s:%d: [%s]: unknown section; did you mean [%s]?", s->file, s->line, s->name, near)
                      : err_add(err, STATUS_REFUSED, "%s:%d: [%s]: unknown section; `dlcli help` lists the layers", s->file, s->line, s->name);
    free(names);
    text_free(&words);
    return status;
}

/* First walk: which section is what; all keys checked. */
static int check_sections(struct graph *g, struct err *err) {
    int bad = 0;
    for (size_t i = 0; i < g->config->count; i++) {
        struct section *s = &g->config->sections[i];
        if (is_net(s)) {
            if (g->net) bad |= err_add(err, STATUS_REFUSED, "%s:%d: [%s]: a second [net]; the first is on line %d", s->file, s->line, s->name, g->net->line);
            else if (g->layer_count) bad |= err_add(err, STATUS_REFUSED, "%s:%d: [%s]: has to stand before the layers", s->file, s->line, s->name);
            if (!g->net) g->net = s;
            bad |= config_check(s, "net", net_tables, err);
        } else if (is_data(s)) {
            if (g->data) bad |= err_add(err, STATUS_REFUSED, "%s:%d: [data]: a second [data]; the first is on line %d", s->file, s->line, g->data->line);
            else g->data = s;
            bad |= config_check(s, "data", data_tables, err);
        } else {
            const struct layer_ops *ops = layer_find(s->name);
            if (!ops || ops->flags & LAYER_INTERNAL) {
                bad |= unknown_section(s, err);
                continue;
            }
            struct layer *layer = &g->layers[g->layer_count++];
            *layer = (struct layer){.type = ops->name, .ops = ops, .section = s, .tables = tables_of(ops)};
            bad |= config_check(s, ops->name, layer->tables, err);
        }
    }
    if (!g->net) bad |= err_add(err, STATUS_REFUSED, "%s: has no [net] section", g->config->path);
    else if (!g->layer_count && !bad) bad |= err_add(err, STATUS_REFUSED, "%s: has no layers", g->config->path);
    return bad;
}

static int is_number(const char *text) {
    text += *text == '-' || *text == '+';
    return *text && text[strspn(text, "0123456789")] == 0;
}

/* Second walk: a name for every layer, unique, never a number (which would be an index). */
static int name_layers(struct graph *g, struct err *err) {
    int bad = 0;
    for (int i = 0; i < g->layer_count; i++) {
        struct layer *layer = &g->layers[i];
        const char *given = config_text(layer->section, "name");
        int ordinal = 1;
        for (int j = 0; j < i; j++) ordinal += g->layers[j].ops == layer->ops;
        if (given && (is_number(given) || !*given || strpbrk(given, ",\"\\")))
            bad |= config_refuse(layer->section, layer->type, "name", err, "want a name (not a number; no comma, quote or backslash), got \"%s\"", given);
        else if (given && strlen(given) > MOST_LAYER_NAME)
            bad |= config_refuse(layer->section, layer->type, "name", err, "want a name of at most %d bytes, got %zu", MOST_LAYER_NAME, strlen(given));
        layer->name = given ? mem_copy(given) : mem_format("%s%d", layer->type, ordinal);
        for (int j = 0; j < i; j++)
            if (!strcmp(g->layers[j].name, layer->name))
                bad |= config_refuse(layer->section, layer->type, given ? "name" : NULL, err, "\"%s\" is already the name of the layer on line %d", layer->name,
                    g->layers[j].section->line);
    }
    return bad;
}

static int read_input(struct graph *g, struct err *err) {
    const struct section *net = g->net;
    int flat = config_given(net, "inputs");
    int maps = config_given(net, "width") || config_given(net, "height") || config_given(net, "channels");
    g->input = (struct shape){(int)config_int(net, "time_steps"), 1, 1, 1};
    if (flat) g->input.c = (int)config_int(net, "inputs");
    if (maps) {
        const char *const sides[] = {"width", "height", "channels"};
        for (int i = 0; i < 3; i++)
            if (!config_given(net, sides[i])) return config_refuse(net, "net", sides[i], err, "is missing: the input is width x height x channels (or inputs=N)");
        struct shape s = {g->input.t, (int)config_int(net, "channels"), (int)config_int(net, "height"), (int)config_int(net, "width")};
        if (flat && (double)s.c * s.h * s.w != (double)g->input.c)
            return config_refuse(net, "net", "inputs", err, "%d is not width x height x channels = %dx%dx%d", g->input.c, s.w, s.h, s.c);
        g->input = s;
    }
    if (!flat && !maps) return config_refuse(net, "net", NULL, err, "says nothing about the input: give width, height and channels, or inputs");
    if (!shape_count(g->input)) return config_refuse(net, "net", NULL, err, "the input is too large");
    long batch = config_int(net, "batch"), parts = config_int(net, "subdivisions");
    if (batch % parts) return config_refuse(net, "net", "subdivisions", err, "%ld does not divide the batch of %ld", parts, batch);
    return 0;
}

static struct node *add_node(struct graph *g, int layer, const struct layer_ops *ops, const int *in, int in_count) {
    struct node *node = &g->nodes[g->node_count];
    *node = (struct node){.index = g->node_count++, .layer = layer, .ops = ops, .graph = g, .section = layer < 0 ? g->net : g->layers[layer].section};
    node->in_count = in_count;
    node->in = mem_need((size_t)in_count + 1, sizeof *node->in);
    for (int i = 0; i < in_count; i++) node->in[i] = in[i];
    return node;
}

/* Beyond these no machine could run the node, and products of sizes might leave their types. */
static const double MOST_ROWS = 1 << 30, MOST_ELEMENTS = 1e12, MOST_WEIGHTS = 1e11;

static int check_size(const struct node *node, struct err *err) {
    double batch = net_mini_batch(node->graph->net), weights = 0;
    for (int i = 0; i < node->slot_count; i++) {
        double count = 1;
        for (int d = 0; d < node->slots[i].ndim; d++) count *= node->slots[i].dims[d];
        weights += count;
    }
    if (weights > MOST_WEIGHTS) return node_refuse(node, NULL, err, "%.3g weights are too many: want at most %.0g", weights, MOST_WEIGHTS);
    if (batch * node->out.t > MOST_ROWS || batch * (double)shape_count(node->out) > MOST_ELEMENTS)
        return node_refuse(node, NULL, err, "its output is too large for a mini-batch of %.0f", batch);
    return 0;
}

static int shape_node(struct node *node, struct err *err) {
    node->out = node->in_count ? node_input(node, 0) : node->graph->input;
    if (node->ops->shape && node->ops->shape(node, err)) return -1;
    if (!shape_count(node->out)) return node_refuse(node, NULL, err, "its output is too large");
    return check_size(node, err);
}

/* Only these tables mean an activation of any kind behind the layer; rnn has a key of that name for its cell. */
static int takes_activation(const struct layer *layer) {
    int takes = 0;
    for (size_t t = 0; layer->tables[t]; t++) takes |= layer->tables[t] == keys_activation || layer->tables[t] == keys_activation_logistic;
    return takes;
}

/* Whether the section's tables hold the key: only layers that can carry a batch norm or an activation list it. */
static int has_key(const struct layer *layer, const char *name) {
    for (size_t t = 0; layer->tables[t]; t++)
        for (const struct key *k = layer->tables[t]; k->name; k++)
            if (!strcmp(k->name, name)) return 1;
    return 0;
}

static int follow(struct graph *g, int layer, const struct layer_ops *ops, struct err *err) {
    int before = g->node_count - 1;
    return shape_node(add_node(g, layer, ops, &before, 1), err);
}

static int add_layer(struct graph *g, int index, struct err *err) {
    struct layer *layer = &g->layers[index];
    int in[MOST_LAYER_INPUTS], count = 1;
    struct node *node = add_node(g, index, layer->ops, NULL, 0);
    layer->first = node->index;
    if (layer->ops->inputs) count = layer->ops->inputs(node, g, in, MOST_LAYER_INPUTS, err);
    else if ((in[0] = layer_default_input(node, err)) < 0) count = -1;
    if (count < 0) return -1;
    free(node->in);
    node->in = mem_need((size_t)count, sizeof *node->in);
    memcpy(node->in, in, (size_t)count * sizeof *in);
    node->in_count = count;
    if (shape_node(node, err) || layer_given(node, err)) return -1;
    if (layer->ops != &layer_batchnorm && has_key(layer, "batch_normalize") && config_bool(layer->section, "batch_normalize") && follow(g, index, &layer_batchnorm, err)) return -1;
    if (layer->ops != &layer_activation && takes_activation(layer) && config_choice(layer->section, "activation") != ACT_LINEAR && follow(g, index, &layer_activation, err)) return -1;
    if (config_real(layer->section, "sparsity") > 0 && layer->ops->flags & LAYER_LOSS)
        return node_refuse(node, "sparsity", err, "the penalty is of a layer before the loss: want it there");
    if (config_real(layer->section, "sparsity") > 0 && follow(g, index, &layer_sparsity, err)) return -1;
    layer->last = g->node_count - 1;
    return layer_learning(g, layer, err);
}

/* Sums, and what learns: a gradient has to reach every node that has a free parameter in it or before it. */
static void finish(struct graph *g) {
    for (int i = 0; i < g->node_count; i++) {
        struct node *node = &g->nodes[i];
        for (int j = 0; j < node->in_count; j++) {
            g->nodes[node->in[j]].consumers++;
            node->learns |= g->nodes[node->in[j]].learns;
        }
        for (int j = 0; j < node->slot_count; j++) {
            const struct slot *slot = &node->slots[j];
            if (slot->kind != SLOT_PARAM) continue;
            g->parameters += slot->count;
            g->trainable += slot->frozen ? 0 : slot->count;
            node->learns |= !slot->frozen;
        }
        g->flops += node->flops;
    }
    g->output = g->node_count - 1;
    while (g->nodes[g->output].ops->flags & LAYER_BARE && g->output > 0) {
        g->classes = g->classes ? g->classes : g->nodes[g->output].classes;      /* scores that a hinge or cross-entropy compares */
        g->output = g->nodes[g->output].in[0];
    }
    g->classes = g->classes ? g->classes : g->nodes[g->output].classes;
    g->gives_probabilities = g->classes > 0 && g->nodes[g->output].ops == &layer_softmax;
}

/* A penalty on what no loss reads would be counted, and nothing learn from it. */
static int check_penalties(const struct graph *g, struct err *err) {
    int *leads = mem_need((size_t)g->node_count, sizeof *leads), bad = 0;
    for (int i = g->node_count - 1; i >= 0; i--) {
        const struct node *node = &g->nodes[i];
        leads[i] |= layer_has_loss(node);
        if (node->ops == &layer_sparsity && !leads[i] && layer_losses(g))
            bad = node_refuse(node, "sparsity", err, "no loss reads this layer: want it in one that leads to the loss");
        for (int j = 0; j < node->in_count; j++) leads[node->in[j]] |= leads[i];
    }
    free(leads);
    return bad;
}

/* Losses are a sample's and a step's, and all are of the same labels or target values: those of the output. */
static int check_losses(const struct graph *g, struct err *err) {
    struct shape output = g->nodes[g->output].out;
    int bad = 0;
    for (int i = 0; i < g->node_count; i++) {
        const struct node *node = &g->nodes[i];
        int loss = layer_has_loss(node), penalty = node->ops == &layer_sparsity;
        if ((loss || penalty) && node->out.t != output.t)
            bad = node_refuse(node, penalty ? "sparsity" : NULL, err, "its loss is of %d steps a sample, but the network answers at %d: want as many", node->out.t, output.t);
        else if (loss && shape_step(node->out) != shape_step(output))
            bad = node_refuse(node, NULL, err, "its loss is of %zu values, but the network's output has %zu, and labels and targets are as many: want a layer of that width before it",
                shape_step(node->out), shape_step(output));
    }
    return bad;
}

/* Whether states are carried: as [net] says, else where it makes sense. */
static int read_carry(struct graph *g, struct err *err) {
    const struct node *forward = NULL, *both = NULL;
    for (int i = 0; i < g->node_count; i++) {
        forward = g->nodes[i].time == TIME_FORWARD ? &g->nodes[i] : forward;
        both = g->nodes[i].time == TIME_BOTH ? &g->nodes[i] : both;
    }
    const struct source_ops *source = g->data && config_choice(g->data, "source") >= 0 ? source_list[config_choice(g->data, "source")] : NULL;
    int can = forward && !both && g->nodes[g->output].out.t == g->input.t;
    if (!config_given(g->net, "carry_state")) {
        g->carries = can && source && (source->flags & SOURCE_STREAMS) && config_int(g->net, "subdivisions") == 1;
        return 0;
    }
    g->carries = config_bool(g->net, "carry_state");
    if (g->carries && both)
        return node_refuse(both, "bidirectional", err, "reads a sequence from its end too: no state can be carried on, but [net] carry_state=1");
    if (g->carries && source && !(source->flags & SOURCE_STREAMS))
        return config_refuse(g->net, "net", "carry_state", err, "samples of source=%s do not go on where others end: want 0", source->name);
    if (g->carries && !can) return config_refuse(g->net, "net", "carry_state", err, "want a recurrent layer, and an answer at each step");
    if (g->carries && config_int(g->net, "subdivisions") > 1)
        return config_refuse(g->net, "net", "subdivisions", err, "parts of a batch would carry the state of one another on: want 1 with carry_state=1");
    return 0;
}

int graph_build(struct graph *graph, struct config *config, struct err *err) {
    *graph = (struct graph){.config = config};
    graph->layers = mem_need(config->count + 1, sizeof *graph->layers);
    graph->nodes = mem_need(4 * config->count + 2, sizeof *graph->nodes);
    int bad = check_sections(graph, err);
    if (bad || name_layers(graph, err) || read_input(graph, err)) return -1;
    if (shape_node(add_node(graph, -1, &layer_input, NULL, 0), err)) return -1;
    for (int i = 0; i < graph->layer_count; i++)
        if (add_layer(graph, i, err)) return -1;
    finish(graph);
    return check_losses(graph, err) || check_penalties(graph, err) || read_carry(graph, err) ? -1 : 0;
}

int graph_reads_symbols(const struct graph *graph) {
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].symbols) return 1;
    return 0;
}

void graph_free(struct graph *graph) {
    for (int i = 0; i < graph->node_count; i++) {
        for (int j = 0; j < graph->nodes[i].slot_count; j++) free(graph->nodes[i].slots[j].init.values);
        free(graph->nodes[i].in);
        free(graph->nodes[i].own);
    }
    for (int i = 0; i < graph->layer_count; i++) {
        free(graph->layers[i].name);
        free(graph->layers[i].tables);
    }
    free(graph->nodes);
    free(graph->layers);
    *graph = (struct graph){0};
}
