/* Before the first step (trainer.h): everything that can be refused is found here; till then nothing in RUN changes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "layers/layer.h"
#include "net.h"
#include "trainer.h"

int trainer_validates(const struct trainer *t) {
    return t->data.sets[SPLIT_VALID].count > 0;
}

struct section *trainer_section(struct trainer *t, const struct section *section) {
    return section == NULL ? NULL : &t->model->config.sections[section - t->model->config.sections];
}

/* ---- the config, completed ---- */

static void drop(struct section *section, const char *key) {
    for (size_t i = 0; i < section->count; i++) {
        struct entry *entry = &section->entries[i];
        if (strcmp(entry->is != NULL ? entry->is->name : entry->key, key) == 0) {
            free(entry->key);
            free(entry->value);
            memmove(entry, entry + 1, (--section->count - i) * sizeof *entry);
            return;
        }
    }
}

static void put_number(struct section *section, const char *key, long long value) {
    char *text = mem_format("%lld", value);
    config_put(section, key, text);
    free(text);
}

/* Puts one of the two keys in place of the other. */
static void put_length(struct section *net, const char *key, long long value) {
    drop(net, "epochs");
    drop(net, "max_batches");
    put_number(net, key, value);
}

/* --seed, --epochs and --max-batches become part of the config. A resume that doesn't repeat them takes the run's. */
static void complete_options(struct trainer *t, const struct stored *stored) {
    const struct train_options *o = t->options;
    struct section *net = trainer_section(t, t->model->graph.net);
    const char *seed = stored == NULL ? NULL : stored_value(stored, net, "seed");
    const char *epochs = stored == NULL ? NULL : stored_value(stored, net, "epochs");
    const char *batches = stored == NULL ? NULL : stored_value(stored, net, "max_batches");
    t->state.seed_given = o->has_seed || (stored != NULL && stored->state.seed_given);
    t->state.length_given = o->epochs >= 0 || o->max_batches >= 0 || (stored != NULL && stored->state.length_given);
    if (o->has_seed) {
        put_number(net, "seed", (long long)o->seed);
    } else if (seed != NULL && stored->state.seed_given) {
        config_put(net, "seed", seed);
    }
    if (o->epochs >= 0) {
        put_length(net, "epochs", o->epochs);
    } else if (o->max_batches >= 0) {
        put_length(net, "max_batches", o->max_batches);
    } else if (stored != NULL && stored->state.length_given && (epochs != NULL || batches != NULL)) {
        put_length(net, epochs != NULL ? "epochs" : "max_batches", atoll(epochs != NULL ? epochs : batches));
    }
    t->state.seed = (uint64_t)config_int(net, "seed");
}

/* What was measured of the data when the run began holds: no need to go through all of it again. */
static void complete_measured(struct trainer *t, const struct stored *stored) {
    struct section *data = trainer_section(t, t->model->graph.data);
    static const char *const keys[] = {"mean", "std"};
    for (int i = 0; data != NULL && stored != NULL && i < 2; i++) {
        const char *now = config_text(data, keys[i]), *then = stored_value(stored, data, keys[i]);
        if (now != NULL && then != NULL && strcmp(now, "auto") == 0) {
            config_put(data, keys[i], then);
        }
    }
}

/* ---- what [net] wants against what there is ---- */

static int check_network(const struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    int losses = 0, bad = 0;
    for (int i = 0; i < graph->node_count; i++) {
        losses += layer_has_loss(&graph->nodes[i]);
    }
    if (losses == 0) {
        bad = config_refuse(graph->net, "net", NULL, err, "no layer computes a loss: want [softmax] or [cost]");
    }
    if (graph->trainable == 0) {
        bad = config_refuse(graph->net, "net", NULL, err, "nothing is to be trained: there is no free parameter");
    }
    return bad;
}

