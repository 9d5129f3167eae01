/* predict's csv files: each row goes the way that the model's [data] says, columns chosen and normalized as in training. */
#include <stdlib.h>
#include <string.h>

#include "commands/predict.h"

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

static int prepare(struct table *t, const char *path, struct err *err) {
    if (csv_read(&t->csv, path, t->data, err) != 0 || choose(&t->csv, t->data, t->width, t->features, err) != 0) {
        return -1;
    }
    int measured = csv_affine_read(&t->affine, t->data, t->width, err);
    if (measured == 1) {
        return config_refuse(t->data, "data", "normalize", err, "nothing was trained yet that says how");
    }
    return measured;
}

static int table_open(struct table *t, const struct model *model, const char *path, struct err *err) {
    *t = (struct table){.width = shape_count(model->graph.input)};
    t->features = mem_need(t->width, sizeof *t->features);
    t->data = find_section(model, &t->made, err);
    return t->data == NULL ? -1 : prepare(t, path, err);
}

static void table_close(struct table *t) {
    csv_affine_free(&t->affine);
    csv_free(&t->csv);
    config_free(&t->made);
    free(t->features);
}

static int table_row(const struct table *t, size_t row, float *values, struct err *err) {
    for (size_t i = 0; i < t->width; i++) {
        if (csv_number(&t->csv, row, t->features[i], &values[i], err) != 0) {
            return -1;
        }
    }
    csv_affine_apply(&t->affine, values);
    return 0;
}

struct table *tables_open(const struct batcher *b, const char *path, struct err *err) {
    struct table *tables = mem_need((size_t)b->member_count, sizeof *tables);
    int refused = 0;
    for (int m = 0; m < b->member_count && !refused; m++) {
        refused = table_open(&tables[m], &b->members[m].model, path, err) != 0;
    }
    if (refused) {
        tables_close(b, tables);
        return NULL;
    }
    return tables;
}

void tables_close(const struct batcher *b, struct table *tables) {
    for (int m = 0; tables != NULL && m < b->member_count; m++) {
        table_close(&tables[m]);
    }
    free(tables);
}

/* The row into every member's inputs. What it can't be used for is left in `why`. */
static int fill_row(struct batcher *b, const struct table *tables, size_t row, struct err *why) {
    for (int m = 0; m < b->member_count; m++) {
        if (table_row(&tables[m], row, b->members[m].input + (size_t)b->count * tables[m].width, why) != 0) {
            return -1;
        }
    }
    return 0;
}

int feed_table(struct batcher *b, const char *path, struct err *why, struct err *err) {
    struct table *tables = tables_open(b, path, why);
    int bad = 0;
    for (size_t row = 0; tables != NULL && !bad && row < tables[0].csv.rows; row++) {
        if (fill_row(b, tables, row, why) != 0) {
            bad = batcher_add_error(b, path, why->sentences[0], err);
            err_free(why);
        } else {
            bad = batcher_add_place(b, (struct place){mem_copy(path), (long)row, NULL, NULL}, err);
        }
    }
    tables_close(b, tables);
    return bad;
}
