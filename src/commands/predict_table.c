/* predict's csv files: each row goes the way that the model's [data] says, columns chosen and normalized as in training. */
#include <stdlib.h>
#include <string.h>

#include "commands/predict.h"
#include "sources/csv.h"

/* The model's own [data] where that is of tables; else an empty one: every column is an input. */
static const struct section *find_section(const struct model *model, struct config *made, struct err *err) {
    const struct section *data = model->graph.data;
    if (data != NULL && config_choice(data, "source") >= 0 && strcmp(config_text(data, "source"), "csv") == 0) {
        return data;
    }
    static const char empty[] = "[data]\n";
    if (config_parse(made, "[data]", empty, strlen(empty), err) != 0 ||
        config_check(&made->sections[0], "data", data_tables, err) != 0) {
        return NULL;
    }
    return &made->sections[0];
}

static int read_row(const struct csv *csv, size_t row, const size_t *features, const struct csv_affine *affine,
                    float *values, struct err *err) {
    for (size_t i = 0; i < affine->count; i++) {
        if (csv_number(csv, row, features[i], &values[i], err) != 0) {
            return -1;
        }
    }
    csv_affine_apply(affine, values);
    return 0;
}

/* Columns of an untrained config's table: its target is no input. */
static int choose(const struct csv *csv, const struct section *data, size_t count, size_t *features, struct err *err) {
    struct csv_columns columns = {0};
    if (config_given(data, "features") || csv->columns == count) {
        return csv_features(csv, data, count, features, err);
    }
    int bad = csv_choose(csv, data, &columns, err);
    if (bad == 0 && columns.feature_count != count) {
        bad = err_add(err, STATUS_REFUSED, "%s: has %zu columns of features, but the network has %zu inputs", csv->path,
                      columns.feature_count, count);
    }
    for (size_t i = 0; bad == 0 && i < count; i++) {
        features[i] = columns.features[i];
    }
    csv_columns_free(&columns);
    return bad;
}

static int prepare(const struct section *data, const char *path, size_t width, struct csv *csv, size_t *features,
                   struct csv_affine *affine, struct err *err) {
    if (csv_read(csv, path, data, err) != 0 || choose(csv, data, width, features, err) != 0) {
        return -1;
    }
    int measured = csv_affine_read(affine, data, width, err);
    if (measured == 1) {
        return config_refuse(data, "data", "normalize", err, "nothing was trained yet that says how");
    }
    return measured;
}

int feed_table(struct batcher *b, const char *path, struct err *why, struct err *err) {
    const struct model *model = &b->members[0].model;
    size_t width = shape_count(model->graph.input);
    struct config made = {0};
    struct csv csv = {0};
    struct csv_affine affine = {0};
    size_t *features = mem_need(width, sizeof *features);
    float *values = mem_need(width, sizeof *values);
    const struct section *data = find_section(model, &made, why);
    int bad = 0, refused = data == NULL || prepare(data, path, width, &csv, features, &affine, why) != 0;
    for (size_t row = 0; !refused && !bad && row < csv.rows; row++) {
        if (read_row(&csv, row, features, &affine, values, why) != 0) {
            bad = batcher_add_error(b, path, why->sentences[0], err);
            err_free(why);
        } else {
            bad = batcher_add_row(b, path, (long)row, values, err);
        }
    }
    csv_affine_free(&affine);
    csv_free(&csv);
    config_free(&made);
    free(features);
    free(values);
    return bad;
}
