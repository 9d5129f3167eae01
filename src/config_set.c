/* --set section.key=value: finds the section that a user means, by its name, its index among the layers or name=. */
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "config_internal.h"

static int is_layer(const struct section *section) {
    return !config_is_net(section) && !config_is_data(section);
}

static struct section *find_layer(const struct config *config, long index) {
    for (size_t i = 0; i < config->count; i++) {
        struct section *section = &config->sections[i];
        if (is_layer(section) && index-- == 0) {
            return section;
        }
    }
    return NULL;
}

/* The proper name of each section's type; NULL where it is no layer. */
static const char **types_of(const struct config *config, config_type *type) {
    const char **types = mem_need(config->count + 1, sizeof *types);
    for (size_t i = 0; i < config->count; i++) {
        types[i] = is_layer(&config->sections[i]) ? type(config->sections[i].name) : NULL;
    }
    return types;
}

/* The name that section i has as a layer without name=: its type, and which of that type it is. malloc'ed; NULL where it has another or none. */
static char *own_name(const struct config *config, const char *const *types, size_t i) {
    int ordinal = 1;
    if (types[i] == NULL || config_find_written(&config->sections[i], "name") != NULL) {
        return NULL;
    }
    for (size_t j = 0; j < i; j++) {
        ordinal += types[j] != NULL && strcmp(types[j], types[i]) == 0;
    }
    return mem_format("%s%d", types[i], ordinal);
}

/* By the name that a layer has without name=, or by its type under another of that type's names. */
static struct section *find_typed(const struct config *config, const char *name, config_type *type) {
    const char **types = types_of(config, type), *wanted = type(name);
    struct section *found = NULL;
    for (size_t i = 0; i < config->count && found == NULL; i++) {
        char *own = own_name(config, types, i);
        int of_type = wanted != NULL && types[i] != NULL && strcmp(types[i], wanted) == 0;
        found = of_type || (own != NULL && strcmp(own, name) == 0) ? &config->sections[i] : NULL;
        free(own);
    }
    free(types);
    return found;
}

static struct section *find_named(const struct config *config, const char *name, config_type *type) {
    int net = strcmp(name, "net") == 0 || strcmp(name, "network") == 0;
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->sections[i].name, name) == 0 || (net && config_is_net(&config->sections[i]))) {
            return &config->sections[i];
        }
    }
    for (size_t i = 0; i < config->count; i++) {
        const struct entry *given = config_find_written(&config->sections[i], "name");
        if (given != NULL && strcmp(given->value, name) == 0) {
            return &config->sections[i];
        }
    }
    return find_typed(config, name, type);
}

static long count_layers(const struct config *config) {
    long count = 0;
    for (size_t i = 0; i < config->count; i++) {
        count += is_layer(&config->sections[i]);
    }
    return count;
}

/* Of the names of sections and layers the nearest to a word that is none; malloc'ed, or NULL. */
static char *nearest_name(const struct config *config, const char *word, config_type *type) {
    const char **names = mem_need(2 * config->count + 2, sizeof *names);
    const char **types = types_of(config, type);
    char **made = mem_need(config->count + 1, sizeof *made);
    size_t count = 0;
    names[count++] = "data";
    for (size_t i = 0; i < config->count; i++) {
        const struct section *section = &config->sections[i];
        const struct entry *given = config_find_written(section, "name");
        made[i] = own_name(config, types, i);
        names[count++] = section->name;
        if (given != NULL || made[i] != NULL) {
            names[count++] = given != NULL ? given->value : made[i];
        }
    }
    const char *nearest = err_nearest(word, names);
    char *copy = nearest != NULL ? mem_copy(nearest) : NULL;
    for (size_t i = 0; i < config->count; i++) {
        free(made[i]);
    }
    free(made);
    free(types);
    free(names);
    return copy;
}

static struct section *find_set(struct config *config, const char *name, const char *assignment, config_type *type, struct err *err) {
    char shown[CONFIG_SHOWN];
    long index;
    struct section *section = find_named(config, name, type);
    if (section != NULL) {
        return section;
    }
    if (strcmp(name, "data") == 0) {
        return config_append_section(config, name, strlen(name), config_line_file, 0);
    }
    if (name[strspn(name, "0123456789")] == '\0') {
        if (number_int(name, 0, CONFIG_MOST_SECTIONS, &index) == 0 && (section = find_layer(config, index)) != NULL) {
            return section;
        }
        err_add(err, STATUS_REFUSED, "--set %s: there is no layer %s: the config has %ld, the first is 0", assignment,
                name, count_layers(config));
        return NULL;
    }
    char *nearest = nearest_name(config, name, type);
    err_add(err, STATUS_REFUSED, "--set %s: there is no section or layer %s%s%s%s", assignment,
            config_shown(shown, name, strlen(name)), nearest ? "; did you mean \"" : "", nearest ? nearest : "",
            nearest ? "\"?" : "");
    free(nearest);
    return NULL;
}

int config_set(struct config *config, const char *assignment, config_type *type, struct err *err) {
    size_t length = strcspn(assignment, "=");
    if (config_trouble(assignment, strlen(assignment)) != NULL) {
        return err_add(err, STATUS_REFUSED, "--set: the assignment holds %s",
                       config_trouble(assignment, strlen(assignment)));
    }
    char *left = mem_copy_n(assignment, length);
    char *dot = strrchr(left, '.'); /* the last: a layer's name may hold dots, no key does */
    int status = -1;
    if (assignment[length] == '\0' || dot == NULL || dot == left || dot[1] == '\0') {
        err_add(err, STATUS_REFUSED, "--set %s: want section.key=value", assignment);
    } else {
        *dot = '\0';
        struct section *section = find_set(config, left, assignment, type, err);
        status = section == NULL ? -1 : config_override(section, left, dot + 1, assignment + length + 1, err);
    }
    free(left);
    return status;
}
