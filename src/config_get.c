/* Values of a checked section (config.h). What config_check let pass has the form its key's type asks for, so nothing
 * here can fail. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "config_internal.h"

static const struct key *key_of(const struct section *section, const char *name) {
    assert(section->tables != NULL); /* config_check comes first */
    const struct key *key = config_find_key(section->tables, name);
    assert(key != NULL); /* the table lacks it: our own mistake */
    return key;
}

int config_given(const struct section *section, const char *key) {
    return config_find_entry(section, key_of(section, key)->name) != NULL;
}

const char *config_text(const struct section *section, const char *key) {
    const struct key *is = key_of(section, key);
    const struct entry *entry = config_find_entry(section, is->name);
    return entry != NULL ? entry->value : is->standard;
}

long config_int(const struct section *section, const char *key) {
    const char *text = config_text(section, key);
    long value = 0;
    if (text != NULL) {
        number_int(text, LONG_MIN, LONG_MAX, &value);
    }
    return value;
}

double config_real(const struct section *section, const char *key) {
    const char *text = config_text(section, key);
    double value = 0;
    if (text != NULL) {
        number_real(text, &value);
    }
    return value;
}

int config_bool(const struct section *section, const char *key) {
    return config_int(section, key) != 0;
}

int config_choice(const struct section *section, const char *key) {
    const char *text = config_text(section, key);
    return text != NULL ? config_among(key_of(section, key)->choices, text) : -1;
}

size_t config_length(const struct section *section, const char *key) {
    const char *text = config_text(section, key);
    size_t count = text != NULL && *text != '\0';
    for (; text != NULL && *text != '\0'; text++) {
        count += *text == ',';
    }
    return count;
}

char *config_item_text(const struct section *section, const char *key, size_t i) {
    size_t length = 0;
    const char *item = config_item(config_text(section, key), i, &length);
    return mem_copy_n(item, length);
}

double config_item_real(const struct section *section, const char *key, size_t i) {
    char *item = config_item_text(section, key, i);
    double value = 0;
    number_real(item, &value);
    free(item);
    return value;
}
