/* Sets up the measuring of models on a split (measure_parts.h): their loaders, and whether they and the data fit each other. */
#include "measure_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "layers/layer.h"

static int same_preprocess(const struct preprocess *a, const struct preprocess *b) {
    int same = a->channels == b->channels && a->height == b->height && a->width == b->width && a->color == b->color &&
               a->resize == b->resize && a->range == b->range;
    for (int c = 0; same && c < a->channels && c < PREPROCESS_MOST_CHANNELS; c++) {
        same = a->mean[c] == b->mean[c] && a->std[c] == b->std[c];
    }
    return same;
}

static struct loader *loader_open(const struct measuring *m, const struct member *member, struct err *err) {
    const struct measure_job *job = m->job;
    const struct dataset *set = &job->data->sets[job->split];
    struct loader_options options = {
        .set = set, .preprocess = &member->preprocess, .steps = member->model->graph.input.t, .batch = m->batch, .ahead = 2,
        .threads = loader_threads(set, threads_count(job->threads)),
    };
    return loader_make(&options, err);
}

/* As the model's own [data] says, else the first's. What is auto, and measured by nobody yet, is as measured for the data. */
static int preprocess_open(const struct measuring *m, struct member *member, struct err *err) {
    const struct graph *graph = &member->model->graph;
    const struct data *data = m->job->data;
    const struct section *section = graph->data != NULL ? graph->data : data->section;
    struct preprocess *own = &member->preprocess;
    int read = preprocess_read(own, section, graph->input, err);
    if (read == 1 && own->channels != data->preprocess.channels) {
        return config_refuse(section, "data", "mean", err, "nothing was trained yet that says what auto is for %d channels", own->channels);
    }
    if (read == 1 && strcmp(config_text(section, "mean"), "auto") == 0) {
        memcpy(own->mean, data->preprocess.mean, sizeof own->mean);
    }
    if (read == 1 && strcmp(config_text(section, "std"), "auto") == 0) {
        memcpy(own->std, data->preprocess.std, sizeof own->std);
    }
    return read < 0 ? -1 : 0;
}

/* Tables and texts become numbers as the first model says, and what is to be given back is the first's input: the others have to want the same. */
static int reading_check(const struct measuring *m, const struct member *member, struct err *err) {
    static const char *const keys[] = {"features", "target", "normalize", "normalize_shift", "normalize_scale", "unit", "vocabulary"};
    const struct source *source = m->job->data->sets[m->job->split].source;
    const struct model *first = m->job->models[0], *model = member->model;
    const struct section *theirs = m->job->data->section, *mine = model->graph.data;
    int numbers = source->ops == &source_csv || source->ops == &source_text || source->ops == &source_tsv;
    int same = shape_same(model->graph.input, first->graph.input);
    if ((numbers && !same) || (source->gives_back && (!same || !same_preprocess(&member->preprocess, &m->members[0].preprocess)))) {
        return err_add(err, STATUS_REFUSED, "%s: takes other inputs than %s: of this data they are no ensemble", model->path, first->path);
    }
    for (size_t i = 0; numbers && mine != NULL && i < sizeof keys / sizeof *keys; i++) {
        const char *a = config_text(mine, keys[i]), *b = config_text(theirs, keys[i]);
        if (a != NULL && b != NULL && strcmp(a, b) != 0) {
            return err_add(err, STATUS_REFUSED, "%s: has another [data] %s than %s: they are no ensemble", model->path, keys[i], first->path);
        }
    }
    return 0;
}

/* The data against the network: answers as many as labels; and streams of a text, which passes of another size would mix up. */
static int data_check(const struct measuring *m, const struct model *model, struct err *err) {
    const struct measure_job *job = m->job;
    const struct dataset *set = &job->data->sets[job->split];
    size_t pass = (size_t)m->batch < set->count ? (size_t)m->batch : set->count;
    if (data_fits_output(job->data, set, &model->graph, err) != 0) {
        return -1;
    }
    if (model->graph.carries && (set->source->ops->flags & SOURCE_STREAMS) && pass != (size_t)set->source->streams) {
        return err_add(err, STATUS_REFUSED, "%s: carries its state along %d streams of the text: want --set net.batch=%zu in place of a batch of %zu",
                       model->path, set->source->streams, pass, pass);
    }
    return 0;
}

