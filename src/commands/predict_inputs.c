/* Where predict's inputs come from: texts, pictures, folders of them, .npy arrays, and names on stdin, taken as they arrive. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/npy.h"
#include "commands/predict.h"

static int has_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && !strcmp(path + n - m, suffix);
}

/* The first sentence of `from` as this input's error; `from` is emptied. */
static int add_refused(struct batcher *b, const char *name, struct err *from, struct err *err) {
    char *why = mem_copy(from->count ? from->sentences[0] : "can't be read");
    err_free(from);
    int bad = batcher_add_error(b, name, why, err);
    free(why);
    return bad;
}

/* Rows of a table. */
static int feed_rows(struct batcher *b, const char *path, struct err *err) {
    struct err why = {0};
    for (int m = 1; m < b->member_count && !why.count; m++)
        if (shape_count(b->members[m].model.graph.input) != shape_count(b->members[0].model.graph.input))
            err_add(&why, STATUS_FAILED, "%s: the models' inputs differ in size", path);
    int bad = why.count ? 0 : feed_table(b, path, &why, err);
    return why.count ? add_refused(b, path, &why, err) : bad;
}

static int feed_lines(struct batcher *b, const char *path, struct err *err) {
    struct err why = {0};
    int bad = feed_text(b, path, &why, err);
    return why.count ? add_refused(b, path, &why, err) : bad;
}

/* Rows of an array: (N, C, H, W), (N, D), or one sample without N. */
static int feed_array(struct batcher *b, const char *path, struct err *err) {
    struct npy array = {0};
    struct err local = {0};
    size_t width = shape_count(b->members[0].model.graph.input);
    if (npy_read(path, &array, &local)) return add_refused(b, path, &local, err);
    char shape[48];
    size_t rows = array.ndim > 0 && array.dims[0] && array.count / array.dims[0] == width ? array.dims[0] : array.count == width ? 1 : 0;
    for (int m = 0; m < b->member_count; m++)
        if (shape_count(b->members[m].model.graph.input) != width) rows = 0;
    int bad = 0;
    if (!rows) {
        err_add(&local, STATUS_FAILED, "%s: %zu numbers are not rows of the network's input (%s)", path, array.count, shape_text(b->members[0].model.graph.input, shape));
        bad = add_refused(b, path, &local, err);
    }
    for (size_t r = 0; r < rows && !bad; r++) bad = batcher_add_row(b, path, (long)r, array.data + r * width, err);
    npy_free(&array);
    return bad;
}

static int feed_path(struct batcher *b, const char *path, int depth, struct err *err);

/* A folder's entries by name, folders in it too; hidden files are left alone. */
static int feed_folder(struct batcher *b, const char *path, int depth, struct err *err) {
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort), bad = 0;
    if (n < 0) return batcher_add_error(b, path, strerror(errno), err);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' && !bad) {
            char *inside = mem_format("%s/%s", path, entries[i]->d_name);
            bad = feed_path(b, inside, depth + 1, err);
            free(inside);
        }
        free(entries[i]);
    }
    free(entries);
    return bad;
}

enum { MOST_DEPTH = 32 };

static int feed_path(struct batcher *b, const char *path, int depth, struct err *err) {
    if (file_is_folder(path)) return depth > MOST_DEPTH ? batcher_add_error(b, path, "folders are nested too deep", err) : feed_folder(b, path, depth, err);
    if (has_suffix(path, ".csv")) return feed_rows(b, path, err);
    if (has_suffix(path, ".txt") || has_suffix(path, ".tsv")) return feed_lines(b, path, err);
    return has_suffix(path, ".npy") ? feed_array(b, path, err) : batcher_add_image(b, path, err);
}

static int more_is_ready(void) {
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    return poll(&in, 1, 0) > 0;
}

/* Names as they come: what is complete is run as soon as nothing more waits to be read. */
static int feed_names(struct batcher *b, char end, struct err *err) {
    struct text buffer = {0};
    char block[65536];
    int bad = 0;
    for (;;) {
        if (b->count && !more_is_ready() && (bad = batcher_run(b, err))) break;
        ssize_t n = read(STDIN_FILENO, block, sizeof block);
        if (n < 0 && errno == EINTR && !(bad = context_stopped(b->context, err))) continue;
        if (n < 0 && !bad) bad = err_errno(err, STATUS_FAILED, "standard input", "read");
        if (n <= 0 || bad) break;
        text_add_n(&buffer, block, (size_t)n);
        size_t at = 0;
        for (char *stop; !bad && (stop = memchr(buffer.text + at, end, buffer.length - at)); at = (size_t)(stop - buffer.text) + 1) {
            *stop = 0;
            if (end == '\n' && stop > buffer.text + at && stop[-1] == '\r') stop[-1] = 0;
            if (buffer.text[at]) bad = feed_path(b, buffer.text + at, 0, err);
        }
        if (bad) break;
        memmove(buffer.text, buffer.text + at, buffer.length - at + 1);
        buffer.length -= at;
    }
    if (!bad && buffer.length) bad = feed_path(b, buffer.text, 0, err);
    text_free(&buffer);
    return bad;
}

int inputs_feed(struct batcher *b, char end, struct err *err) {
    const struct args *args = &b->context->args;
    int bad = 0;
    for (size_t i = 0; flags_many(args, "text", i) && !bad; i++) bad = batcher_add_text(b, flags_many(args, "text", i), -1, flags_many(args, "text", i), err);
    for (size_t i = 0; i < args->operand_count && !bad; i++)
        bad = !strcmp(args->operands[i], "-") ? feed_names(b, end, err) : feed_path(b, args->operands[i], 0, err);
    return bad || batcher_run(b, err) ? -1 : 0;
}
