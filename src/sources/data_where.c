/* What [data] or --data says of where data lies and of its format (data_where.h). */
#include "sources/data_where.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "sources/parts.h"

static void list_formats(struct text *out) {
    for (size_t i = 0; source_list[i] != NULL; i++) {
        text_add(out, "%s%s", i > 0 ? ", " : "", source_list[i]->name);
    }
}

static int say_spec(const char *spec, struct err *err) {
    struct text formats = {0};
    list_formats(&formats);
    err_add(err, STATUS_REFUSED, "--data: want SOURCE:PATH with one of %s; found \"%s\"", formats.text, spec);
    text_free(&formats);
    return -1;
}

/* --data's "source:path". */
static int read_spec(struct opening *o, const char *spec) {
    const char *colon = strchr(spec, ':');
    char *name = mem_copy_n(spec, colon != NULL ? (size_t)(colon - spec) : strlen(spec));
    o->ops = source_find(name);
    free(name);
    o->spec_path = colon != NULL ? colon + 1 : "";
    if (o->ops == NULL || (*o->spec_path == '\0' && !(o->ops->flags & SOURCE_NO_PATH))) {
        return say_spec(spec, o->err);
    }
    return 0;
}

int data_read_format(struct opening *o, const char *spec) {
    const struct section *section = o->data->section;
    if (spec != NULL) {
        return read_spec(o, spec);
    }
    if (config_choice(section, "source") < 0) {
        struct text formats = {0};
        list_formats(&formats);
        config_refuse(section, "data", NULL, o->err, "source is missing: want one of %s", formats.text);
        text_free(&formats);
        return -1;
    }
    o->ops = source_list[config_choice(section, "source")];
    return 0;
}

int data_read_valid(struct opening *o) {
    const char *text = config_text(o->data->section, "valid");
    double number;
    if (text == NULL) {
        return 0;
    }
    int is_number = number_real(text, &number) == 0, paths = o->ops == NULL || o->spec_path != NULL || !(o->ops->flags & SOURCE_NO_PATH);
    if (!is_number && paths) {
        o->valid_path = 1;
        return 0;
    }
    if (!is_number || number < 0 || number > UINT32_MAX || (number >= 1 && number != floor(number))) {
        return config_refuse(o->data->section, "data", "valid", o->err,
                             "want a fraction below 1, a whole number or a path; found \"%s\"", text);
    }
    o->valid = number;
    return 0;
}

char *data_find_path(struct opening *o, const char *key) {
    const struct section *section = o->data->section;
    const char *text = key == NULL ? o->spec_path : config_text(section, key);
    const char *help = o->ops->flags & SOURCE_DOWNLOADS ? "; to get it: scripts/get-data " : "";
    const char *what = *help != '\0' ? o->ops->name : "";
    char *found = text != NULL ? file_find_data(text) : NULL;
    if (found == NULL && text == NULL) {
        config_refuse(section, "data", NULL, o->err, "%s is missing: where the %s data lies", key, o->ops->name);
    } else if (found == NULL && key == NULL) {
        err_add(o->err, STATUS_REFUSED, "--data: \"%s\" is not there%s%s", text, help, what);
    } else if (found == NULL) {
        config_refuse(section, "data", key, o->err, "\"%s\" is not there%s%s", text, help, what);
    }
    return found;
}
