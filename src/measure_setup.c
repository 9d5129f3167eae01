/* Sets up the measuring of models on a split (measure_parts.h): their loaders, and whether they and the data fit each other. */
#include "measure_parts.h"

#include <stdlib.h>

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

static struct loader *loader_open(const struct measuring *m, const struct preprocess *preprocess, struct err *err) {
    const struct measure_job *job = m->job;
    const struct dataset *set = &job->data->sets[job->split];
    struct loader_options options = {
        .set = set, .preprocess = preprocess, .steps = m->job->models[0]->graph.input.t, .batch = m->batch, .ahead = 2,
        .threads = loader_threads(set, threads_count(job->threads)),
    };
    return loader_make(&options, err);
}

static int member_open(struct measuring *m, int i, struct err *err) {
    struct member *member = &m->members[i];
    const struct graph *graph = &member->model->graph, *first = &m->job->models[0]->graph;
    struct shape mine = graph->nodes[graph->output].out, theirs = first->nodes[first->output].out;
    member->preprocess = m->job->data->preprocess;
    if (tta_check(m->job->tta, graph, member->model->path, err) != 0) {
        return -1;
    }
    if (graph->classes != first->classes || !shape_same(mine, theirs)) {
        return err_add(err, STATUS_REFUSED, "%s: has not the outputs that %s has: they are no ensemble",
                       member->model->path, m->job->models[0]->path);
    }
    if (i > 0 && graph->data != NULL) {
        struct preprocess own;
        int read = preprocess_read(&own, graph->data, graph->input, err);
        if (read < 0) {
            return -1;
        }
        member->preprocess = read == 0 ? own : member->preprocess;   /* 1: mean=auto, as measured for the data */
    }
    if (i > 0 && same_preprocess(&member->preprocess, &m->members[0].preprocess)) {
        return 0;
    }
    member->loader = loader_open(m, &member->preprocess, err);
    return member->loader == NULL ? -1 : 0;
}

/* The data against the network: answers as many as labels; and streams of a text, which passes of another size would mix up. */
static int check_streams(const struct measuring *m, struct err *err) {
    const struct measure_job *job = m->job;
    const struct dataset *set = &job->data->sets[job->split];
    const struct graph *graph = &job->models[0]->graph;
    int labels = set->source->label_count > 0 ? set->source->label_count : 1, answers = graph->nodes[graph->output].out.t;
    size_t pass = (size_t)m->batch < set->count ? (size_t)m->batch : set->count;
    if (data_fits_output(job->data, set, graph, err) != 0) {
        return -1;
    }
    if (answers != labels && set->source->target_count == 0) {
        return err_add(err, STATUS_REFUSED, "%s: the network answers %d time%s a sample, the data %d", job->models[0]->path, answers,
                       answers == 1 ? "" : "s", labels);
    }
    if (graph->carries && (set->source->ops->flags & SOURCE_STREAMS) && pass != (size_t)set->source->streams) {
        return err_add(err, STATUS_REFUSED, "%s: carries its state along %d streams of the text: want --set net.batch=%zu in place of a batch of %zu",
                       job->models[0]->path, set->source->streams, pass, pass);
    }
    return 0;
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
    if (check_streams(m, err) != 0) {
        return -1;
    }
    for (int i = 0; i < job->count; i++) {
        if (member_open(m, i, err) != 0) {
            return -1;
        }
    }
    return 0;
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
    /* Auxiliary classifiers have losses too, which are not the output's. */
    m->from_outputs = graph->gives_probabilities && (m->job->count > 1 || layer_losses(graph) > 1 || m->job->tta != TTA_NONE);
    m->view = mem_try((size_t)m->batch * shape_count(graph->input), sizeof *m->view);
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
