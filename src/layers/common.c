/* What layers share: the tables of keys that several carry, the list of all types, references, sizes. */
#include "layers/layer.h"

#include <string.h>
#include "base/number.h"

const char activation_choices[] = "linear|relu|leaky|elu|selu|gelu|gelu_tanh|silu=swish|mish|logistic=sigmoid|tanh|"
                                  "hardtanh=hardtan|softplus|abs|heaviside|sign|relu6|loggy|relie|"
                                  "plse|lhtan|ramp|stair|hard_mish";

const struct key keys_common[] = {
    {"name", KEY_TEXT, NULL, 0, 0, NULL, NULL,
     "What the layer is called in messages, tensor names and references; default: its type and number."},
    {"input", KEY_TEXT, NULL, 0, 0, NULL, NULL,
     "The layer it reads: a name, an index or a negative number of layers back; default: the one before."},
    {"learning_rate", KEY_REAL, "1", 0, 1e6, NULL, NULL, "Multiplies the learning rate for this layer."},
    {"decay", KEY_REAL, NULL, 0, 1e6, NULL, "weight_decay", "Weight decay of this layer, in place of [net]'s."},
    {"l1", KEY_REAL, NULL, 0, 1e6, NULL, NULL, "L1 penalty of this layer's weights, in place of [net]'s."},
    {"max_norm", KEY_REAL, NULL, 0, 1e6, NULL, NULL,
     "Greatest norm of each output unit's or filter's weights, in place of [net]'s; 0: any."},
    {"freeze", KEY_BOOL, "0", 0, 0, NULL, NULL, "1: training leaves this layer's parameters as they are."},
    {"freeze_weights", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: training leaves its weights (a batch norm's factors among them) as they are, but not its biases."},
    {"bias_epochs", KEY_INT, "0", 0, 1000000, NULL, NULL,
     "Its biases are trained for so many epochs and stay as they are from then on; 0: as long as the weights."},
    {"weights", KEY_TEXTS, NULL, 0, 0, NULL, NULL,
     "Values of the layer's weights, in the tensor's order: a comma list, or an .npy file."},
    {"biases", KEY_TEXTS, NULL, 0, 0, NULL, NULL, "Values of the layer's biases, likewise."},
    {"sparsity", KEY_REAL, "0", 0, 1e6, NULL, NULL,
     "In training so much times the sum of the outputs' absolute values is added to each sample's loss."},
    {"truth", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"onlyforward", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"stopbackward", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"dontsave", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"dontload", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"numload", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"dontloadscales", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"smooth", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

#define ACTIVATION_HELP "Applied to the output, element by element."
const struct key keys_activation[] = {
    {"activation", KEY_CHOICE, "linear", 0, 0, activation_choices, NULL, ACTIVATION_HELP},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};
const struct key keys_activation_logistic[] = {
    {"activation", KEY_CHOICE, "logistic", 0, 0, activation_choices, NULL,
     ACTIVATION_HELP " The default is darknet's."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

const struct key keys_batch_normalize[] = {
    {"batch_normalize", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: batch normalization of the output, before the activation."},
    {"bn_eps", KEY_REAL, "1e-5", 0, 1, NULL, NULL, "Added to the variance."},
    {"bn_momentum", KEY_REAL, "0.1", 0, 1, NULL, NULL, "Weight of the newest batch in the running statistics."},
    {"bn_scale", KEY_BOOL, "1", 0, 0, NULL, NULL, BN_SCALE_HELP},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

/* The choices of init are in the order of enum init_kind. */
const struct key keys_init[] = {
    {"init", KEY_CHOICE, NULL, 0, 0,
     "zero|one|he_normal=he|he_uniform|glorot_normal=xavier_normal|glorot_uniform=glorot=xavier|darknet|uniform|normal|"
     "dirac|orthogonal|pytorch",
     NULL, "How the weights start; default: what suits the layer. pytorch: uniform within 1 / sqrt(inputs of a unit)."},
    {"init_dirac", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: the first filters, as many as a filter has channels, start by handing their channel on (init=dirac), and only "
     "the others as init= says."},
    {"init_gain", KEY_REAL, "1", 0, 1e6, NULL, NULL,
     "init=he..., glorot..., dirac, orthogonal: multiplies the weights."},
    {"init_min", KEY_REAL, "-0.05", -1e6, 1e6, NULL, NULL, "init=uniform: least."},
    {"init_max", KEY_REAL, "0.05", -1e6, 1e6, NULL, NULL, "init=uniform: greatest."},
    {"init_mean", KEY_REAL, "0", -1e6, 1e6, NULL, NULL, "init=normal: mean."},
    {"init_std", KEY_REAL, "0.01", 0, 1e6, NULL, NULL, "init=normal: standard deviation."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

const struct layer_ops *const layer_list[] = {
#define LAYER(name) &layer_##name,
#include "layers/list.h"
#undef LAYER
    NULL,
};

/* 1 where `name` is one of the words of "a|b|c". */
static int among(const char *words, const char *name) {
    size_t length = strlen(name);
    for (const char *word = words; word; word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL) {
        if (strncmp(word, name, length) == 0 && (word[length] == '|' || word[length] == '\0')) {
            return 1;
        }
    }
    return 0;
}

const struct layer_ops *layer_find(const char *name) {
    for (size_t i = 0; layer_list[i]; i++) {
        if (strcmp(layer_list[i]->name, name) == 0 ||
            (*name && layer_list[i]->aliases && among(layer_list[i]->aliases, name))) {
            return layer_list[i];
        }
    }
    return NULL;
}

const char *layer_type(const char *section) {
    const struct layer_ops *ops = layer_find(section);
    return ops != NULL ? ops->name : NULL;
}

/* Layer `place`'s last node; -1 is the network's input. */
static int last_node(const struct graph *graph, long place) {
    return place < 0 ? 0 : graph->layers[place].last;
}

/* graph_find_layer knows no file and line: its sentence becomes a refusal that does. */
static long find_layer(const struct node *node, const char *key, const char *text, struct err *err) {
    struct err local = {0};
    int place = graph_find_layer(node->graph, text, &local);
    if (place < 0) {
        node_refuse(node, key, err, "%s", local.count ? local.sentences[0] : "no such layer");
    } else if (place >= node->layer) {
        place =
            node_refuse(node, key, err, "\"%s\" is this layer or a later one: only layers before it can be read", text);
    }
    err_free(&local);
    return place;
}

int layer_reference(const struct node *node, const char *key, const char *text, struct err *err) {
    long back, place;
    if (text[0] == '-' && number_int(text, -1000000, -1, &back) == 0) {
        place = node->layer + back;
        if (place < -1) {
            return node_refuse(node, key, err,
                               "%s reaches before the network's input: there are %d layers before this one", text,
                               node->layer);
        }
        return last_node(node->graph, place);
    }
    struct err unknown = {0};
    if (strcmp(text, "input") == 0 && graph_find_layer(node->graph, text, &unknown) < 0) {
        err_free(&unknown);
        return 0;
    }
    place = find_layer(node, key, text, err);
    return place < 0 ? -1 : last_node(node->graph, place);
}

int layer_default_input(const struct node *node, struct err *err) {
    const char *text = config_text(node->section, "input");
    return text ? layer_reference(node, "input", text, err) : last_node(node->graph, node->layer - 1);
}

int layer_has_loss(const struct node *node) {
    return node->ops->has_loss && node->ops->has_loss(node);
}

int layer_losses(const struct graph *graph) {
    int losses = 0;
    for (int i = 0; i < graph->node_count; i++) {
        losses += layer_has_loss(&graph->nodes[i]);
    }
    return losses;
}

void layer_put_real(const struct kernels *kernels, void *reals, size_t i, double value) {
    if (kernels->dtype == DTYPE_F64) {
        ((double *)reals)[i] = value;
    } else {
        ((float *)reals)[i] = (float)value;
    }
}

size_t layer_reals(const struct kernels *kernels, size_t n) {
    return n * (kernels->dtype == DTYPE_F64 ? sizeof(double) : sizeof(float));
}

size_t layer_elems(const struct kernels *kernels, size_t n) {
    return n * dtype_size(kernels->dtype);
}
