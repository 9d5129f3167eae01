/* A csv file as cells (csv.h): RFC 4180's quotes, any one-character delimiter, LF or CRLF, empty lines left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/mem.h"
#include "sources/csv.h"
#include "sources/parts.h"

enum { MOST_COLUMNS = 1 << 20 };
static const size_t MOST_BYTES = (size_t)4 << 30;

/* A walk over the text, which is cut into cells where it lies. */
struct walk { struct csv *csv; char delimiter, *at; size_t line, count, room, row_room; struct err *err; };

/* ---- reading cells ---- */

static int read_delimiter(const struct section *data, char *delimiter, struct err *err) {
    static const struct { const char *name; char is; } names[] = {{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'},
                                                                  {"space", ' '}};
    const char *text = config_text(data, "delimiter");
    *delimiter = strlen(text) == 1 ? text[0] : '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *delimiter = strcmp(text, names[i].name) == 0 ? names[i].is : *delimiter;
    }
    if (*delimiter == '\0' || *delimiter == '"') {
        return config_refuse(data, "data", "delimiter", err, "want one character, comma, semicolon, tab or space; found "
                             "\"%s\"", text);
    }
    return 0;
}

static int is_blank(const struct walk *w, char c) {
    return (c == ' ' || c == '\t') && c != w->delimiter;
}

/* A quoted cell is moved together where it holds doubled quotes. */
static int quoted(struct walk *w, char **cell) {
    char *to = *cell = ++w->at;
    size_t from = w->line;
    for (;; w->at++) {
        if (*w->at == '\0') {
            return err_add(w->err, STATUS_REFUSED, "%s:%zu: a quote is opened and never closed", w->csv->path, from);
        }
        if (*w->at == '"' && *++w->at != '"') {
            break;
        }
        w->line += *w->at == '\n';
        *to++ = *w->at;
    }
    while (is_blank(w, *w->at) || *w->at == '\r') {
        w->at++;
    }
    if (*w->at != w->delimiter && *w->at != '\n' && *w->at != '\0') {
        return err_add(w->err, STATUS_REFUSED, "%s:%zu: text behind a closing quote", w->csv->path, w->line);
    }
    char end = *w->at;
    *to = '\0';
    *w->at = end;
    return 0;
}

static void plain(struct walk *w, char **cell) {
    *cell = w->at;
    while (*w->at != w->delimiter && *w->at != '\n' && *w->at != '\0') {
        w->at++;
    }
}

/* Ends the cell at `w->at` and cuts its outer spaces. Returns what ended it. */
static char end_cell(struct walk *w, const char *cell, int was_quoted) {
    char end = *w->at, *last = w->at;
    if (!was_quoted) {
        *last = '\0';
        while (last > cell && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r')) {
            *--last = '\0';
        }
    }
    w->at += end != '\0';
    while (end == ' ' && w->delimiter == ' ' && *w->at == ' ') {
        w->at++;
    }
    return end;
}

static int keep(struct walk *w, char *cell) {
    struct csv *csv = w->csv;
    if (w->count == w->room) {
        size_t room = w->room > 0 ? 2 * w->room : 1024, bytes;
        char **cells = mem_mul(room, sizeof *cells, &bytes) ? NULL : realloc(csv->cells, bytes);
        if (cells == NULL) {
            return err_add(w->err, STATUS_FAILED, "%s: out of memory for %zu cells", csv->path, room);
        }
        csv->cells = cells;
        w->room = room;
    }
    csv->cells[w->count++] = cell;
    return 0;
}

static int read_row(struct walk *w) {
    struct csv *csv = w->csv;
    size_t before = w->count, line = w->line;
    char end = '\0';
    do {
        char *cell;
        while (is_blank(w, *w->at)) {
            w->at++;
        }
        int is_quoted = *w->at == '"';
        if (is_quoted && quoted(w, &cell) != 0) {
            return -1;
        }
        if (!is_quoted) {
            plain(w, &cell);
        }
        end = end_cell(w, cell, is_quoted);
        if (keep(w, cell) != 0) {
            return -1;
        }
    } while (end == w->delimiter);
    w->line++;
    size_t found = w->count - before;
    if (csv->rows > 0 && found != csv->columns) {
        return err_add(w->err, STATUS_REFUSED, "%s:%zu: want %zu columns as in the first row, found %zu", csv->path,
                       line, csv->columns, found);
    }
    if (found > MOST_COLUMNS) {
        return err_add(w->err, STATUS_REFUSED, "%s:%zu: more than %d columns", csv->path, line, MOST_COLUMNS);
    }
    csv->columns = found;
    csv->lines = mem_grow(csv->lines, &w->row_room, csv->rows, sizeof *csv->lines);
    csv->lines[csv->rows++] = line;
    return 0;
}