static int check_classes(struct trainer *t, struct err *err) {
    const struct section *net = t->model->graph.net;
    size_t weights = config_length(net, "class_weights");
    int classes = t->model->graph.classes;
    if (config_real(net, "label_smoothing") > 0 && classes == 0) {
        return config_refuse(net, "net", "label_smoothing", err, "the network doesn't end in classes");
    }
    if (weights == 0) {
        return 0;
    }
    if (weights != (size_t)classes) {
        return config_refuse(net, "net", "class_weights", err, "want one for each of %d classes, found %zu", classes,
                             weights);
    }
    t->class_weights = mem_need(weights, sizeof *t->class_weights);
    for (size_t i = 0; i < weights; i++) {
        t->class_weights[i] = (float)config_item_real(net, "class_weights", i);
    }
    return 0;
}

/* Mixed samples are of several classes at once, which not every loss can be told. */
static int check_mixing(const struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    const struct augment *a = &t->data.augment;
    const char *key = a->mixup > 0 ? "mixup" : "cutmix";
    int shares = graph->classes > 0 && graph->input.t == 1 && t->data.sources[SPLIT_TRAIN].target_count == 0;
    if (a->mixup <= 0 && a->cutmix <= 0) {
        return 0;
    }
    for (int i = 0; i < graph->node_count; i++) {
        shares &= !layer_has_loss(&graph->nodes[i]) || graph->nodes[i].takes_shares;
    }
    if (!shares) {
        return config_refuse(t->data.section, "data", key, err, "want a classifier of single samples whose loss is the cross-entropy");
    }
    if (t->class_weights != NULL) {
        return config_refuse(graph->net, "net", "class_weights", err, "a mixed sample ([data] %s) is not of one class", key);
    }
    if (a->cutmix > 0 && (t->data.preprocess.height < 2 || t->data.preprocess.width < 2)) {
        return config_refuse(t->data.section, "data", "cutmix", err, "want pictures: the network's input has no height and width");
    }
    return 0;
}

static int check_data(const struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    const struct source *source = &t->data.sources[SPLIT_TRAIN];
    size_t outputs = shape_step(graph->nodes[graph->output].out);
    int bad = 0, answers = graph->nodes[graph->output].out.t;
    if (answers > 1 && source->label_count != answers) {
        return config_refuse(graph->net, "net", "time_steps", err,
                             "the network answers at each of its steps, but the data has one answer a sample");
    }
    if (t->data.sets[SPLIT_TRAIN].count == 0) {
        return config_refuse(t->data.section, "data", NULL, err, "there are no training samples");
    }
    if (source->target_count > 0 && (size_t)source->target_count != outputs) {
        bad = config_refuse(t->data.section, "data", NULL, err,
                            "the samples have %d target values, but the network has %zu outputs",
                            source->target_count, outputs);
    }
    if (!trainer_validates(t) && config_int(graph->net, "patience") > 0) {
        bad = config_refuse(graph->net, "net", "patience", err, "nothing is validated: give valid= in [data]");
    }
    if (!trainer_validates(t) && schedule_is_plateau(t->schedule)) {
        bad = config_refuse(graph->net, "net", "policy", err,
                            "plateau looks at the validation, but nothing is validated: give valid= in [data]");
    }
    return bad;
}

static int read_length(struct trainer *t, struct err *err) {
    const struct section *net = t->model->graph.net;
    struct length *l = &t->length;
    double epochs = config_real(net, "epochs");
    l->samples = t->data.sets[SPLIT_TRAIN].count;
    l->steps = (uint64_t)config_int(net, "max_batches");
    l->parts = (int)config_int(net, "subdivisions");
    l->batch = net_mini_batch(net);
    l->batch = (uint64_t)l->batch < l->samples ? l->batch : (int)l->samples;
    if (t->data.drop_last) {
        l->samples -= l->samples % ((uint64_t)l->batch * (uint64_t)l->parts);
    }
    uint64_t passes = (l->samples + (uint64_t)l->batch - 1) / (uint64_t)l->batch;
    l->steps_per_epoch = (passes + (uint64_t)l->parts - 1) / (uint64_t)l->parts;
    if (l->samples == 0) {
        return config_refuse(t->data.section, "data", "drop_last", err, "the training samples don't fill one batch");
    }
    if (epochs > 0 && l->steps > 0) {
        return config_refuse(net, "net", "max_batches", err, "epochs=%g says the length already", epochs);
    }
    if (epochs == floor(epochs)) {
        l->epochs = (uint64_t)epochs;
    } else {
        l->steps = (uint64_t)ceil(epochs * (double)l->steps_per_epoch - 1e-6);   /* 0.1 of 30 is 3, though not in binary */
    }
    l->whole = l->steps > 0 ? l->steps : l->epochs * l->steps_per_epoch;
    if (epochs == 0 && !config_given(net, "max_batches")) {   /* max_batches=0 is darknet's way to say: endless */
        return config_refuse(net, "net", NULL, err, "how long to train? Give epochs=N or max_batches=N, or --epochs N");
    }
    return 0;
}

