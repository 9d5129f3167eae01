/* Opens what a command was given, a checkpoint or a config, into one struct (model.h). */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "layers/layer.h"
#include "quantize.h"
#include "sources/source.h"

static int take_file(struct model *model, const char *path, struct err *err) {
    tensor_file_free(&model->file);
    free(model->file_path);
    model->file_path = mem_copy(path);
    if (format_read(path, &model->file, err) != 0 || checkpoint_verify(&model->file, path, err) != 0) {
        return -1;
    }
    model->has_file = 1;
    return 0;
}

/* The names in the checkpoint's metadata: a flat list of texts. */
static int classes_read(struct model *model, struct err *err) {
    const char *text = tensor_file_text(&model->file, "dlcli.classes");
    if (text == NULL) {
        return 0;
    }
    cJSON *list = json_parse(model->path, text, strlen(text), err);
    int bad = list == NULL ? -1 : 0, count = cJSON_GetArraySize(list);
    for (const cJSON *item = list == NULL ? NULL : list->child; item != NULL; item = item->next) {
        bad |= !cJSON_IsString(item);
    }
    if (list != NULL && (bad != 0 || !cJSON_IsArray(list))) {
        bad = err_add(err, STATUS_REFUSED, "%s: dlcli.classes is no list of names", model->path);
    }
    if (bad == 0) {
        model->classes = mem_need((size_t)count + 1, sizeof *model->classes);
        for (const cJSON *item = list->child; item != NULL; item = item->next) {
            model->classes[model->class_count++] = mem_copy(item->valuestring);
        }
    }
    cJSON_Delete(list);
    return bad != 0 ? -1 : 0;
}

static int checkpoint_open(struct model *model, struct err *err) {
    if (take_file(model, model->path, err) != 0) {
        return -1;
    }
    const char *config = tensor_file_text(&model->file, "dlcli.config");
    if (config == NULL) {
        return err_add(err, STATUS_REFUSED, "%s: holds tensors but no network: give a config with -w %s, or make a "
                       "model of it with `dlcli import`", model->path, model->path);
    }
    model->is_checkpoint = 1;
    int bad = config_parse(&model->config, model->path, config, strlen(config), err);
    model->config.stored = 1;
    return bad != 0 ? -1 : classes_read(model, err);
}

/* A config's class names, where they are to be had without opening the data. A file of names that isn't here: said once there are weights
 * (then the names matter), else no error yet: the commands that read data refuse it. */
static void classes_find(struct model *model, int tell, struct err *err) {
    struct err none = {0};
    char **names = NULL;
    int count = 0;
    if (model->graph.data != NULL && data_classes(model->graph.data, &names, &count, &none) == 0 && names != NULL) {
        model_set_classes(model, names, count);
        names_free(names, count);
    }
    if (tell && none.count > 0) {
        err_warn(err, "%s; classes go by their numbers", none.sentences[0]);
    }
    err_free(&none);
}

/* own: the names came with the checkpoint; else from classes= of [data]. */
static int classes_check(const struct model *model, int own, struct err *err) {
    int outputs = model->graph.classes;
    if (model->classes == NULL || outputs == 0 || model->class_count == outputs) {
        return 0;
    }
    if (!own) {
        return config_refuse(model->graph.data, "data", "classes", err, "%d classes, but the network has %d outputs",
                             model->class_count, outputs);
    }
    return err_add(err, STATUS_REFUSED, "%s: names %d classes, but the network has %d outputs", model->path,
                   model->class_count, outputs);
}

static int source_open(struct model *model, struct err *err) {
    return format_find(model->path) != NULL ? checkpoint_open(model, err)
                                            : config_read(&model->config, model->path, err);
}

int model_open(struct model *model, const char *path, const struct model_options *options, struct err *err) {
    *model = (struct model){.path = mem_copy(path), .partial = options->partial};
    if (source_open(model, err) != 0) {
        return -1;
    }
    int bad = 0;
    for (size_t i = 0; i < options->set_count; i++) {
        bad |= config_set(&model->config, options->sets[i], layer_type, err);
    }
    if (bad != 0 || graph_build(&model->graph, &model->config, err) != 0) {
        return -1;
    }
    if (options->weights != NULL && take_file(model, options->weights, err) != 0) {
        return -1;
    }
    if (model->classes != NULL && model->graph.data != NULL && config_is_set(model->graph.data, "classes")) {
        model_set_classes(model, NULL, 0);
    }
    int own = model->classes != NULL;
    if (!own) {
        classes_find(model, options->weights != NULL, err);
    }
    return classes_check(model, own, err);
}

int model_plan(struct model *model, const struct plan_options *options, uint64_t seed, struct err *err) {
    struct plan_options first = *options;
    first.batch = options->quantize == QUANTIZE_NOT ? options->batch : QUANTIZE_BATCH;
    if (plan_make(&model->plan, &model->graph, &first, err) != 0) {
        return -1;
    }
    model->planned = 1;
    if (!model->has_file || model->partial) {
        plan_init(&model->plan, seed);
    }
    if (model->has_file &&
        checkpoint_fill(&model->plan, &model->file, model->file_path, model->partial, err) != 0) {
        return -1;
    }
    tensor_file_free(&model->file);
    model->has_file = 0;
    struct exec exec = model_exec(model, NULL);
    run_pack(&model->plan, &exec);
    return options->quantize == QUANTIZE_NOT ? 0 : quantize_model(model, options, seed, err);
}

void model_set_classes(struct model *model, char *const *classes, int count) {
    char **copy = count > 0 ? mem_need((size_t)count, sizeof *copy) : NULL;
    for (int i = 0; i < count; i++) {
        copy[i] = mem_copy(classes[i]);
    }
    for (int i = 0; i < model->class_count; i++) {
        free(model->classes[i]);
    }
    free(model->classes);
    model->classes = copy;
    model->class_count = count;
}

int model_agrees(const struct model *model, const struct model *first, struct err *err) {
    const struct graph *a = &model->graph, *b = &first->graph;
    if (a->classes != b->classes || !shape_same(a->nodes[a->output].out, b->nodes[b->output].out)) {
        return err_add(err, STATUS_REFUSED, "%s: has not the outputs that %s has: they are no ensemble", model->path, first->path);
    }
    if (a->gives_probabilities != b->gives_probabilities) {
        return err_add(err, STATUS_REFUSED, "%s: gives %s, but %s %s: they are no ensemble", model->path,
                       a->gives_probabilities ? "probabilities" : "scores", first->path, b->gives_probabilities ? "probabilities" : "scores");
    }
    for (int i = 0; model->classes != NULL && first->classes != NULL && i < model->class_count && i < first->class_count; i++) {
        if (strcmp(model->classes[i], first->classes[i]) != 0) {
            return err_add(err, STATUS_REFUSED, "%s: its class %d is \"%s\", that of %s \"%s\": they are no ensemble", model->path, i,
                           model->classes[i], first->path, first->classes[i]);
        }
    }
    return 0;
}

void model_close(struct model *model) {
    for (int i = 0; i < model->class_count; i++) {
        free(model->classes[i]);
    }
    free(model->classes);
    if (model->planned) {
        plan_free(&model->plan);
    }
    graph_free(&model->graph);
    config_free(&model->config);
    tensor_file_free(&model->file);
    free(model->file_path);
    free(model->path);
    *model = (struct model){0};
}

struct exec model_exec(const struct model *model, struct threads *threads) {
    return (struct exec){
        .kernels = model->plan.target.kernels,
        .threads = threads,
        .batch = model->plan.target.batch,
        .loss_scale = 1,
    };
}
