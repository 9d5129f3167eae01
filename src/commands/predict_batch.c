/* Runs predict's inputs in batches: pictures are decoded by the whole team, then every model of the ensemble takes the batch at once. */
#include <stdlib.h>
#include <string.h>

#include "commands/predict.h"

static const char *default_model(void) {
    const char *model = getenv("DLCLI_MODEL");
    return model && *model ? model : "runs/last/best.safetensors";
}

static int needs_turned(const struct batcher *b, const struct member *m) { return m->model.graph.input.t > 1 || b->tta != TTA_NONE; }

static int open_member(struct batcher *b, const char *path, int batch, const char *layer, struct err *err) {
    struct member *m = &b->members[b->member_count++];
    struct context *context = b->context;
    if (context_model(context, path, &m->model, err)) return -1;
    struct plan_options options = context_plan(context, batch, 0);
    if (layer && (options.keep_layer = graph_find_layer(&m->model.graph, layer, err)) < 0) return -1;
    if (model_plan(&m->model, &options, context_seed(context, &m->model), err)) return -1;
    m->layer = options.keep_layer;
    reader_open(&m->reader, &m->model);
    int resolved = preprocess_read(&m->preprocess, m->model.graph.data, m->model.graph.input, err);
    if (resolved < 0) return -1;
    if (resolved > 0) err_warn(err, "%s: mean or std is `auto` and nothing was trained yet: pictures are not normalised", path);
    int learnt = m->model.is_checkpoint || flags_text(&context->args, "weights") || !graph_starts_by_chance(&m->model.graph);
    if (!learnt) err_warn(err, "%s is a config without weights (-w): it predicts with its starting values", path);
    m->input = mem_aligned((size_t)batch * shape_count(m->model.graph.input) * sizeof *m->input);
    if (tta_check(b->tta, &m->model.graph, path, err)) return -1;
    if (m->input && needs_turned(b, m)) m->turned = mem_aligned((size_t)batch * shape_count(m->model.graph.input) * sizeof *m->turned);
    return m->input && (m->turned || !needs_turned(b, m)) ? 0 : err_add(err, STATUS_FAILED, "out of memory for a batch of %d inputs", batch);
}

struct shape member_output(const struct member *m) {
    const struct graph *g = &m->model.graph;
    return m->layer < 0 ? g->nodes[g->output].out : g->nodes[g->layers[m->layer].last].out;
}

int batcher_open(struct batcher *b, struct context *context, int batch, const char *layer, struct err *err) {
    b->context = context;
    b->room = batch;
    size_t n = 0;
    while (flags_many(&context->args, "model", n)) n++;
    b->members = mem_need(n ? n : 1, sizeof *b->members);
    if (context_weights(context, n, err) || !context_team(context, err)) return -1;
    for (size_t i = 0; i < (n ? n : 1); i++) {
        const char *path = n ? flags_many(&context->args, "model", i) : default_model();
        if (open_member(b, path, batch, layer, err)) return -1;
        if (!layer && model_agrees(&b->members[i].model, &b->members[0].model, err)) return -1;
        if (!shape_same(member_output(&b->members[0]), member_output(&b->members[i])))
            return err_add(err, STATUS_REFUSED, "%s: its layer \"%s\" differs in shape from %s's: they are no ensemble", path, layer, b->members[0].model.path);
    }
    b->width = shape_count(member_output(&b->members[0]));
    b->places = mem_need((size_t)batch, sizeof *b->places);
    b->output = mem_need((size_t)batch * b->width, sizeof *b->output);
    b->views = mem_need((size_t)batch * b->width, sizeof *b->views);
    return 0;
}

void batcher_close(struct batcher *b) {
    for (int i = 0; i < b->member_count; i++) {
        reader_close(&b->members[i].reader);
        model_close(&b->members[i].model);
        free(b->members[i].input);
        free(b->members[i].turned);
    }
    for (int i = 0; i < b->count; i++) {
        free(b->places[i].name);
        free(b->places[i].error);
        free(b->places[i].text);
    }
    free(b->members);
    free(b->places);
    free(b->output);
    free(b->views);
}

static size_t input_width(const struct member *m) { return shape_count(m->model.graph.input); }

/* One picture: decoded for each member that wants other channels than the one before, put through each one's preprocessing. */
static void decode_place(void *arg, int i, int thread) {
    (void)thread;
    struct batcher *b = arg;
    struct place *place = &b->places[i];
    if (place->row >= 0 || place->error || place->text) return;
    struct err err = {0};
    struct image image = {0};
    int channels = 0, bad = 0;
    for (int m = 0; m < b->member_count && !bad; m++) {
        struct member *member = &b->members[m];
        if (channels != preprocess_channels(&member->preprocess)) {
            image_free(&image);
            channels = preprocess_channels(&member->preprocess);
            bad = image_read(place->name, channels, &image, &err);
        }
        bad = bad || preprocess_image(&member->preprocess, &image, member->input + (size_t)i * input_width(member), &err);
    }
    if (bad) place->error = mem_copy(err.count ? err.sentences[0] : "can't be read");
    image_free(&image);
    err_free(&err);
}

