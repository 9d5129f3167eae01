/* The keys of keys_common that say how parameters learn: refused in a layer that has none of the kind they are about. */
#include "layers/layer.h"

#include <string.h>

struct parameters { int any, weights, biases, decaying; };

static struct parameters parameters_of(const struct graph *g, const struct layer *layer) {
    struct parameters found = {0, 0, 0, 0};
    for (int i = layer->first; i <= layer->last; i++) {
        for (int j = 0; j < g->nodes[i].slot_count; j++) {
            const struct slot *slot = &g->nodes[i].slots[j];
            if (slot->kind == SLOT_PARAM) {
                int bias = slot_is_bias(slot->suffix);
                found.any = 1;
                found.biases |= bias;
                found.weights |= !bias;
                found.decaying |= slot->decays;
            }
        }
    }
    return found;
}

/* Given, and not as it would be anyway. */
static int asks(const struct section *s, const char *key) {
    if (!config_given(s, key)) {
        return 0;
    }
    if (strcmp(key, "bias_epochs") == 0) {
        return config_int(s, key) != 0;
    }
    return strcmp(key, "freeze_weights") == 0 ? config_bool(s, key) : config_real(s, key) != (strcmp(key, "learning_rate") == 0);
}

int layer_learning(const struct graph *g, const struct layer *layer, struct err *err) {
    struct parameters has = parameters_of(g, layer);
    int all = has.any && config_bool(g->net, "decay_all");
    const struct { const char *key; int heeded; const char *why; } keys[] = {
        {"learning_rate", has.any, "the layer has nothing to train"},
        {"freeze_weights", has.weights, "the layer has no weights"},
        {"bias_epochs", has.biases, "the layer has no biases"},
        {"decay", has.decaying || all, has.any ? "the layer has no weights that decay; [net] decay_all=1 is for the others" : "the layer has no weights"},
        {"l1", has.decaying || all, has.any ? "the layer has no weights that it is for; [net] decay_all=1 is for the others" : "the layer has no weights"},
        {"max_norm", has.decaying, "the layer has no weights with units or filters"},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!keys[i].heeded && asks(layer->section, keys[i].key)) {
            result |= node_useless(&g->nodes[layer->first], keys[i].key, err, keys[i].why);
        }
    }
    return result;
}
