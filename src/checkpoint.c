/* Writes checkpoints, and tells altered ones (checkpoint.h); checkpoint_read.c takes them in. Tensors go from
 * the plan's memory to the file without a copy. */
#include "checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "checkpoint_parts.h"

/* ---- checksum ---- */

/* Every step maps h one to one for a given word, so that no change of a single word goes unseen. */
static uint64_t hash_word(uint64_t h, uint64_t word) {
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t size) {
    const char *at = bytes;
    uint64_t word = 0;
    h = hash_word(h, size);
    for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = hash_word(h, word);
    }
    word = 0;
    if (size > 0) {
        memcpy(&word, at, size);
    }
    return hash_word(h, word);
}

static uint64_t hash_tensor(const struct named *tensor) {
    uint64_t h = hash_bytes(1, tensor->name, strlen(tensor->name));
    for (int d = 0; d < tensor->ndim; d++) {
        h = hash_word(h, tensor->dims[d]);
    }
    return hash_bytes(h, tensor->data, tensor->count * sizeof *tensor->data);
}

/* Text as it comes back from JSON: bytes that are no UTF-8 return as characters. malloc'ed. */
static char *text_as_read(const char *text) {
    struct json j = {0};
    struct err none = {0};
    json_text(&j, NULL, text);
    cJSON *value = json_parse("", j.out.text, j.out.length, &none);
    char *read = mem_copy(value != NULL ? value->valuestring : "");
    cJSON_Delete(value);
    text_free(&j.out);
    err_free(&none);
    return read;
}

/* A sum, so that the order of tensors in a file doesn't matter. 16 hexadecimal digits into `digits`. */
static void checksum(const struct tensor_file *file, char digits[17]) {
    uint64_t sum = 0;
    for (size_t i = 0; i < file->count; i++) {
        sum += hash_tensor(&file->tensors[i]);
    }
    for (size_t i = 0; i < file->texts_count; i++) {
        if (strcmp(file->keys[i], "dlcli.checksum") != 0) {
            char *text = text_as_read(file->texts[i]);
            sum += hash_bytes(hash_bytes(2, file->keys[i], strlen(file->keys[i])), text, strlen(text));
            free(text);
        }
    }
    snprintf(digits, 17, "%016" PRIx64, sum);
}

int checkpoint_verify(const struct tensor_file *file, const char *path, struct err *err) {
    const char *stored = tensor_file_text(file, "dlcli.checksum");
    char found[17];
    if (stored == NULL && tensor_file_text(file, "dlcli.config") == NULL) {
        return 0;   /* somebody else's file */
    }
    if (stored == NULL) {
        return err_add(err, STATUS_REFUSED, "%s: was altered: a checkpoint of dlcli has a checksum", path);
    }
    checksum(file, found);
    if (strcmp(stored, found) != 0) {
        return err_add(err, STATUS_REFUSED, "%s: was altered or damaged: its checksum is %s, but it says %s", path,
                       found, stored);
    }
    return 0;
}

/* ---- writing ---- */

/* Adds a tensor of the plan's reals: as it lies where that is float32, else converted. */
static void add_reals(struct tensor_file *file, const struct plan *plan, const struct value *v, const char *name,
                      void *data) {
    size_t dims[4];
    for (int d = 0; d < v->slot->ndim; d++) {
        dims[d] = (size_t)v->slot->dims[d];
    }
    if (plan->target.kernels->dtype != DTYPE_F64) {
        tensor_file_borrow(file, name, v->slot->ndim, dims, data);
        return;
    }
    struct value of = *v;
    of.data = data;
    float *copy = mem_need(v->slot->count, sizeof *copy);
    value_get(plan, &of, copy);
    tensor_file_take(file, name, v->slot->ndim, dims, copy);
}