/* The member's rows (any layout, elems) of that view added to b->views as NCHW floats. Reordered in the member's own batch of rows. */
static void take_view(struct batcher *b, const struct member *m, const struct exec *exec, int view) {
    const struct tensor *t = m->layer < 0 ? m->model.plan.output : plan_layer_output(&m->model.plan, m->layer);
    size_t elems = tensor_elems(t, exec), step = shape_step(t->shape), samples = tensor_samples(t, exec);
    void *nchw = mem_need(elems, dtype_size(exec->kernels->dtype));
    float *values = mem_need(elems, sizeof *values);
    exec->kernels->reorder(exec->threads, t->layout, LAYOUT_NCHW, samples, (size_t)t->shape.c, (size_t)t->shape.h, (size_t)t->shape.w, t->data, nchw, 0);
    exec->kernels->to_f32(exec->threads, nchw, values, samples * step);
    /* inside, time steps are outermost; outside, samples are */
    size_t steps = (size_t)t->shape.t, batch = (size_t)exec->batch;
    for (size_t s = 0; s < batch; s++)
        for (size_t i = 0; i < steps; i++)
            tta_add(b->tta, &m->model.graph, view, values + (i * batch + s) * step, step, b->views + s * b->width + i * step);
    free(nchw);
    free(values);
}

/* Inputs lie sample after sample; networks want the first step of all, then the second. */
static const float *turned_input(const struct member *m, size_t count, int view) {
    if (m->model.graph.input.t == 1) {
        if (view > 0) tta_view(view, m->model.graph.input, count, m->input, m->turned);
        return view > 0 ? m->turned : m->input;
    }
    size_t steps = (size_t)m->model.graph.input.t, width = shape_step(m->model.graph.input);
    for (size_t s = 0; s < count; s++)
        for (size_t t = 0; t < steps; t++) memcpy(m->turned + (t * count + s) * width, m->input + (s * steps + t) * width, width * sizeof *m->input);
    return m->turned;
}

/* A member's answer is the mean of its views; b->output takes its part of it. */
static void run_member(struct batcher *b, struct member *m) {
    struct exec exec = model_exec(&m->model, b->context->team);
    size_t count = (size_t)b->count;
    float share = (float)(1.0 / b->member_count);
    exec.batch = b->count;
    memset(b->views, 0, count * b->width * sizeof *b->views);
    for (int view = 0; view < tta_views(b->tta); view++) {
        run_forward(&m->model.plan, &exec, turned_input(m, count, view));
        take_view(b, m, &exec, view);
    }
    tta_finish(b->tta, &m->model.graph, count, b->width, b->views);
    for (size_t i = 0; i < count * b->width; i++) b->output[i] += share * b->views[i];
}

/* Rows that can't be used are run as zeros: a hole costs less than moving the others. */
int batcher_run(struct batcher *b, struct err *err) {
    threads_run(b->context->team, b->count, decode_place, b);
    memset(b->output, 0, (size_t)b->room * b->width * sizeof *b->output);
    for (int m = 0; m < b->member_count && b->count; m++) {
        struct member *member = &b->members[m];
        size_t width = input_width(member);
        for (int i = 0; i < b->count; i++)
            if (b->places[i].error) memset(member->input + (size_t)i * width, 0, width * sizeof *member->input);
        run_member(b, member);
    }
    int bad = 0;
    for (int i = 0; i < b->count; i++) {
        struct place *place = &b->places[i];
        b->done += !place->error;
        b->failed += place->error != NULL;
        bad = bad || b->say(b, place, place->error ? NULL : b->output + (size_t)i * b->width, err);
        free(place->name);
        free(place->error);
        free(place->text);
        *place = (struct place){0};
    }
    b->count = 0;
    return bad ? -1 : context_stopped(b->context, err);
}

int batcher_add_place(struct batcher *b, struct place place, struct err *err) {
    b->places[b->count++] = place;
    return b->count == b->room ? batcher_run(b, err) : 0;
}

int batcher_add_image(struct batcher *b, const char *path, struct err *err) { return batcher_add_place(b, (struct place){mem_copy(path), -1, NULL, NULL}, err); }

int batcher_add_error(struct batcher *b, const char *name, const char *why, struct err *err) {
    return batcher_add_place(b, (struct place){mem_copy(name), -1, mem_copy(why), NULL}, err);
}

int batcher_add_row(struct batcher *b, const char *name, long row, const float *values, struct err *err) {
    for (int m = 0; m < b->member_count; m++) {
        size_t width = input_width(&b->members[m]);
        memcpy(b->members[m].input + (size_t)b->count * width, values, width * sizeof *values);
    }
    return batcher_add_place(b, (struct place){mem_copy(name), row, NULL, NULL}, err);
}
