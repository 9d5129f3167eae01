/* Measures models on a split (train.h). Sums are made sample by sample in the order of the set, so that the numbers
 * have the same bits for any number of threads. */
#include "measure_parts.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "layers/layer.h"

int loader_threads(const struct dataset *set, int team) {
    int most = set->source->ops->flags & SOURCE_IN_MEMORY ? (team + 3) / 4 : team;
    return most < 1 ? 1 : most > 64 ? 64 : most;
}

const float *output_floats(const struct plan *plan, const struct exec *exec, float *room) {
    if (exec->kernels->dtype == DTYPE_F32) {
        return plan->output->data;
    }
    exec->kernels->to_f32(exec->threads, plan->output->data, room, tensor_elems(plan->output, exec));
    return room;
}

int label_rank(const float *row, int classes, int label) {
    int rank = 0;
    float mine = row[label];
    for (int c = 0; c < classes; c++) {
        rank += c != label && (!(row[c] <= mine) || (row[c] == mine && c < label));
    }
    return rank;
}

/* -1: an answer with a NaN in it says nothing. */
static int said(const float *row, int classes) {
    int best = 0;
    for (int c = 1; c < classes; c++) {
        best = row[c] > row[best] ? c : best;
    }
    for (int c = 0; c < classes; c++) {
        best = isnan(row[c]) ? -1 : best;
    }
    return best;
}

/* ---- a batch ---- */

static struct truth truth_of(const struct measuring *m, const struct batch *batch) {
    return (struct truth){.labels = batch->targets == NULL ? batch->labels : NULL, .values = batch->targets, .width = m->width};
}

/* One model's outputs of one view are added to m->views, its part of the losses to m->losses. Returns how many rows there are. */
static size_t view_run(struct measuring *m, const struct member *member, const struct batch *batch, const float *input, int view) {
    struct truth truth = truth_of(m, batch);
    struct exec exec = model_exec(member->model, m->job->threads);
    exec.batch = batch->count;
    exec.truth = &truth;
    exec.loss = m->loss;
    exec.soften = m->job->soften;
    exec.carry = member->model->graph.carries;
    run_forward(&member->model->plan, &exec, input);
    const float *outputs = output_floats(&member->model->plan, &exec, m->room);
    size_t rows = tensor_samples(member->model->plan.output, &exec);
    tta_add(m->job->tta, &member->model->graph, view, outputs, rows * m->width, m->views);
    for (size_t r = 0; r < rows; r++) {
        m->losses[r] += m->loss[r] * tta_weight(m->job->tta, view) / m->job->count;
    }
    return rows;
}

/* The mean of the views is one model's answer; m->outputs takes its part of it. */
static void member_run(struct measuring *m, const struct member *member, const struct batch *batch) {
    const struct measure_job *job = m->job;
    float share = (float)(1.0 / job->count);
    size_t rows = 0;
    memset(m->views, 0, m->rows * m->width * sizeof *m->views);
    for (int view = 0; view < tta_views(job->tta); view++) {
        if (view > 0) {
            tta_view(view, member->model->graph.input, (size_t)batch->count, batch->input, m->view);
        }
        rows = view_run(m, member, batch, view > 0 ? m->view : batch->input, view);
    }
    tta_finish(job->tta, &member->model->graph, rows, m->width, m->views);
    for (size_t i = 0; i < rows * m->width; i++) {
        m->outputs[i] += m->views[i] * share;
    }
}

/* The losses of the averaged outputs, by the first network's own layer. */
static void outputs_lose(struct measuring *m, const struct batch *batch, size_t rows) {
    struct op op = *m->loss_op;
    struct tensor in = *op.in[0], *ins[] = {&in, NULL};
    struct truth truth = truth_of(m, batch);
    struct exec exec = model_exec(m->job->models[0], m->job->threads);
    exec.batch = batch->count;
    exec.truth = &truth;
    exec.loss = m->losses;
    in.data = m->outputs;
    in.layout = LAYOUT_NCHW;
    if (exec.kernels->dtype != DTYPE_F32) {
        exec.kernels->from_f32(exec.threads, m->outputs, m->room, rows * m->width);
        in.data = m->room;
    }
    op.in = ins;
    op.out = &in;
    memset(m->losses, 0, rows * sizeof *m->losses);
    op.ops->forward(&op, &exec);
}

/* -1 where there is no memory for its logits. */
static int row_classify(struct measuring *m, const float *row, int label, double loss) {
    int classes = m->out->classes, best = said(row, classes);
    if (label < 0 || label >= classes) {
        return 0;
    }
    int rank = label_rank(row, classes, label);
    m->top1 += rank == 0 && best >= 0;
    m->top5 += rank < 5 && best >= 0;
    m->out->images++;
    m->out->loss += m->from_outputs ? -log(row[label] < FLT_MIN ? FLT_MIN : (double)row[label]) : loss;
    if (m->out->confusion != NULL && best >= 0) {
        m->out->confusion[(size_t)label * (size_t)classes + (size_t)best]++;
    }
    calibration_add(&m->calibration, best < 0 ? (double)NAN : (double)row[best], rank == 0);
    return m->job->logits == NULL ? 0 : logits_add(m->job->logits, row, (size_t)classes, m->job->soften, label);
}

