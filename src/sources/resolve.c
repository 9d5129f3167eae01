/* classes= read, and what data_open worked out written back, so that a stored config needs no file beside it
 * (source.h). */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "sources/csv.h"
#include "sources/parts.h"

enum { MOST_CLASSES = 1 << 20 };

static int check_names(const struct section *section, char *const *names, int count, struct err *err) {
    struct name_index index = name_index_make(names, count);
    int result = 0;
    for (int i = 0; i < count && result == 0; i++) {
        if (names[i][0] == '\0') {
            result = config_refuse(section, "data", "classes", err, "name %d of %d is empty", i + 1, count);
        } else if (i > 0 && strcmp(names[index.order[i]], names[index.order[i - 1]]) == 0) {
            result =
                config_refuse(section, "data", "classes", err, "two classes are called \"%s\"", names[index.order[i]]);
        }
    }
    name_index_free(&index);
    return result;
}

int data_classes(const struct section *section, char ***names, int *count, struct err *err) {
    const char *text = config_text(section, "classes");
    long number;
    *names = NULL;
    *count = 0;
    if (text == NULL) {
        return 0;
    }
    if (number_int(text, 1, MOST_CLASSES, &number) == 0) {
        *count = (int)number;
        return 0;
    }
    char *path = file_find_data(text);
    int result = path != NULL ? names_read(path, names, count, err) : 0;
    free(path);
    if (path == NULL && strchr(text, ',') == NULL) {
        return config_refuse(section, "data", "classes", err,
                             "want a count of 1..%d, a comma list of names, or a file of names; found \"%s\"",
                             MOST_CLASSES, text);
    }
    if (path == NULL) {
        names_parse(text, names, count);
    }
    result = result == 0 ? check_names(section, *names, *count, err) : result;
    if (result != 0) {
        names_free(*names, *count);
        *names = NULL;
    }
    return result;
}

static void put_list(struct section *section, const char *key, const double *values, int count) {
    struct text list = {0};
    for (int i = 0; i < count; i++) {
        text_add(&list, "%s%.6g", i > 0 ? "," : "", values[i]);
    }
    config_put(section, key, list.text);
    text_free(&list);
}

/* Are the names nothing but the classes' own numbers? */
static int are_numbers(char *const *names, int count) {
    for (int i = 0; i < count; i++) {
        long number;
        if (number_int(names[i], i, i, &number) != 0) {
            return 0;
        }
    }
    return 1;
}

void data_resolve(const struct data *data, struct section *section) {
    const struct preprocess *p = &data->preprocess;
    int channels = p->channels < PREPROCESS_MOST_CHANNELS ? p->channels : 1;
    struct text classes = {0};
    if (data->measured_mean) {
        put_list(section, "mean", p->mean, channels);
    }
    if (data->measured_std) {
        put_list(section, "std", p->std, channels);
    }
    for (int split = 0; split < 3; split++) {
        if (data->normalize != NULL && data->open[split] && data->sources[split].count > 0) {
            csv_resolve(&data->sources[split], data->normalize, section);
            break;
        }
    }
    if (data->symbols != NULL) {
        struct text symbols = {0};
        names_write(data->symbols, data->symbol_count, &symbols);
        config_put(section, "vocabulary", symbols.text);
        text_free(&symbols);
    }
    if (data->classes == 0) {
        return;
    }
    if (are_numbers(data->class_names, data->classes)) {
        text_add(&classes, "%d", data->classes);
    } else {
        names_write(data->class_names, data->classes, &classes);
    }
    config_put(section, "classes", classes.text);
    text_free(&classes);
}
