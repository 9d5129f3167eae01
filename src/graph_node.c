/* What layers' shape() and everybody who names things in a graph call: shapes, slots, references. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "graph.h"
#include "layers/layer.h"

size_t shape_step(struct shape s) { return (size_t)s.c * (size_t)s.h * (size_t)s.w; }

size_t shape_count(struct shape s) {
    double count = (double)s.t * s.c * s.h * s.w;
    return s.t < 1 || s.c < 1 || s.h < 1 || s.w < 1 || count > 2147483647.0 ? 0 : (size_t)count;
}

int shape_same(struct shape a, struct shape b) { return a.t == b.t && a.c == b.c && a.h == b.h && a.w == b.w; }

const char *shape_text(struct shape s, char buffer[48]) {
    int n = s.h == 1 && s.w == 1 ? snprintf(buffer, 48, "%d", s.c) : snprintf(buffer, 48, "%dx%dx%d", s.c, s.h, s.w);
    if (s.t > 1 && n > 0 && n < 48) snprintf(buffer + n, 48 - (size_t)n, " (%d steps)", s.t);
    return buffer;
}

struct shape node_input(const struct node *node, int i) { return node->graph->nodes[node->in[i]].out; }

static double given_or_not(const struct section *s, const char *key) { return config_given(s, key) ? config_real(s, key) : -1; }
int slot_is_bias(const char *suffix) { return !strncmp(suffix, "bias", 4) || !strcmp(suffix, "beta"); }

struct slot *node_slot(struct node *node, enum slot_kind kind, const char *suffix, struct init init, size_t fan_in, size_t fan_out, const int *dims) {
    struct slot *slot = &node->slots[node->slot_count++];
    *slot = (struct slot){.suffix = suffix, .kind = kind, .init = init, .fan_in = fan_in, .fan_out = fan_out, .count = 1};
    for (; dims[slot->ndim]; slot->ndim++) {
        slot->dims[slot->ndim] = dims[slot->ndim];
        slot->count *= (size_t)dims[slot->ndim];
    }
    slot->rate = config_real(node->section, "learning_rate");
    slot->frozen = config_bool(node->section, "freeze") || (config_bool(node->section, "freeze_weights") && !slot_is_bias(suffix));
    slot->epochs = slot_is_bias(suffix) ? (int)config_int(node->section, "bias_epochs") : 0;
    slot->decays = slot->ndim > 1;
    slot->decay = given_or_not(node->section, "decay");
    slot->l1 = given_or_not(node->section, "l1");
    slot->max_norm = given_or_not(node->section, "max_norm");
    slot->unit_blocks = slot->unit_outer = 1;
    slot->units = (size_t)slot->dims[0];
    return slot;
}

int node_init(const struct node *node, struct init *init, struct err *err) {
    const struct section *s = node->section;
    int kind = config_choice(s, "init"), bad = 0;
    if (kind >= 0) *init = (struct init){.kind = (enum init_kind)kind, .a = config_real(s, "init_gain")};
    int uniform = kind == INIT_UNIFORM, normal = kind == INIT_NORMAL;
    int gains = init->kind != INIT_UNIFORM && init->kind != INIT_NORMAL && init->kind != INIT_ZERO && init->kind != INIT_ONE;
    const struct { const char *key; int read; const char *wanted; } keys[] = {
        {"init_min", uniform, "it is for init=uniform"}, {"init_max", uniform, "it is for init=uniform"},
        {"init_mean", normal, "it is for init=normal"}, {"init_std", normal, "it is for init=normal"},
        {"init_gain", gains, "it multiplies what he..., glorot..., darknet, dirac, orthogonal and pytorch draw"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (config_given(s, keys[i].key) && !keys[i].read) bad |= node_useless(node, keys[i].key, err, keys[i].wanted);
    init->dirac = config_bool(s, "init_dirac");
    if (uniform || normal) {
        init->a = config_real(s, uniform ? "init_min" : "init_mean");
        init->b = config_real(s, uniform ? "init_max" : "init_std");
    } else if (gains) init->a = config_real(s, "init_gain");
    return bad;
}

int node_refuse(const struct node *node, const char *key, struct err *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char sentence[1024];
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    const char *type = node->layer < 0 ? "net" : node->graph->layers[node->layer].type;
    return config_refuse(node->section, type, key, err, "%s", sentence);
}

int node_useless(const struct node *node, const char *key, struct err *err, const char *why) {
    return node->graph->config->stored ? 0 : node_refuse(node, key, err, "is of no use here: %s", why);
}

int graph_find_layer(const struct graph *graph, const char *reference, struct err *err) {
    const char **names = mem_need((size_t)graph->layer_count + 1, sizeof *names);
    int found = -1;
    for (int i = 0; i < graph->layer_count && graph->layers[i].name; i++) {
        names[i] = graph->layers[i].name;
        if (!strcmp(names[i], reference)) found = i;
    }
    long index;
    if (found < 0 && !number_int(reference, -graph->layer_count, graph->layer_count - 1, &index)) found = (int)(index < 0 ? index + graph->layer_count : index);
    if (found < 0) {
        const char *near = err_nearest(reference, names);
        if (near) err_add(err, STATUS_REFUSED, "there is no layer \"%s\"; did you mean \"%s\"?", reference, near);
        else err_add(err, STATUS_REFUSED, "there is no layer \"%s\": want a name or 0..%d", reference, graph->layer_count - 1);
    }
    free(names);
    return found;
}

int graph_starts_by_chance(const struct graph *graph) {
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].slot_count; j++) {
            enum init_kind kind = graph->nodes[i].slots[j].init.kind;
            if (kind != INIT_ZERO && kind != INIT_ONE && kind != INIT_DIRAC && kind != INIT_VALUES) return 1;
        }
    return 0;
}

const char *graph_slot_name(const struct graph *graph, const struct node *node, const struct slot *slot, char *buffer, size_t size) {
    snprintf(buffer, size, "%s.%s", graph->layers[node->layer].name, slot->suffix);
    return buffer;
}