/* ---- opening ---- */

static int open_data(struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    if (data_open(&t->data, graph, 1u << SPLIT_TRAIN | 1u << SPLIT_VALID, NULL, t->state.seed, err) != 0 ||
        read_length(t, err) != 0) {
        return -1;
    }
    t->schedule = schedule_make(graph->net, t->length.whole, t->state.seed, err);
    if (t->schedule == NULL || check_data(t, err) != 0 || check_mixing(t, err) != 0) {
        return -1;
    }
    if (!t->resumed && data_whiten(&t->data, &t->model->graph, err) != 0) {
        return -1;
    }
    data_resolve(&t->data, trainer_section(t, graph->data));
    model_set_classes(t->model, t->data.class_names, t->data.classes);
    progress_warn(t->progress, err);
    return 0;
}

static void name_machine(struct trainer *t) {
    const struct train_options *o = t->options;
    const char *blas = blas_version();
    snprintf(t->state.isa, sizeof t->state.isa, "%s", o->ref_only ? "ref" : isa_name(o->isa));
    snprintf(t->state.precision, sizeof t->state.precision, "%s", o->precision == DTYPE_BF16 ? "bf16" : "fp32");
    snprintf(t->state.blas, sizeof t->state.blas, "%s", blas == NULL ? "" : blas);
}

static int open_plan(struct trainer *t, struct err *err) {
    const struct train_options *o = t->options;
    struct plan_options options = {
        .isa = o->isa, .ref_only = o->ref_only, .dtype = o->precision, .batch = t->length.batch, .training = 1,
        .threads = threads_count(t->threads), .keep_layer = -1,
    };
    struct model *m = t->model;
    if (model_plan(m, &options, t->state.seed, err) != 0 ||
        optimizer_make(&t->optimizer, m->graph.net, &m->plan, err) != 0 ||
        lookahead_make(&t->optimizer, m->graph.net, t->length.whole, err) != 0) {
        return -1;
    }
    t->answers = (size_t)m->plan.output->shape.t;
    size_t rows = (size_t)t->length.batch * t->answers;
    t->losses = mem_try(rows, sizeof *t->losses);
    t->outputs = mem_try(rows * shape_step(m->plan.output->shape), sizeof *t->outputs);
    if (t->losses == NULL || t->outputs == NULL) {
        return err_add(err, STATUS_FAILED, "out of memory for a batch of %zu", rows);
    }
    name_machine(t);
    return 0;
}

/* Everything as RUN's checkpoint has it. */
static int take_stored(struct trainer *t, struct err *err) {
    const char *path = t->folder.last;
    struct progress_state here = t->state;
    if (stored_compare(&t->stored, t, err) != 0 ||
        checkpoint_fill(&t->model->plan, &t->stored.file, path, 0, err) != 0 ||
        checkpoint_resume(&t->optimizer, &t->state, &t->stored.file, path, err) != 0) {
        return -1;
    }
    tensor_file_free(&t->stored.file);
    memcpy(t->state.isa, here.isa, sizeof here.isa);
    memcpy(t->state.blas, here.blas, sizeof here.blas);
    struct exec exec = model_exec(t->model, t->threads);
    run_pack(&t->model->plan, &exec);
    return 0;
}

