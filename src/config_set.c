/* --set section.key=value: finds the section that a user means, by its name, its index among the layers or name=. */
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "config_internal.h"

static struct section *find_layer(const struct config *config, long index) {
    for (size_t i = 0; i < config->count; i++) {
        struct section *section = &config->sections[i];
        if (!config_is_net(section) && !config_is_data(section) && index-- == 0) {
            return section;
        }
    }
    return NULL;
}

static struct section *find_named(const struct config *config, const char *name) {
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
    return NULL;
}

static long count_layers(const struct config *config) {
    long count = 0;
    for (size_t i = 0; i < config->count; i++) {
        count += !config_is_net(&config->sections[i]) && !config_is_data(&config->sections[i]);
    }
    return count;
}

/* Names of sections and layers, for the nearest to a word that is neither; malloc'ed, the names borrowed. */
static const char **all_names(const struct config *config) {
    const char **names = mem_need(2 * config->count + 2, sizeof *names);
    size_t count = 0;
    names[count++] = "data";
    for (size_t i = 0; i < config->count; i++) {
        const struct entry *given = config_find_written(&config->sections[i], "name");
        names[count++] = config->sections[i].name;
        if (given != NULL) {
            names[count++] = given->value;
        }
    }
    return names;
}

static struct section *find_set(struct config *config, const char *name, const char *assignment, struct err *err) {
    char shown[CONFIG_SHOWN];
    long index;
    struct section *section = find_named(config, name);
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
    const char **names = all_names(config);
    const char *nearest = err_nearest(name, names);
    err_add(err, STATUS_REFUSED, "--set %s: there is no section or layer %s%s%s%s", assignment,
            config_shown(shown, name, strlen(name)), nearest ? "; did you mean \"" : "", nearest ? nearest : "",
            nearest ? "\"?" : "");
    free(names);
    return NULL;
}

int config_set(struct config *config, const char *assignment, struct err *err) {
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
        struct section *section = find_set(config, left, assignment, err);
        status = section == NULL ? -1 : config_override(section, left, dot + 1, assignment + length + 1, err);
    }
    free(left);
    return status;
}
