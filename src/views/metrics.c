/* Reads metrics.jsonl (metrics.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "views/metrics.h"

enum { MOST_BYTES = 1 << 30 };

struct line { const struct metrics *m; const cJSON *object; long number; struct err *err; int bad; };

static void refuse(struct line *l, const char *key, const char *wanted) {
    l->bad = 1;
    err_add(l->err, STATUS_REFUSED, "%s:%ld: %s: want %s", l->m->path, l->number, key, wanted);
}

/* A measured number; null is NaN. */
static double measured(struct line *l, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(l->object, key);
    if (cJSON_IsNull(value)) {
        return (double)NAN;
    }
    if (!cJSON_IsNumber(value) || !isfinite(value->valuedouble)) {
        refuse(l, key, "a number or null");
        return (double)NAN;
    }
    return value->valuedouble;
}

/* A count, no less than `least`. */
static double counted(struct line *l, const char *key, double least) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(l->object, key);
    double count = cJSON_IsNumber(value) ? value->valuedouble : (double)NAN;
    if (!(count >= 0 && count <= 0x1p53) || count != floor(count)) {
        refuse(l, key, "a whole number");
    } else if (count < least) {
        refuse(l, key, "numbers that rise from line to line");
    }
    return count;
}

static void take_epoch(struct line *l, struct metrics *m) {
    const struct metrics_epoch *before = m->epoch_count > 0 ? &m->epochs[m->epoch_count - 1] : NULL;
    struct metrics_epoch e = {counted(l, "epoch", before ? before->epoch + 1 : 0),
                              counted(l, "step", before ? before->step + 1 : 0),
                              measured(l, "train_loss"),
                              measured(l, "train_top1"),
                              measured(l, "valid_loss"),
                              measured(l, "valid_top1")};
    if (!l->bad) {
        m->epochs = mem_grow(m->epochs, &m->epoch_room, m->epoch_count, sizeof e);
        m->epochs[m->epoch_count++] = e;
    }
}

static void take_step(struct line *l, struct metrics *m) {
    struct metrics_step s = {counted(l, "step", m->step_count > 0 ? m->steps[m->step_count - 1].step + 1 : 0),
                             measured(l, "loss")};
    if (!l->bad) {
        m->steps = mem_grow(m->steps, &m->step_room, m->step_count, sizeof s);
        m->steps[m->step_count++] = s;
    }
}

static int take_line(struct metrics *m, const char *text, size_t length, long number, struct err *err) {
    struct err local = {0};
    cJSON *object = json_parse(m->path, text, length, &local);
    struct line l = {m, object, number, err, 0};
    if (object == NULL) {
        err_free(&local);
        return err_add(err, STATUS_REFUSED, "%s:%ld: this is no JSON object", m->path, number);
    }
    const cJSON *event = cJSON_GetObjectItemCaseSensitive(object, "event");
    if (!cJSON_IsString(event)) {
        refuse(&l, "event", "a text (start, step, epoch, done)");
    } else if (strcmp(event->valuestring, "epoch") == 0) {
        take_epoch(&l, m);
    } else if (strcmp(event->valuestring, "step") == 0) {
        take_step(&l, m);
    }
    cJSON_Delete(object);
    return l.bad ? -1 : 0;
}

static int take_lines(struct metrics *m, const char *bytes, size_t size, struct err *err) {
    long number = 1;
    int bad = 0;
    for (size_t at = 0; at < size; number++) {
        const char *end = memchr(bytes + at, '\n', size - at);
        if (end == NULL) {
            err_warn(err, "%s:%ld: the last line is not complete and is left out", m->path, number);
            break;
        }
        size_t length = (size_t)(end - bytes) - at;
        bad |= take_line(m, bytes + at, length, number, err);
        at += length + 1;
    }
    return bad;
}

int metrics_read(struct metrics *m, const char *run, struct err *err) {
    unsigned char *bytes;
    size_t size;
    *m = (struct metrics){.path = file_is_folder(run) ? mem_format("%s/metrics.jsonl", run) : mem_copy(run)};
    if (file_read(m->path, 0, MOST_BYTES, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    int bad = take_lines(m, (const char *)bytes, size, err);
    free(bytes);
    if (!bad && m->epoch_count + m->step_count == 0) {
        bad = err_add(err, STATUS_REFUSED, "%s: there is nothing to plot yet: no step and no epoch is done", m->path);
    }
    return bad ? -1 : 0;
}

void metrics_free(struct metrics *m) {
    free(m->path);
    free(m->epochs);
    free(m->steps);
    *m = (struct metrics){0};
}
