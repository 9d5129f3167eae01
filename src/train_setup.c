/* Before the first step (trainer.h): everything that can be refused is found here; till then nothing in RUN changes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "trainer.h"

struct section *trainer_section(struct trainer *t, const struct section *section) {
    return section == NULL ? NULL : &t->model->config.sections[section - t->model->config.sections];
}

/* ---- the config, completed ---- */

static void put_number(struct section *section, const char *key, long long value) {
    char *text = mem_format("%lld", value);
    config_put(section, key, text);
    free(text);
}

/* Puts one of the two keys in place of the other. */
static void put_length(struct section *net, const char *key, const char *value) {
    config_drop(net, "epochs");
    config_drop(net, "max_batches");
    config_put(net, key, value);
}

/* What the flags say, else what a resumed run was told; the config's where neither says. */
static void complete_length(struct section *net, const struct train_options *o, const struct stored *told) {
    const char *epochs = told == NULL ? NULL : stored_value(told, net, "epochs");
    const char *batches = told == NULL ? NULL : stored_value(told, net, "max_batches");
    char *given = o->epochs >= 0 ? mem_format("%.10g", o->epochs) : o->max_batches >= 0 ? mem_format("%ld", o->max_batches) : NULL;
    if (given != NULL) {
        put_length(net, o->epochs >= 0 ? "epochs" : "max_batches", given);
    } else if (epochs != NULL || batches != NULL) {
        put_length(net, epochs != NULL ? "epochs" : "max_batches", epochs != NULL ? epochs : batches);
    }
    free(given);
}

/* --seed, --epochs and --max-batches become part of the config. A resume that doesn't repeat them takes the run's. */
static void complete_options(struct trainer *t, const struct stored *stored) {
    const struct train_options *o = t->options;
    struct section *net = trainer_section(t, t->model->graph.net);
    const char *seed = stored == NULL ? NULL : stored_value(stored, net, "seed");
    t->state.seed_given = o->has_seed || (stored != NULL && stored->state.seed_given);
    t->state.length_given = o->epochs >= 0 || o->max_batches >= 0 || (stored != NULL && stored->state.length_given);
    if (o->has_seed) {
        put_number(net, "seed", (long long)o->seed);
    } else if (seed != NULL && stored->state.seed_given) {
        config_put(net, "seed", seed);
    }
    complete_length(net, o, stored != NULL && stored->state.length_given ? stored : NULL);
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

/* A calibration was measured of weights that training moves: it is the config's alone, not that of a model or a stopped run. */
static void drop_calibration(struct trainer *t) {
    struct config *config = t->resumed ? &t->stored.config : &t->model->config;
    for (size_t i = 0; i < config->count; i++) {
        const struct section *now = &t->model->config.sections[i];
        int said = t->model->is_checkpoint ? config_is_set(now, "calibration") : config_has(now, "calibration");
        if (!said) {
            config_drop(&config->sections[i], "calibration");
        }
    }
}

/* ---- opening ---- */

static int open_data(struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    if (data_open(&t->data, graph, 1u << SPLIT_TRAIN | 1u << SPLIT_VALID, NULL, t->state.seed, err) != 0 ||
        trainer_read_length(t, err) != 0) {
        return -1;
    }
    t->schedule = schedule_make(graph->net, t->length.whole, t->state.seed, err);
    if (t->schedule == NULL || optimizer_check(graph->net, t->length.whole, err) != 0 || trainer_check_data(t, err) != 0) {
        return -1;
    }
    if (!t->resumed && data_whiten(&t->data, &t->model->graph, err) != 0) {
        return -1;
    }
    if (data_resolve(&t->data, trainer_section(t, graph->data), err) != 0 || config_keeps(&t->model->config, err) != 0) {
        return -1;
    }
    model_set_classes(t->model, t->data.class_names, t->data.classes);
    progress_warn(t->progress, err);
    return 0;
}

static void name_machine(struct trainer *t) {
    const struct train_options *o = t->options;
    const char *blas = blas_version();
    snprintf(t->state.isa, sizeof t->state.isa, "%s", o->ref_only ? "ref" : kernels_get(o->isa, 0, o->precision)->isa);
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
    drop_calibration(t);   /* the sections are the same ones */
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
    return trainer_load(t, err) != 0 || (first && save_due(t, err) != 0) || (keep && save_keep(t, err) != 0) ? -1 : 0;
}

static int open_all(struct trainer *t, struct err *err) {
    if (trainer_check_network(t, err) != 0) {
        return -1;
    }
    if (t->resumed && t->model->has_file) {   /* the run goes on from its own tensors */
        tensor_file_free(&t->model->file);
        t->model->has_file = 0;
    }
    complete_options(t, t->resumed ? &t->stored : NULL);
    complete_measured(t, t->resumed ? &t->stored : NULL);
    if (!t->resumed) {
        drop_calibration(t);
    }
    if (open_data(t, err) != 0 || open_plan(t, err) != 0 || (t->resumed && take_stored(t, err) != 0)) {
        return -1;
    }
    if (t->resumed && t->state.finished) {
        t->events.out = t->options->events;
        return 1;
    }
    return begin(t, err);
}

/* What training afresh would remove unasked. --resume goes on, and starts afresh where there is no checkpoint at all. */
static int check_folder(struct trainer *t, struct err *err) {
    const struct train_options *o = t->options;
    const char *path = t->folder.path;
    char buffer[40];
    const char *found = run_folder_checkpoint(&t->folder, buffer);
    int goes_on = file_exists(t->folder.last);
    if (t->sweep != NULL || o->force) {
        return 0;
    }
    if (found != NULL && !goes_on) {
        return err_add(err, STATUS_REFUSED,
                       "%s: holds %s but no last.safetensors, from which a run goes on: a copy of an epoch's checkpoint by that name can be, --force "
                       "starts afresh, -o takes another", path, found);
    }
    if (o->resume) {
        return 0;
    }
    if (found != NULL) {
        return err_add(err, STATUS_REFUSED,
                       "%s: holds a checkpoint: --resume goes on with it, --force starts afresh, -o takes another", path);
    }
    if (run_folder_is_config(&t->folder, t->model->path)) {
        return err_add(err, STATUS_REFUSED,
                       "%s: is the config itself, which training into %s would replace by a completed one: -o takes another folder, --force replaces it",
                       t->folder.config, path);
    }
    return 0;
}

int trainer_open(struct trainer *t, struct err *err) {
    const struct train_options *o = t->options;
    char *name = run_folder_name(t->model->path);
    int result = run_folder_open(&t->folder, o->run != NULL ? o->run : name, err);
    free(name);
    t->clock.began = progress_now();
    t->state.best = NAN;
    t->state.plateau_factor = t->state.rate_factor = 1;
    result = result == 0 ? check_folder(t, err) : result;
    t->resumed = result == 0 && o->resume && file_exists(t->folder.last);
    if (t->resumed) {
        result = stored_read(&t->stored, t->folder.last, err);
    }
    return result == 0 ? open_all(t, err) : -1;
}

/* Without [data] nothing can be said of the schedule and the length either, which follow from the samples. */
int train_check(struct model *model, const struct train_options *options, struct progress *progress, struct err *err) {
    struct trainer t = {.model = model, .options = options, .progress = progress};
    t.folder.lock = -1;
    int bad = trainer_check_network(&t, err) != 0;
    complete_options(&t, NULL);
    bad = bad || (model->graph.data != NULL && open_data(&t, err) != 0);
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
