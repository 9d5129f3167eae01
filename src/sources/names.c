/* Lists of class names (parts.h): from files, from classes=, and back into a config. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sources/parts.h"

struct list {
    char **names;
    size_t count, room;
};

static void list_add(struct list *list, char *name) {
    list->names = mem_grow(list->names, &list->room, list->count + 1, sizeof *list->names);
    list->names[list->count++] = name;
}

void names_free(char **names, int count) {
    for (int i = 0; names != NULL && i < count; i++) {
        free(names[i]);
    }
    free(names);
}

char **names_copy(char *const *names, int count) {
    if (names == NULL) {
        return NULL;
    }
    char **copy = mem_need((size_t)count, sizeof *copy);
    for (int i = 0; i < count; i++) {
        copy[i] = mem_copy(names[i]);
    }
    return copy;
}

/* Cuts spaces (CR among them) off both ends, in place. */
static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        length--;
    }
    text[length] = '\0';
    return text;
}

int names_read(const char *path, char ***names, int *count, struct err *err) {
    enum { MOST = 16 << 20 };
    unsigned char *bytes;
    size_t size;
    struct list list = {0};
    if (file_read(path, 1, MOST, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    if (memchr(bytes, '\0', size) != NULL) {
        free(bytes);
        return err_add(err, STATUS_REFUSED, "%s: want a text of class names, one a line; found binary data", path);
    }
    int number = 1;
    for (char *line = (char *)bytes + file_mark(bytes, size), *end; line != NULL; line = end, number++) {
        end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        line = trim(line);
        const char *trouble = config_trouble(line, strlen(line));
        if (trouble != NULL) {
            names_free(list.names, (int)list.count);
            free(bytes);
            return err_add(err, STATUS_REFUSED, "%s:%d: the name holds %s", path, number, trouble);
        }
        if (*line != '\0') {
            list_add(&list, mem_copy(line));
        }
    }
    free(bytes);
    if (list.count == 0) {
        return err_add(err, STATUS_REFUSED, "%s: want class names, one a line; found none", path);
    }
    *names = list.names;
    *count = (int)list.count;
    return 0;
}

/* What stands for an outer space, which the config cuts off even behind a backslash. */
static const char spaces[] = " \t", letters[] = "st";

/* Copies one name up to its comma, without backslashes and outer spaces; what stands behind a backslash, or for a space, is none. */
static const char *parse_name(const char *text, struct list *list) {
    struct text name = {0};
    size_t keep = 0;
    text += strspn(text, " \t");
    for (; *text != '\0' && *text != ','; text++) {
        int taken = *text == '\\' && text[1] != '\0';
        text += taken;
        const char *letter = taken ? strchr(letters, *text) : NULL;
        text_add_n(&name, letter != NULL ? &spaces[letter - letters] : text, 1);
        keep = taken || !isspace((unsigned char)*text) ? name.length : keep;
    }
    list_add(list, mem_copy_n(name.text == NULL ? "" : name.text, keep));
    text_free(&name);
    return text;
}

void names_parse(const char *text, char ***names, int *count) {
    struct list list = {0};
    int comma;
    do {
        text = parse_name(text, &list);
        comma = *text == ',';
        text += comma;
        /* a comma behind the only name begins no further one: that is how a list of one is told from a file */
    } while (*text != '\0' || (comma && list.count > 1));
    *names = list.names;
    *count = (int)list.count;
}

void names_write(char *const *names, int count, struct text *out) {
    for (int i = 0; i < count; i++) {
        for (const char *at = names[i]; *at != '\0'; at++) {
            /* '#' and ';' behind a space would begin a comment */
            const char *space = at == names[i] || at[1] == '\0' ? strchr(spaces, *at) : NULL;
            if (strchr(",\\#;", *at) != NULL || space != NULL) {
                text_add_n(out, "\\", 1);
            }
            text_add_n(out, space != NULL ? &letters[space - spaces] : at, 1);
        }
        text_add(out, "%s", i + 1 < count || count == 1 ? "," : "");
    }
}

const char *names_nearest(char *const *names, int count, const char *word) {
    const char **ended = mem_need((size_t)count + 1, sizeof *ended);
    for (int i = 0; i < count; i++) {
        ended[i] = names[i];
    }
    const char *nearest = err_nearest(word, ended);
    free(ended);
    return nearest;
}

static int compare(const void *a, const void *b, void *names) {
    char *const *texts = names;
    const int *i = a, *j = b;
    int order = strcmp(texts[*i], texts[*j]);
    return order != 0 ? order : (*i > *j) - (*i < *j); /* of two equal names the first is found */
}

struct name_index name_index_make(char *const *names, int count) {
    struct name_index index = {names, mem_need((size_t)count, sizeof(int)), count};
    for (int i = 0; i < count; i++) {
        index.order[i] = i;
    }
    qsort_r(index.order, (size_t)count, sizeof *index.order, compare, (void *)(uintptr_t)names);
    return index;
}

int name_index_find(const struct name_index *index, const char *name) {
    int low = 0, high = index->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (strcmp(index->names[index->order[middle]], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < index->count && strcmp(index->names[index->order[low]], name) == 0 ? index->order[low] : -1;
}

void name_index_free(struct name_index *index) {
    free(index->order);
    index->order = NULL;
}
