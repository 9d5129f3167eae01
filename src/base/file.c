/* Whole files in, folders, data sets (file.h); files out are in file_writer.c.
 *
 * Every number that decides how much is read or unpacked is bounded by the caller's limit. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"

/* What a call works on, so that its steps need not hand it on one by one. */
struct reading { const char *name; enum status status; struct err *err; };
struct bytes { unsigned char *at; size_t size, room; };

/* Makes room for one byte more at least, and the NUL; doubles, as the size may be unknown until the end. */
static int bytes_grow(struct bytes *b, const struct reading *r) {
    size_t room = b->room == 0 ? 1 << 16 : b->room * 2;
    unsigned char *grown = room < b->room ? NULL : realloc(b->at, room);
    if (grown == NULL) {
        return err_add(r->err, STATUS_FAILED, "%s: out of memory after %zu bytes", r->name, b->size);
    }
    b->at = grown;
    b->room = room;
    return 0;
}

static int too_large(const struct reading *r, size_t most, const char *how) {
    return err_add(r->err, r->status, "%s: larger than the %zu bytes that are accepted%s", r->name, most, how);
}

/* A signal that we catch asks to stop. Waiting for a pipe or a terminal ends with it; a file is read on, as the step that needs it is finished
 * first. Which signal it was is for main to know. */
static int read_stopped(const struct reading *r) {
    return err_add(r->err, STATUS_INTERRUPTED, "%s: stopped by a signal", r->name);
}

static int read_all(int fd, size_t most, struct bytes *b, const struct reading *r) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_errno(r->err, r->status, r->name, "can't be read");
    }
    if (S_ISDIR(st.st_mode)) {
        return err_add(r->err, r->status, "%s: is a folder; a file is wanted", r->name);
    }
    if (S_ISREG(st.st_mode) && (unsigned long long)st.st_size > most) {
        return too_large(r, most, "");
    }
    if (S_ISREG(st.st_mode) && st.st_size > 0 && (b->at = malloc((size_t)st.st_size + 2)) != NULL) {
        b->room = (size_t)st.st_size + 2;   /* one byte to see the end by, one for the NUL */
    }
    for (;;) {
        if (b->room < b->size + 2 && bytes_grow(b, r) != 0) {
            return -1;
        }
        ssize_t got = read(fd, b->at + b->size, b->room - b->size - 1);
        if (got == 0) {
            return 0;
        }
        if (got < 0 && errno == EINTR && !S_ISREG(st.st_mode)) {
            return read_stopped(r);
        }
        if (got < 0 && errno != EINTR) {
            return err_errno(r->err, r->status, r->name, "can't be read");
        }
        b->size += got > 0 ? (size_t)got : 0;
        if (b->size > most) {
            return too_large(r, most, "");
        }
    }
}

static int is_gzip(const unsigned char *at, size_t size) {
    return size >= 3 && at[0] == 0x1f && at[1] == 0x8b && at[2] == 8;
}

/* Is what follows the end of a gzip member nothing but padding? */
static int all_zero(const unsigned char *at, size_t size) {
    while (size > 0 && *at == 0) {
        at++;
        size--;
    }
    return size == 0;
}

/* One call of inflate between `z` and the rest of `in`, growing `out`. zlib counts in unsigned, so in parts. */
static int inflate_part(z_stream *z, const struct bytes *in, struct bytes *out, const struct reading *r) {
    if (out->room < out->size + 2 && bytes_grow(out, r) != 0) {
        return Z_MEM_ERROR;
    }
    size_t left = (size_t)(in->at + in->size - z->next_in), space = out->room - out->size - 1;
    z->avail_in = (uInt)(left < UINT_MAX ? left : UINT_MAX);
    z->avail_out = (uInt)(space < UINT_MAX ? space : UINT_MAX);
    z->next_out = out->at + out->size;
    int result = inflate(z, Z_NO_FLUSH);
    out->size = (size_t)(z->next_out - out->at);
    return result;
}

