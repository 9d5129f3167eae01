/* A section against its tables of keys: unknown keys, keys twice, values that are not whole or not in range. Afterwards
 * every entry knows its key, and the getters (config_get.c) can't fail. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "config_internal.h"

/* ---- finding ---- */

const struct key *config_find_key(const struct key *const *tables, const char *name) {
    for (const struct key *const *table = tables; *table != NULL; table++) {
        for (const struct key *key = *table; key->name != NULL; key++) {
            if (strcmp(key->name, name) == 0) {
                return key;
            }
        }
    }
    for (; *tables != NULL; tables++) { /* a name goes before an alias, whatever their order */
        for (const struct key *key = *tables; key->name != NULL; key++) {
            if (config_among(key->aliases, name) >= 0) {
                return key;
            }
        }
    }
    return NULL;
}

struct entry *config_find_entry(const struct section *section, const char *key) {
    for (size_t i = 0; i < section->count; i++) {
        const struct key *is = section->entries[i].is;
        if (is != NULL && (strcmp(is->name, key) == 0 || config_among(is->aliases, key) >= 0)) {
            return &section->entries[i];
        }
    }
    return NULL;
}

/* Names and aliases that a user could have meant, as "a|b|c". */
static char *all_names(const struct key *const *tables) {
    struct text names = {0};
    text_add_n(&names, "", 0);
    for (; *tables != NULL; tables++) {
        for (const struct key *key = *tables; key->name != NULL; key++) {
            if (key->type != KEY_IGNORED) {
                text_add(&names, "%s|%s%s", key->name, key->aliases != NULL ? key->aliases : "",
                         key->aliases != NULL ? "|" : "");
            }
        }
    }
    return names.text;
}

/* ---- checking ---- */

static long whole_limit(double limit) { /* a double may lie beyond what a long holds */
    return limit >= (double)LONG_MAX ? LONG_MAX : limit <= (double)LONG_MIN ? LONG_MIN : (long)limit;
}

static int is_valid(const struct key *key, const char *text) {
    double min, max, real;
    long whole;
    config_range(key, &min, &max);
    switch (key->type) {
    case KEY_INT:
    case KEY_INTS:
        return number_int(text, whole_limit(min), whole_limit(max), &whole) == 0;
    case KEY_REAL:
    case KEY_REALS:
        return number_real(text, &real) == 0 && real >= min && real <= max;
    case KEY_BOOL:
        return number_int(text, 0, 1, &whole) == 0;
    case KEY_CHOICE:
        return config_among(key->choices, text) >= 0;
    default:
        return *text != '\0';
    }
}

