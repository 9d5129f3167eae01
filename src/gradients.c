/* Finite differences along random directions: two forward passes a tensor, whatever its size. Outputs of layers are moved while the pass
 * is under way (run_watch), so that layers without parameters are proved as well. */
#include "gradients.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/mem.h"
#include "base/rng.h"
#include "layers/layer.h"
#include "run.h"

static void cut(struct section *s, const char *key, long most) {
    long value, groups = 1;
    const struct entry *found = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (!strcmp(s->entries[i].key, "groups") && number_int(s->entries[i].value, 1, 1 << 20, &groups)) groups = 1;
        if (!strcmp(s->entries[i].key, key)) found = &s->entries[i];
    }
    if (!found || number_int(found->value, 1, 2147483647, &value) || value <= most) return;
    char text[32];
    snprintf(text, sizeof text, "%ld", groups > most ? value : most / groups * groups);
    config_put(s, key, text);
}

void gradients_shrink(struct config *config) {
    for (size_t i = 0; i < config->count; i++) {
        cut(&config->sections[i], "filters", GRADIENTS_MOST_FILTERS);
        cut(&config->sections[i], "output", GRADIENTS_MOST_OUTPUTS);
        cut(&config->sections[i], "time_steps", GRADIENTS_MOST_STEPS);
        static const char *const whitening[] = {"whitening", "whitening_eps", "whitening_samples"};
        for (int k = 0; k < 3; k++) config_drop(&config->sections[i], whitening[k]);   /* it wants data, and filters for every direction */
    }
}

/* The copy at work: one batch of random inputs and answers, and what is being moved. */
struct trial {
    struct plan plan;
    struct exec exec;
    struct truth truth;
    float *input, *values; int32_t *labels;
    const struct op *moved; const double *direction; double by;     /* NULL: nothing */
};

/* After the moved op ran: its output plus by * direction. */
static void move_output(void *arg, const struct op *op, int backward, int begin) {
    struct trial *t = arg;
    if (begin || backward || op != t->moved) return;
    double *out = op->out->data;
    size_t n = tensor_elems(op->out, &t->exec);
    for (size_t i = 0; i < n; i++) out[i] += t->by * t->direction[i];
}

static double loss_of(struct trial *t) {
    struct run_watch watch = {move_output, t};
    run_pack(&t->plan, &t->exec);
    run_forward_watched(&t->plan, &t->exec, t->input, &watch);
    size_t n = (size_t)t->exec.batch * (size_t)t->plan.output->shape.t;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += t->exec.loss[i];
    return sum * t->exec.loss_scale;
}

/* Biases off zero: where a map is dead, its neighbour's sums are the bias alone, and at exactly 0 a ReLU has no derivative. */
static void move_off_zero(const struct plan *plan, uint64_t seed) {
    struct rng rng = rng_make(seed, RNG_CHECK, 2);
    for (int v = 0; v < plan->value_count; v++) {
        double *w = plan->values[v].data;
        for (size_t i = 0; i < plan->values[v].slot->count; i++)
            if (w[i] == 0) w[i] = 0.01 * rng_normal(&rng);
    }
}

static int prepare(struct trial *t, const struct graph *g, uint64_t seed, struct threads *threads, struct err *err) {
    struct plan_options options = {.isa = ISA_BASE, .ref_only = 1, .dtype = DTYPE_F64, .batch = GRADIENTS_BATCH, .training = 1,
        .threads = threads_count(threads), .keep_layer = -1, .keep_all = 1};
    if (plan_make(&t->plan, g, &options, err)) return -1;
    plan_init(&t->plan, seed);
    move_off_zero(&t->plan, seed);
    struct rng rng = rng_make(seed, RNG_CHECK, 0);
    size_t in = GRADIENTS_BATCH * shape_count(g->input), rows = GRADIENTS_BATCH * (size_t)g->nodes[g->output].out.t;
    size_t width = shape_step(g->nodes[g->output].out);
    t->input = mem_need(in, sizeof *t->input);
    t->labels = mem_need(rows, sizeof *t->labels);
    t->values = mem_need(rows * width, sizeof *t->values);
    for (size_t i = 0; i < in; i++) t->input[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < rows && g->classes; i++) t->labels[i] = (int32_t)rng_below(&rng, (uint64_t)g->classes);
    for (size_t i = 0; i < rows * width; i++) t->values[i] = (float)rng_uniform(&rng);
    t->truth = g->classes ? (struct truth){.labels = t->labels, .mean_weight = 1} : (struct truth){.values = t->values, .width = width, .mean_weight = 1};
    t->exec = (struct exec){.kernels = t->plan.target.kernels, .threads = threads, .batch = GRADIENTS_BATCH, .training = 1, .seed = seed, .truth = &t->truth,
        .loss_scale = 1.0 / (double)rows, .loss = mem_need(rows, sizeof(double))};
    return 0;
}

static void release(struct trial *t) {
    plan_free(&t->plan);
    free(t->input);
    free(t->labels);
    free(t->values);
    free(t->exec.loss);
}

/* |a - b| over their size; derivatives that are both nothing beside the loss agree. */
static double relative_error(double analytic, double numeric, double loss) {
    double size = fmax(fabs(analytic), fabs(numeric)), floor = 1e-6 * fmax(1, fabs(loss));
    return fabs(analytic - numeric) / fmax(size, floor);
}

