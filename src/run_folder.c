/* The RUN folder (run_folder.h). The lock is a file in it, held by flock: a killed process leaves none behind. */
#include "run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static const char LOCK[] = ".lock";

char *run_folder_name(const char *config_path) {
    const char *slash = strrchr(config_path, '/'), *name = slash == NULL ? config_path : slash + 1;
    const char *dot = strrchr(name, '.');
    size_t length = dot == NULL || dot == name ? strlen(name) : (size_t)(dot - name);
    return strcmp(name, "-") == 0 ? mem_copy("runs/stdin") : mem_format("runs/%.*s", (int)length, name);
}

/* ---- the lock ---- */

/* Is the file behind `fd` still the one called `path`? Another process may have removed its folder before we locked. */
static int still_there(int fd, const char *path) {
    struct stat here, there;
    return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

static int lock_take(struct run_folder *f, struct err *err) {
    char *path = mem_format("%s/%s", f->path, LOCK);
    int result = 0;
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (f->lock < 0) {
        result = err_errno(err, STATUS_REFUSED, path, "can't be written");
    } else if (flock(f->lock, LOCK_EX | LOCK_NB) != 0 || !still_there(f->lock, path)) {
        result = err_add(err, STATUS_REFUSED, "%s: another dlcli is training into this folder; give another with -o",
                         f->path);
        close(f->lock);
        f->lock = -1;
    } else if (access(f->path, W_OK | X_OK) != 0) {
        result = err_errno(err, STATUS_REFUSED, f->path, "can't be written");
    }
    free(path);
    return result;
}

int run_folder_guard(const char *path, struct err *err) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? mem_copy(".") : mem_copy_n(path, (size_t)(slash - path) + (slash == path)), *lock = mem_format("%s/%s", folder, LOCK);
    int fd = strcmp(path, "-") == 0 ? -1 : open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), result = 0;
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        result = err_add(err, STATUS_REFUSED, "%s: another dlcli is training into this folder", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(lock);
    free(folder);
    return result;
}

static int folder_make(struct run_folder *f, struct err *err) {
    struct err refused = {0};
    f->made = !file_exists(f->path);
    if (file_make_folder(f->path, &refused) == 0) {
        return 0;
    }
    refused.status = STATUS_REFUSED;   /* found before work began */
    f->made = 0;
    return err_move(err, &refused);
}

int run_folder_open(struct run_folder *f, const char *path, struct err *err) {
    *f = (struct run_folder){.path = mem_copy(path), .lock = -1};
    size_t length = strlen(f->path);
    while (length > 1 && f->path[length - 1] == '/') {
        f->path[--length] = '\0';
    }
    f->last = mem_format("%s/last.safetensors", f->path);
    f->best = mem_format("%s/best.safetensors", f->path);
    f->rollback = mem_format("%s/rollback.safetensors", f->path);
    f->metrics = mem_format("%s/metrics.jsonl", f->path);
    f->config = mem_format("%s/config.cfg", f->path);
    if (length == 0) {
        return err_add(err, STATUS_REFUSED, "-o: want a folder, found \"\"");
    }
    return folder_make(f, err) != 0 ? -1 : lock_take(f, err);
}

void run_folder_close(struct run_folder *f, int used) {
    if (f->lock >= 0) {
        if (f->made && !used) {   /* what isn't empty stays: rmdir says no */
            char *path = mem_format("%s/%s", f->path, LOCK);
            unlink(path);
            free(path);
            rmdir(f->path);
        }
        close(f->lock);
    }
    free(f->path);
    free(f->last);
    free(f->best);
    free(f->rollback);
    free(f->metrics);
    free(f->config);
    *f = (struct run_folder){.lock = -1};
}

/* ---- checkpoints ---- */

const char *run_folder_epoch(uint64_t epoch, char buffer[40]) {
    snprintf(buffer, 40, "epoch-%04llu.safetensors", (unsigned long long)epoch);
    return buffer;
}

/* The number in "epoch-0007.safetensors", or -1. */
static long long epoch_of(const char *name) {
    unsigned long long epoch;
    char wanted[40];
    if (sscanf(name, "epoch-%12llu.", &epoch) != 1 || strcmp(run_folder_epoch(epoch, wanted), name) != 0) {
        return -1;
    }
    return (long long)epoch;
}

