/* Collects the sentences of what went wrong (err.h). Everything that can fail writes here; only main reads it out. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Takes `sentence` over. */
static void sentence_keep(struct err *err, enum status status, char *sentence) {
    if (err->count == 0) {
        err->status = status;
    }
    if (err->count < ERR_MOST) {
        err->sentences[err->count] = sentence;
    } else {
        free(sentence);
    }
    err->count++;
}

static int kept(int count) {
    return count < ERR_MOST ? count : ERR_MOST;
}

/* Takes `sentence` over. */
static void warning_keep(struct err *err, char *sentence) {
    for (int i = 0; i < kept(err->warnings); i++) {
        if (strcmp(err->warned[i], sentence) == 0) {
            free(sentence);
            return;
        }
    }
    if (err->warnings < ERR_MOST) {
        err->warned[err->warnings] = sentence;
    } else {
        free(sentence);
    }
    err->warnings++;
}

int err_add(struct err *err, enum status status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    sentence_keep(err, status, mem_format_list(format, list));
    va_end(list);
    return -1;
}

int err_errno(struct err *err, enum status status, const char *path, const char *doing) {
    err->reader_gone |= errno == EPIPE;
    return err_add(err, status, "%s: %s: %s", path, doing, strerror(errno));
}

void err_warn(struct err *err, const char *format, ...) {
    va_list list;
    va_start(list, format);
    warning_keep(err, mem_format_list(format, list));
    va_end(list);
}

int err_move(struct err *to, struct err *from) {
    int result = from->count > 0 ? -1 : 0;
    for (int i = 0; i < kept(from->count); i++) {
        sentence_keep(to, from->status, from->sentences[i]);
    }
    to->count += from->count - kept(from->count);
    for (int i = 0; i < kept(from->warnings); i++) {
        warning_keep(to, from->warned[i]);
    }
    to->warnings += from->warnings - kept(from->warnings);
    to->reader_gone |= from->reader_gone;
    *from = (struct err){0};
    return result;
}

void err_free(struct err *err) {
    for (int i = 0; i < kept(err->count); i++) {
        free(err->sentences[i]);
    }
    for (int i = 0; i < kept(err->warnings); i++) {
        free(err->warned[i]);
    }
    *err = (struct err){0};
}

enum { WORD_MOST = 63 };   /* no name of a key, flag or layer is longer */

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap two neighbours) that turn a into b; both of at most WORD_MOST characters. */
static int edit_distance(const char *a, const char *b) {
    int rows[3][WORD_MOST + 1];
    int width = (int)strlen(b);
    for (int j = 0; j <= width; j++) {
        rows[0][j] = j;
    }
    int i = 0;
    for (; a[i] != '\0'; i++) {
        const int *before = rows[(i + 2) % 3], *above = rows[i % 3];
        int *row = rows[(i + 1) % 3];
        row[0] = i + 1;
        for (int j = 0; j < width; j++) {
            row[j + 1] = least(above[j] + (a[i] != b[j]), least(above[j + 1], row[j]) + 1);
            if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j]) {
                row[j + 1] = least(row[j + 1], before[j - 1] + 1);
            }
        }
    }
    return rows[i % 3][width];
}

const char *err_nearest(const char *word, const char *const *names) {
    size_t length = strlen(word);
    if (length > WORD_MOST) {
        return NULL;
    }
    const char *nearest = NULL;
    int best = 2 + (int)length / 3;
    for (; *names != NULL; names++) {
        if (strlen(*names) > WORD_MOST) {
            continue;
        }
        int distance = edit_distance(word, *names);
        if (distance < best) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}
