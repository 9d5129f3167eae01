/* A text file that lists pictures: lines of path TAB label, where the label is a class's name or its index. CRLF and
 * blank lines are welcome. Paths are taken from the working directory, else from the list's folder. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "sources/parts.h"

enum { MOST_BYTES = 1 << 30, MOST_COMPLAINTS = 20, MOST_CLASSES = 1 << 20 };

/* One line, as it is read before labels are understood. The label is a text in `lines`. */
struct entry_line {
    const char *path, *label;
    size_t number;
};
struct lines {
    struct entry_line *at;
    size_t count, room;
};

/* Cuts a line at its last tab. Blank lines give nothing. */
static void add_line(const struct source *source, char *line, size_t number, struct lines *lines, struct err *err) {
    line[strcspn(line, "\r")] = '\0';
    if (line[strspn(line, " \t")] == '\0') {
        return;
    }
    char *tab = strrchr(line, '\t');
    char *label = tab == NULL ? line : tab + 1 + strspn(tab + 1, " ");
    size_t length = strlen(label);
    while (length > 0 && label[length - 1] == ' ') {
        label[--length] = '\0';
    }
    if (tab == NULL || tab == line || length == 0) {
        err_add(err, STATUS_REFUSED, "%s:%zu: want a path, a tab and a label, found \"%.200s\"", source->path, number,
                line);
        return;
    }
    const char *trouble = config_trouble(label, length);
    if (trouble != NULL) {
        err_add(err, STATUS_REFUSED, "%s:%zu: the label holds %s", source->path, number, trouble);
        return;
    }
    *tab = '\0';
    lines->at = mem_grow(lines->at, &lines->room, lines->count + 1, sizeof *lines->at);
    lines->at[lines->count++] = (struct entry_line){line, label, number};
}

static int cut_lines(const struct source *source, char *text, struct lines *lines, struct err *err) {
    size_t number = 1;
    int before = err->count;
    for (char *line = text, *end; line != NULL && err->count < before + MOST_COMPLAINTS; line = end, number++) {
        end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        add_line(source, line, number, lines, err);
    }
    if (err->count == before && lines->count == 0) {
        err_add(err, STATUS_REFUSED, "%s: want lines of path, tab, label; found none", source->path);
    }
    return err->count == before ? 0 : -1;
}

static int by_text(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* Without classes= the classes are the labels that occur, in byte order. */
static void name_classes(struct source *source, const struct lines *lines) {
    const char **sorted = mem_need(lines->count, sizeof *sorted);
    size_t room = 0;
    for (size_t i = 0; i < lines->count; i++) {
        sorted[i] = lines->at[i].label;
    }
    qsort(sorted, lines->count, sizeof *sorted, by_text);
    source->classes = 0;
    for (size_t i = 0; i < lines->count && source->classes < MOST_CLASSES; i++) {
        if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0) {
            source->class_names =
                mem_grow(source->class_names, &room, (size_t)source->classes + 1, sizeof *source->class_names);
            source->class_names[source->classes++] = mem_copy(sorted[i]);
        }
    }
    free(sorted);
}

static int all_numbers(const struct lines *lines) {
    long number;
    for (size_t i = 0; i < lines->count; i++) {
        if (number_int(lines->at[i].label, 0, MOST_CLASSES - 1, &number) != 0) {
            return 0;
        }
    }
    return 1;
}

static void say_unknown(const struct source *source, const struct entry_line *line, struct err *err) {
    const char *near =
        source->class_names == NULL ? NULL : names_nearest(source->class_names, source->classes, line->label);
    if (near != NULL) {
        err_add(err, STATUS_REFUSED, "%s:%zu: want a class or 0..%d, found \"%.200s\"; did you mean \"%s\"?",
                source->path, line->number, source->classes - 1, line->label, near);
    } else {
        err_add(err, STATUS_REFUSED, "%s:%zu: want a class%s 0..%d, found \"%.200s\"", source->path, line->number,
                source->class_names == NULL ? "'s index," : " or", source->classes - 1, line->label);
    }
}

/* A class's name before an index: classes may be called "7". */
static int label_of(const struct source *source, const struct name_index *index, const char *text) {
    int named = index->count > 0 ? name_index_find(index, text) : -1;
    long number = named;
    if (named < 0 && number_int(text, 0, source->classes > 0 ? source->classes - 1 : MOST_CLASSES - 1, &number) != 0) {
        return -1;
    }
    return (int)number;
}

static int add_pictures(struct source *source, const struct lines *lines, struct err *err) {
    struct name_index index = name_index_make(source->class_names, source->class_names == NULL ? 0 : source->classes);
    int most = -1, before = err->count;
    for (size_t i = 0; i < lines->count && err->count < before + MOST_COMPLAINTS; i++) {
        int label = label_of(source, &index, lines->at[i].label);
        most = label > most ? label : most;
        if (label < 0) {
            say_unknown(source, &lines->at[i], err);
        } else {
            pictures_add(source->own, lines->at[i].path, label);
        }
    }
    name_index_free(&index);
    source->at_least = source->classes == 0;
    source->classes = source->classes == 0 ? most + 1 : source->classes;
    source->count = lines->count;
    return err->count == before ? 0 : -1;
}

static int list_parse(struct source *source, char *text, struct err *err) {
    struct lines lines = {0};
    int result = cut_lines(source, text, &lines, err);
    if (result == 0) {
        if (source->class_names == NULL && !all_numbers(&lines)) {
            name_classes(source, &lines);
        }
        result = add_pictures(source, &lines, err);
    }
    free(lines.at);
    return result;
}

static int list_open(struct source *source, enum split split, struct err *err) {
    (void)split;
    struct pictures *own = mem_need(1, sizeof *own);
    unsigned char *bytes;
    size_t size;
    const char *slash = strrchr(source->path, '/');
    source->own = own;
    own->elsewhere = 1;
    own->folder = slash == NULL ? mem_copy(".") : mem_copy_n(source->path, (size_t)(slash - source->path));
    if (file_read(source->path, 1, MOST_BYTES, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    int result = memchr(bytes, '\0', size) != NULL
                     ? err_add(err, STATUS_REFUSED, "%s: want a text of lines, path, tab, label; found binary data",
                               source->path)
                     : list_parse(source, (char *)bytes + file_mark(bytes, size), err);
    free(bytes);
    return result;
}

const struct source_ops source_text_list = {
    .name = "list",
    .help =
        "A text file with a line for each picture: its path, a tab, and its class by name or index. test= and valid= "
        "name further "
        "such files.",
    .open = list_open,
    .read = pictures_read,
    .label = pictures_label,
    .name_of = pictures_name,
    .close = pictures_close,
};
