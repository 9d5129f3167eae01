/* The sentences of the config: where something stands, and what a key wants there. */
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

static const double NEARLY_ALL = 1e30; /* a real's range that reaches so far needs no mention */

char *config_where(const char *file, int line, const char *label, const char *key) {
    struct text out = {0};
    int kept = key != NULL ? (int)config_cut(key, strlen(key), CONFIG_SHOWN) : 0;
    if (line == 0) {
        text_add(&out, "%s %s%s%.*s: ", file, label, key != NULL ? "." : "", kept, key != NULL ? key : "");
    } else {
        text_add(&out, "%s:%d: [%s]%s%.*s: ", file, line, label, key != NULL ? " " : "", kept, key != NULL ? key : "");
    }
    config_no_controls(out.text);
    return out.text;
}

char *config_where_entry(const struct entry *entry, const char *label) {
    return config_where(entry->file, entry->line, entry->said_of != NULL ? entry->said_of : label, entry->key);
}

static char *format_list(const char *format, va_list list) {
    va_list again;
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t size = length < 0 ? 1 : (size_t)length + 1;
    char *sentence = mem_need(size, 1);
    vsnprintf(sentence, size, format, list);
    return sentence;
}

int config_refuse(const struct section *section, const char *label, const char *key, struct err *err,
                  const char *format, ...) {
    const struct entry *entry = key != NULL ? config_find_entry(section, key) : NULL;
    char *where = entry != NULL ? config_where_entry(entry, label)
                                : config_where(section->file, section->line, label, key);
    va_list list;
    va_start(list, format);
    char *sentence = format_list(format, list);
    va_end(list);
    err_add(err, STATUS_REFUSED, "%s%s", where, sentence);
    free(sentence);
    free(where);
    return -1;
}

static int is_int(const struct key *key) {
    return key->type == KEY_INT || key->type == KEY_INTS;
}

int config_range(const struct key *key, double *min, double *max) {
    int own = key->min != 0 || key->max != 0;
    *min = own ? key->min : is_int(key) ? INT_MIN : -HUGE_VAL;
    *max = own ? key->max : is_int(key) ? INT_MAX : HUGE_VAL;
    return own;
}

static void add_number(struct text *out, const struct key *key, double value) {
    if (is_int(key)) {
        text_add(out, "%.0f", value);
    } else {
        text_add(out, "%.10g", value);
    }
}

static void add_range(struct text *out, const struct key *key, int in_full) {
    double min, max, open = is_int(key) ? INT_MAX : NEARLY_ALL;
    int own = config_range(key, &min, &max), low = in_full || min > -open, high = in_full || max < open;
    if ((!own && !(in_full && is_int(key))) || (!low && !high)) {
        text_add(out, is_int(key) ? "a whole number" : "a number");
        return;
    }
    if (low) {
        add_number(out, key, min);
    }
    text_add(out, "..");
    if (high) {
        add_number(out, key, max);
    }
}

void config_add_wanted(struct text *out, const struct key *key, int in_full) {
    double min, max;
    switch (key->type) {
    case KEY_INT:
    case KEY_REAL:
        add_range(out, key, in_full);
        break;
    case KEY_INTS:
    case KEY_REALS:
        text_add(out, "a comma list of ");
        if (config_range(key, &min, &max) || in_full) {
            add_range(out, key, in_full);
        } else {
            text_add(out, is_int(key) ? "whole numbers" : "numbers");
        }
        break;
    case KEY_BOOL:
        text_add(out, "0 or 1");
        break;
    case KEY_CHOICE:
        config_add_choices(out, key->choices);
        break;
    case KEY_TEXTS:
        text_add(out, "a comma list of texts");
        break;
    case KEY_TEXT:
    case KEY_IGNORED:
        text_add(out, "a text");
        break;
    }
}
