/* What test says (test_report.h): one line of JSON, a table, the confusion matrix as a picture. */
#include "commands/test_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "views/matrix.h"

/* One class of the confusion matrix: of `images` of it, `right` were said right; `said` times it was said at all. */
struct score { uint64_t images, right, said; double precision, recall, f1; };

static struct score score_of(const struct measure *m, int class) {
    struct score s = {.right = m->confusion[(size_t)class * (size_t)m->classes + (size_t)class]};
    for (int i = 0; i < m->classes; i++) {
        s.images += m->confusion[(size_t)class * (size_t)m->classes + (size_t)i];
        s.said += m->confusion[(size_t)i * (size_t)m->classes + (size_t)class];
    }
    s.precision = s.said ? (double)s.right / (double)s.said : (double)NAN;
    s.recall = s.images ? (double)s.right / (double)s.images : (double)NAN;
    s.f1 = s.images + s.said ? 2.0 * (double)s.right / (double)(s.images + s.said) : (double)NAN;
    return s;
}

static const char *class_name(const struct data *data, int i, char buffer[16]) {
    if (data->class_names && i < data->classes) return data->class_names[i];
    snprintf(buffer, 16, "%d", i);
    return buffer;
}

static void put_confusion(struct json *j, const struct measure *m) {
    json_open(j, "confusion", '[');
    for (int r = 0; r < m->classes; r++) {
        json_open(j, NULL, '[');
        for (int c = 0; c < m->classes; c++) json_int(j, NULL, (long long)m->confusion[(size_t)r * (size_t)m->classes + (size_t)c]);
        json_close(j, ']');
    }
    json_close(j, ']');
}

static void put_classes(struct json *j, const struct measure *m, const struct data *data) {
    char buffer[16];
    json_open(j, "per_class", '[');
    for (int c = 0; c < m->classes; c++) {
        struct score s = score_of(m, c);
        json_open(j, NULL, '{');
        json_text(j, "class", class_name(data, c, buffer));
        json_int(j, "images", (long long)s.images);
        json_real(j, "precision", s.precision);
        json_real(j, "recall", s.recall);
        json_real(j, "f1", s.f1);
        json_close(j, '}');
    }
    json_close(j, ']');
}

void report_json(struct text *out, const struct measure *m, const struct fit *fit, const struct data *data, enum split split) {
    struct json j = {{0}, 0};
    json_open(&j, NULL, '{');
    json_text(&j, "split", split_name(split));
    json_int(&j, "images", (long long)m->images);
    json_real(&j, "loss", m->loss);
    if (m->regression) {
        json_real(&j, "rmse", m->rmse);
        json_real(&j, "r2", m->r2);
    } else {
        json_real(&j, "top1", m->top1);
        json_real(&j, "top5", m->top5);
        json_real(&j, "ece", m->ece);
    }
    if (fit->temperature > 0) {
        json_real(&j, "temperature", fit->temperature);
        json_real(&j, "calibration", fit->calibration);
        json_real(&j, "loss_before", fit->loss);
        json_real(&j, "ece_before", fit->ece);
    }
    if (m->sequence) {
        json_real(&j, "bits_per_symbol", m->loss / log(2));
        json_real(&j, "perplexity", exp(m->loss));
    }
    json_real(&j, "images_per_second", (double)m->images / m->seconds);
    if (!m->regression) {
        put_confusion(&j, m);
        put_classes(&j, m, data);
    }
    json_close(&j, '}');
    text_add(out, "%s\n", j.out.text);
    text_free(&j.out);
}

static const char *things_of(const struct data *data, enum split split) {
    const char *things = data->sets[split].source->ops->things;
    return things ? things : "images";
}

void report_table(struct text *out, const struct measure *m, const struct fit *fit, const struct data *data, enum split split) {
    char buffer[16];
    const char *things = m->sequence ? "symbols" : things_of(data, split);
    text_add(out, "%s: %llu %s, loss %.4f", split_name(split), (unsigned long long)m->images, things, m->loss);
    if (m->sequence) text_add(out, " (%.4f bits a symbol, perplexity %.4g)", m->loss / log(2), exp(m->loss));
    if (m->regression) text_add(out, ", rmse %.6g, r2 %.4f", m->rmse, m->r2);
    else text_add(out, ", top-1 %.2f%%, top-5 %.2f%%", 100 * m->top1, 100 * m->top5);
    if (isfinite(m->ece)) text_add(out, ", calibration error %.4f", m->ece);
    text_add(out, " (%.0f %s/s)\n", (double)m->images / m->seconds, things);
    if (fit->temperature > 0)
        text_add(out, "temperature %.4f fitted: loss %.4f before, calibration error %.4f before; written as calibration=%.4f\n", fit->temperature, fit->loss, fit->ece,
            fit->calibration);
    if (m->regression || m->classes > 100) return;
    int width = 5;
    for (int c = 0; c < m->classes; c++) {
        int length = (int)strlen(class_name(data, c, buffer));
        width = length > width ? length : width;
    }
    text_add(out, "\n%-*s %8s %10s %8s %8s\n", width, "class", things, "precision", "recall", "f1");
    for (int c = 0; c < m->classes; c++) {
        struct score s = score_of(m, c);
        text_add(out, "%-*s %8llu %10.4f %8.4f %8.4f\n", width, class_name(data, c, buffer), (unsigned long long)s.images, s.precision, s.recall, s.f1);
    }
}

int report_confusion(const char *path, const struct measure *m, const struct data *data, enum split split, struct err *err) {
    if (!path) return 0;
    const char **names = mem_need((size_t)m->classes, sizeof *names);
    char(*numbers)[16] = mem_need((size_t)m->classes, sizeof *numbers);
    for (int c = 0; c < m->classes; c++) names[c] = class_name(data, c, numbers[c]);
    char *title = mem_format("%s: %llu %s, top-1 %.2f%%", split_name(split), (unsigned long long)m->images, m->sequence ? "symbols" : things_of(data, split), 100 * m->top1);
    struct canvas *c = matrix_draw(title, m->confusion, m->classes, names);
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    free(title);
    free(names);
    free(numbers);
    return bad;
}
