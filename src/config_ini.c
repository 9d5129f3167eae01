/* INI, darknet's dialect, to the config's tree and back. Syntax: config.h. */
#include <string.h>

#include "config_internal.h"

struct ini {
    struct config *config;
    struct section *section; /* the one being filled; NULL before the first and below a broken [..] */
    int line, lost;          /* lost: keys without a section were told of already */
    struct err *err;
};

/* Returns -1 where reading on makes no sense. */
static int read_section(struct ini *ini, const char *line, size_t length) {
    char shown[CONFIG_SHOWN];
    int full = ini->config->count >= CONFIG_MOST_SECTIONS;
    ini->section = NULL;
    ini->lost = 1;
    if (line[length - 1] != ']') {
        err_add(ini->err, STATUS_REFUSED, "%s:%d: want [name] alone on its line, got %s", ini->config->path, ini->line,
                config_shown(shown, line, length));
        return 0;
    }
    line += 1;
    length -= 2;
    config_trim(&line, &length);
    ini->section = config_add_section(ini->config, line, length, ini->line, ini->err);
    return full ? -1 : 0;
}

static void read_entry(struct ini *ini, const char *line, size_t length) {
    char shown[CONFIG_SHOWN];
    const char *sign = memchr(line, '=', length);
    if (sign == NULL) {
        err_add(ini->err, STATUS_REFUSED, "%s:%d: want key=value or [section], got %s", ini->config->path, ini->line,
                config_shown(shown, line, length));
    } else if (ini->section != NULL) {
        size_t key = (size_t)(sign - line);
        config_add_entry(ini->section, line, key, sign + 1, length - key - 1, ini->line, ini->err);
    } else if (!ini->lost) {
        ini->lost = 1;
        err_add(ini->err, STATUS_REFUSED, "%s:%d: %s stands before any section, want [net] first", ini->config->path,
                ini->line, config_shown(shown, line, length));
    }
}

static int read_line(struct ini *ini, const char *line, size_t length) {
    if (length > 0 && line[length - 1] == '\r') {
        length--;
    }
    length = config_comment(line, 0, length);
    config_trim(&line, &length);
    const char *trouble = config_trouble(line, length);
    if (trouble != NULL) {
        err_add(ini->err, STATUS_REFUSED, "%s:%d: the line holds %s", ini->config->path, ini->line, trouble);
    } else if (length > 0 && *line == '[') {
        return read_section(ini, line, length);
    } else if (length > 0) {
        read_entry(ini, line, length);
    }
    return 0;
}

int config_parse_ini(struct config *config, const char *text, size_t length, struct err *err) {
    struct ini ini = {.config = config, .err = err};
    int before = err->count;
    for (const char *end = text + length; text < end && err->count - before < CONFIG_MOST_ERRORS;) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop != NULL ? stop : end;
        ini.line++;
        if (read_line(&ini, text, (size_t)(stop - text)) != 0) {
            break;
        }
        text = stop + 1;
    }
    return err->count > before ? -1 : 0;
}

char *config_to_ini(const struct config *config) {
    struct text out = {0};
    text_add_n(&out, "", 0);
    for (size_t i = 0; i < config->count; i++) {
        const struct section *section = &config->sections[i];
        text_add(&out, "%s[%s]\n", i > 0 ? "\n" : "", section->name);
        for (size_t j = 0; j < section->count; j++) {
            /* No spaces around the sign: a value may begin with '#', which would be a comment after one. */
            text_add(&out, "%s=%s\n", section->entries[j].key, section->entries[j].value);
        }
    }
    return out.text;
}
