/* The config's tree to JSON: [net] and [data] a key a line, each layer a line. Reading it is config_json.c's. */
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "config_internal.h"

static size_t count_digits(const char *text) {
    return strspn(text, "0123456789");
}

size_t config_json_number(const char *text) {
    const char *at = text + (*text == '-');
    size_t digits = count_digits(at);
    if (digits == 0 || (*at == '0' && digits > 1)) {
        return 0;
    }
    at += digits;
    if (*at == '.') {
        digits = count_digits(at + 1);
        at += digits + 1;
    }
    if (digits > 0 && (*at == 'e' || *at == 'E')) {
        at += 1 + (at[1] == '+' || at[1] == '-');
        digits = count_digits(at);
        at += digits;
    }
    return digits > 0 ? (size_t)(at - text) : 0;
}

static void add_quoted(struct text *out, const char *text, size_t length) {
    text_add(out, "\"");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20) {
            text_add(out, "\\u%04x", c);
        } else {
            text_add(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
        }
    }
    text_add(out, "\"");
}

/* A number as JSON writes it (".5", "+1", "007" are not), its digits kept; a text that is no number (mean=auto) in
 * quotes. */
static void add_number(struct text *out, const char *text, size_t length) {
    double value;
    char *copy = mem_copy_n(text, length);
    const char *at = copy;
    if (number_real(copy, &value) != 0) {
        add_quoted(out, text, length);
        free(copy);
        return;
    }
    text_add(out, "%s", *at == '-' ? "-" : "");
    at += *at == '-' || *at == '+';
    size_t digits = count_digits(at), zeros = strspn(at, "0");
    zeros = zeros < digits ? zeros : digits > 0 ? digits - 1 : 0;
    text_add(out, "%.*s", digits > 0 ? (int)(digits - zeros) : 1, digits > 0 ? at + zeros : "0");
    at += digits;
    if (*at == '.' && count_digits(at + 1) == 0) {
        at++;
    }
    text_add(out, "%s", at);
    free(copy);
}

/* A text that is a number as JSON writes it (mean=0.4914): as a number it is read back letter by letter too. */
static int is_plain_number(const char *text, size_t length) {
    double value;
    char *copy = mem_copy_n(text, length);
    int plain = config_json_number(copy) == length && number_real(copy, &value) == 0;
    free(copy);
    return plain;
}

static void add_item(struct text *out, enum key_type type, const char *text, size_t length) {
    long value;
    if (type == KEY_INT || type == KEY_REAL || type == KEY_INTS || type == KEY_REALS) {
        add_number(out, text, length);
    } else if ((type == KEY_TEXT || type == KEY_TEXTS) && is_plain_number(text, length)) {
        text_add_n(out, text, length);
    } else if (type == KEY_BOOL && number_int(text, 0, 1, &value) == 0) {
        text_add(out, value ? "true" : "false");
    } else {
        add_quoted(out, text, length);
    }
}

static void add_value(struct text *out, const struct entry *entry) {
    enum key_type type = entry->is != NULL ? entry->is->type : KEY_IGNORED;
    if (type != KEY_INTS && type != KEY_REALS && type != KEY_TEXTS) {
        add_item(out, type, entry->value, strlen(entry->value));
        return;
    }
    text_add(out, "[");
    for (const char *rest = entry->value; *rest != '\0';) {
        size_t length, whole = strcspn(rest, ",");
        const char *item = config_item(rest, 0, &length);
        text_add(out, "%s", rest == entry->value ? "" : ", ");
        add_item(out, type, item, length);
        rest += whole + (rest[whole] == ',');
    }
    text_add(out, "]");
}

static int has_key(const struct section *section, const char *key) {
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->entries[i].key, key) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Members with `between` before each; `first` says whether one stands there already. */
static void add_entries(struct text *out, const struct section *section, const char *between, int first) {
    for (size_t i = 0; i < section->count; i++) {
        text_add(out, "%s%s", first && i == 0 ? "" : ",", first && i == 0 && *between == ' ' ? "" : between);
        add_quoted(out, section->entries[i].key, strlen(section->entries[i].key));
        text_add(out, ": ");
        add_value(out, &section->entries[i]);
    }
}

static void add_settings(struct text *out, const struct section *section) {
    text_add(out, "%s\n  \"%s\": {", out->length > 1 ? "," : "", section->name);
    add_entries(out, section, "\n    ", 1);
    text_add(out, "%s}", section->count > 0 ? "\n  " : "");
}

static void add_layers(struct text *out, const struct config *config) {
    int count = 0;
    text_add(out, "%s\n  \"layers\": [", out->length > 1 ? "," : "");
    for (size_t i = 0; i < config->count; i++) {
        const struct section *section = &config->sections[i];
        if (!config_is_net(section) && !config_is_data(section)) {
            text_add(out, "%s\n    {\"%s\": ", count++ > 0 ? "," : "", has_key(section, "type") ? "layer" : "type");
            add_quoted(out, section->name, strlen(section->name));
            add_entries(out, section, " ", 0);
            text_add(out, "}");
        }
    }
    text_add(out, "%s]", count > 0 ? "\n  " : "");
}

/* Adds [data] if it stands before the first layer (before 1), or behind it (0). */
static void add_data(struct text *out, const struct config *config, int before) {
    int layers = 0;
    for (size_t i = 0; i < config->count; i++) {
        const struct section *section = &config->sections[i];
        if (config_is_data(section) && before == (layers == 0)) {
            add_settings(out, section);
        }
        layers += !config_is_net(section) && !config_is_data(section);
    }
}

char *config_to_json(const struct config *config) {
    struct text out = {0};
    text_add(&out, "{");
    for (size_t i = 0; i < config->count; i++) {
        if (config_is_net(&config->sections[i])) {
            add_settings(&out, &config->sections[i]);
        }
    }
    add_data(&out, config, 1);
    add_layers(&out, config);
    add_data(&out, config, 0);
    text_add(&out, "\n}\n");
    return out.text;
}