static double *direction_of(size_t n, double size, struct rng *rng) {
    double *v = mem_need(n, sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = rng_normal(rng) * size;
    return v;
}

static double size_of(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum / (double)n) + 1e-2;
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Long steps cross kinks (a ReLU's, a maximum's), short ones drown in rounding: the best of these counts. A wrong gradient is wrong at all. */
static const double STEPS[] = {1e-5, 1e-6, 1e-7, 1e-8};
enum { STEP_COUNT = sizeof STEPS / sizeof *STEPS };

/* The loss with the moved thing at +by or -by. */
typedef double moved_loss(struct trial *t, void *what, double by);

static double best_error(struct trial *t, moved_loss *moved, void *what, double analytic, double loss) {
    double best = INFINITY;
    for (int s = 0; s < STEP_COUNT; s++) {
        double numeric = (moved(t, what, STEPS[s]) - moved(t, what, -STEPS[s])) / (2 * STEPS[s]);
        double error = relative_error(analytic, numeric, loss);
        if (!(error >= best)) best = error;
    }
    return best;
}

struct moved_value { double *weight, *kept, *direction; size_t n; };

static double value_loss(struct trial *t, void *what, double by) {
    struct moved_value *v = what;
    for (size_t i = 0; i < v->n; i++) v->weight[i] = v->kept[i] + by * v->direction[i];
    double loss = loss_of(t);
    memcpy(v->weight, v->kept, v->n * sizeof *v->weight);
    return loss;
}

static double check_value(struct trial *t, const struct value *v, const double *grad, double loss, struct rng *rng) {
    struct moved_value moved = {.weight = v->data, .n = v->slot->count, .kept = mem_need(v->slot->count, sizeof(double))};
    memcpy(moved.kept, v->data, moved.n * sizeof *moved.kept);
    moved.direction = direction_of(moved.n, size_of(v->data, moved.n), rng);
    double error = best_error(t, value_loss, &moved, dot(grad, moved.direction, moved.n), loss);
    free(moved.kept);
    free(moved.direction);
    return error;
}

/* A move for each value that is a function of the value: equal values move alike and zeros stay, so that ties which a maximum sees
 * (behind a ReLU, over constant maps) stay ties, and the loss stays differentiable along the direction. */
static double *tie_keeping_direction(const double *values, size_t n, uint64_t seed) {
    double *v = mem_need(n, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        uint32_t words[4];
        memcpy(&bits, &values[i], sizeof bits);
        rng_block(seed, RNG_CHECK, bits, words);
        v[i] = values[i] * ((double)words[0] / 2147483648.0 - 1);
    }
    return v;
}

static double output_loss(struct trial *t, void *what, double by) {
    t->moved = what;
    t->by = by;
    double loss = loss_of(t);
    t->moved = NULL;
    return loss;
}

static double check_output(struct trial *t, const struct op *op, double loss) {
    size_t n = tensor_elems(op->out, &t->exec);
    loss_of(t);     /* the values as they are, not as the trial before left them */
    double *direction = tie_keeping_direction(op->out->data, n, t->exec.seed);
    t->direction = direction;
    double error = best_error(t, output_loss, (void *)(uintptr_t)op, dot(op->out->grad, direction, n), loss);
    free(direction);
    return error;
}

static void note(struct gradient_check *check, double error, const char *where) {
    check->checked++;
    if (error > check->error || check->checked == 1 || isnan(error)) {
        check->error = error;
        check->where = where;
    }
}

/* Every op whose output's gradient was computed, and its parameters. The gradients stay as the one backward pass left them. */
static void check_op(struct trial *t, const struct op *op, double loss, struct rng *rng, struct gradient_check *check) {
    for (int s = 0; s < op->node->slot_count && op->ops != &layer_reorder; s++)
        if (op->slots[s].grad) note(check, check_value(t, &op->slots[s], op->slots[s].grad, loss, rng), op->slots[s].slot->suffix);
    if (op->learns && op->out->grad) note(check, check_output(t, op, loss), "output");
}

int gradients_check(const struct graph *graph, uint64_t seed, struct threads *threads, const volatile sig_atomic_t *stop, struct gradient_check *checks,
    struct err *err) {
    struct trial t = {0};
    if (!layer_losses(graph)) return err_add(err, STATUS_REFUSED, "%s: the network ends without a loss ([softmax] or [cost]): there is nothing to differentiate", graph->config->path);
    if (prepare(&t, graph, seed, threads, err)) return -1;
    for (int i = 0; i < graph->layer_count; i++) checks[i] = (struct gradient_check){.layer = i};
    double loss = loss_of(&t);
    run_zero(&t.plan, &t.exec);
    run_backward(&t.plan, &t.exec);
    struct rng rng = rng_make(seed, RNG_CHECK, 1);
    int stopped = 0;
    for (int i = 0; i < t.plan.op_count && !(stopped = stop && *stop); i++)
        if (t.plan.ops[i].node->layer >= 0) check_op(&t, &t.plan.ops[i], loss, &rng, &checks[t.plan.ops[i].node->layer]);
    release(&t);
    return stopped ? err_add(err, STATUS_INTERRUPTED, "stopped by a signal") : 0;
}
