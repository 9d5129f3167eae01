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

/* Were the names that a model will find these? classes= may be a count or a file too, and no two classes share a name. */
static int same_names(const struct section *section, const char *key, char *const *names, int count, char *const *found, int found_count,
                      struct err *err) {
    int same = found != NULL && found_count == count;
    for (int i = 0; same && i < count; i++) {
        same = strcmp(names[i], found[i]) == 0;
    }
    return same ? 0 : config_refuse(section, "data", key, err, "these names can't be kept in a model: written as a list they would be read as others");
}

static int put_classes(const struct data *data, struct section *section, struct err *err) {
    struct text list = {0};
    char **found;
    int count;
    names_write(data->class_names, data->classes, &list);
    config_put(section, "classes", list.text);
    text_free(&list);
    if (data_classes(section, &found, &count, err) != 0) {
        return -1;
    }
    int bad = same_names(section, "classes", data->class_names, data->classes, found, count, err);
    names_free(found, count);
    return bad;
}

static int put_symbols(const struct data *data, struct section *section, struct err *err) {
    struct text list = {0};
    char **found;
    int count;
    names_write(data->symbols, data->symbol_count, &list);
    config_put(section, "vocabulary", list.text);
    names_parse(list.text, &found, &count);
    int bad = same_names(section, "vocabulary", data->symbols, data->symbol_count, found, count, err);
    names_free(found, count);
    text_free(&list);
    return bad;
}

int data_resolve(const struct data *data, struct section *section, struct err *err) {
    const struct preprocess *p = &data->preprocess;
    int channels = p->channels < PREPROCESS_MOST_CHANNELS ? p->channels : 1, result = 0;
    if (data->measured_mean) {
        config_put_reals(section, "mean", p->mean, (size_t)channels, 6);
    }
    if (data->measured_std) {
        config_put_reals(section, "std", p->std, (size_t)channels, 6);
    }
    for (int split = 0; split < 3; split++) {
        if (data->normalize != NULL && data->open[split] && data->sources[split].count > 0) {
            result = csv_resolve(&data->sources[split], data->normalize, section, err);
            break;
        }
    }
    if (result == 0 && data->symbols != NULL) {
        result = put_symbols(data, section, err);
    }
    return result == 0 && data->classes > 0 ? put_classes(data, section, err) : result;
}
