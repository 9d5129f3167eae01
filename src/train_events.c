/* metrics.jsonl, the same lines on stdout with --json, and what people see (trainer.h; the format is CLI.md's). Epochs
 * count from 1 here. A line is written in one go; what a killed process left unfinished is cut off by the resume. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "trainer.h"

static const size_t MOST_METRICS = (size_t)4 << 30;

/* ---- the file ---- */

int events_open(struct trainer *t, struct err *err) {
    struct events *e = &t->events;
    e->path = t->folder.metrics;
    e->out = t->options->events;
    e->file = fopen(e->path, "ae");
    return e->file == NULL ? err_errno(err, STATUS_FAILED, e->path, "can't be written") : 0;
}

void events_close(struct events *e) {
    if (e->file != NULL) {
        fclose(e->file);
    }
    e->file = NULL;
}

int events_sync(struct events *e, struct err *err) {
    if (fflush(e->file) != 0 || (fdatasync(fileno(e->file)) != 0 && errno != EINVAL && errno != EROFS)) {
        return err_errno(err, STATUS_FAILED, e->path, "can't be written");
    }
    return 0;
}

static int line_put(FILE *file, const struct text *line) {
    return fwrite(line->text, 1, line->length, file) == line->length && fflush(file) == 0 ? 0 : -1;
}

/* Ends the line, puts it where it is wanted, and frees it. */
static int put(struct trainer *t, struct json *j, int to_file, int to_out, struct err *err) {
    struct events *e = &t->events;
    int result = 0;
    json_close(j, '}');
    text_add_n(&j->out, "\n", 1);
    if (to_file && line_put(e->file, &j->out) != 0) {
        result = err_errno(err, STATUS_FAILED, e->path, "can't be written");
    }
    if (to_out && e->out != NULL && !e->gone) {
        progress_end(t->progress);   /* the live line stands in the same terminal */
        if (line_put(e->out, &j->out) != 0) {
            e->gone = errno == EPIPE;
            result = e->gone ? result : err_errno(err, STATUS_FAILED, "standard output", "can't be written");
        }
    }
    text_free(&j->out);
    return result;
}

/* Does the line belong to what the state holds? Step lines to the state's steps, epoch lines to whole epochs. */
static int line_belongs(const struct progress_state *state, const char *line, size_t length) {
    struct err none = {0};
    cJSON *object = json_parse("", line, length, &none);
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(object, "event");
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(object, "step");
    const cJSON *epoch = cJSON_GetObjectItemCaseSensitive(object, "epoch");
    const char *kind = cJSON_IsString(event) ? event->valuestring : "";
    int belongs = strcmp(kind, "start") == 0;
    if (strcmp(kind, "step") == 0) {
        belongs = cJSON_IsNumber(step) && step->valuedouble <= (double)state->step;
    } else if (strcmp(kind, "epoch") == 0) {
        belongs = cJSON_IsNumber(epoch) && epoch->valuedouble <= (double)state->epoch;
    }
    cJSON_Delete(object);
    err_free(&none);
    return belongs;
}

int events_cut(const struct trainer *t, struct err *err) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    struct text kept = {0};
    if (!file_exists(t->folder.metrics)) {
        return 0;
    }
    if (file_read(t->folder.metrics, 0, MOST_METRICS, STATUS_FAILED, &bytes, &size, err) != 0) {
        return -1;
    }
    for (const char *at = (const char *)bytes, *end = at + size, *next; at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop == NULL ? end : stop + 1;
        if (stop != NULL && line_belongs(&t->state, at, (size_t)(stop - at))) {
            text_add_n(&kept, at, (size_t)(next - at));
        }
    }
    int result = kept.length == size ? 0 : file_write(t->folder.metrics, kept.text, kept.length, err);
    text_free(&kept);
    free(bytes);
    return result;
}

/* ---- the lines ---- */

static struct json begin(const char *event) {
    struct json j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "event", event);
    return j;
}

/* Steps of the whole; 0 where there is no end. */
static double whole_length(const struct trainer *t) {
    return (double)t->length.whole;
}

static void epoch_of(const struct trainer *t, struct text *to) {
    double epochs = ceil(whole_length(t) / (double)t->length.steps_per_epoch);
    text_add(to, "epoch %llu", (unsigned long long)t->state.epoch + 1);
    if (epochs > 0) {
        text_add(to, "/%.0f", epochs);
    }
}

int events_start(struct trainer *t, struct err *err) {
    const struct data *data = &t->data;
    struct json j = begin("start");
    json_text(&j, "config", t->model->path);
    json_int(&j, "parameters", (long long)t->model->graph.parameters);
    json_int(&j, "seed", (long long)t->state.seed);
    json_int(&j, "threads", threads_count(t->threads));
    json_text(&j, "precision", t->state.precision);
    json_int(&j, "train_images", (long long)data->sets[SPLIT_TRAIN].count);
    json_int(&j, "valid_images", (long long)data->sets[SPLIT_VALID].count);
    if (t->resumed) {
        progress_say(t->progress, "%s: goes on after step %llu", t->folder.path, (unsigned long long)t->state.step);
    } else {
        progress_say(t->progress, "%s: %zu parameters, %zu training and %zu validation images, into %s", t->model->path,
                     t->model->graph.parameters, data->sets[SPLIT_TRAIN].count, data->sets[SPLIT_VALID].count,
                     t->folder.path);
    }
    return put(t, &j, !t->resumed, 1, err);
}

