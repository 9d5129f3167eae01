/* [data] becomes sources and the sets of samples that the splits use (source.h): finds what is meant, opens it, lets
 * classes agree, draws the validation samples, measures what is auto. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "net.h"
#include "sources/csv.h"
#include "sources/data_where.h"
#include "sources/parts.h"

/* ---- classes ---- */

static int read_classes(struct opening *o) {
    int outputs = o->graph->classes;
    if (data_classes(o->data->section, &o->names, &o->given, o->err) != 0) {
        return -1;
    }
    if (o->given > 0 && outputs > 0 && o->given != outputs) {
        return config_refuse(o->data->section, "data", "classes", o->err, "%d classes, but the network has %d outputs",
                             o->given, outputs);
    }
    o->classes = o->given > 0 ? o->given : outputs;
    return 0;
}

/* Does the source fit what is known? What it adds becomes known. */
static int agree(struct opening *o, const struct source *source) {
    const char *place = source->path != NULL ? source->path : source->ops->name;
    if (o->classes > 0 && (source->at_least ? source->classes > o->classes : source->classes != o->classes)) {
        return err_add(o->err, STATUS_REFUSED, "%s: has %s%d classes, but %s %d", place,
                       source->at_least ? "at least " : "", source->classes,
                       o->graph->classes > 0 ? "the network's outputs are" : "classes= or the training data has",
                       o->classes);
    }
    o->classes = o->classes > 0 ? o->classes : source->at_least ? 0 : source->classes;
    if (o->names == NULL && source->class_names != NULL) {
        o->names = names_copy(source->class_names, source->classes);
        o->given = source->classes;
    }
    return 0;
}

/* ---- opening ---- */

static int fill_set(struct dataset *set, struct source *source, enum split split, struct err *err) {
    *set = (struct dataset){.source = source, .split = split, .items = mem_try(source->count, sizeof *set->items)};
    if (set->items == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for %zu samples", source->path, source->count);
    }
    for (size_t i = 0; i < source->count; i++) {
        set->items[i] = (uint32_t)i;
    }
    set->count = source->count;
    return 0;
}

/* Symbols that the layer which reads the input tells apart; 0 where none reads symbols. */
static int symbol_room(const struct graph *graph) {
    for (int i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].symbols) {
            return (int)config_int(graph->nodes[i].section, "size");
        }
    }
    return 0;
}

/* Steps that the network answers at (tests give graphs that have no nodes). */
static int answers_of(const struct graph *graph) {
    return graph->node_count > 0 ? graph->nodes[graph->output].out.t : 1;
}

static int gives_back(const struct opening *o) {
    const char *target = config_text(o->data->section, "target");
    return target != NULL && strcmp(target, "input") == 0;
}

/* The vocabulary of the first texts is that of the others; target=input. */
static void take_what_it_says(struct opening *o, struct source *source) {
    if (o->data->symbols == NULL && source->symbols != NULL) {
        o->data->symbols = names_copy(source->symbols, source->symbol_count);
        o->data->symbol_count = source->symbol_count;
    }
    if (gives_back(o)) {
        source->gives_back = 1;
        source->target_count = (int)shape_count(source->want);
    }
}

static int open_source(struct opening *o, enum split split, const char *key, int whole) {
    struct source *source = &o->data->sources[split];
    const struct preprocess *p = &o->data->preprocess;
    int pathless = (o->ops->flags & SOURCE_NO_PATH) != 0;
    *source = (struct source){.ops = o->ops,
                              .section = o->data->section,
                              .whole = whole,
                              .outputs = o->graph->classes,
                              .want = {1, p->channels, p->height, p->width},
                              .steps = o->graph->input.t,
                              .answers = answers_of(o->graph),
                              .streams = net_mini_batch(o->graph->net),
                              .valid = o->valid,
                              .symbol_room = symbol_room(o->graph),
                              .symbols = names_copy(o->data->symbols, o->data->symbol_count),
                              .symbol_count = o->data->symbol_count,
                              .classes = o->given};
    source->class_names = names_copy(o->names, o->given);
    o->data->open[split] = 1;
    if (pathless) {
        source->path = o->spec_path != NULL && *o->spec_path != '\0' ? mem_copy(o->spec_path) : NULL;
    } else if ((source->path = data_find_path(o, key)) == NULL) {
        return -1;
    }
    if (o->ops->open(source, split, o->err) != 0) {
        return -1;
    }
    take_what_it_says(o, source);
    if (source->count > UINT32_MAX) {
        return err_add(o->err, STATUS_REFUSED, "%s: more than %u samples", source->path, UINT32_MAX);
    }
    if (source->count == 0) { /* the format knows of no such part here */
        return 0;
    }
    struct source *first = &o->data->sources[SPLIT_TRAIN];
    if (o->ops == &source_csv && split != SPLIT_TRAIN && o->data->open[SPLIT_TRAIN] && csv_agree(first, source, o->err) != 0) {
        return -1;
    }
    return agree(o, source) != 0 ? -1 : fill_set(&o->data->sets[split], source, split, o->err);
}

