/* Writes and reads checkpoints (checkpoint.h). Tensors go from the plan's memory to the file without a copy. */
#include "checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { NAME = 1024 };                         /* of a tensor; layer names come from configs and are cut far below */
static const char OPTIMIZER[] = "optimizer.", RAW[] = "optimizer.raw.", CARRIED[] = "state.";

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
            snprintf(of, sizeof of, "%s%s.%s", OPTIMIZER, optimizer->ops->state_names[s], name);
            add_reals(file, plan, v, of, optimizer->state[s][i]);
        }
        if (optimizer != NULL && optimizer->lookahead != NULL && optimizer->lookahead->slow[i] != NULL) {
            snprintf(of, sizeof of, "%slookahead.%s", OPTIMIZER, name);
            add_reals(file, plan, v, of, optimizer->lookahead->slow[i]);
        }
        if (optimizer != NULL && optimizer->average != NULL && v->grad != NULL) {   /* swapped: the tensors are the averages */
            snprintf(of, sizeof of, "%s%s", RAW, name);
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

/* ---- reading ---- */

static int same_shape(const struct named *tensor, const struct slot *slot) {
    int same = tensor->ndim == slot->ndim;
    for (int d = 0; same && d < slot->ndim; d++) {
        same = tensor->dims[d] == (size_t)slot->dims[d];
    }
    return same;
}

static void add_shape(struct text *text, int ndim, const size_t *dims) {
    text_add_n(text, "(", 1);
    for (int d = 0; d < ndim; d++) {
        text_add(text, d == 0 ? "%zu" : ", %zu", dims[d]);
    }
    text_add_n(text, ")", 1);
}

/* "is (6, 1, 5, 5) where the network has (6, 3, 5, 5)", malloc'ed. */
static char *shapes_text(const struct named *tensor, const struct slot *slot) {
    struct text text = {0};
    size_t dims[4];
    for (int d = 0; d < slot->ndim; d++) {
        dims[d] = (size_t)slot->dims[d];
    }
    text_add(&text, "is ");
    add_shape(&text, tensor->ndim, tensor->dims);
    text_add(&text, " where the network has ");
    add_shape(&text, slot->ndim, dims);
    return text.text;
}

static int all_finite(const float *data, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(data[i])) {
            return 0;
        }
    }
    return 1;
}

/* Puts one tensor where it belongs. Returns 1 where it was taken, 0 where not but partial, else -1. */
static int value_fill(const struct plan *plan, const struct value *v, const char *name, const struct named *tensor,
                      const char *path, int partial, struct err *err) {
    char *why = tensor == NULL ? mem_copy("is missing") : same_shape(tensor, v->slot) ? NULL
                                                        : shapes_text(tensor, v->slot);
    if (why == NULL && !all_finite(tensor->data, tensor->count)) {
        return err_add(err, STATUS_REFUSED, "%s: the tensor \"%s\" holds values that are not finite", path, name);
    }
    if (why == NULL) {
        value_set(plan, v, tensor->data);
        return 1;
    }
    if (partial) {
        err_warn(err, "%s: the tensor \"%s\" %s: not taken", path, name, why);
    } else {
        err_add(err, STATUS_REFUSED, "%s: the tensor \"%s\" %s", path, name, why);
    }
    free(why);
    return partial ? 0 : -1;
}

