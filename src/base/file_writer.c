/* Whole files out (file.h): under a temporary name, synced, renamed; a killed process leaves the old file as it was. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* "folder/.name.part-0" for "folder/name". */
static char *temporary_name(const char *path, int number) {
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 0 : (int)(slash - path) + 1;
    return mem_format("%.*s.%s.part-%d", folder, path, path + folder, number);
}

/* Is `fd` locked by us alone and still the file called `name`? Another writer may have renamed it before. */
static int temporary_ours(int fd, const char *name) {
    struct stat here, there;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return 0;
    }
    int both = fstat(fd, &here) == 0 && stat(name, &there) == 0;
    return both && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* Opens a temporary file that no living process writes. What a killed one left is taken over, so that leftovers
 * don't pile up; the lock tells the two apart. */
static int temporary_open(struct file_writer *w) {
    enum { TRIES = 1000 };
    for (int i = 0; i < TRIES; i++) {
        char *name = temporary_name(w->path, i);
        int fd = open(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 && temporary_ours(fd, name) && ftruncate(fd, 0) == 0) {
            w->temporary = name;
            return fd;
        }
        struct stat st;
        int error = errno, taken = lstat(name, &st) == 0;   /* by another writer, or another user's leftover */
        free(name);
        if (fd >= 0) {
            close(fd);
        } else if (!taken) {
            errno = error;
            return -1;
        }
    }
    errno = EBUSY;
    return -1;
}

/* Opens what is written to: stdout, a device or pipe as it is, else a temporary file beside the one `path` leads to. */
static int target_open(struct file_writer *w, const char *path) {
    struct stat st;
    w->lock = -1;
    if (strcmp(path, "-") == 0) {
        w->path = mem_copy("standard output");
        return dup(STDOUT_FILENO);
    }
    int exists = stat(path, &st) == 0;
    char *real = exists ? realpath(path, NULL) : NULL;   /* a link keeps being one: the file behind it is replaced */
    w->path = real != NULL ? real : mem_copy(path);
    if (exists && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (exists && !S_ISREG(st.st_mode)) {
        return open(path, O_WRONLY | O_CLOEXEC);
    }
    int fd = temporary_open(w);
    w->lock = fd < 0 ? -1 : dup(fd);
    return fd;
}

int file_begin(struct file_writer *w, const char *path, struct err *err) {
    *w = (struct file_writer){0};
    int fd = target_open(w, path);
    w->file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (w->file == NULL) {
        err_errno(err, STATUS_FAILED, path, "can't be written");
        if (fd >= 0) {
            close(fd);
        }
        file_abandon(w);
        return -1;
    }
    return 0;
}

int file_put(struct file_writer *w, const void *bytes, size_t size, struct err *err) {
    if (size > 0 && fwrite(bytes, 1, size, w->file) != size) {
        return err_errno(err, STATUS_FAILED, w->path, "can't be written");
    }
    return 0;
}

/* The rename itself must reach the disk too. A file system that can't sync folders says EINVAL; so be it. */
static int sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? mem_copy(".") : mem_copy_n(path, slash == path ? 1 : (size_t)(slash - path));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) {
        return errno == EACCES ? 0 : -1;   /* a folder one may write but not list */
    }
    int result = fsync(fd) != 0 && errno != EINVAL ? -1 : 0;
    close(fd);
    return result;
}

/* The steps of file_commit; NULL or what failed, with errno. */
static const char *commit_steps(struct file_writer *w) {
    if (ferror(w->file)) {
        errno = EIO;   /* the caller has heard the real reason from file_put */
        return "can't be written";
    }
    if (fflush(w->file) != 0 || (w->temporary != NULL && fsync(fileno(w->file)) != 0)) {
        return "can't be written";
    }
    FILE *file = w->file;
    w->file = NULL;
    if (fclose(file) != 0) {
        return "can't be written";
    }
    if (w->temporary == NULL) {
        return NULL;
    }
    if (rename(w->temporary, w->path) != 0) {
        return "can't be given its name";
    }
    free(w->temporary);
    w->temporary = NULL;
    return sync_folder(w->path) == 0 ? NULL : "is written, but its folder can't be synced";
}

int file_commit(struct file_writer *w, struct err *err) {
    const char *failed = commit_steps(w);
    if (failed != NULL) {
        err_errno(err, STATUS_FAILED, w->path, failed);
    }
    file_abandon(w);
    return failed == NULL ? 0 : -1;
}

void file_abandon(struct file_writer *w) {
    if (w->file != NULL) {
        fclose(w->file);
    }
    if (w->temporary != NULL) {
        unlink(w->temporary);
    }
    if (w->path != NULL && w->lock >= 0) {
        close(w->lock);   /* last: while it is held no other writer takes the temporary name */
    }
    free(w->temporary);
    free(w->path);
    *w = (struct file_writer){0};
}

int file_write(const char *path, const void *bytes, size_t size, struct err *err) {
    struct file_writer w;
    if (file_begin(&w, path, err) != 0) {
        return -1;
    }
    if (file_put(&w, bytes, size, err) != 0) {
        file_abandon(&w);
        return -1;
    }
    return file_commit(&w, err);
}

int file_try(const char *path, struct err *err) {
    struct file_writer w;
    struct stat st;
    struct err refused = {0};
    if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
        return 0;
    }
    if (file_begin(&w, path, &refused) == 0) {
        file_abandon(&w);
        return 0;
    }
    refused.status = STATUS_REFUSED;
    return err_move(err, &refused);
}