static int inflate_all(z_stream *z, const struct bytes *in, size_t most, struct bytes *out, const struct reading *r) {
    for (;;) {
        int result = inflate_part(z, in, out, r);
        if (out->size > most) {
            return too_large(r, most, " once unpacked");
        }
        size_t left = (size_t)(in->at + in->size - z->next_in);
        if (result == Z_STREAM_END) {
            if (all_zero(z->next_in, left)) {
                return 0;
            }
            if (!is_gzip(z->next_in, left) || inflateReset(z) != Z_OK) {
                return err_add(r->err, r->status, "%s: %zu bytes of junk behind the gzip data", r->name, left);
            }
        } else if (result == Z_MEM_ERROR) {
            return -1;
        } else if (result == Z_BUF_ERROR && left == 0) {
            return err_add(r->err, r->status, "%s: the gzip data is cut off", r->name);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            const char *why = z->msg == NULL ? "no reason given" : z->msg;
            return err_add(r->err, r->status, "%s: the gzip data is corrupt: %s", r->name, why);
        }
    }
}

/* Replaces the gzip stream in `b` by what it unpacks to. */
static int gunzip_all(struct bytes *b, size_t most, const struct reading *r) {
    z_stream z = {.next_in = b->at};
    struct bytes out = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK) {   /* the largest window; 16: a gzip header */
        return err_add(r->err, STATUS_FAILED, "%s: out of memory", r->name);
    }
    int result = inflate_all(&z, b, most, &out, r);
    inflateEnd(&z);
    if (result != 0) {
        free(out.at);
        return -1;
    }
    free(b->at);
    *b = out;
    return 0;
}

static int read_and_unpack(int fd, int gunzip, size_t most, struct bytes *b, const struct reading *r) {
    /* gzip makes what can't be packed a little larger: 5 bytes in 16 KiB, and the header with its name */
    size_t packed = gunzip && most < SIZE_MAX / 2 ? most + most / 1024 + 4096 : most;
    if (read_all(fd, packed, b, r) != 0) {
        return -1;
    }
    if (gunzip && is_gzip(b->at, b->size)) {
        return gunzip_all(b, most, r);
    }
    return b->size > most ? too_large(r, most, "") : 0;
}

int file_read(const char *path, int gunzip, size_t most, enum status status, unsigned char **bytes, size_t *size,
              struct err *err) {
    int standard = strcmp(path, "-") == 0;
    struct reading r = {standard ? "standard input" : path, status, err};
    struct bytes b = {0};
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {   /* of a FIFO that nobody writes to, opening is what waits */
        return errno == EINTR ? read_stopped(&r) : err_errno(err, status, path, "can't be opened");
    }
    int result = read_and_unpack(fd, gunzip, most, &b, &r);
    if (!standard) {
        close(fd);
    }
    if (result != 0) {
        free(b.at);
        return -1;
    }
    b.at[b.size] = '\0';
    *bytes = b.at;
    *size = b.size;
    return 0;
}

size_t file_mark(const void *text, size_t size) {
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    return size >= sizeof mark && memcmp(text, mark, sizeof mark) == 0 ? sizeof mark : 0;
}

int file_make_folder(const char *path, struct err *err) {
    char *part = mem_copy(path);
    int result = 0;
    for (char *at = part; result == 0 && *at != '\0';) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char after = *at;
        *at = '\0';
        int error = mkdir(part, 0777) != 0 ? errno : 0;
        if (error != 0 && !file_is_folder(part)) {
            errno = error;   /* looking for the folder has set its own */
            result = err_errno(err, STATUS_FAILED, part, "can't be made a folder");
        }
        *at = after;
    }
    free(part);
    return result;
}

int file_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

char *file_find_data(const char *path) {
    const char *base = getenv("DLCLI_DATA");
    if (file_exists(path)) {
        return mem_copy(path);
    }
    if (base == NULL || *base == '\0' || *path == '/') {
        return NULL;
    }
    path += strncmp(path, "./", 2) == 0 ? 2 : 0;
    char *found = mem_format("%s/%s", base, path);
    if (!file_exists(found) && strncmp(path, "data/", 5) == 0) {
        free(found);
        found = mem_format("%s/%s", base, path + 5);
    }
    if (!file_exists(found)) {
        free(found);
        return NULL;
    }
    return found;
}