/* One of an epoch that --keep kept. */
static const char *find_epoch(const struct run_folder *f, char buffer[40]) {
    DIR *folder = opendir(f->path);
    long long epoch = -1;
    struct dirent *entry;
    while (folder != NULL && epoch < 0 && (entry = readdir(folder)) != NULL) {
        epoch = epoch_of(entry->d_name);
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return epoch < 0 ? NULL : run_folder_epoch((uint64_t)epoch, buffer);
}

const char *run_folder_checkpoint(const struct run_folder *f, char buffer[40]) {
    return file_exists(f->last) ? "last.safetensors" : file_exists(f->best) ? "best.safetensors" : find_epoch(f, buffer);
}

void run_folder_prune(const struct run_folder *f, uint64_t most) {
    DIR *folder = opendir(f->path);
    if (folder == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        long long epoch = epoch_of(entry->d_name);
        if (epoch >= 0 && (uint64_t)epoch <= most) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
}

int run_folder_is_config(const struct run_folder *f, const char *path) {
    struct stat mine, given;
    int found = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &given) : stat(path, &given);
    return found == 0 && stat(f->config, &mine) == 0 && mine.st_dev == given.st_dev && mine.st_ino == given.st_ino;
}

int run_folder_clear(const struct run_folder *f, struct err *err) {
    const char *const files[] = {f->last, f->best, f->rollback, f->metrics, f->config};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (unlink(files[i]) != 0 && errno != ENOENT) {
            return err_errno(err, STATUS_REFUSED, files[i], "can't be removed");
        }
    }
    run_folder_prune(f, UINT64_MAX);
    return 0;
}

int run_folder_also(const struct run_folder *f, const char *from, const char *name, struct err *err) {
    char *path = mem_format("%s/%s", f->path, name), *temporary = mem_format("%s/.%s.part-link", f->path, name);
    int result = 0;
    unlink(temporary);   /* of a killed process: RUN is ours */
    if (link(from, temporary) != 0) {
        int unable = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK || errno == EXDEV;
        result = unable ? 1 : err_errno(err, STATUS_FAILED, path, "can't be made a link");
    } else if (rename(temporary, path) != 0) {
        result = err_errno(err, STATUS_FAILED, path, "can't be given its name");
    }
    unlink(temporary);   /* rename leaves it where both names were the same file's already */
    free(temporary);
    free(path);
    return result;
}

/* ---- runs/last ---- */

/* What runs/last has to say to lead to `folder`: its bare name where it lies in runs/, else its whole path. NULL where
 * there is nothing to say, as runs/last is the folder itself. malloc'ed. */
static char *point_target(const char *folder) {
    char *real = realpath(folder, NULL), *runs = realpath("runs", NULL), *target = NULL;
    if (real != NULL && runs != NULL) {
        char *name = strrchr(real, '/');
        int inside = (size_t)(name - real) == strlen(runs) && strncmp(real, runs, strlen(runs)) == 0;
        target = !inside ? mem_copy(real) : strcmp(name, "/last") == 0 ? NULL : mem_copy(name + 1);
    }
    free(real);
    free(runs);
    return target;
}

void run_folder_point(const struct run_folder *f, struct err *err) {
    static const char LAST[] = "runs/last";
    struct err ignored = {0};
    struct stat st;
    if (file_make_folder("runs", &ignored) != 0 || (lstat(LAST, &st) == 0 && !S_ISLNK(st.st_mode))) {
        err_warn(err, "%s is left as it is: it can't be made a link to %s", LAST, f->path);
        err_free(&ignored);
        return;
    }
    char *target = point_target(f->path), *temporary = mem_format("runs/.last.part-%ld", (long)getpid());
    if (target != NULL) {
        unlink(temporary);
        if (symlink(target, temporary) != 0 || rename(temporary, LAST) != 0) {
            err_warn(err, "%s can't be made a link to %s: %s", LAST, f->path, strerror(errno));
            unlink(temporary);
        }
    }
    free(target);
    free(temporary);
}