static double mean_loss(const struct progress_state *s) {
    return s->epoch_loss / s->epoch_weight;
}

static double top1(const struct trainer *t) {
    return t->model->graph.classes > 0 ? (double)t->state.epoch_correct / (double)t->state.epoch_answers : (double)NAN;
}

/* The live line of a terminal. */
static void show_step(struct trainer *t, const struct step *step, double now) {
    struct text line = {0};
    char left[24];
    double seconds = now - t->clock.epoch_began, rate = (double)t->clock.epoch_images / seconds;
    epoch_of(t, &line);
    text_add(&line, "  step %llu", (unsigned long long)t->state.step);
    if (whole_length(t) > 0) {
        text_add(&line, "/%.0f", whole_length(t));
    }
    text_add(&line, "  loss %.4f", mean_loss(&t->state));
    if (t->model->graph.classes > 0) {
        text_add(&line, "  top-1 %.2f%%", 100 * top1(t));
    }
    text_add(&line, "  rate %.3g  %.0f images/s", step->rate, rate);
    if (whole_length(t) > 0 && rate > 0) {
        double images = (whole_length(t) - (double)t->state.step) / (double)t->length.steps_per_epoch *
                        (double)t->length.samples;
        text_add(&line, "  %s left", progress_duration(images / rate, left));
    }
    progress_line(t->progress, 0, "%s", line.text);
    text_free(&line);
}

int events_step(struct trainer *t, const struct step *step, struct err *err) {
    int due = t->state.step % (uint64_t)config_int(t->model->graph.net, "log_steps") == 0;
    if (!due && !t->progress->live) {
        return 0;
    }
    double now = progress_now();
    if (t->progress->live) {
        show_step(t, step, now);
    }
    if (!due) {
        return 0;
    }
    struct json j = begin("step");
    json_int(&j, "step", (long long)t->state.step);
    json_int(&j, "epoch", (long long)t->state.epoch + 1);
    json_real(&j, "loss", step->loss);
    json_real(&j, "learning_rate", step->rate);
    json_real(&j, "images_per_second", (double)t->clock.logged_images / (now - t->clock.logged));
    t->clock.logged = now;
    t->clock.logged_images = 0;
    return put(t, &j, 1, 1, err);
}

static void say_epoch(struct trainer *t, const struct measure *valid, int best, double speed) {
    struct text line = {0};
    epoch_of(t, &line);
    text_add(&line, ": loss %.4f", mean_loss(&t->state));
    if (t->model->graph.classes > 0) {
        text_add(&line, ", top-1 %.2f%%", 100 * top1(t));
    }
    if (valid != NULL) {
        text_add(&line, "; validation loss %.4f", valid->loss);
        if (!valid->regression) {
            text_add(&line, ", top-1 %.2f%%", 100 * valid->top1);
        }
        text_add(&line, "%s", best ? " (best)" : "");
    }
    text_add(&line, "; %.0f images/s", speed);
    if (t->state.position > t->state.epoch_seen) {
        text_add(&line, "; %llu samples skipped", (unsigned long long)(t->state.position - t->state.epoch_seen));
    }
    progress_say(t->progress, "%s", line.text);
    text_free(&line);
}

int events_epoch(struct trainer *t, const struct measure *valid, int best, double rate, struct err *err) {
    double now = progress_now(), seconds = now - t->clock.epoch_began;
    double training = seconds - (valid == NULL ? 0 : valid->seconds), speed = (double)t->clock.epoch_images / training;
    struct json j = begin("epoch");
    json_int(&j, "epoch", (long long)t->state.epoch + 1);
    json_int(&j, "step", (long long)t->state.step);
    json_real(&j, "train_loss", mean_loss(&t->state));
    json_real(&j, "train_top1", top1(t));
    json_real(&j, "valid_loss", valid == NULL ? (double)NAN : valid->loss);
    json_real(&j, "valid_top1", valid == NULL ? (double)NAN : valid->top1);
    json_real(&j, "learning_rate", rate);
    json_real(&j, "images_per_second", speed);
    json_real(&j, "seconds", seconds);
    say_epoch(t, valid, best, speed);
    return put(t, &j, 1, 1, err);
}

int events_done(struct trainer *t, int stored, struct err *err) {
    double seconds = progress_now() - t->clock.began;
    double best = t->model->graph.classes > 0 ? t->state.best : (double)NAN;
    struct json j = begin("done");
    json_text(&j, "best", t->folder.best);
    json_text(&j, "last", t->folder.last);
    json_real(&j, "best_valid_top1", best);
    json_real(&j, "seconds", seconds);
    if (!stored) {
        char duration[24];
        progress_say(t->progress, "%s after %llu steps, %s: %s", t->begun ? "done" : "was done before",
                     (unsigned long long)t->state.step, progress_duration(seconds, duration), t->folder.best);
    }
    return put(t, &j, stored, !stored, err);
}