static int read_rows(struct walk *w) {
    const char *blanks = w->delimiter == '\t' ? " \r" : " \t\r";   /* a line of tabs alone is a row of empty cells there */
    while (*w->at != '\0') {
        char *end = w->at + strspn(w->at, blanks);
        if (*end == '\n' || *end == '\0') {
            w->at = end + (*end == '\n');
            w->line++;
        } else if (read_row(w) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- the header ---- */

static int is_number(const char *text) {
    double number;
    return number_real(text, &number) == 0;
}

/* header=auto: the first row is one where none of its cells is a number. */
static int has_header(const struct csv *csv, const struct section *data) {
    int choice = config_choice(data, "header");
    for (size_t i = 0; choice == 0 && i < csv->columns; i++) {
        if (is_number(csv->cells[i])) {
            return 0;
        }
    }
    return choice != 1;
}

static int take_header(struct csv *csv, struct err *err) {
    csv->names = mem_need(csv->columns, sizeof *csv->names);
    memcpy(csv->names, csv->cells, csv->columns * sizeof *csv->names);
    csv->rows--;
    memmove(csv->cells, csv->cells + csv->columns, csv->rows * csv->columns * sizeof *csv->cells);
    memmove(csv->lines, csv->lines + 1, csv->rows * sizeof *csv->lines);
    struct name_index index = name_index_make(csv->names, (int)csv->columns);
    int bad = 0;
    for (int i = 1; i < index.count && bad == 0; i++) {
        int one = index.order[i - 1], other = index.order[i];
        if (strcmp(csv->names[one], csv->names[other]) == 0) {
            bad = err_add(err, STATUS_REFUSED, "%s: columns %d and %d are both called \"%s\"", csv->path, one, other, csv->names[one]);
        }
    }
    name_index_free(&index);
    return bad;
}

int csv_read(struct csv *csv, const char *path, const struct section *data, struct err *err) {
    *csv = (struct csv){.path = mem_copy(path)};
    struct walk w = {.csv = csv, .line = 1, .err = err};
    unsigned char *bytes = NULL;
    size_t size;
    if (read_delimiter(data, &w.delimiter, err) != 0 ||
        file_read(path, 1, MOST_BYTES, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    csv->text = w.at = (char *)bytes;
    if (memchr(bytes, '\0', size) != NULL) {
        return err_add(err, STATUS_REFUSED, "%s: holds a NUL byte: want text", path);
    }
    w.at += file_mark(bytes, size);
    if (read_rows(&w) != 0) {
        return -1;
    }
    if (csv->rows > 0 && has_header(csv, data) && take_header(csv, err) != 0) {
        return -1;
    }
    return csv->rows == 0 ? err_add(err, STATUS_REFUSED, "%s: holds no rows of data", path) : 0;
}

void csv_free(struct csv *csv) {
    free(csv->path);
    free(csv->text);
    free(csv->cells);
    free(csv->lines);
    free(csv->names);
    *csv = (struct csv){0};
}

/* ---- numbers ---- */

int csv_number(const struct csv *csv, size_t row, size_t column, float *to, struct err *err) {
    const char *text = csv->cells[row * csv->columns + column];
    double number = 0;
    int bad = number_real(text, &number) != 0;
    *to = (float)number;
    if (!bad && isfinite(*to)) {
        return 0;
    }
    char *name = csv->names != NULL ? mem_format(" (%s)", csv->names[column]) : mem_copy("");
    if (*text == '\0') {
        err_add(err, STATUS_REFUSED, "%s:%zu: column %zu%s: the value is missing", csv->path, csv->lines[row], column,
                name);
    } else {
        err_add(err, STATUS_REFUSED, "%s:%zu: column %zu%s: want a finite number, found \"%.40s\"", csv->path,
                csv->lines[row], column, name, text);
    }
    free(name);
    return -1;
}
