/* Values that a section gives its layer: weights= and biases=, a comma list in the tensor's order or an .npy file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/npy.h"
#include "layers/layer.h"

/* The slot of the layer's main node that the key means: a batch norm's gamma and beta count as weights and biases. */
static struct slot *find_slot(struct node *node, int biases) {
    static const char *const names[][2] = {{"weight", "gamma"}, {"bias", "beta"}};
    for (int i = 0; i < node->slot_count; i++) {
        const char *suffix = node->slots[i].suffix;
        if (strcmp(suffix, names[biases][0]) == 0 || strcmp(suffix, names[biases][1]) == 0) {
            return &node->slots[i];
        }
    }
    return NULL;
}

static int check_count(const struct node *node, const char *key, const struct slot *slot, size_t found,
                       struct err *err) {
    struct text shape = {0};
    if (found == slot->count) {
        return 0;
    }
    for (int i = 0; i < slot->ndim; i++) {
        text_add(&shape, "%s%d", i > 0 ? "x" : "", slot->dims[i]);
    }
    node_refuse(node, key, err, "want %zu numbers (%s), found %zu", slot->count, shape.text, found);
    text_free(&shape);
    return -1;
}

/* Finite in float32 too. */
static int check_finite(const struct node *node, const char *key, const float *values, size_t count, struct err *err) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return node_refuse(node, key, err, "number %zu is not a finite float32", i + 1);
        }
    }
    return 0;
}

static int read_list(const struct node *node, const char *key, struct slot *slot, struct err *err) {
    size_t count = config_length(node->section, key);
    if (check_count(node, key, slot, count, err) < 0) {
        return -1;
    }
    slot->init.values = mem_need(count, sizeof *slot->init.values);
    for (size_t i = 0; i < count; i++) {
        char *text = config_item_text(node->section, key, i);
        double number;
        int bad = number_real(text, &number) != 0;
        if (bad) {
            node_refuse(node, key, err, "item %zu: want a number, found \"%s\"", i + 1, text);
        }
        free(text);
        if (bad) {
            return -1;
        }
        slot->init.values[i] = (float)number;
    }
    return check_finite(node, key, slot->init.values, count, err);
}

static int read_array(const struct node *node, const char *key, const char *path, struct slot *slot, struct err *err) {
    struct npy array = {0};
    struct err why = {0};
    char *found = file_find_data(path);
    int bad = 0;
    if (found == NULL) {
        bad = node_refuse(node, key, err, "\"%s\" is not there", path);
    } else if (npy_read(found, &array, &why) != 0) {
        bad = node_refuse(node, key, err, "%s", why.count > 0 ? why.sentences[0] : "the file can't be read");
    } else if (check_count(node, key, slot, array.count, err) < 0) {
        bad = -1;
    } else {
        slot->init.values = array.data;
        array.data = NULL;
        bad = check_finite(node, key, slot->init.values, slot->count, err);
    }
    free(found);
    npy_free(&array);
    err_free(&why);
    return bad;
}

static int is_path(const char *text) {
    size_t length = strlen(text);
    return length > 4 && strcmp(text + length - 4, ".npy") == 0;
}

static int give(struct node *node, const char *key, int biases, struct err *err) {
    const char *text = config_text(node->section, key);
    struct slot *slot = find_slot(node, biases);
    if (text == NULL) {
        return 0;
    }
    if (slot == NULL) {
        return node_refuse(node, key, err, "this layer has no %s", key);
    }
    if (is_path(text) && node->graph->config->stored) {   /* the tensors are there: the file need not be any more */
        return 0;
    }
    slot->init = (struct init){.kind = INIT_VALUES};
    return is_path(text) ? read_array(node, key, text, slot, err) : read_list(node, key, slot, err);
}

int layer_given(struct node *node, struct err *err) {
    int weights = give(node, "weights", 0, err);
    return give(node, "biases", 1, err) < 0 ? -1 : weights;
}
