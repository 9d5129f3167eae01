/* The config's tree (config.h): reading a file, adding to the tree. The two syntaxes are config_ini.c and
 * config_json.c; --set is config_set.c; values are looked at by config_check.c. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config_internal.h"

const char config_line_file[] = "--set";

static void entry_free(struct entry *entry) {
    free(entry->key);
    free(entry->value);
    free(entry->said_of);
}

void config_free(struct config *config) {
    for (size_t i = 0; i < config->count; i++) {
        struct section *section = &config->sections[i];
        for (size_t j = 0; j < section->count; j++) {
            entry_free(&section->entries[j]);
        }
        free(section->entries);
        free(section->name);
    }
    free(config->sections);
    free(config->path);
    *config = (struct config){0};
}

int config_is_net(const struct section *section) {
    return strcmp(section->name, "net") == 0 || strcmp(section->name, "network") == 0;
}

int config_is_data(const struct section *section) {
    return strcmp(section->name, "data") == 0;
}

/* ---- growing the tree ---- */

struct section *config_append_section(struct config *config, const char *name, size_t length, const char *file,
                                      int line) {
    config->sections = mem_grow(config->sections, &config->room, config->count, sizeof *config->sections);
    struct section *section = &config->sections[config->count];
    *section =
        (struct section){.name = mem_copy_n(name, length), .file = file, .line = line, .index = (int)config->count};
    config->count++;
    return section;
}

/* Darknet's habit would take a second [net] for a layer; and JSON has one place for each of the two. */
static int refuse_second(const struct config *config, const struct section *section, struct err *err) {
    if (!config_is_net(section) && !config_is_data(section)) {
        return 0;
    }
    for (const struct section *other = config->sections; other < section; other++) {
        if (config_is_net(section) ? config_is_net(other) : config_is_data(other)) {
            return err_add(err, STATUS_REFUSED, "%s:%d: a second [%s]; the first is in line %d", section->file,
                           section->line, section->name, other->line);
        }
    }
    return 0;
}

struct section *config_add_section(struct config *config, const char *name, size_t length, int line, struct err *err) {
    char shown[CONFIG_SHOWN];
    if (length == 0) {
        err_add(err, STATUS_REFUSED, "%s:%d: the section's name is empty", config->path, line);
        return NULL;
    }
    if (config_trouble(name, length) != NULL || memchr(name, '[', length) != NULL ||
        memchr(name, ']', length) != NULL || config_comment(name, 0, length) < length || length > CONFIG_MOST_NAME) {
        err_add(err, STATUS_REFUSED, "%s:%d: %s can't be a section's name", config->path, line,
                config_shown(shown, name, length));
        return NULL;
    }
    if (config->count >= CONFIG_MOST_SECTIONS) {
        err_add(err, STATUS_REFUSED, "%s:%d: more than %d sections", config->path, line, CONFIG_MOST_SECTIONS);
        return NULL;
    }
    struct section *section = config_append_section(config, name, length, config->path, line);
    refuse_second(config, section, err);
    return section;
}

static int refuse_key(const struct section *section, const char *key, size_t length, int line, struct err *err) {
    char shown[CONFIG_SHOWN];
    char *where = config_where(section->file, line, section->name, NULL);
    int status = 0;
    if (length == 0) {
        status = err_add(err, STATUS_REFUSED, "%sthe key is empty", where);
    } else if (*key == '[' || memchr(key, '=', length) != NULL || config_trouble(key, length) != NULL ||
               config_comment(key, 0, length) < length || length > CONFIG_MOST_NAME) {
        status = err_add(err, STATUS_REFUSED, "%s%s can't be a key", where, config_shown(shown, key, length));
    } else if (section->count >= CONFIG_MOST_ENTRIES) {
        status = err_add(err, STATUS_REFUSED, "%smore than %d keys", where, CONFIG_MOST_ENTRIES);
    }
    free(where);
    return status;
}

/* What an INI line can't carry, no value may hold: so that a tree from JSON or --set can be written as INI too. */
static int refuse_value(const struct section *section, const char *key, const char *value, size_t length, int line,
                        struct err *err) {
    char shown[CONFIG_SHOWN];
    const char *trouble = config_trouble(value, length);
    size_t comment = config_comment(value, 1, length);
    char *where = config_where(section->file, line, section->name, key);
    int status = 0;
    if (trouble != NULL) {
        status = err_add(err, STATUS_REFUSED, "%sthe value holds %s", where, trouble);
    } else if (comment < length) {
        status =
            err_add(err, STATUS_REFUSED, "%sa '%c' after a space begins a comment, so no value can hold it, got %s",
                    where, value[comment], config_shown(shown, value, length));
    }
    free(where);
    return status;
}

static struct entry *append_entry(struct section *section, const char *key, size_t key_length, const char *value,
                                  size_t value_length, const char *file, int line) {
    section->entries = mem_grow(section->entries, &section->room, section->count, sizeof *section->entries);
    struct entry *entry = &section->entries[section->count++];
    *entry = (struct entry){
        .key = mem_copy_n(key, key_length), .value = mem_copy_n(value, value_length), .file = file, .line = line};
    return entry;
}

int config_add_entry(struct section *section, const char *key, size_t key_length, const char *value,
                     size_t value_length, int line, struct err *err) {
    config_trim(&key, &key_length);
    config_trim(&value, &value_length);
    if (refuse_key(section, key, key_length, line, err) != 0) {
        return -1;
    }
    struct entry *entry = append_entry(section, key, key_length, value, value_length, section->file, line);
    return refuse_value(section, entry->key, entry->value, value_length, line, err);
}

void config_drop_entry(struct section *section, size_t i) {
    entry_free(&section->entries[i]);
    section->count--;
    memmove(&section->entries[i], &section->entries[i + 1], (section->count - i) * sizeof *section->entries);
}

