/* Symbols of texts by name (vocabulary.h). */
#include "sources/vocabulary.h"

#include <stdlib.h>
#include <string.h>

static const char spaces[] = " \t\r\n\v\f";

/* 0: no UTF-8. */
static size_t word_length(const char *text) {
    size_t length = strcspn(text, spaces), bytes;
    uint32_t code;
    for (size_t i = 0; i < length; i += bytes) {
        bytes = symbol_read(UNIT_CHAR, (const unsigned char *)text + i, length - i, &code);
        if (bytes == 0) {
            return 0;
        }
    }
    return length;
}

int vocabulary_next(enum unit unit, const char **text, struct text *name) {
    char buffer[SYMBOL_MOST_NAME];
    uint32_t code;
    name->length = 0;
    if (unit == UNIT_WORD) {
        *text += strspn(*text, spaces);
    }
    if (**text == '\0') {
        return 0;
    }
    size_t length = unit == UNIT_WORD ? word_length(*text)
                                      : symbol_read(unit, (const unsigned char *)*text, strlen(*text), &code);
    if (length == 0) {
        return -1;
    }
    if (unit == UNIT_WORD) {
        text_add_n(name, *text, length);
    } else {
        text_add(name, "%s", symbol_name(unit, code, buffer));
    }
    *text += length;
    return 1;
}

long vocabulary_read(const struct vocabulary *v, const char *text, int32_t *ids, size_t most) {
    struct text name = {0};
    size_t count = 0;
    int more;
    while ((more = vocabulary_next(v->unit, &text, &name)) == 1) {
        if (count < most) {
            ids[count] = (int32_t)name_index_find(&v->index, name.text);
        }
        count++;
    }
    text_free(&name);
    return more == 0 ? (long)count : -1;
}

/* ---- counting ---- */

int vocabulary_add(struct vocabulary_count *all, enum unit unit, const char *text) {
    struct text name = {0};
    int more;
    while ((more = vocabulary_next(unit, &text, &name)) == 1) {
        if (config_trouble(name.text, name.length) != NULL) {
            more = -2;
            break;
        }
        all->names = mem_grow(all->names, &all->room, all->count, sizeof *all->names);
        all->names[all->count++] = mem_copy(name.text);
    }
    text_free(&name);
    return more;
}

struct kind { char *name; size_t times; };

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_times(const void *a, const void *b) {
    const struct kind *x = a, *y = b;
    return x->times != y->times ? (x->times < y->times) - (x->times > y->times) : strcmp(x->name, y->name);
}

/* The names sorted: one of each kind is kept, its copies are freed. */
static size_t count_kinds(struct vocabulary_count *all, struct kind *kinds) {
    size_t count = 0;
    qsort(all->names, all->count, sizeof *all->names, by_name);
    for (size_t i = 0; i < all->count; i++) {
        if (count > 0 && strcmp(kinds[count - 1].name, all->names[i]) == 0) {
            kinds[count - 1].times++;
            free(all->names[i]);
        } else {
            kinds[count++] = (struct kind){all->names[i], 1};
        }
    }
    return count;
}

char **vocabulary_names(struct vocabulary_count *all, size_t most, int *count, size_t *kinds) {
    struct kind *list = mem_need(all->count + 1, sizeof *list);
    *kinds = all->count > 0 ? count_kinds(all, list) : 0;
    size_t kept = *kinds < most ? *kinds : most;
    char **names = mem_need(kept + 1, sizeof *names);
    qsort(list, *kinds, sizeof *list, by_times);
    for (size_t i = 0; i < *kinds; i++) {
        if (i < kept) {
            names[i] = list[i].name;
        } else {
            free(list[i].name);
        }
    }
    qsort(names, kept, sizeof *names, by_name);
    free(list);
    free(all->names);
    *all = (struct vocabulary_count){0};
    *count = (int)kept;
    return names;
}
