/* source=csv: tables for regression and classification. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "sources/csv.h"
#include "sources/parts.h"

struct own {
    struct csv csv;              /* names stay; cells are gone once they were read */
    struct csv_columns columns;
    float *features, *targets;   /* a row behind the other */
    int *labels;                 /* of a classification; or NULL */
    int normalized;
};

/* ---- labels ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *label_text(const struct csv *csv, size_t row, size_t column) {
    return csv->cells[row * csv->columns + column];
}

/* Are all labels whole numbers? *classes: the largest, and one. */
static int are_numbers(const struct csv *csv, size_t column, int *classes) {
    for (size_t row = 0; row < csv->rows; row++) {
        long number;
        if (number_int(label_text(csv, row, column), 0, INT_MAX - 1, &number) != 0) {
            return 0;
        }
        *classes = number >= *classes ? (int)number + 1 : *classes;
    }
    return 1;
}

/* The different texts of the column, sorted, become the classes. */
static int name_classes(struct source *source, const struct csv *csv, size_t column, struct err *err) {
    for (size_t row = 0; row < csv->rows; row++) {
        const char *text = label_text(csv, row, column), *trouble = config_trouble(text, strlen(text));
        if (trouble != NULL) {
            return err_add(err, STATUS_REFUSED, "%s:%zu: column %zu: the class's name holds %s", csv->path, csv->lines[row], column, trouble);
        }
    }
    char **all = mem_try(csv->rows, sizeof *all);
    if (all == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for %zu labels", csv->path, csv->rows);
    }
    for (size_t row = 0; row < csv->rows; row++) {
        all[row] = csv->cells[row * csv->columns + column];
    }
    qsort(all, csv->rows, sizeof *all, by_text);
    size_t count = 0;
    for (size_t i = 0; i < csv->rows; i++) {
        if (*all[i] != '\0' && (count == 0 || strcmp(all[i], all[count - 1]) != 0)) {
            all[count++] = all[i];
        }
    }
    source->class_names = names_copy(all, (int)count);
    source->classes = (int)count;
    free(all);
    return 0;
}

static int bad_label(const struct csv *csv, size_t row, size_t column, const char *wanted, struct err *err) {
    const char *text = label_text(csv, row, column);
    if (*text == '\0') {
        return err_add(err, STATUS_REFUSED, "%s:%zu: column %zu: the class is missing", csv->path, csv->lines[row],
                       column);
    }
    return err_add(err, STATUS_REFUSED, "%s:%zu: column %zu: want %s, found \"%.40s\"", csv->path, csv->lines[row],
                   column, wanted, text);
}

static int read_label(const struct source *source, const struct name_index *index, const char *text) {
    long number;
    int found = source->class_names != NULL ? name_index_find(index, text) : -1;
    if (found < 0 && number_int(text, 0, source->classes - 1, &number) == 0) {
        found = (int)number;
    }
    return found;
}

static int read_labels(struct source *source, struct own *own, struct err *err) {
    const struct csv *csv = &own->csv;
    size_t column = own->columns.targets[0];
    int classes = 0, bad = 0;
    if (source->class_names == NULL && !are_numbers(csv, column, &classes)) {
        bad = name_classes(source, csv, column, err);
    } else if (source->classes == 0) {
        source->classes = classes;
        source->at_least = 1;
    }
    if (bad != 0) {
        return -1;
    }
    own->labels = mem_try(csv->rows, sizeof *own->labels);
    if (own->labels == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for %zu labels", csv->path, csv->rows);
    }
    struct name_index index = name_index_make(source->class_names, source->class_names != NULL ? source->classes : 0);
    for (size_t row = 0; row < csv->rows && bad == 0; row++) {
        own->labels[row] = read_label(source, &index, label_text(csv, row, column));
        if (own->labels[row] < 0) {
            bad = bad_label(csv, row, column, "one of the classes", err);
        }
    }
    name_index_free(&index);
    return bad;
}

/* ---- opening ---- */