static int member_open(struct measuring *m, int i, struct err *err) {
    struct member *member = &m->members[i];
    const struct model *model = member->model, *first = m->job->models[0];
    member->preprocess = m->job->data->preprocess;
    if (tta_check(m->job->tta, &model->graph, model->path, err) != 0 || model_agrees(model, first, err) != 0 || data_check(m, model, err) != 0) {
        return -1;
    }
    if (i > 0 && (preprocess_open(m, member, err) != 0 || reading_check(m, member, err) != 0)) {
        return -1;
    }
    if (i > 0 && same_preprocess(&member->preprocess, &m->members[0].preprocess) && model->graph.input.t == first->graph.input.t) {
        return 0;
    }
    member->loader = loader_open(m, member, err);
    return member->loader == NULL ? -1 : 0;
}

static int members_open(struct measuring *m, struct err *err) {
    const struct measure_job *job = m->job;
    m->members = mem_need((size_t)job->count, sizeof *m->members);
    m->batch = job->models[0]->plan.target.batch;
    for (int i = 0; i < job->count; i++) {
        int batch = job->models[i]->plan.target.batch;
        m->members[i].model = job->models[i];
        plan_forget(&job->models[i]->plan);
        m->batch = batch < m->batch ? batch : m->batch;
    }
    for (int i = 0; i < job->count; i++) {
        if (member_open(m, i, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Where outputs are averaged, their loss is wanted, not the mean of the models'; and auxiliary classifiers have losses too, which are not the output's. */
static void loss_choose(struct measuring *m) {
    const struct plan *plan = &m->job->models[0]->plan;
    const struct graph *graph = plan->graph;
    int averaged = m->job->count > 1 || m->job->tta != TTA_NONE || (graph->classes > 0 && layer_losses(graph) > 1);
    m->from_outputs = averaged && graph->gives_probabilities && layer_has_loss(&graph->nodes[graph->output]);
    for (int i = 0; averaged && !m->from_outputs && i < plan->op_count; i++) {
        const struct op *op = &plan->ops[i];
        if (layer_has_loss(op->node) && op->node->in_count > 0 && op->node->in[0] == graph->output && op->ops == op->node->ops) {
            m->loss_op = op;
        }
    }
}

static int memory_make(struct measuring *m, struct err *err) {
    const struct graph *graph = &m->job->models[0]->graph;
    struct shape shape = graph->nodes[graph->output].out;
    m->width = shape_step(shape);
    m->rows = (size_t)m->batch * (size_t)shape.t;
    m->outputs = mem_try(m->rows * m->width, sizeof *m->outputs);
    m->views = mem_try(m->rows * m->width, sizeof *m->views);
    m->room = mem_try(m->rows * m->width, sizeof *m->room);
    m->loss = mem_try(m->rows, sizeof *m->loss);
    m->losses = mem_try(m->rows, sizeof *m->losses);
    m->target = mem_try(m->width, sizeof *m->target);
    m->target_squares = mem_try(m->width, sizeof *m->target_squares);
    m->out->classes = graph->classes;
    m->out->regression = graph->classes == 0;
    loss_choose(m);
    size_t most = 0;
    for (int i = 0; i < m->job->count; i++) {
        size_t input = shape_count(m->job->models[i]->graph.input);
        most = input > most ? input : most;
    }
    m->view = mem_try((size_t)m->batch * most, sizeof *m->view);
    size_t cells = (size_t)graph->classes * (size_t)graph->classes;
    m->out->confusion = m->job->confusion ? mem_try(cells, sizeof *m->out->confusion) : NULL;
    if (m->outputs == NULL || m->views == NULL || m->room == NULL || m->view == NULL || m->loss == NULL || m->losses == NULL || m->target == NULL ||
        m->target_squares == NULL || (m->job->confusion && m->out->confusion == NULL)) {
        return err_add(err, STATUS_FAILED, "out of memory for measuring %d classes", graph->classes);
    }
    return 0;
}

int measuring_make(struct measuring *m, struct err *err) {
    return members_open(m, err) != 0 ? -1 : memory_make(m, err);
}

void measuring_free(struct measuring *m) {
    for (int i = 0; m->members != NULL && i < m->job->count; i++) {
        loader_free(m->members[i].loader);
    }
    void *all[] = {m->members, m->outputs, m->views, m->room, m->view, m->loss, m->losses, m->target, m->target_squares};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}
