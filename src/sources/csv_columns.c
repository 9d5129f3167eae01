/* Which columns of a csv file are inputs and which are answers, and how they are normalized (csv.h). */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/mem.h"
#include "sources/csv.h"

/* ---- columns ---- */

/* A name, or a number from 0, negative from the end. */
static int find_column(const struct csv *csv, const struct section *data, const char *key, const char *text,
                       size_t *column, struct err *err) {
    long columns = (long)csv->columns, number;
    for (size_t i = 0; csv->names != NULL && i < csv->columns; i++) {
        if (strcmp(csv->names[i], text) == 0) {
            *column = i;
            return 0;
        }
    }
    if (number_int(text, -columns, columns - 1, &number) == 0) {
        *column = (size_t)(number < 0 ? number + columns : number);
        return 0;
    }
    return config_refuse(data, "data", key, err, "%s has no column \"%s\": want %s0..%ld", csv->path, text,
                         csv->names != NULL ? "a name of its header or " : "", columns - 1);
}

static int find_columns(const struct csv *csv, const struct section *data, const char *key, size_t **found,
                        size_t *count, struct err *err) {
    *count = config_length(data, key);
    *found = mem_need(*count + 1, sizeof **found);
    for (size_t i = 0; i < *count; i++) {
        char *text = config_item_text(data, key, i);
        int bad = find_column(csv, data, key, text, &(*found)[i], err);
        free(text);
        if (bad != 0) {
            return -1;
        }
    }
    return 0;
}

static int is_among(const size_t *columns, size_t count, size_t column) {
    for (size_t i = 0; i < count; i++) {
        if (columns[i] == column) {
            return 1;
        }
    }
    return 0;
}

static int choose_targets(const struct csv *csv, const struct section *data, struct csv_columns *c, struct err *err) {
    const char *target = config_text(data, "target");
    if (target != NULL && strcmp(target, "input") == 0) {
        return 0;
    }
    if (target != NULL) {
        return find_columns(csv, data, "target", &c->targets, &c->target_count, err);
    }
    c->targets = mem_need(1, sizeof *c->targets);
    c->targets[0] = csv->columns - 1;
    c->target_count = 1;
    return 0;
}

int csv_choose(const struct csv *csv, const struct section *data, struct csv_columns *c, struct err *err) {
    *c = (struct csv_columns){0};
    if (choose_targets(csv, data, c, err) != 0) {
        return -1;
    }
    if (config_given(data, "features")) {
        return find_columns(csv, data, "features", &c->features, &c->feature_count, err);
    }
    c->features = mem_need(csv->columns, sizeof *c->features);
    for (size_t i = 0; i < csv->columns; i++) {
        if (!is_among(c->targets, c->target_count, i)) {
            c->features[c->feature_count++] = i;
        }
    }
    return c->feature_count > 0 ? 0 : err_add(err, STATUS_REFUSED, "%s: has no column besides the target", csv->path);
}

/* features= names columns, and so does the file's header. */
static int go_by_name(const struct csv *csv, const struct section *data) {
    int named = 0;
    for (size_t i = 0; csv->names != NULL && i < config_length(data, "features"); i++) {
        char *text = config_item_text(data, "features", i);
        long number;
        named |= number_int(text, LONG_MIN, LONG_MAX, &number) != 0;
        free(text);
    }
    return named;
}

int csv_features(const struct csv *csv, const struct section *data, size_t count, size_t *features, struct err *err) {
    if (config_given(data, "features") && (csv->columns != count || go_by_name(csv, data))) {
        size_t *found, found_count;
        int bad = find_columns(csv, data, "features", &found, &found_count, err);
        if (bad == 0 && found_count != count) {
            bad = config_refuse(data, "data", "features", err, "%zu columns, but the network has %zu inputs", found_count,
                                count);
        }
        for (size_t i = 0; bad == 0 && i < count; i++) {
            features[i] = found[i];
        }
        free(found);
        return bad;
    }
    if (csv->columns != count) {
        return err_add(err, STATUS_REFUSED, "%s: has %zu columns, but the network has %zu inputs", csv->path,
                       csv->columns, count);
    }
    for (size_t i = 0; i < count; i++) {
        features[i] = i;
    }
    return 0;
}

void csv_columns_free(struct csv_columns *c) {
    free(c->features);
    free(c->targets);
    *c = (struct csv_columns){0};
}

/* ---- normalization ---- */

int csv_measures(const struct section *data) {
    return config_choice(data, "normalize") > 0 && !config_given(data, "normalize_shift");
}

static int read_list(const struct section *data, const char *key, size_t count, double **to, struct err *err) {
    if (config_length(data, key) != count) {
        return config_refuse(data, "data", key, err, "want one number for each of %zu features, found %zu", count,
                             config_length(data, key));
    }
    *to = mem_need(count, sizeof **to);
    for (size_t i = 0; i < count; i++) {
        (*to)[i] = config_item_real(data, key, i);
    }
    return 0;
}

int csv_affine_read(struct csv_affine *a, const struct section *data, size_t count, struct err *err) {
    *a = (struct csv_affine){.count = count};
    if (config_choice(data, "normalize") == 0) {
        return 0;
    }
    if (csv_measures(data)) {
        return 1;
    }
    if (read_list(data, "normalize_shift", count, &a->shift, err) != 0 || read_list(data, "normalize_scale", count, &a->scale, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (a->scale[i] == 0) {
            return config_refuse(data, "data", "normalize_scale", err, "want numbers other than 0, which features are divided by; that of feature %zu is 0", i);
        }
    }
    return 0;
}

void csv_affine_free(struct csv_affine *a) {
    free(a->shift);
    free(a->scale);
    *a = (struct csv_affine){0};
}

void csv_affine_apply(const struct csv_affine *a, float *values) {
    for (size_t i = 0; a->shift != NULL && i < a->count; i++) {
        values[i] = (float)(((double)values[i] - a->shift[i]) / a->scale[i]);
    }
}
