/* Takes what a checkpoint holds into a plan and an optimizer (checkpoint.h). */
#include "checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint_parts.h"

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
    return strncmp(name, CHECKPOINT_OPTIMIZER, sizeof CHECKPOINT_OPTIMIZER - 1) == 0 ||
           strncmp(name, CHECKPOINT_CARRIED, sizeof CHECKPOINT_CARRIED - 1) == 0;
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
    snprintf(of, sizeof of, "%s%s.%s", CHECKPOINT_OPTIMIZER, state, name);
    struct value to = o->plan->values[i];
    to.data = data;
    return value_fill(o->plan, &to, of, tensor_file_find(file, of), path, 0, err) < 0 ? -1 : 0;
}

/* With an average of the weights, the tensors are the averages; the weights that the updates go on from lie beside them. */
static int raw_fill(const struct optimizer *o, int i, const struct tensor_file *file, const char *path, struct err *err) {
    char name[NAME], of[2 * NAME];
    const struct value *v = &o->plan->values[i];
    value_name(o->plan, i, name, sizeof name);
    snprintf(of, sizeof of, "%s%s", CHECKPOINT_RAW, name);
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