/* Takes the last samples of a shuffle out of the training set. Both sets stay in the source's order. */
static int draw_valid(struct opening *o) {
    struct dataset *train = &o->data->sets[SPLIT_TRAIN], *valid = &o->data->sets[SPLIT_VALID];
    size_t all = train->count, taken = (size_t)(o->valid < 1 ? o->valid * (double)all + 0.5 : o->valid);
    if (taken == 0 || taken >= all) {
        return config_refuse(o->data->section, "data", "valid", o->err,
                             "%zu of the %zu training samples would be for validation", taken, all);
    }
    uint8_t *is_valid = mem_try(all, 1);
    if (is_valid == NULL || fill_set(valid, train->source, SPLIT_VALID, o->err) != 0) {
        free(is_valid);
        return err_add(o->err, STATUS_FAILED, "out of memory for %zu samples", all);
    }
    struct rng rng = rng_make(o->seed, RNG_SPLIT, 0);
    rng_shuffle(&rng, train->items, all);
    for (size_t i = all - taken; i < all; i++) {
        is_valid[train->items[i]] = 1;
    }
    train->count = valid->count = 0;
    for (size_t i = 0; i < all; i++) {
        struct dataset *set = is_valid[i] ? valid : train;
        set->items[set->count++] = (uint32_t)i;
    }
    free(is_valid);
    return 0;
}

static int wanted(unsigned splits, enum split split) {
    return (splits >> split & 1) != 0;
}

static int open_train(struct opening *o) {
    if (open_source(o, SPLIT_TRAIN, o->spec_path == NULL ? "path" : NULL, 0) != 0) {
        return -1;
    }
    return o->valid > 0 && !(o->ops->flags & SOURCE_STREAMS) ? draw_valid(o) : 0;
}

static int open_valid(struct opening *o) {
    if (o->valid > 0 && o->spec_path == NULL && (o->ops->flags & SOURCE_STREAMS)) {
        return open_source(o, SPLIT_VALID, "path", 0);
    }
    if (o->valid > 0 || (o->spec_path == NULL && !o->valid_path)) {
        return 0;
    }
    return open_source(o, SPLIT_VALID, o->spec_path == NULL ? "valid" : NULL, 1);
}

static int open_test(struct opening *o) {
    if (o->spec_path != NULL) {
        return open_source(o, SPLIT_TEST, NULL, 1);
    }
    if (config_given(o->data->section, "test")) {
        return open_source(o, SPLIT_TEST, "test", 1);
    }
    return o->ops->flags & SOURCE_HAS_TEST ? open_source(o, SPLIT_TEST, "path", 0) : 0;
}

/* Tables: as the training rows say, or [data] does already. */
static int normalize(struct opening *o) {
    struct data *data = o->data;
    data->normalize = mem_need(1, sizeof *data->normalize);
    int result = csv_affine_read(data->normalize, data->section, shape_count(o->graph->input), o->err);
    if (result == 1) {
        result = csv_measure(&data->sets[SPLIT_TRAIN], data->normalize, o->err);
    }
    for (int split = 0; split < 3 && result == 0; split++) {
        if (data->open[split] && data->sources[split].count > 0) {
            csv_normalize(&data->sources[split], data->normalize);
        }
    }
    return result;
}

static int open_splits(struct opening *o, unsigned splits) {
    struct data *data = o->data;
    int measured = data->measured_mean || data->measured_std || (o->ops == &source_csv && csv_measures(data->section));
    if ((wanted(splits, SPLIT_TRAIN) || (wanted(splits, SPLIT_VALID) && o->valid > 0) || measured) &&
        open_train(o) != 0) {
        return -1;
    }
    if ((wanted(splits, SPLIT_VALID) && open_valid(o) != 0) || (wanted(splits, SPLIT_TEST) && open_test(o) != 0)) {
        return -1;
    }
    const struct dataset *train = &data->sets[SPLIT_TRAIN];
    if (o->ops == &source_csv) {
        return normalize(o);
    }
    return measured ? data_measure(train, &data->preprocess, data->measured_mean, data->measured_std, o->err) : 0;
}

/* ---- the whole ---- */