int trainer_load(struct trainer *t, struct err *err) {
    const struct dataset *set = &t->data.sets[SPLIT_TRAIN];
    struct loader_options options = {
        .set = set, .used = (size_t)t->length.samples, .preprocess = &t->data.preprocess, .augment = t->data.augment.on ? &t->data.augment : NULL,
        .steps = t->model->graph.input.t, .classes = t->model->graph.classes, .batch = t->length.batch, .threads = loader_threads(set, threads_count(t->threads)), .ahead = 3,
        .shuffle = !t->model->graph.carries, .seed = t->state.seed, .epoch = t->state.epoch, .start = (size_t)t->state.position, .endless = 1,
    };
    loader_free(t->loader);
    t->loader = loader_make(&options, err);
    t->loader_ended = 0;
    return t->loader == NULL ? -1 : 0;
}

/* RUN from here on is this run's; a test of rates leaves what is in it alone. */
static int begin(struct trainer *t, struct err *err) {
    t->begun = 1;
    if (t->sweep != NULL) {
        return trainer_load(t, err);
    }
    if (!t->resumed) {
        char *config = config_to_ini(&t->model->config);
        int bad = run_folder_clear(&t->folder, err) != 0 ||
                  file_write(t->folder.config, config, strlen(config), err) != 0;
        free(config);
        if (bad) {
            return -1;
        }
    }
    run_folder_point(&t->folder, err);
    progress_warn(t->progress, err);
    if ((t->resumed && events_cut(t, err) != 0) || events_open(t, err) != 0 || events_start(t, err) != 0) {
        return -1;
    }
    t->clock.epoch_began = t->clock.logged = t->clock.saved = progress_now();
    /* A rollback needs something to go back to; a process killed after save_last may have missed --keep's file. */
    int first = !t->resumed && config_choice(t->model->graph.net, "on_divergence") == 1;
    int keep = t->resumed && t->state.position == 0;
    return trainer_load(t, err) != 0 || (first && save_last(t, err) != 0) || (keep && save_keep(t, err) != 0) ? -1 : 0;
}

static int open_all(struct trainer *t, struct err *err) {
    if (check_network(t, err) != 0 || check_classes(t, err) != 0) {
        return -1;
    }
    if (t->resumed && t->model->has_file) {   /* the run goes on from its own tensors */
        tensor_file_free(&t->model->file);
        t->model->has_file = 0;
    }
    complete_options(t, t->resumed ? &t->stored : NULL);
    complete_measured(t, t->resumed ? &t->stored : NULL);
    if (open_data(t, err) != 0 || open_plan(t, err) != 0 || (t->resumed && take_stored(t, err) != 0)) {
        return -1;
    }
    if (t->resumed && t->state.finished) {
        t->events.out = t->options->events;
        return 1;
    }
    return begin(t, err);
}

int trainer_open(struct trainer *t, struct err *err) {
    const struct train_options *o = t->options;
    char *name = run_folder_name(t->model->path);
    int result = run_folder_open(&t->folder, o->run != NULL ? o->run : name, err);
    free(name);
    t->clock.began = progress_now();
    t->state.best = NAN;
    t->state.plateau_factor = t->state.rate_factor = 1;
    if (result == 0 && t->sweep == NULL && !o->resume && !o->force && run_folder_holds_checkpoint(&t->folder)) {
        return err_add(err, STATUS_REFUSED,
                       "%s: holds a checkpoint: --resume goes on with it, --force starts afresh, -o takes another",
                       t->folder.path);
    }
    t->resumed = result == 0 && o->resume && file_exists(t->folder.last);
    if (t->resumed) {
        result = stored_read(&t->stored, t->folder.last, err);
    }
    return result == 0 ? open_all(t, err) : -1;
}

int train_check(struct model *model, const struct train_options *options, struct progress *progress, struct err *err) {
    struct trainer t = {.model = model, .options = options, .progress = progress};
    t.folder.lock = -1;
    int bad = check_network(&t, err) != 0 || check_classes(&t, err) != 0;
    complete_options(&t, NULL);
    bad = bad || open_data(&t, err) != 0;
    trainer_close(&t);
    return bad ? -1 : 0;
}

void trainer_close(struct trainer *t) {
    loader_free(t->loader);
    events_close(&t->events);
    optimizer_free(&t->optimizer);
    schedule_free(t->schedule);
    data_close(&t->data);
    run_folder_close(&t->folder, t->begun);
    stored_free(&t->stored);
    free(t->class_weights);
    free(t->losses);
    free(t->outputs);
    free(t->diverged);
}
