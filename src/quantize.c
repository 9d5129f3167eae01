/* Calibrates and makes the 8-bit plan (quantize.h). */
#include "quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "layers/layer.h"
#include "sources/source.h"

/* Per node the least and the greatest number of its input in each batch, averaged: a single outlier doesn't coarsen all the others. */
struct watching { const struct exec *exec; struct span *spans; int batches; const volatile sig_atomic_t *stop; };

static void see(void *arg, const struct op *op, int backward, int begin) {
    struct watching *w = arg;
    if (backward || !begin || op->in_count == 0 || op->reads_ids || op->node->flops == 0 || op->ops == &layer_reorder) {
        return;
    }
    const float *x = op->in[0]->data;
    float low = 0, high = 0;
    for (size_t i = 0, n = tensor_elems(op->in[0], w->exec); i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    w->spans[op->node->index].low += low;
    w->spans[op->node->index].high += high;
}

static void watch(struct model *model, struct watching *w, struct exec *exec, int count, const float *input) {
    struct run_watch watch = {see, w};
    exec->batch = count;
    w->exec = exec;
    run_forward_watched(&model->plan, exec, input, &watch);
    w->batches++;
}

/* ---- what is watched ---- */

static int watch_noise(struct model *model, struct watching *w, struct exec *exec, uint64_t seed, struct err *err) {
    size_t n = (size_t)model->plan.target.batch * shape_count(model->graph.input);
    float *input = mem_aligned(n * sizeof *input);
    struct rng rng = rng_make(seed, RNG_SYNTHETIC, 0);
    if (input == NULL) {
        return err_add(err, STATUS_FAILED, "out of memory for %d samples", model->plan.target.batch);
    }
    for (size_t i = 0; i < n; i++) {
        input[i] = (float)rng_uniform(&rng) - 0.5f;
    }
    watch(model, w, exec, model->plan.target.batch, input);
    free(input);
    return 0;
}

static int watch_loader(struct model *model, struct watching *w, struct exec *exec, struct loader *loader, struct err *err) {
    int seen = 0;
    while (seen < QUANTIZE_SAMPLES) {
        struct batch *batch;
        if (w->stop != NULL && *w->stop != 0) {
            return err_add(err, STATUS_INTERRUPTED, "stopped by a signal");
        }
        if (loader_next(loader, &batch, err) != 0) {
            return -1;
        }
        if (batch == NULL) {
            break;
        }
        watch(model, w, exec, batch->count, batch->input);
        seen += batch->count;
    }
    return 0;
}

static int watch_data(struct model *model, struct watching *w, struct exec *exec, uint64_t seed, struct err *err) {
    struct data data;
    struct loader *loader = NULL;
    int bad = data_open(&data, &model->graph, 1u << SPLIT_TRAIN, NULL, seed, err);
    if (bad != 0) {
        err_add(err, STATUS_REFUSED, "%s: --precision int8 looks at training pictures first, to know what its numbers are within", model->path);
    } else {
        struct loader_options options = {
            .set = &data.sets[SPLIT_TRAIN], .preprocess = &data.preprocess, .steps = model->graph.input.t, .batch = model->plan.target.batch,
            .ahead = 1, .shuffle = 1, .seed = seed,
        };
        loader = loader_make(&options, err);
        bad = loader == NULL ? -1 : watch_loader(model, w, exec, loader, err);
    }
    loader_free(loader);
    data_close(&data);
    return bad;
}

/* ---- the plan ---- */

static int calibrate(struct model *model, const struct plan_options *options, uint64_t seed, struct span *spans, struct err *err) {
    struct threads *team = threads_make(options->threads, err);
    if (team == NULL) {
        return -1;
    }
    struct exec exec = model_exec(model, team);
    struct watching w = {.spans = spans, .stop = options->stop};
    int bad = (options->quantize == QUANTIZE_BY_NOISE ? watch_noise : watch_data)(model, &w, &exec, seed, err);
    for (int i = 0; i < model->graph.node_count && w.batches > 0; i++) {
        spans[i].low /= (float)w.batches;
        spans[i].high /= (float)w.batches;
    }
    threads_free(team);
    return bad;
}

int quantize_model(struct model *model, const struct plan_options *options, uint64_t seed, struct err *err) {
    struct span *spans = mem_need((size_t)model->graph.node_count, sizeof *spans);
    struct plan_options with = *options;
    int bad = calibrate(model, options, seed, spans, err);
    with.spans = spans;
    with.dtype = kernels_int8_dtype(options->isa, options->ref_only);
    if (bad == 0) {
        with.weights = plan_end(&model->plan);
        bad = plan_make(&model->plan, &model->graph, &with, err);
    }
    if (bad == 0) {
        model->plan.target.spans = NULL;   /* the choice is made */
        struct exec exec = model_exec(model, NULL);
        run_pack(&model->plan, &exec);
    }
    free(spans);
    return bad;
}
