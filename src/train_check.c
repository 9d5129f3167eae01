/* What [net] wants to train with, against the network and the data there are (trainer.h): losses, classes, mixed samples, the length. */
#include <math.h>

#include "base/mem.h"
#include "layers/batchnorm.h"
#include "layers/layer.h"
#include "net.h"
#include "trainer.h"

int trainer_validates(const struct trainer *t) {
    return t->data.sets[SPLIT_VALID].count > 0;
}

static int check_losses(const struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    int bad = 0;
    if (layer_losses(graph) == 0) {
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
    for (int i = 0; i < t->model->graph.node_count && config_real(net, "label_smoothing") > 0; i++) {
        const struct node *node = &t->model->graph.nodes[i];
        if (node->ops == &layer_cost && config_choice(node->section, "type") == LOSS_HINGE) {
            return config_refuse(net, "net", "label_smoothing", err, "the hinge loss compares classes, it knows no shares of them");
        }
    }
    if (weights == 0) {
        return 0;
    }
    if (weights != (size_t)classes) {
        return config_refuse(net, "net", "class_weights", err, "want one for each of %d classes, found %zu", classes,
                             weights);
    }
    for (int i = 0; i < t->model->graph.node_count && config_int(net, "subdivisions") > 1; i++) {
        const struct node *node = &t->model->graph.nodes[i];
        if (node->ops == &layer_sparsity) {   /* what a row of the whole batch weighs isn't known before its last part */
            return node_refuse(node, "sparsity", err, "want [net] subdivisions=1 beside class_weights");
        }
    }
    t->class_weights = mem_need(weights, sizeof *t->class_weights);
    for (size_t i = 0; i < weights; i++) {
        t->class_weights[i] = (float)config_item_real(net, "class_weights", i);
    }
    return 0;
}

int trainer_check_network(struct trainer *t, struct err *err) {
    return check_losses(t, err) != 0 || check_classes(t, err) != 0 ? -1 : 0;
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

/* The validation reads as many streams of a text as [net] batch says, and a pass takes one window of each. */
static int check_streams(const struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    const struct dataset *valid = &t->data.sets[SPLIT_VALID];
    if (!graph->carries || !trainer_validates(t) || !(valid->source->ops->flags & SOURCE_STREAMS)) {
        return 0;
    }
    int streams = valid->source->streams;
    return streams <= t->length.batch ? 0 : config_refuse(graph->net, "net", "batch", err,
        "the training text has windows for %d streams only, but the validation would be read in %d: want a batch of at most %d", t->length.batch, streams,
        t->length.batch);
}

static int check_samples(const struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    const struct source *source = &t->data.sources[SPLIT_TRAIN];
    int bad = 0, answers = graph->nodes[graph->output].out.t;
    if (answers > 1 && source->label_count != answers) {
        return config_refuse(graph->net, "net", "time_steps", err,
                             "the network answers at each of its steps, but the data has one answer a sample");
    }
    if (t->data.sets[SPLIT_TRAIN].count == 0) {
        return config_refuse(t->data.section, "data", NULL, err, "there are no training samples");
    }
    bad = data_fits_output(&t->data, &t->data.sets[SPLIT_TRAIN], graph, err);
    bad |= check_streams(t, err);
    if (!trainer_validates(t) && config_int(graph->net, "patience") > 0) {
        bad = config_refuse(graph->net, "net", "patience", err, "nothing is validated: give valid= in [data]");
    }
    if (!trainer_validates(t) && schedule_is_plateau(t->schedule)) {
        bad = config_refuse(graph->net, "net", "policy", err,
                            "plateau looks at the validation, but nothing is validated: give valid= in [data]");
    }
    return bad;
}

/* PyTorch's "Expected more than 1 value per channel": normalized by itself a single value is always 0. */
static int check_norms(const struct trainer *t, struct err *err) {
    const struct graph *graph = &t->model->graph;
    int bad = 0;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        if (node->ops == &layer_batchnorm && !batchnorm_is_frozen(node) && t->length.batch * node->out.t * node->out.h * node->out.w == 1) {
            bad = node_refuse(node, NULL, err, "batch normalization wants more than one value a channel, but a pass has one sample: give [net] a larger batch%s",
                              t->length.parts > 1 ? " or fewer subdivisions" : "");
        }
    }
    return bad;
}

int trainer_check_data(const struct trainer *t, struct err *err) {
    return check_samples(t, err) != 0 || check_mixing(t, err) != 0 || check_norms(t, err) != 0 ? -1 : 0;
}

int trainer_read_length(struct trainer *t, struct err *err) {
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
