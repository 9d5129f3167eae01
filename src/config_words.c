/* Pieces of text that the config's files share: trimming, comments, comma lists, lists of choices, what a line of text
 * may hold. */
#include "config_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_space(char c) {
    return c == ' ' || c == '\t';
}

void config_trim(const char **text, size_t *length) {
    while (*length > 0 && is_space(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && is_space((*text)[*length - 1])) {
        (*length)--;
    }
}

size_t config_comment(const char *line, size_t from, size_t length) {
    for (size_t i = from; i < length; i++) {
        if ((line[i] == '#' || line[i] == ';') && (i == 0 || is_space(line[i - 1]))) {
            return i;
        }
    }
    return length;
}

/* Bytes of the UTF-8 character at `s`, of which `length` are there; 0 for anything else: overlong forms, surrogates,
 * beyond U+10FFFF. */
static size_t utf8_length(const unsigned char *s, size_t length) {
    size_t bytes = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (bytes > length) {
        return 0;
    }
    for (size_t i = 1; i < bytes; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    int overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    int outside = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || outside ? 0 : bytes;
}

const char *config_trouble(const char *text, size_t length) {
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0, bytes; i < length; i += bytes) {
        if ((s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f) {
            return "a control character";
        }
        bytes = utf8_length(s + i, length - i);
        if (bytes == 0) {
            return "bytes that are not UTF-8";
        }
    }
    return NULL;
}

size_t config_cut(const char *text, size_t length, size_t most) {
    if (length <= most) {
        return length;
    }
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) {
        most--;
    }
    return most;
}

void config_no_controls(char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

const char *config_shown(char buffer[CONFIG_SHOWN], const char *text, size_t length) {
    size_t kept = config_cut(text, length, CONFIG_SHOWN - 8);
    snprintf(buffer, CONFIG_SHOWN, "\"%.*s%s\"", (int)kept, text, kept < length ? "..." : "");
    config_no_controls(buffer);
    return buffer;
}

const char *config_item(const char *list, size_t i, size_t *length) {
    if (list == NULL || *list == '\0') {
        return NULL;
    }
    for (; i > 0; i--) {
        list = strchr(list, ',');
        if (list == NULL) {
            return NULL;
        }
        list++;
    }
    *length = strcspn(list, ",");
    config_trim(&list, length);
    return list;
}

int config_among(const char *list, const char *word) {
    size_t length = strlen(word);
    int position = 0;
    while (list != NULL) {
        size_t name = strcspn(list, "|=");
        if (name == length && memcmp(list, word, length) == 0) {
            return position;
        }
        position += list[name] == '|';
        list = list[name] == '\0' ? NULL : list + name + 1;
    }
    return -1;
}

char *config_nearest_among(const char *list, const char *word) {
    char *names = mem_copy(list);
    const char **each = NULL;
    size_t room = 0, count = 0;
    char *rest = names;
    for (char *name; (name = strtok_r(rest, "|=", &rest)) != NULL; count++) {
        each = mem_grow(each, &room, count + 1, sizeof *each);
        each[count] = name;
    }
    const char *nearest = NULL;
    if (count > 0 && word[0] != '\0' && word[1] != '\0') { /* a single letter is near to any other */
        each[count] = NULL;
        nearest = err_nearest(word, each);
    }
    char *copy = nearest != NULL ? mem_copy(nearest) : NULL;
    free(each);
    free(names);
    return copy;
}

void config_add_choices(struct text *out, const char *list) {
    for (int first = 1; *list != '\0'; first = 0) {
        size_t name = strcspn(list, "|="), all = strcspn(list, "|");
        text_add(out, "%s%.*s", first ? "" : "|", (int)name, list);
        list += all + (list[all] == '|');
    }
}