static void add_tensors(struct tensor_file *file, const struct plan *plan, const struct optimizer *optimizer) {
    char name[NAME], of[2 * NAME];
    for (int i = 0; i < plan->value_count; i++) {
        const struct value *v = &plan->values[i];
        add_reals(file, plan, v, value_name(plan, i, name, sizeof name), v->data);
        for (int s = 0; optimizer != NULL && s < optimizer->ops->states && v->grad != NULL; s++) {
            snprintf(of, sizeof of, "%s%s.%s", CHECKPOINT_OPTIMIZER, optimizer->ops->state_names[s], name);
            add_reals(file, plan, v, of, optimizer->state[s][i]);
        }
        if (optimizer != NULL && optimizer->lookahead != NULL && optimizer->lookahead->slow[i] != NULL) {
            snprintf(of, sizeof of, "%slookahead.%s", CHECKPOINT_OPTIMIZER, name);
            add_reals(file, plan, v, of, optimizer->lookahead->slow[i]);
        }
        if (optimizer != NULL && optimizer->average != NULL && v->grad != NULL) {   /* swapped: the tensors are the averages */
            snprintf(of, sizeof of, "%s%s", CHECKPOINT_RAW, name);
            add_reals(file, plan, v, of, optimizer->average[i]);
        }
    }
}

/* What recurrent layers carry from one window of a text to the next: part of where training stands. */
static void add_carried(struct tensor_file *file, const struct plan *plan) {
    struct carried state;
    int count = plan->graph->carries ? plan_carried(plan, 0, &state) : 0;
    for (int i = 0; i < count; i++) {
        plan_carried(plan, i, &state);
        size_t dims[] = {state.rows, state.width}, n = state.rows * state.width;
        if (plan->target.kernels->dtype != DTYPE_F64) {
            tensor_file_borrow(file, state.name, 2, dims, state.data);
            continue;
        }
        float *copy = mem_need(n, sizeof *copy);
        for (size_t j = 0; j < n; j++) {
            copy[j] = (float)((const double *)state.data)[j];
        }
        tensor_file_take(file, state.name, 2, dims, copy);
    }
}

static char *classes_text(char *const *classes, int count) {
    struct json j = {0};
    json_open(&j, NULL, '[');
    for (int i = 0; i < count; i++) {
        json_text(&j, NULL, classes[i]);
    }
    json_close(&j, ']');
    return j.out.text;
}

/* Takes `text` over. */
static void put(struct tensor_file *file, const char *key, char *text) {
    tensor_file_put(file, key, text);
    free(text);
}

int checkpoint_write(const char *path, const struct config *config, char *const *classes, int class_count,
                     const struct plan *plan, const struct optimizer *optimizer, const struct progress_state *state,
                     struct err *err) {
    struct tensor_file file = {0};
    char digits[17];
    tensor_file_put(&file, "format", "pt");
    tensor_file_put(&file, "dlcli.version", DLCLI_VERSION);
    put(&file, "dlcli.config", config_to_ini(config));
    if (classes != NULL) {
        put(&file, "dlcli.classes", classes_text(classes, class_count));
    }
    if (state != NULL) {
        put(&file, "dlcli.training", progress_state_text(state));
    }
    add_tensors(&file, plan, optimizer);
    if (optimizer != NULL) {
        add_carried(&file, plan);
    }
    checksum(&file, digits);
    tensor_file_put(&file, "dlcli.checksum", digits);
    int result = format_safetensors.write(path, &file, err);
    tensor_file_free(&file);
    return result;
}

static int put_in(struct tensor_file *file, const char *path, size_t section, const char *key, const char *value, struct err *err) {
    const char *text = tensor_file_text(file, "dlcli.config");
    struct config config = {0};
    char digits[17];
    int bad = text == NULL || config_parse(&config, path, text, strlen(text), err) != 0 || section >= config.count;
    if (bad) {
        config_free(&config);
        return err_add(err, STATUS_REFUSED, "%s: has no config that could be changed", path);
    }
    config_put(&config.sections[section], key, value);
    struct graph graph;
    config.stored = 1;
    bad = graph_build(&graph, &config, err);   /* what can't be opened again is not written */
    graph_free(&graph);
    if (bad) {
        config_free(&config);
        return -1;
    }
    char *ini = config_to_ini(&config);
    tensor_file_replace(file, "dlcli.config", ini);
    checksum(file, digits);
    tensor_file_replace(file, "dlcli.checksum", digits);
    free(ini);
    config_free(&config);
    return format_safetensors.write(path, file, err);
}

int checkpoint_put(const char *path, size_t section, const char *key, const char *value, struct err *err) {
    struct tensor_file file = {0};
    int bad = format_read(path, &file, err) != 0 || checkpoint_verify(&file, path, err) != 0 || put_in(&file, path, section, key, value, err) != 0;
    tensor_file_free(&file);
    return bad ? -1 : 0;
}
