/* What a model keeps of its table: columns and the numbers of normalize=, written into [data] so that they are read as the same (csv.h). */
#include <ctype.h>
#include <string.h>

#include "sources/csv.h"

/* Does a list of columns hold the name as it is, so that it is found again? */
static int is_plain_name(const char *name) {
    size_t length = strlen(name);
    return length > 0 && !isblank((unsigned char)name[0]) && !isblank((unsigned char)name[length - 1]) && strpbrk(name, ",\"#;\\") == NULL &&
           config_trouble(name, length) == NULL;
}

/* By name, so that another table may have them in another order; by number where a name is none that a list can hold. */
static void put_columns(struct section *section, const char *key, const struct csv *csv, const size_t *columns, size_t count) {
    struct text list = {0};
    int by_name = csv->names != NULL;
    for (size_t i = 0; by_name && i < count; i++) {
        by_name = is_plain_name(csv->names[columns[i]]);
    }
    if (count == 1 && strcmp(key, "target") == 0 && by_name) {
        by_name = strcmp(csv->names[columns[0]], "input") != 0;   /* target=input means what the network is given */
    }
    for (size_t i = 0; i < count; i++) {
        text_add(&list, "%s", i > 0 ? "," : "");
        if (by_name) {
            text_add(&list, "%s", csv->names[columns[i]]);
        } else {
            text_add(&list, "%zu", columns[i]);
        }
    }
    config_put(section, key, list.text);
    text_free(&list);
}

/* A column that could only be written by its number may have the number of another's name. */
static int columns_kept(const struct csv *csv, const struct csv_columns *c, const struct section *section, struct err *err) {
    struct csv_columns again;
    int bad = csv_choose(csv, section, &again, err);
    if (bad == 0 && (again.feature_count != c->feature_count || again.target_count != c->target_count ||
                     memcmp(again.features, c->features, c->feature_count * sizeof *c->features) != 0 ||
                     (c->target_count > 0 && memcmp(again.targets, c->targets, c->target_count * sizeof *c->targets) != 0))) {
        bad = err_add(err, STATUS_REFUSED, "%s: its columns are called by numbers, and names that a list can't hold: a model couldn't say which are meant",
                      csv->path);
    }
    csv_columns_free(&again);
    return bad;
}

int csv_put(const struct csv *csv, const struct csv_columns *columns, const struct csv_affine *a, struct section *section, struct err *err) {
    put_columns(section, "features", csv, columns->features, columns->feature_count);
    if (columns->target_count > 0) {
        put_columns(section, "target", csv, columns->targets, columns->target_count);
    }
    if (a->shift != NULL) {
        config_put_reals(section, "normalize_shift", a->shift, a->count, 9);
        config_put_reals(section, "normalize_scale", a->scale, a->count, 9);
    }
    return columns_kept(csv, columns, section, err);
}