static int read_numbers(const struct csv *csv, const size_t *columns, size_t count, float **to, struct err *err) {
    size_t values;
    *to = mem_mul(csv->rows, count, &values) ? NULL : mem_try(values, sizeof **to);
    if (*to == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for %zu rows", csv->path, csv->rows);
    }
    for (size_t row = 0; row < csv->rows; row++) {
        for (size_t i = 0; i < count; i++) {
            if (csv_number(csv, row, columns[i], &(*to)[row * count + i], err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int check_settings(const struct source *source, const struct own *own, struct err *err) {
    size_t inputs = shape_count(source->want), features = own->columns.feature_count;
    if (features > CONFIG_MOST_ITEMS) {
        return err_add(err, STATUS_REFUSED, "%s: has %zu columns of features: want at most %d, which a model can list", own->csv.path, features,
                       CONFIG_MOST_ITEMS);
    }
    if (features != inputs) {
        return err_add(err, STATUS_REFUSED, "%s: has %zu columns of features, but the network has %zu inputs",
                       own->csv.path, features, inputs);
    }
    if (source->outputs > 0 && own->columns.target_count > 1) {
        return config_refuse(source->section, "data", "target", err, "want one column for a classification, found %zu",
                             own->columns.target_count);
    }
    return 0;
}

static int csv_open(struct source *source, enum split split, struct err *err) {
    (void)split;
    struct own *own = source->own = mem_need(1, sizeof *own);
    struct csv *csv = &own->csv;
    if (csv_read(csv, source->path, source->section, err) != 0 ||
        csv_choose(csv, source->section, &own->columns, err) != 0 || check_settings(source, own, err) != 0 ||
        read_numbers(csv, own->columns.features, own->columns.feature_count, &own->features, err) != 0) {
        return -1;
    }
    size_t targets = own->columns.target_count;
    if (targets > 0 && source->outputs > 0 && read_labels(source, own, err) != 0) {
        return -1;
    }
    if (targets > 0 && source->outputs == 0) {
        source->classes = 0;
        source->target_count = (int)targets;
        if (read_numbers(csv, own->columns.targets, targets, &own->targets, err) != 0) {
            return -1;
        }
    }
    free(csv->cells);
    csv->cells = NULL;
    source->count = csv->rows;
    source->channels = source->want.c;
    source->height = source->want.h;
    source->width = source->want.w;
    return 0;
}

/* ---- samples ---- */

static int csv_label(const struct source *source, size_t index) {
    const struct own *own = source->own;
    return own->labels != NULL ? own->labels[index] : -1;
}

static int csv_sample(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    (void)err;
    const struct own *own = source->own;
    *sample = (struct sample){
        .planar = 1, .channels = source->channels, .height = source->height, .width = source->width,
        .values = own->features + index * own->columns.feature_count, .label = csv_label(source, index),
        .targets = own->targets != NULL ? own->targets + index * own->columns.target_count : NULL,
        .target_count = source->target_count,
    };
    return 0;
}

static void csv_close(struct source *source) {
    struct own *own = source->own;
    if (own != NULL) {
        csv_free(&own->csv);
        csv_columns_free(&own->columns);
        free(own->features);
        free(own->targets);
        free(own->labels);
    }
    free(own);
    source->own = NULL;
}

/* ---- normalization ---- */

/* standard: mean and deviation; minmax: least and range. A column that never changes is only shifted. Rounded as they
 * will be written, so that what a stored config says is what was used. */
static void measure_column(const struct dataset *set, size_t column, int minmax, double *shift, double *scale) {
    const struct own *own = set->source->own;
    double sum = 0, squares = 0, least = INFINITY, most = -INFINITY, n = (double)set->count;
    for (size_t i = 0; i < set->count; i++) {
        double value = (double)own->features[set->items[i] * own->columns.feature_count + column];
        sum += value;
        least = fmin(least, value);
        most = fmax(most, value);
    }
    for (size_t i = 0; i < set->count; i++) {
        double from = (double)own->features[set->items[i] * own->columns.feature_count + column] - sum / n;
        squares += from * from;
    }
    char *texts[] = {mem_format("%.9g", minmax ? least : sum / n), mem_format("%.9g", minmax ? most - least : sqrt(squares / n))};
    number_real(texts[0], shift);
    number_real(texts[1], scale);
    *scale = *scale > 0 ? *scale : 1;
    free(texts[0]);
    free(texts[1]);
}

int csv_measure(const struct dataset *set, struct csv_affine *a, struct err *err) {
    const struct own *own = set->source->own;
    int minmax = config_choice(set->source->section, "normalize") == 2;
    if (set->count == 0) {
        return err_add(err, STATUS_REFUSED, "normalize: there are no training rows to measure");
    }
    *a = (struct csv_affine){.count = own->columns.feature_count};
    a->shift = mem_need(a->count, sizeof *a->shift);
    a->scale = mem_need(a->count, sizeof *a->scale);
    for (size_t i = 0; i < a->count; i++) {
        measure_column(set, i, minmax, &a->shift[i], &a->scale[i]);
    }
    return 0;
}

void csv_normalize(struct source *source, const struct csv_affine *a) {
    struct own *own = source->own;
    for (size_t row = 0; !own->normalized && row < source->count; row++) {
        csv_affine_apply(a, own->features + row * own->columns.feature_count);
    }
    own->normalized = 1;
}

int csv_resolve(const struct source *source, const struct csv_affine *a, struct section *section, struct err *err) {
    const struct own *own = source->own;
    return csv_put(&own->csv, &own->columns, a, section, err);
}

int csv_agree(const struct source *first, const struct source *other, struct err *err) {
    const struct own *a = first->own, *b = other->own;
    int all = config_given(first->section, "features") && config_given(first->section, "target");
    for (size_t i = 0; !all && a->csv.names != NULL && b->csv.names != NULL && i < a->csv.columns && i < b->csv.columns; i++) {
        if (strcmp(a->csv.names[i], b->csv.names[i]) != 0) {
            return err_add(err, STATUS_REFUSED, "%s: column %zu is \"%.40s\", but \"%.40s\" in %s: say by name which are meant, with features= and target=",
                           other->path, i, b->csv.names[i], a->csv.names[i], first->path);
        }
    }
    return 0;
}

const struct source_ops source_csv = {
    .name = "csv",
    .things = "rows",
    .help = "A table as text: a sample a row. target= names the columns that are to be predicted (default: the last): "
            "numbers of a regression, or, where the network ends in classes, one column of class names or numbers. The "
            "other columns (or features=) are the inputs, in the network's order. Missing values are refused.",
    .open = csv_open,
    .read = csv_sample,
    .label = csv_label,
    .name_of = source_numbered,
    .close = csv_close,
    .flags = SOURCE_IN_MEMORY,
};