static void row_regress(struct measuring *m, const float *row, const float *target, double loss) {
    m->out->images++;
    m->out->loss += loss;
    for (size_t i = 0; target != NULL && i < m->width; i++) {
        double difference = (double)row[i] - target[i];
        m->error += difference * difference;
        m->target[i] += target[i];
        m->target_squares[i] += (double)target[i] * target[i];
    }
}

static int batch_measure(struct measuring *m, struct batch *const *batches, struct err *err) {
    const struct batch *first = batches[0];
    int bad = 0;
    size_t rows = (size_t)first->count * (m->rows / (size_t)m->batch);
    memset(m->outputs, 0, rows * m->width * sizeof *m->outputs);
    memset(m->losses, 0, rows * sizeof *m->losses);
    for (int i = 0; i < m->job->count; i++) {
        member_run(m, &m->members[i], batches[i]);
    }
    if (m->loss_op != NULL) {
        outputs_lose(m, first, rows);
    }
    for (size_t r = 0; r < rows; r++) {
        const float *row = m->outputs + r * m->width;
        if (!m->out->regression) {
            bad |= row_classify(m, row, first->labels[r], m->losses[r]);
        } else {
            row_regress(m, row, first->targets == NULL ? NULL : first->targets + r * m->width, m->losses[r]);
        }
    }
    return bad ? err_add(err, STATUS_FAILED, "out of memory for the answers to calibrate by") : 0;
}

/* The next batch of every loader; members without one of their own share the first's. *batches[0] NULL at the end. */
static int batches_next(struct measuring *m, struct batch **batches, struct err *err) {
    for (int i = 0; i < m->job->count; i++) {
        batches[i] = batches[0];
        if (m->members[i].loader != NULL && loader_next(m->members[i].loader, &batches[i], err) != 0) {
            return -1;
        }
        if (i > 0 && batches[0] != NULL && (batches[i] == NULL || batches[i]->count != batches[0]->count)) {
            return err_add(err, STATUS_FAILED, "the models of the ensemble can't read the same samples");
        }
    }
    return 0;
}

static int all_measure(struct measuring *m, struct err *err) {
    const struct measure_job *job = m->job;
    struct batch **batches = mem_need((size_t)job->count, sizeof *batches);
    int result = 0;
    while ((result = batches_next(m, batches, err)) == 0 && batches[0] != NULL) {
        if (job->stop != NULL && *job->stop != 0) {
            result = 1;
            break;
        }
        if ((result = batch_measure(m, batches, err)) != 0) {
            break;
        }
        progress_line(job->progress, 0, "%s %llu/%zu", split_name(job->split), (unsigned long long)m->out->images,
                      job->data->sets[job->split].count);
    }
    free(batches);
    return result;
}

/* Sums become means. R squared is over all columns: 1 - squared errors / squared distances from each column's mean. */
static void finish(struct measuring *m) {
    struct measure *out = m->out;
    double images = (double)out->images, distance = 0;
    out->loss /= images;
    out->sequence = m->rows > (size_t)m->batch && !out->regression;
    out->top1 = out->regression ? (double)NAN : (double)m->top1 / images;
    out->ece = m->job->models[0]->graph.gives_probabilities ? calibration_error(&m->calibration) : (double)NAN;
    out->top5 = out->regression ? (double)NAN : (double)m->top5 / images;
    for (size_t i = 0; i < m->width; i++) {
        distance += m->target_squares[i] - m->target[i] * m->target[i] / images;
    }
    int targets = out->regression && m->job->data->sets[m->job->split].source->target_count > 0;   /* else labels, of which only the loss is known */
    out->rmse = targets ? sqrt(m->error / (images * (double)m->width)) : (double)NAN;
    out->r2 = out->regression && distance > 0 ? 1 - m->error / distance : (double)NAN;
}

int measure_do(const struct measure_job *job, struct measure *out, struct err *err) {
    *out = (struct measure){0};
    if (job->data->sets[job->split].count == 0) {
        return err_add(err, STATUS_REFUSED, "the data set has no %s split", split_name(job->split));
    }
    struct measuring m = {.job = job, .out = out};
    double start = progress_now();
    int result = measuring_make(&m, err) != 0 ? -1 : all_measure(&m, err);
    if (result == 0) {
        finish(&m);
    }
    out->seconds = progress_now() - start;
    measuring_free(&m);
    return result;
}

int measure_run(struct model *const *models, int model_count, const struct data *data, enum split split,
                struct threads *threads, struct progress *progress, struct measure *out, struct err *err) {
    struct measure_job job = {.models = models, .count = model_count, .data = data, .split = split, .threads = threads,
                              .progress = progress, .confusion = 1};
    return measure_do(&job, out, err);
}

void measure_free(struct measure *m) {
    free(m->confusion);
    *m = (struct measure){0};
}
