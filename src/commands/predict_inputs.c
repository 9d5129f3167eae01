/* Where predict's inputs come from: texts, pictures, folders of them, .npy arrays, and names on stdin, taken as they arrive. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/npy.h"
#include "commands/predict.h"

static int has_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && !strcmp(path + n - m, suffix);
}

/* Something that can't even be begun, by its path. */
static int add_path_error(struct batcher *b, const char *path, const char *why, struct err *err) {
    char *sentence = mem_format("%s: %s", path, why);
    int bad = batcher_add_error(b, path, sentence, err);
    free(sentence);
    return bad;
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
    int bad = feed_table(b, path, &why, err);
    return why.count ? add_refused(b, path, &why, err) : bad;
}

static int feed_lines(struct batcher *b, const char *path, struct err *err) {
    struct err why = {0};
    int bad = feed_text(b, path, &why, err);
    return why.count ? add_refused(b, path, &why, err) : bad;
}

/* Are these an array's axes of one input? Neighbouring ones of (t, c, h, w) may lie in one axis, and those of 1 be left out. */
static int is_input(const size_t *dims, size_t ndim, struct shape s) {
    const size_t axes[] = {(size_t)s.t, (size_t)s.c, (size_t)s.h, (size_t)s.w};
    size_t at = 0;
    for (size_t d = 0; d < ndim; d++) {
        size_t product = 1;
        while (at < 4 && product < dims[d]) product *= axes[at++];
        if (product != dims[d]) return 0;
    }
    while (at < 4 && axes[at] == 1) at++;
    return at == 4;
}

/* Rows of an array: (N, C, H, W), (N, D), or one sample without N. */
static int feed_array(struct batcher *b, const char *path, struct err *err) {
    struct npy array = {0};
    struct err local = {0};
    size_t width = shape_count(b->members[0].model.graph.input);
    if (npy_read(path, &array, &local)) return add_refused(b, path, &local, err);
    char shape[48];
    struct shape input = b->members[0].model.graph.input;
    size_t ndim = (size_t)array.ndim, rows = ndim > 0 && is_input(array.dims + 1, ndim - 1, input) ? array.dims[0] : (size_t)is_input(array.dims, ndim, input);
    for (int m = 0; m < b->member_count; m++)
        if (shape_count(b->members[m].model.graph.input) != width) rows = 0;
    int bad = 0;
    if (!rows) {
        struct text dims = {0};
        for (size_t d = 0; d < ndim; d++) text_add(&dims, d ? ", %zu" : "%zu", array.dims[d]);
        err_add(&local, STATUS_FAILED, "%s: an array of shape (%s) is not rows of the network's input (%s)", path, ndim ? dims.text : "", shape_text(input, shape));
        text_free(&dims);
        bad = add_refused(b, path, &local, err);
    }
    for (size_t r = 0; r < rows && !bad; r++) bad = batcher_add_row(b, path, (long)r, array.data + r * width, err);
    npy_free(&array);
    return bad;
}

/* A folder that is gone through, and the one it lies in; NULL above the first. */
struct folder { dev_t device; ino_t number; int depth; const struct folder *above; };

static int feed_path(struct batcher *b, const char *path, const struct folder *above, struct err *err);

/* A folder's entries by name, folders in it too; hidden files are left alone. */
static int feed_folder(struct batcher *b, const char *path, const struct folder *folder, struct err *err) {
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort), bad = 0;
    if (n < 0) return add_path_error(b, path, strerror(errno), err);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' && !bad) {
            char *inside = mem_format("%s/%s", path, entries[i]->d_name);
            bad = feed_path(b, inside, folder, err);
            free(inside);
        }
        free(entries[i]);
    }
    free(entries);
    return bad;
}

enum { MOST_DEPTH = 32 };

/* A link may lead back to a folder that we are in: its pictures are in hand already. */
static int is_inside(const struct folder *above, const struct stat *st) {
    for (; above; above = above->above)
        if (above->device == st->st_dev && above->number == st->st_ino) return 1;
    return 0;
}

static int feed_path(struct batcher *b, const char *path, const struct folder *above, struct err *err) {
    struct stat st;
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        struct folder folder = {st.st_dev, st.st_ino, above ? above->depth + 1 : 0, above};
        if (is_inside(above, &st)) return 0;
        return folder.depth > MOST_DEPTH ? add_path_error(b, path, "folders are nested too deep", err) : feed_folder(b, path, &folder, err);
    }
    if (has_suffix(path, ".csv")) return feed_rows(b, path, err);
    if (has_suffix(path, ".txt") || has_suffix(path, ".tsv")) return feed_lines(b, path, err);
    return has_suffix(path, ".npy") ? feed_array(b, path, err) : batcher_add_image(b, path, err);
}

static int more_is_ready(void) {
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    return poll(&in, 1, 0) > 0;
}

/* A name of standard input, without its end. What follows a NUL in it would be lost: names that end in NUL, read as if they ended in a newline. */
static int feed_name(struct batcher *b, char *name, size_t length, char end, struct err *err) {
    if (memchr(name, 0, length)) {
        if (batcher_run(b, err)) return -1;      /* what came before it is answered */
        return err_add(err, b->done + b->failed ? STATUS_FAILED : STATUS_REFUSED, "standard input: a name holds a NUL: give -0 for names that end in NUL");
    }
    if (end == '\n' && length && name[length - 1] == '\r') name[length - 1] = 0;
    return *name ? feed_path(b, name, NULL, err) : 0;
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
            bad = feed_name(b, buffer.text + at, (size_t)(stop - buffer.text) - at, end, err);
        }
        if (bad) break;
        memmove(buffer.text, buffer.text + at, buffer.length - at + 1);
        buffer.length -= at;
    }
    if (!bad && buffer.length) bad = feed_name(b, buffer.text, buffer.length, end, err);
    text_free(&buffer);
    return bad;
}

int inputs_feed(struct batcher *b, char end, struct err *err) {
    const struct args *args = &b->context->args;
    int bad = 0;
    for (size_t i = 0; flags_many(args, "text", i) && !bad; i++) bad = batcher_add_text(b, flags_many(args, "text", i), -1, flags_many(args, "text", i), err);
    for (size_t i = 0; i < args->operand_count && !bad; i++)
        bad = !strcmp(args->operands[i], "-") ? feed_names(b, end, err) : feed_path(b, args->operands[i], NULL, err);
    return bad || batcher_run(b, err) ? -1 : 0;
}