/* Of training alone: optimizer state, carried states. */
static int is_of_training(const char *name) {
    return strncmp(name, OPTIMIZER, sizeof OPTIMIZER - 1) == 0 || strncmp(name, CARRIED, sizeof CARRIED - 1) == 0;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all values, sorted. */
static char **names_make(const struct plan *plan) {
    char **names = mem_need((size_t)plan->value_count + 1, sizeof *names), name[NAME];
    for (int i = 0; i < plan->value_count; i++) {
        names[i] = mem_copy(value_name(plan, i, name, sizeof name));
    }
    qsort(names, (size_t)plan->value_count, sizeof *names, by_text);
    return names;
}

/* What the file has and the network hasn't. */
static int others_say(const struct plan *plan, const struct tensor_file *file, const char *path, int partial,
                      struct err *err) {
    int bad = 0;
    char **names = names_make(plan);
    for (size_t i = 0; i < file->count; i++) {
        char *name = file->tensors[i].name;
        if (is_of_training(name) || bsearch(&name, names, (size_t)plan->value_count, sizeof name, by_text) != NULL) {
            continue;
        }
        if (partial) {
            err_warn(err, "%s: the network has no tensor \"%s\": not taken", path, name);
        } else {
            bad = err_add(err, STATUS_REFUSED, "%s: the network has no tensor \"%s\"", path, name);
        }
    }
    for (int i = 0; i < plan->value_count; i++) {
        free(names[i]);
    }
    free(names);
    return bad;
}

int checkpoint_fill(struct plan *plan, const struct tensor_file *file, const char *path, int partial, struct err *err) {
    int bad = 0, taken = 0;
    char name[NAME];
    for (int i = 0; i < plan->value_count; i++) {
        const struct value *v = &plan->values[i];
        value_name(plan, i, name, sizeof name);
        int got = value_fill(plan, v, name, tensor_file_find(file, name), path, partial, err);
        bad |= got < 0;
        taken += got > 0;
    }
    bad |= others_say(plan, file, path, partial, err) != 0;
    if (!bad && taken == 0 && plan->value_count > 0) {
        return err_add(err, STATUS_REFUSED, "%s: none of its tensors fits the network", path);
    }
    return bad ? -1 : 0;
}

/* What the optimizer keeps beside value i under the name `state`; NULL: it keeps nothing. */
static int state_fill(const struct optimizer *o, const char *state, void *data, int i, const struct tensor_file *file,
                      const char *path, struct err *err) {
    char name[NAME], of[2 * NAME];
    if (data == NULL) {
        return 0;
    }
    value_name(o->plan, i, name, sizeof name);
    snprintf(of, sizeof of, "%s%s.%s", OPTIMIZER, state, name);
    struct value to = o->plan->values[i];
    to.data = data;
    return value_fill(o->plan, &to, of, tensor_file_find(file, of), path, 0, err) < 0 ? -1 : 0;
}

/* With an average of the weights, the tensors are the averages; the weights that the updates go on from lie beside them. */
static int raw_fill(const struct optimizer *o, int i, const struct tensor_file *file, const char *path, struct err *err) {
    char name[NAME], of[2 * NAME];
    const struct value *v = &o->plan->values[i];
    value_name(o->plan, i, name, sizeof name);
    snprintf(of, sizeof of, "%s%s", RAW, name);
    memcpy(o->average[i], v->data, v->slot->count * optimizer_real(o->plan));
    return value_fill(o->plan, v, of, tensor_file_find(file, of), path, 0, err) < 0 ? -1 : 0;
}

static int carried_fill(const struct carried *state, const struct kernels *kernels, const struct tensor_file *file, const char *path, struct err *err) {
    const struct named *tensor = tensor_file_find(file, state->name);
    size_t n = state->rows * state->width;
    if (tensor == NULL || tensor->ndim != 2 || tensor->dims[0] != state->rows || tensor->dims[1] != state->width || !all_finite(tensor->data, n)) {
        return err_add(err, STATUS_REFUSED, "%s: want a tensor \"%s\" of (%zu, %zu) finite values", path, state->name, state->rows, state->width);
    }
    for (size_t i = 0; i < n; i++) {
        if (kernels->dtype == DTYPE_F64) {
            ((double *)state->data)[i] = tensor->data[i];
        } else {
            ((float *)state->data)[i] = tensor->data[i];
        }
    }
    return 0;
}

int checkpoint_resume(struct optimizer *optimizer, struct progress_state *state, const struct tensor_file *file,
                      const char *path, struct err *err) {
    const char *text = tensor_file_text(file, "dlcli.training");
    if (text == NULL) {
        return err_add(err, STATUS_REFUSED, "%s: says nothing of a training that could go on", path);
    }
    if (progress_state_read(state, text, path, err) != 0) {
        return -1;
    }
    int bad = 0;
    for (int i = 0; i < optimizer->plan->value_count; i++) {
        for (int s = 0; s < optimizer->ops->states; s++) {
            bad |= state_fill(optimizer, optimizer->ops->state_names[s], optimizer->state[s][i], i, file, path, err);
        }
        if (optimizer->lookahead != NULL) {
            bad |= state_fill(optimizer, "lookahead", optimizer->lookahead->slow[i], i, file, path, err);
        }
    }
    for (int i = 0; optimizer->average != NULL && i < optimizer->plan->value_count; i++) {
        if (optimizer->average[i] != NULL) {
            bad |= raw_fill(optimizer, i, file, path, err);
        }
    }
    struct carried carried;
    int count = optimizer->plan->graph->carries ? plan_carried(optimizer->plan, 0, &carried) : 0;
    for (int i = 0; i < count; i++) {
        plan_carried(optimizer->plan, i, &carried);
        bad |= carried_fill(&carried, optimizer->plan->target.kernels, file, path, err);
    }
    return bad;
}
