/* Files: read whole with a limit, written atomically (temporary name, fsync, rename), every call checked. */
#ifndef DLCLI_FILE_H
#define DLCLI_FILE_H

#include <stdio.h>
#include "base/err.h"

/* Reads the regular file (or pipe) `path` ("-": stdin), at most `most` bytes, gunzipping it if its content is gzip and `gunzip` is set
 * (the limit holds for the unpacked size). *bytes is malloc'ed with a NUL behind its `*size` bytes; the caller frees it.
 * A directory, a missing or unreadable file, a truncated or corrupt gzip stream: an error of `status`. */
int file_read(const char *path, int gunzip, size_t most, enum status status, unsigned char **bytes, size_t *size, struct err *err);

/* Bytes of UTF-8's byte order mark, which some editors put before a text: 3 where `text` begins with it, else 0. */
size_t file_mark(const void *text, size_t size);

/* A file being written under a temporary name in the same folder (".NAME.part-0", locked while it is written; what a killed process left
 * under that name is taken over). "-" is stdout; a device or pipe is written as it is; a symbolic link keeps pointing where it does.
 * Failures are STATUS_FAILED. After a failed file_begin there is nothing to free; else end with file_commit or file_abandon. */
struct file_writer { FILE *file; char *path, *temporary; int lock; };
int file_begin(struct file_writer *w, const char *path, struct err *err);
int file_put(struct file_writer *w, const void *bytes, size_t size, struct err *err);
/* Flushes, fsyncs, renames, fsyncs the folder; on any failure the temporary file is gone and the old one untouched. Ends `w` either way. */
int file_commit(struct file_writer *w, struct err *err);
void file_abandon(struct file_writer *w);

/* Can `path` be written? Tried before work begins, by beginning the file: STATUS_REFUSED where not. stdout, devices and pipes are left alone. */
int file_try(const char *path, struct err *err);

/* All of it at once, atomically; "-" writes to stdout. */
int file_write(const char *path, const void *bytes, size_t size, struct err *err);

/* mkdir -p. */
int file_make_folder(const char *path, struct err *err);
int file_is_folder(const char *path);
int file_exists(const char *path);

/* Path as given if it exists, else $DLCLI_DATA/path if that exists, also with leading "data/" cut; else NULL. malloc'ed. */
char *file_find_data(const char *path);

#endif