static int refuse_item(const struct entry *entry, const char *label, const char *item, struct err *err) {
    char shown[CONFIG_SHOWN];
    double min, max, real;
    struct text wanted = {0};
    char *where = config_where_entry(entry, label), *nearest = NULL;
    config_range(entry->is, &min, &max);
    /* The ends of a range are spelled out to whom they concern. */
    config_add_wanted(&wanted, entry->is, number_real(item, &real) == 0 && (real < min || real > max));
    if (entry->is->type == KEY_CHOICE) {
        nearest = config_nearest_among(entry->is->choices, item);
    }
    err_add(err, STATUS_REFUSED, "%swant %s, got %s%s%s%s", where, wanted.text, config_shown(shown, item, strlen(item)),
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(where);
    free(nearest);
    text_free(&wanted);
    return -1;
}

static int check_list(const struct entry *entry, const char *label, struct err *err) {
    int count = 0;
    for (const char *rest = entry->value; rest != NULL; count++) {
        if (count == CONFIG_MOST_ITEMS) {
            char *where = config_where_entry(entry, label);
            err_add(err, STATUS_REFUSED, "%swant at most %d items", where, CONFIG_MOST_ITEMS);
            free(where);
            return -1;
        }
        const char *text = rest;
        size_t whole = strcspn(rest, ","), length = whole;
        config_trim(&text, &length);
        char *item = mem_copy_n(text, length);
        int valid = is_valid(entry->is, item);
        if (!valid) { /* an empty item says little: then the whole list is shown */
            refuse_item(entry, label, length > 0 ? item : entry->value, err);
        }
        free(item);
        if (!valid) {
            return -1;
        }
        rest = rest[whole] == ',' ? rest + whole + 1 : NULL;
    }
    return 0;
}

/* Is the sentence of that file and with that end among the warnings? */
static int is_warned(const struct err *err, const char *file, const char *end) {
    size_t length = strlen(end);
    for (int i = 0; i < err->warnings && i < ERR_MOST; i++) {
        size_t all = strlen(err->warned[i]);
        if (all >= length && strcmp(err->warned[i] + all - length, end) == 0 &&
            strncmp(err->warned[i], file, strlen(file)) == 0) {
            return 1;
        }
    }
    return 0;
}

/* One warning, with the first line, for all sections of a type: darknet's configs repeat such keys in layer after layer. */
static void warn_ignored(const struct entry *entry, const char *label, struct err *err) {
    static const char what[] = "has no use here and is ignored";
    char *where = config_where_entry(entry, label), *end = mem_format("[%s] %s: %s", label, entry->key, what);
    if (!is_warned(err, entry->file, end)) {
        err_warn(err, "%s%s", where, what);
    }
    free(where);
    free(end);
}

static int check_value(const struct entry *entry, const char *label, struct err *err) {
    switch (entry->is->type) {
    case KEY_IGNORED:
        warn_ignored(entry, label, err);
        return 0;
    case KEY_INTS:
    case KEY_REALS:
    case KEY_TEXTS:
        return check_list(entry, label, err);
    default:
        return is_valid(entry->is, entry->value) ? 0 : refuse_item(entry, label, entry->value, err);
    }
}

static void refuse_unknown(const struct section *section, const struct entry *entry, const char *label,
                           struct err *err) {
    char *where = config_where_entry(entry, label), *nearest = NULL;
    if (err->count < ERR_MOST) { /* the search is not worth its time for a sentence that is only counted */
        char *names = all_names(section->tables);
        nearest = config_nearest_among(names, entry->key);
        free(names);
    }
    err_add(err, STATUS_REFUSED, "%sunknown key%s%s%s", where, nearest ? "; did you mean \"" : "",
            nearest ? nearest : "", nearest ? "\"?" : "");
    free(where);
    free(nearest);
}

static int is_list(enum key_type type) { return type == KEY_INTS || type == KEY_REALS || type == KEY_TEXTS; }

static int same_item(const char *a, size_t m, const char *b, size_t n) {
    config_trim(&a, &m);
    config_trim(&b, &n);
    char *one = mem_copy_n(a, m), *other = mem_copy_n(b, n);
    double x, y;
    int same = strcmp(one, other) == 0 || (number_real(one, &x) == 0 && number_real(other, &y) == 0 && x == y);
    free(one);
    free(other);
    return same;
}

int config_same_value(const struct key *key, const char *a, const char *b) {
    int list = is_list(key->type);
    for (;;) {
        size_t m = list ? strcspn(a, ",") : strlen(a), n = list ? strcspn(b, ",") : strlen(b);
        if (!same_item(a, m, b, n)) {
            return 0;
        }
        if (a[m] == '\0' || b[n] == '\0') {
            return a[m] == b[n];
        }
        a += m + 1;
        b += n + 1;
    }
}

/* Two entries of one key, `second` behind `first`. Returns which of them to drop, or -1 where both are wrong. */
static int choose_twin(const struct entry *first, const struct entry *second, const char *label, struct err *err) {
    int status = -1;
    if (second->file == config_line_file || first->file == config_line_file) { /* the command line has the last word */
        return second->file == config_line_file ? 0 : 1;
    }
    char *where = config_where_entry(second, label);
    const char *name = strcmp(first->key, second->key) != 0 ? first->key : "the key";
    if (config_same_value(first->is, first->value, second->value)) {
        err_warn(err, "%sgiven twice: %s has the same value in line %d", where, name, first->line);
        status = 1;
    } else {
        char shown[2][CONFIG_SHOWN];
        err_add(err, STATUS_REFUSED, "%sgiven twice: %s is %s in line %d, got %s in line %d", where, name,
                config_shown(shown[0], first->value, strlen(first->value)), first->line,
                config_shown(shown[1], second->value, strlen(second->value)), second->line);
    }
    free(where);
    return status;
}

static void resolve_twins(struct section *section, const char *label, struct err *err) {
    for (size_t i = 1; i < section->count; i++) {
        const struct entry *second = &section->entries[i];
        for (size_t j = 0; j < i && second->is != NULL; j++) {
            if (section->entries[j].is == second->is) {
                int drop = choose_twin(&section->entries[j], second, label, err);
                if (drop >= 0) {
                    config_drop_entry(section, drop == 0 ? j : i);
                    i--;
                }
                break;
            }
        }
    }
}

int config_check(struct section *section, const char *label, const struct key *const *tables, struct err *err) {
    int before = err->count;
    section->tables = tables;
    for (size_t i = 0; i < section->count; i++) {
        section->entries[i].is = config_find_key(tables, section->entries[i].key);
    }
    resolve_twins(section, label, err);
    for (size_t i = 0; i < section->count; i++) {
        if (section->entries[i].is != NULL) {
            check_value(&section->entries[i], label, err);
        } else {
            refuse_unknown(section, &section->entries[i], label, err);
        }
    }
    return err->count > before ? -1 : 0;
}
