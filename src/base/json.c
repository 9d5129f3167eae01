/* JSON out, a line at a time, and JSON in through cJSON (json.h). */
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The length of the UTF-8 sequence at `s`, or 0 where it is malformed, overlong, a surrogate or beyond U+10FFFF. */
static int sequence_length(const unsigned char *s) {
    if (*s < 0x80) {
        return 1;
    }
    int length = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
    unsigned point = *s & (0xffu >> (length + 1));
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {   /* also stops at the NUL */
            return 0;
        }
        point = point << 6 | (s[i] & 0x3fu);
    }
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    int surrogate = point >= 0xd800 && point < 0xe000;
    return *s < 0xc2 || *s > 0xf4 || point < least[length] || point > 0x10ffff || surrogate ? 0 : length;
}

/* A NUL stands behind the value. */
static void add_quoted(struct text *out, const char *value, size_t n) {
    const unsigned char *s = (const unsigned char *)value, *end = s + n;
    text_add_n(out, "\"", 1);
    while (s < end) {
        int length = sequence_length(s);
        if (*s == '"' || *s == '\\') {
            text_add(out, "\\%c", *s);
        } else if (*s == '\n' || *s == '\t') {
            text_add(out, *s == '\n' ? "\\n" : "\\t");
        } else if (*s < 0x20 || *s == 0x7f || length == 0) {
            text_add(out, "\\u%04x", *s);
        } else {
            text_add_n(out, (const char *)s, (size_t)length);
        }
        s += length == 0 ? 1 : length;
    }
    text_add_n(out, "\"", 1);
}

/* The comma before a value, and its key. */
static void add_key(struct json *j, const char *key) {
    if (j->comma) {
        text_add_n(&j->out, ",", 1);
    }
    if (key != NULL) {
        add_quoted(&j->out, key, strlen(key));
        text_add_n(&j->out, ":", 1);
    }
    j->comma = 1;
}

void json_open(struct json *j, const char *key, char bracket) {
    add_key(j, key);
    text_add_n(&j->out, &bracket, 1);
    j->comma = 0;
}

void json_close(struct json *j, char bracket) {
    text_add_n(&j->out, &bracket, 1);
    j->comma = 1;
}

void json_text(struct json *j, const char *key, const char *value) {
    add_key(j, key);
    if (value == NULL) {
        text_add(&j->out, "null");
    } else {
        add_quoted(&j->out, value, strlen(value));
    }
}

void json_text_n(struct json *j, const char *key, const char *value, size_t length) {
    add_key(j, key);
    add_quoted(&j->out, value, length);
}

static void add_number(struct json *j, const char *key, double value, int digits) {
    add_key(j, key);
    if (!isfinite(value)) {
        text_add(&j->out, "null");
        return;
    }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(plain);
    text_add(&j->out, "%.*g", digits, value);
    uselocale(before);
    freelocale(plain);
}

void json_real(struct json *j, const char *key, double value) {
    add_number(j, key, value, 9);
}

void json_exact(struct json *j, const char *key, double value) {
    add_number(j, key, value, 17);
}

void json_int(struct json *j, const char *key, long long value) {
    add_key(j, key);
    text_add(&j->out, "%lld", value);
}

void json_bool(struct json *j, const char *key, int value) {
    json_raw(j, key, value ? "true" : "false");
}

void json_raw(struct json *j, const char *key, const char *json) {
    add_key(j, key);
    text_add_n(&j->out, json, strlen(json));
}

static int line_of(const char *text, const char *at) {
    int line = 1;
    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

/* What stands at `at`, for a sentence: up to a dozen printable characters. */
static int shown(const char *at) {
    int length = 0;
    while (length < 12 && at[length] >= ' ' && at[length] < 0x7f) {
        length++;
    }
    return length;
}

cJSON *json_parse(const char *name, const char *text, size_t length, struct err *err) {
    const char *nul = memchr(text, '\0', length), *end = text;
    if (nul != NULL) {
        err_add(err, STATUS_REFUSED, "%s:%d: not JSON: a zero byte", name, line_of(text, nul));
        return NULL;
    }
    char *copy = mem_copy_n(text, length);   /* NUL-terminated, which is how cJSON is sure of its bounds */
    cJSON *value = cJSON_ParseWithOpts(copy, &end, 1);
    if (value == NULL) {
        end = end < copy || end > copy + length ? copy : end;
        const char *what = *end == '\0' ? "it ends too early" : "it stops making sense";
        int line = line_of(copy, end);
        err_add(err, STATUS_REFUSED, "%s:%d: not JSON: %s at \"%.*s\"", name, line, what, shown(end), end);
    }
    free(copy);
    return value;
}