/* The config's [data], or an empty one for --data alone. */
static int find_section(struct opening *o, const char *spec) {
    struct data *data = o->data;
    data->section = o->graph->data;
    if (data->section != NULL) {
        return 0;
    }
    if (spec == NULL) {
        return config_refuse(o->graph->net, "net", NULL, o->err,
                             "the config has no [data] section, which says what data to use");
    }
    static const char empty[] = "[data]\n";
    if (config_parse(&data->made, "--data", empty, strlen(empty), o->err) != 0 ||
        config_check(&data->made.sections[0], "data", data_tables, o->err) != 0) {
        return -1;
    }
    data->section = &data->made.sections[0];
    return 0;
}

static int read_settings(struct opening *o, const char *spec) {
    struct data *data = o->data;
    int result = data_read_format(o, spec);
    if (result == 0 && !o->graph->config->stored) {   /* a checkpoint's config may be older than the refusal */
        result = data_keys_fit(data->section, o->graph->net, o->ops, o->spec_path != NULL, o->err);
    }
    if (result == 0 && gives_back(o) && (o->graph->classes > 0 || o->graph->input.t > 1)) {
        result = config_refuse(data->section, "data", "target", o->err, "input: want a network that ends in values ([cost] "
                               "type=mse), not in classes, and no sequence");
    }
    if (result == 0 && config_given(data->section, "target") && !gives_back(o) && o->ops != &source_csv) {
        result = config_refuse(data->section, "data", "target", o->err, "columns are for source=csv: want input");
    }
    if (config_given(data->section, "vocabulary")) {
        names_parse(config_text(data->section, "vocabulary"), &data->symbols, &data->symbol_count);
    }
    result = data_read_valid(o) == 0 ? result : -1;
    result = read_classes(o) == 0 ? result : -1;
    result = preprocess_read(&data->preprocess, data->section, o->graph->input, o->err) >= 0 ? result : -1;
    result = augment_read(&data->augment, data->section, o->graph->net, &data->preprocess, o->err) == 0 ? result : -1;
    data->drop_last = config_bool(data->section, "drop_last");
    data->measured_mean = strcmp(config_text(data->section, "mean"), "auto") == 0;
    data->measured_std = strcmp(config_text(data->section, "std"), "auto") == 0;
    return result;
}

int data_fits_output(const struct data *data, const struct dataset *set, const struct graph *graph, struct err *err) {
    size_t outputs = shape_step(graph->nodes[graph->output].out);
    int targets = set->source->target_count, answers = answers_of(graph), labels = set->source->label_count > 0 ? set->source->label_count : 1;
    if (answers != labels) {
        return config_refuse(data->section, "data", NULL, err, "the network answers %d time%s a sample, the data %d", answers, answers == 1 ? "" : "s", labels);
    }
    if (targets > 0 && (size_t)targets != outputs) {
        return config_refuse(data->section, "data", NULL, err, "the samples have %d target values, but the network has %zu outputs", targets, outputs);
    }
    if (targets == 0 && graph->classes == 0 && data->classes > 0 && (size_t)data->classes != outputs) {
        return config_refuse(data->section, "data", NULL, err, "the data has %d classes, but the network has %zu outputs: want one for each", data->classes, outputs);
    }
    return 0;
}

static void name_classes(struct opening *o) {
    struct data *data = o->data;
    data->classes = o->classes;
    data->class_names = o->names;
    o->names = NULL;
    if (data->class_names == NULL && data->classes > 0) {
        data->class_names = mem_need((size_t)data->classes, sizeof *data->class_names);
        for (int i = 0; i < data->classes; i++) {
            data->class_names[i] = mem_format("%d", i);
        }
    }
}

int data_open(struct data *data, const struct graph *graph, unsigned splits, const char *spec, uint64_t seed,
              struct err *err) {
    *data = (struct data){0};
    struct opening o = {.data = data, .graph = graph, .seed = seed, .err = err};
    int result = find_section(&o, spec);
    result = result == 0 ? read_settings(&o, spec) : result;
    result = result == 0 ? open_splits(&o, splits) : result;
    if (result == 0) {
        name_classes(&o);
    }
    names_free(o.names, o.given);
    return result;
}

void data_close(struct data *data) {
    for (int split = 0; split < 3; split++) {
        struct source *source = &data->sources[split];
        if (data->open[split]) {
            source->ops->close(source);
            names_free(source->class_names, source->classes);
            names_free(source->symbols, source->symbol_count);
            free(source->path);
        }
        free(data->sets[split].items);
    }
    if (data->normalize != NULL) {
        csv_affine_free(data->normalize);
    }
    free(data->normalize);
    names_free(data->class_names, data->classes);
    names_free(data->symbols, data->symbol_count);
    config_free(&data->made);
    *data = (struct data){0};
}