/* ---- reading ---- */

static int line_of(const char *text, const char *at) {
    int line = 1;
    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

int config_parse(struct config *config, const char *name, const char *text, size_t length, struct err *err) {
    int before = err->count;
    *config = (struct config){.path = mem_copy(name)};
    if (length > CONFIG_MOST_BYTES) {
        return err_add(err, STATUS_REFUSED, "%s: %zu bytes are too many for a config, want at most %d", name, length,
                       CONFIG_MOST_BYTES);
    }
    size_t mark = file_mark(text, length);
    text += mark;
    length -= mark;
    const char *nul = length > 0 ? memchr(text, '\0', length) : NULL;
    if (nul != NULL) {
        return err_add(err, STATUS_REFUSED, "%s:%d: a NUL byte: a config is text", name, line_of(text, nul));
    }
    char *copy = mem_copy_n(text, length);
    if (copy[strspn(copy, " \t\r\n")] == '{') {
        config_parse_json(config, copy, length, err);
    } else {
        config_parse_ini(config, copy, length, err);
    }
    free(copy);
    if (config->count == 0 && err->count == before) {
        err_add(err, STATUS_REFUSED, "%s: holds no sections, want [net] and layers", name);
    }
    return err->count > before ? -1 : 0;
}

int config_read(struct config *config, const char *path, struct err *err) {
    unsigned char *bytes;
    size_t size;
    *config = (struct config){0};
    if (file_read(path, 0, CONFIG_MOST_BYTES, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    int status = config_parse(config, strcmp(path, "-") == 0 ? "stdin" : path, (const char *)bytes, size, err);
    free(bytes);
    return status;
}

/* ---- changing ---- */

struct entry *config_find_written(const struct section *section, const char *key) {
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->entries[i].key, key) == 0) {
            return &section->entries[i];
        }
    }
    return NULL;
}

static void replace_value(struct entry *entry, const char *value) {
    char *copy = mem_copy(value); /* first: value may be the old one */
    free(entry->value);
    entry->value = copy;
}

void config_put(struct section *section, const char *key, const char *value) {
    struct entry *entry = config_find_entry(section, key);
    if (entry == NULL) {
        entry = config_find_written(section, key);
    }
    if (entry != NULL) {
        replace_value(entry, value);
        return;
    }
    entry = append_entry(section, key, strlen(key), value, strlen(value), section->file, section->line);
    entry->is = section->tables != NULL ? config_find_key(section->tables, key) : NULL;
}

void config_put_reals(struct section *section, const char *key, const double *values, size_t count, int digits) {
    struct text list = {0};
    for (size_t i = 0; i < count; i++) {
        text_add(&list, "%s%.*g", i > 0 ? "," : "", digits, values[i]);
    }
    config_put(section, key, list.text);
    text_free(&list);
}

int config_is_set(const struct section *section, const char *key) {
    const struct entry *entry = config_find_entry(section, key);
    return entry != NULL && entry->file == config_line_file;
}

int config_has(const struct section *section, const char *key) {
    return config_find_entry(section, key) != NULL;
}

void config_drop(struct section *section, const char *key) {
    struct entry *entry = config_find_entry(section, key);
    if (entry != NULL) {
        config_drop_entry(section, (size_t)(entry - section->entries));
    }
}

static int section_keeps(const struct section *section, struct section *again, struct err *err) {
    struct err found = {0};
    if (section->count != again->count) {
        return config_refuse(section, section->name, NULL, err, "has other keys once it is written into a config");
    }
    for (size_t i = 0; i < section->count; i++) {
        const struct entry *a = &section->entries[i], *b = &again->entries[i];
        if (strcmp(a->key, b->key) != 0 || strcmp(a->value, b->value) != 0) {
            config_refuse(section, section->name, a->key, &found, "the value can't be written into a config so that it is read as the same");
        }
    }
    if (section->tables != NULL) {
        config_check(again, section->name, section->tables, &found);
    }
    if (found.count == 0) {   /* warnings were said when the config was read */
        err_free(&found);
    }
    return err_move(err, &found);
}

int config_keeps(const struct config *config, struct err *err) {
    struct config again;
    char *text = config_to_ini(config);
    int bad = config_parse(&again, "the completed config", text, strlen(text), err) != 0;
    if (!bad && again.count != config->count) {
        bad = err_add(err, STATUS_REFUSED, "%s: has other sections once it is written into a config", config->path);
    }
    for (size_t i = 0; !bad && i < config->count; i++) {
        bad = section_keeps(&config->sections[i], &again.sections[i], err) != 0;
    }
    config_free(&again);
    free(text);
    return bad ? -1 : 0;
}

int config_override(struct section *section, const char *said_of, const char *key, const char *value, struct err *err) {
    struct section probe = {.name = (char *)said_of, .file = config_line_file};
    size_t key_length = strlen(key), value_length = strlen(value);
    config_trim(&value, &value_length);
    if (refuse_key(&probe, key, key_length, 0, err) != 0 ||
        refuse_value(&probe, key, value, value_length, 0, err) != 0) {
        return -1;
    }
    struct entry *entry = config_find_written(section, key);
    if (entry != NULL &&
        entry->file == config_line_file) { /* behind the others, among which the key may have another name */
        config_drop_entry(section, (size_t)(entry - section->entries));
        entry = NULL;
    }
    if (entry == NULL) {
        entry = append_entry(section, key, key_length, "", 0, config_line_file, 0);
    }
    replace_value(entry, value);
    entry->value[value_length] = '\0';
    entry->file = config_line_file;
    entry->line = 0;
    free(entry->said_of);
    entry->said_of = mem_copy(said_of);
    return 0;
}
