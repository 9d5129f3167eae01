/* Symbols of a text (symbols.h). */
#include "sources/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_UNICODE = 0x10ffff };

/* ---- bytes and codes ---- */

/* Shortest forms only, no surrogates, nothing beyond Unicode (RFC 3629). */
size_t symbol_read(enum unit unit, const unsigned char *text, size_t size, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = unit == UNIT_BYTE || text[0] < 0x80 ? 1
                    : text[0] < 0xc0                    ? 0
                    : text[0] < 0xe0                    ? 2
                    : text[0] < 0xf0                    ? 3
                    : text[0] < 0xf8                    ? 4
                                                        : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    uint32_t value = length == 1 ? text[0] : text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (text[i] & 0x3fu);
    }
    if (value > MOST_UNICODE || (value >= 0xd800 && value < 0xe000) || value < least[length]) {
        return 0;
    }
    *code = value;
    return length;
}

size_t symbol_write(enum unit unit, uint32_t code, char bytes[4]) {
    if (unit == UNIT_BYTE || code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6) {
        bytes[i] = (char)(0x80 | (code & 0x3f));
    }
    bytes[0] = (char)((0xf00u >> length & 0xf0) | code);
    return length;
}

/* ---- names ---- */

static const char escaped[] = "\n\r\t \\", escapes[] = "nrts\\";

const char *symbol_name(enum unit unit, uint32_t code, char buffer[SYMBOL_MOST_NAME]) {
    const char *found = code > 0 && code < 0x80 ? strchr(escaped, (int)code) : NULL;
    int hidden = code < 0x20 || (code >= 0x7f && (unit == UNIT_BYTE || code <= 0xa0));
    if (found != NULL) {
        snprintf(buffer, SYMBOL_MOST_NAME, "\\%c", escapes[found - escaped]);
    } else if (hidden) {
        snprintf(buffer, SYMBOL_MOST_NAME, "\\x%02x", (unsigned)code);
    } else {
        buffer[symbol_write(unit, code, buffer)] = '\0';
    }
    return buffer;
}

int symbol_of_name(enum unit unit, const char *name, uint32_t *code) {
    size_t length = strlen(name);
    if (name[0] == '\\' && length == 2 && strchr(escapes, name[1]) != NULL) {
        *code = (uint32_t)escaped[strchr(escapes, name[1]) - escapes];
        return 0;
    }
    if (name[0] == '\\' && length == 4 && name[1] == 'x' && strspn(name + 2, "0123456789abcdef") == 2) {
        *code = (uint32_t)strtoul(name + 2, NULL, 16);
        return 0;
    }
    return length > 0 && name[0] != '\\' && symbol_read(unit, (const unsigned char *)name, length, code) == length ? 0
                                                                                                                   : -1;
}

/* ---- the alphabet ---- */

static int by_code(const void *a, const void *b, void *codes) {
    const uint32_t *c = codes;
    uint32_t x = c[*(const int *)a], y = c[*(const int *)b];
    return (x > y) - (x < y);
}

static void sort(struct alphabet *a) {
    a->order = mem_need((size_t)a->count + 1, sizeof *a->order);
    for (int i = 0; i < a->count; i++) {
        a->order[i] = i;
    }
    qsort_r(a->order, (size_t)a->count, sizeof *a->order, by_code, a->codes);
}

void alphabet_of_text(struct alphabet *a, enum unit unit, const uint32_t *codes, size_t count) {
    unsigned char *seen = mem_need(MOST_UNICODE / 8 + 1, 1);
    *a = (struct alphabet){.unit = unit};
    for (size_t i = 0; i < count; i++) {
        unsigned char bit = (unsigned char)(1 << codes[i] % 8);
        a->count += !(seen[codes[i] / 8] & bit);
        seen[codes[i] / 8] |= bit;
    }
    a->codes = mem_need((size_t)a->count + 1, sizeof *a->codes);
    int at = 0;
    for (uint32_t code = 0; code <= MOST_UNICODE; code++) {
        if (seen[code / 8] >> code % 8 & 1) {
            a->codes[at++] = code;
        }
    }
    free(seen);
    sort(a);
}

int alphabet_of_names(struct alphabet *a, enum unit unit, char *const *names, int count) {
    *a = (struct alphabet){.unit = unit, .count = count, .codes = mem_need((size_t)count + 1, sizeof *a->codes)};
    for (int i = 0; i < count; i++) {
        if (symbol_of_name(unit, names[i], &a->codes[i]) != 0) {
            return i;
        }
    }
    sort(a);
    return -1;
}

int alphabet_find(const struct alphabet *a, uint32_t code) {
    int low = 0, high = a->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (a->codes[a->order[middle]] < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < a->count && a->codes[a->order[low]] == code ? a->order[low] : -1;
}

void alphabet_free(struct alphabet *a) {
    free(a->codes);
    free(a->order);
    *a = (struct alphabet){0};
}
